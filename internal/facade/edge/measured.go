package edge

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/enrol-dev/enrol/internal/facade/metrics"
	"github.com/enrol-dev/enrol/internal/telemetry"
)

// SetRoute notes which route a context's request takes: its pattern, without the values that a request has in their place. It is
// for the goroutine of the handler, before it answers.
func SetRoute(ctx context.Context, pattern string) {
	if q := requestOf(ctx); q != nil {
		q.route = pattern
	}
}

// measured counts each request once it is answered. Its route is the one that was noted, else the pattern of the mux. One that
// cuts the connection counts as an answer of 500.
func measured(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, started := requestOf(r.Context()), o.Clock.Now()
		metrics.InFlight.Inc()
		status := http.StatusInternalServerError
		defer func() {
			metrics.InFlight.Dec()
			if q.route == "" {
				q.route = r.Pattern
			}
			metrics.Answered(q.route, status, o.Clock.Since(started))
		}()
		next.ServeHTTP(w, r)
		q.begin()
		status = q.status
	})
}

// traced makes a span of each request. It goes on with the trace of a trusted proxy; anybody else could have any request of
// theirs sampled, and put it into a trace of somebody else's. The span says nothing of the path, the query, headers or the
// client.
func traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, q := r.Context(), requestOf(r.Context())
		if q.client.proxied {
			ctx = telemetry.W3C.Extract(ctx, propagation.HeaderCarrier(r.Header))
		}
		method := telemetry.Method(r.Method)
		ctx, span := telemetry.Tracer().Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(method), attribute.String("enrol.request_id", q.id)))
		defer func() {
			if q.route != "" {
				span.SetName(q.route)
				span.SetAttributes(semconv.HTTPRoute(q.route))
			}
			span.SetAttributes(semconv.HTTPResponseStatusCode(q.status))
			if q.status >= http.StatusInternalServerError || q.status == 0 {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
