package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TracePasses has the passes of a controller traced, if traces are made. A span has the reconcileID of the log's lines.
func TracePasses(name string, next reconcile.Reconciler) reconcile.Reconciler {
	if !Tracing() {
		return next
	}
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		ctx, span := Tracer().Start(ctx, "reconcile "+name, trace.WithAttributes(
			attribute.String("enrol.controller", name),
			attribute.String("enrol.reconcile_id", string(controller.ReconcileIDFromContext(ctx)))))
		defer span.End()
		result, err := next.Reconcile(ctx, request)
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		return result, err
	})
}
