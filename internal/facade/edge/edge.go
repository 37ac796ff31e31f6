// Package edge is what stands between the network and the routes: who is on the other end of a connection, how much of
// anything one may send, and what is written down about a request. It knows nothing of organisations, nor of dialects.
package edge

import (
	"context"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/telemetry"
)

// Options for New.
type Options struct {
	Log   logr.Logger
	Clock clock.PassiveClock
	// Proxies whose word about the client counts; none: every peer is the client.
	Proxies Proxies
	// Origins that browsers may call from; none: no answer says anything about origins.
	Origins Origins
	// Route names the route of a request for the audit line where the record has none; nil: the pattern of the mux, which
	// is known here only if nothing behind this package copied the request.
	Route func(r *http.Request) string
	// Failed answers a request whose handler panicked before it answered; nil: a bare 500.
	Failed http.HandlerFunc
}

// New puts the middleware before a handler. A request goes through it from the last line to the first.
func New(next http.Handler, o Options) http.Handler {
	next = recovered(next, o)
	next = audited(next, o)
	next = measured(next, o)
	if telemetry.Tracing() {
		next = traced(next)
	}
	next = shared(next, o.Origins)
	return entered(next, o.Proxies)
}

type requestKey struct{}

// request is what is known of a request from its start. All of it is one value, because every request pays for it. It is not
// reused: work that outlives its request must not find another one's id in its context.
type request struct {
	answer

	id     string
	header [1]string
	client client
	audit  *Audit
	// route is the pattern of the route that the request takes; "" for none.
	route string
}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// entered gives a request its id and its source.
func entered(next http.Handler, proxies Proxies) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{answer: answer{ResponseWriter: w}, id: newRequestID(), client: clientOf(r, proxies)}
		q.header[0] = q.id
		w.Header()[requestIDHeader] = q.header[:1:1]
		next.ServeHTTP(&q.answer, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	})
}
