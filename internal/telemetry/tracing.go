package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
)

// tracing is true once a program makes traces. Where it is false, nothing that makes them is put in the way of anything.
var tracing atomic.Bool

// Tracing tells whether traces are made.
func Tracing() bool { return tracing.Load() }

// Tracer makes spans.
func Tracer() trace.Tracer { return otel.Tracer("github.com/enrol-dev/enrol") }

// W3C is the header that a trace goes on by. Baggage, which could hold anything, is not taken nor sent.
var W3C propagation.TraceContext

// StartTracing makes traces of the program from now on, if the flags say so; stop sends what is left. Attributes are only those
// that this package and internal/facade/edge set: libraries that record what they see would record addresses and tokens.
func (f *Flags) StartTracing(ctx context.Context, service, version string) (stop func() error, err error) {
	if f.tracingEndpoint == "" {
		return func() error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(f.tracingEndpoint))
	if err != nil {
		return nil, fmt.Errorf("preparing to send traces: %w", err)
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceVersion(version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("preparing to send traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(who))
	otel.SetTracerProvider(provider)
	tracing.Store(true)
	return func() error {
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return provider.Shutdown(ctx)
	}, nil
}

// TraceCalls has a configuration's requests traced, if traces are made.
func TraceCalls(config *rest.Config) {
	if Tracing() {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return calls{next: next} })
	}
}

// calls makes a span of each request that belongs to a trace. Watches and leases belong to none.
type calls struct{ next http.RoundTripper }

var resolver = request.RequestInfoFactory{
	APIPrefixes:          map[string]sets.Empty{"api": {}, "apis": {}},
	GrouplessAPIPrefixes: map[string]sets.Empty{"api": {}},
}

// RoundTrip makes a request.
func (c calls) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return c.next.RoundTrip(r)
	}
	name, attributes := describe(r)
	ctx, span := Tracer().Start(r.Context(), name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	defer span.End()
	r = r.Clone(ctx)
	W3C.Inject(ctx, propagation.HeaderCarrier(r.Header))
	response, err := c.next.RoundTrip(r)
	if err != nil {
		// What the error says may name anything.
		span.SetStatus(codes.Error, "")
		return response, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(response.StatusCode))
	if response.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	return response, nil
}

// describe says what a request is about, without the names of objects and namespaces.
func describe(r *http.Request) (string, []attribute.KeyValue) {
	info, err := resolver.NewRequestInfo(r)
	if err != nil || !info.IsResourceRequest {
		return Method(r.Method), []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(Method(r.Method))}
	}
	resource := info.Resource
	if info.Subresource != "" {
		resource += "/" + info.Subresource
	}
	return info.Verb + " " + resource, []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(Method(r.Method)), attribute.String("k8s.verb", info.Verb),
		attribute.String("k8s.group", info.APIGroup), attribute.String("k8s.resource", resource),
	}
}

// Method is an HTTP method, or what stands for those that somebody made up.
func Method(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "_OTHER"
	}
}
