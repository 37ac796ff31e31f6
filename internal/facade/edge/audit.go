package edge

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxObjects is how many objects an audit line names. A batch may change a thousand; each is in the API server's own audit log.
const maxObjects = 20

// Audit is what is known of a change, for its audit line. Its methods can be called concurrently, and do nothing when it is nil.
type Audit struct {
	mu                         sync.Mutex
	actor, organisation, route string
	objects                    []string
	count                      int
}

// AuditOf is the record of a context's request, nil if its method changes nothing.
func AuditOf(ctx context.Context) *Audit {
	if q := requestOf(ctx); q != nil {
		return q.audit
	}
	return nil
}

// SetActor says who asks: the username.
func (a *Audit) SetActor(username string) { a.set(func() { a.actor = username }) }

// SetOrganisation says which organisation the request is about: the name of the Organisation.
func (a *Audit) SetOrganisation(name string) { a.set(func() { a.organisation = name }) }

// SetRoute says which route the request takes: its pattern, without the values that a request has in their place.
func (a *Audit) SetRoute(pattern string) { a.set(func() { a.route = pattern }) }

// Object adds an object that the request changes; the same one again counts once while it is among those that are named.
func (a *Audit) Object(kind, namespace, name string) {
	object := kind + " " + name
	if namespace != "" {
		object = kind + " " + namespace + "/" + name
	}
	a.set(func() {
		if slices.Contains(a.objects, object) {
			return
		}
		if a.count++; len(a.objects) < maxObjects {
			a.objects = append(a.objects, object)
		}
	})
}

func (a *Audit) set(change func()) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// audited writes one line about each request whose method may change something, once it is answered. The line has nothing
// that the client wrote but what inner code has put into the record.
func audited(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		default:
			next.ServeHTTP(w, r)
			return
		}
		q := requestOf(r.Context())
		q.audit = &Audit{}
		// A handler that does not return has cut the connection, whatever its status was.
		started, decided := o.Clock.Now(), failed
		defer func() { o.write(r, q, decided, o.Clock.Since(started)) }()
		next.ServeHTTP(w, r)
		q.begin()
		decided = decisionOf(q.status)
	})
}

// write logs a record.
func (o *Options) write(r *http.Request, q *request, decided decision, took time.Duration) {
	a := q.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	route := a.route
	switch {
	case route != "":
	case o.Route != nil:
		route = o.Route(r)
	default:
		route = r.Pattern
	}
	o.Log.Info("Audit",
		"actor", a.actor, "organisation", a.organisation, "objects", a.objects, "objectCount", a.count,
		"method", r.Method, "route", route, "decision", decided, "status", q.status,
		"milliseconds", took.Milliseconds(), "source", q.client.source.String(), "requestID", q.id)
}

// decision is what became of a request.
type decision string

const (
	allowed decision = "allowed"
	denied  decision = "denied"
	invalid decision = "invalid"
	failed  decision = "failed"
)

func decisionOf(status int) decision {
	switch {
	case status < http.StatusBadRequest:
		return allowed
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
		return denied
	case status < http.StatusInternalServerError:
		return invalid
	default:
		return failed
	}
}
