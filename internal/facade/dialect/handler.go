package dialect

import (
	"context"
	"net/http"
	"net/url"
	"path"
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
	// Identify says who calls. The context that it returns is the one that the request goes on with.
	Identify(r *http.Request) (context.Context, *identity.Caller, error)
	// Entered is told which route a request takes, and which organisation it is about: "" for none, or one that is not seen.
	Entered(ctx context.Context, route, organisation string)
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
	h := &handler{Dialect: d, domain: domain, guard: guard, mux: http.NewServeMux(), operations: operations}
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
	if err := h.route(r); err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, caller, err := h.guard.Identify(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(WithSession(ctx, Session{Caller: caller}), requestTimeout)
	defer cancel()
	h.mux.ServeHTTP(w, r.WithContext(ctx)) //nolint:contextcheck // It comes from the request by way of the guard.
}

// Refuse answers an error in the dialect's envelope: for what stands outside of its routes.
func (s *Served) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.handler.refuse(w, r, err)
}

// route says why there is no route for a request.
func (h *handler) route(r *http.Request) error {
	raw := r.URL.EscapedPath()
	// The mux would redirect to the clean path, which is another one.
	if cleaned := path.Clean(raw); cleaned != raw {
		return fault.New(fault.NotFound, "")
	}
	found, pattern := h.mux.Handler(r)
	if pattern != "" {
		return nil
	}
	answer := &answerHeader{header: http.Header{}}
	found.ServeHTTP(answer, r)
	allow := answer.header.Get("Allow")
	if allow == "" || h.UnknownMethod == fault.NotFound {
		return fault.New(fault.NotFound, "")
	}
	return &fault.Error{Kind: fault.MethodNotAllowed, Allow: allow}
}

// answerHeader takes the headers of an answer and drops the rest: the mux knows the methods of a path, and tells nobody else.
type answerHeader struct{ header http.Header }

// Header is all that is kept.
func (a *answerHeader) Header() http.Header { return a.header }

// WriteHeader drops the status.
func (*answerHeader) WriteHeader(int) {}

func (*answerHeader) Write(text []byte) (int, error) { return len(text), nil }
