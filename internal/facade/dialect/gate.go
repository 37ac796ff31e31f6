package dialect

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

const (
	// maxBody is how many bytes a body may have where nothing else is said.
	maxBody = 64 << 10
	// maxFaults is how many faults an answer tells: all that the fields of a batch can have. Two bytes of a list make one as well,
	// and an answer must not be many times the size of the request.
	maxFaults = 4096
)

// operation is an Operation with what the document says of it.
type operation struct {
	Operation

	parameters []*openapi3.Parameter
	body       *openapi3.Schema
	bodyNeeded bool
}

// operations are those of a dialect by the pattern of the mux. The document and the dialect must name the same.
func (d *Dialect) operations(document *openapi3.T) (map[string]*operation, error) {
	found := make(map[string]*operation, len(d.Operations))
	for path, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			given, ok := d.Operations[described.OperationID]
			if !ok {
				return nil, fmt.Errorf("%s does not know operation %s of its document", d.Name, described.OperationID)
			}
			o := &operation{Operation: given}
			if o.MaxBody == 0 {
				o.MaxBody = maxBody
			}
			for _, parameters := range []openapi3.Parameters{item.Parameters, described.Parameters} {
				for _, p := range parameters {
					o.parameters = append(o.parameters, p.Value)
				}
			}
			if described.RequestBody != nil {
				body := described.RequestBody.Value
				o.body, o.bodyNeeded = body.Content["application/json"].Schema.Value, body.Required
			}
			found[method+" "+path] = o
		}
	}
	if len(found) != len(d.Operations) {
		return nil, fmt.Errorf("%s has %d operations, but its document %d", d.Name, len(d.Operations), len(found))
	}
	return found, nil
}

// gate checks what can be checked before a handler: path and query, the organisation and the right to the operation, and
// then the body by the document. The first failure answers.
func (h *handler) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := h.operations[r.Pattern]
		if o == nil {
			h.refuse(w, r, fmt.Errorf("pattern %q is not in the document", r.Pattern))
			return
		}
		entered, err := h.enter(r, o)
		if err == nil && o.body != nil {
			entered, err = h.readBody(w, entered, o)
		}
		if err != nil {
			h.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, entered)
	})
}

// enter checks path and query, and who may come in.
func (h *handler) enter(r *http.Request, o *operation) (*http.Request, error) {
	if err := h.checkParameters(r, o); err != nil {
		return nil, err
	}
	session := SessionOf(r.Context())
	if o.OnePerson {
		h.domain.Store.SettleFor(r.Context(), session.Caller.Username)
	} else {
		h.domain.Store.Settle(r.Context(), session.Caller.Username)
	}
	if o.Organisation == "" {
		h.guard.Entered(r.Context(), "")
		return r, nil
	}
	var err error
	ref := o.Ref(r.PathValue(o.Organisation))
	switch {
	case ref == domain.Ref{}:
		err = fault.New(fault.NotFound, "")
	case o.Entry == ByInvitation:
		session.Organisation, err = h.domain.Find(ref)
	case o.Entry == ByMembership:
		session.Organisation, err = h.domain.EnterAsMember(r.Context(), session.Caller, ref)
	default:
		session.Organisation, err = h.domain.Enter(r.Context(), session.Caller, ref, o.Rights...)
	}
	name := ""
	if session.Organisation != nil {
		name = session.Organisation.Name
	}
	h.guard.Entered(r.Context(), name)
	return r.WithContext(withSession(r.Context(), session)), err
}

// checkParameters checks path and query by the document.
func (h *handler) checkParameters(r *http.Request, o *operation) error {
	var details []fault.Detail
	query := r.URL.Query()
	for _, p := range o.parameters {
		value, given := r.PathValue(p.Name), true
		place := fault.Path
		if p.In == openapi3.ParameterInQuery {
			place = fault.Query
			values := query[p.Name]
			if given = len(values) > 0; given {
				value = values[0]
			}
			if text := badQuery(r.URL.RawQuery, p.Name, values); text != "" {
				details = append(details, fault.Detail{In: place, Path: []any{p.Name}, Text: text})
				continue
			}
		}
		if !given {
			if p.Required || slices.Contains(o.Needed, p.Name) {
				details = append(details, fault.Detail{In: place, Path: []any{p.Name}, Reason: fault.Missing, Text: missing})
			}
			continue
		}
		for _, d := range parameterFaults(p.Schema.Value, value) {
			d.In, d.Path = place, []any{p.Name}
			details = append(details, d)
		}
	}
	if len(details) == 0 {
		return nil
	}
	if details[0].In == fault.Path && h.BadPath == fault.NotFound {
		return fault.New(fault.NotFound, "")
	}
	return &fault.Error{Kind: fault.Invalid, Details: details}
}

// badQuery says why the value of a parameter cannot be told; "" if it can. What cannot be decoded is not among the values.
func badQuery(raw, name string, values []string) string {
	if len(values) > 1 {
		return "must be given once"
	}
	for pair := range strings.SplitSeq(raw, "&") {
		given, _, _ := strings.Cut(pair, "=")
		if _, err := url.ParseQuery(pair); err != nil && given == name {
			return "cannot be decoded"
		}
	}
	return ""
}

// refuse answers an error in the dialect's envelope.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := h.renamed(fault.As(err))
	h.guard.Failed(r.Context(), e)
	status, body := h.Envelope(e)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	switch e.Kind {
	case fault.Unauthenticated:
		header.Set("WWW-Authenticate", "Bearer")
	case fault.MethodNotAllowed:
		header.Set("Allow", e.Allow)
	case fault.NeedsTLS:
		header.Set("Upgrade", "TLS/1.2")
		header.Set("Connection", "Upgrade")
	case fault.RateLimited:
		header.Set("Retry-After", seconds(e.RetryAfter))
	case fault.TooLarge:
		header.Set("Connection", "close")
	default:
	}
	if h.Headers != nil {
		h.Headers(e, header)
	}
	writeJSON(w, status, body)
}

// renamed puts the dialect's names in the place of the domain's.
func (h *handler) renamed(e *fault.Error) *fault.Error {
	if len(e.Details) == 0 {
		return e
	}
	renamed := *e
	renamed.Details = h.named(e.Details[:min(len(e.Details), maxFaults)])
	return &renamed
}

// named is renamed for details.
func (h *handler) named(details []fault.Detail) []fault.Detail {
	renamed := make([]fault.Detail, 0, len(details))
	for _, d := range details {
		path := make([]any, 0, len(d.Path))
		for _, element := range d.Path {
			if field, ok := element.(fault.Field); ok {
				if element = h.Fields[field]; element == "" {
					continue
				}
			}
			path = append(path, element)
		}
		d.Path = path
		renamed = append(renamed, d)
	}
	return renamed
}

// badRequest answers what the generated code could not read.
func (h *handler) badRequest(w http.ResponseWriter, r *http.Request, err error) {
	if o := h.operations[r.Pattern]; o != nil {
		if better := h.checkParameters(r, o); better != nil {
			err = better
		}
	}
	if _, known := errors.AsType[*fault.Error](err); !known {
		err = &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Body, Text: strings.ToLower(err.Error())}}}
	}
	h.refuse(w, r, err)
}
