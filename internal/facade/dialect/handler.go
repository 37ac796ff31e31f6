package dialect

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// Guard is what stands before a dialect's routes, whichever dialect it is.
type Guard interface {
	// Secure says why a request must not be answered in clear.
	Secure(r *http.Request) error
	// Routed is told which route a request is for, before anything else is known.
	Routed(ctx context.Context, route string)
	// Identify says who calls, by the credentials that count. The context that it returns is the one that the request goes on with.
	Identify(r *http.Request, accepted Credentials) (context.Context, *identity.Caller, error)
	// Entered is told which organisation a request is about: "" for none, or one that is not seen.
	Entered(ctx context.Context, organisation string)
	// Failed is told what went wrong.
	Failed(ctx context.Context, e *fault.Error)
}

// requestTimeout bounds a request as a whole. It is longer than anything waits, and shorter than the server's own limit.
const requestTimeout = 30 * time.Second

// handler serves a dialect.
type handler struct {
	*Dialect

	domain     *domain.Domain
	guard      Guard
	mux        *http.ServeMux
	operations map[string]*operation
	// paths knows the paths of the document, and methods what each may be asked for.
	paths   *http.ServeMux
	methods map[string][]string
}

// Handler serves a dialect.
func (d *Dialect) Handler(domain *domain.Domain, guard Guard) (*Served, error) {
	document, err := loadDocument(d)
	if err != nil {
		return nil, err
	}
	operations, err := d.operations(document)
	if err != nil {
		return nil, err
	}
	h := &handler{
		Dialect: d, domain: domain, guard: guard, mux: http.NewServeMux(), operations: operations,
		paths: http.NewServeMux(), methods: map[string][]string{},
	}
	h.addPaths()
	d.Register(h.mux, Hooks{Gate: h.gate, BadRequest: h.badRequest, Refuse: h.refuse})
	return &Served{handler: h}, nil
}

// Served is a dialect that is served.
type Served struct{ handler *handler }

// Owns tells whether a path is the dialect's: by its segments, each decoded once.
func (s *Served) Owns(segments string) bool {
	for _, root := range s.handler.Roots {
		if segments == root || strings.HasSuffix(root, "/") && strings.HasPrefix(segments, root) {
			return true
		}
	}
	return false
}

// Segments is a raw path with each segment decoded once, and what was a slash within one made something else: enough to
// tell whose a path is. False for a path that cannot be decoded.
func Segments(raw string) (string, bool) {
	if !strings.Contains(raw, "%") {
		return raw, true
	}
	segments := strings.Split(raw, "/")
	for i, segment := range segments {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return "", false
		}
		segments[i] = strings.ReplaceAll(decoded, "/", "\x00")
	}
	return strings.Join(segments, "/"), true
}

// ServeHTTP checks what comes before the organisation, in order: TLS, route, credentials and rate.
func (s *Served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.handler
	w.Header().Set("Cache-Control", "no-store")
	if err := h.guard.Secure(r); err != nil {
		h.refuse(w, r, err)
		return
	}
	pattern, err := h.route(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.guard.Routed(r.Context(), pattern)
	ctx, caller, err := h.guard.Identify(r, h.Credentials)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(withSession(ctx, Session{Caller: caller}), requestTimeout)
	defer cancel()
	h.mux.ServeHTTP(w, r.WithContext(ctx)) //nolint:contextcheck // It comes from the request by way of the guard.
}

// Refuse answers an error in the dialect's envelope: for what stands outside of its routes.
func (s *Served) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.handler.refuse(w, r, err)
}

// route is the pattern of a request's route in the document, or why there is none. Which path it is comes first, so that a
// literal segment wins over a parameter whatever the method.
func (h *handler) route(r *http.Request) (string, error) {
	raw := r.URL.EscapedPath()
	// A mux would redirect to the clean path, which is another one.
	if cleaned := path.Clean(raw); cleaned != raw {
		return "", fault.New(fault.NotFound, "")
	}
	_, pattern := h.paths.Handler(r)
	methods := h.methods[pattern]
	switch {
	case r.Method == http.MethodHead && slices.Contains(methods, r.Method):
		return http.MethodGet + " " + pattern, nil
	case slices.Contains(methods, r.Method):
		return r.Method + " " + pattern, nil
	case len(methods) == 0 || h.UnknownMethod == fault.NotFound:
		return "", fault.New(fault.NotFound, "")
	}
	return "", &fault.Error{Kind: fault.MethodNotAllowed, Allow: strings.Join(methods, ", ")}
}

// addPaths notes which methods each path of the document knows. HEAD goes with GET, as in net/http.
func (h *handler) addPaths() {
	for pattern := range h.operations {
		method, route, _ := strings.Cut(pattern, " ")
		if h.methods[route] == nil {
			h.paths.Handle(route, http.NotFoundHandler())
		}
		h.methods[route] = append(h.methods[route], method)
		if method == http.MethodGet {
			h.methods[route] = append(h.methods[route], http.MethodHead)
		}
	}
	for _, methods := range h.methods {
		slices.Sort(methods)
	}
}
