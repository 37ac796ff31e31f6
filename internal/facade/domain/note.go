package domain

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/enrol-dev/enrol/internal/facade/store"
)

// Noter is told which objects a request changes, for the audit line.
type Noter interface {
	Object(kind, namespace, name string)
}

type noterKey struct{}

// WithNoter is a context in which changes are told.
func WithNoter(ctx context.Context, noter Noter) context.Context {
	return context.WithValue(ctx, noterKey{}, noter)
}

func note(ctx context.Context, object client.Object) {
	noter, ok := ctx.Value(noterKey{}).(Noter)
	if !ok {
		return
	}
	gvk, err := apiutil.GVKForObject(object, store.Scheme)
	if err != nil {
		return
	}
	noter.Object(gvk.Kind, object.GetNamespace(), object.GetName())
}
