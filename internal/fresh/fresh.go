// Package fresh reads from a cache that should know of one's own writes, and waits for that, but not for ever.
//
// A client with read-your-own-writes consistency waits until the cache has seen what it wrote. There are writes that
// the cache never sees: the object of a watch by label that lost its label in the same moment, or one that came and
// went while the watch was broken. Waiting for these would stop everything; not waiting costs a conflict at worst,
// since every write states what it was decided on.
package fresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patience is how long a read waits for the cache. It is milliseconds behind on a good day.
const patience = 5 * time.Second

// Get reads an object.
func Get(ctx context.Context, c client.Reader, key client.ObjectKey, object client.Object) error {
	return bounded(ctx, func(ctx context.Context) error {
		return c.Get(ctx, key, object)
	}, func() error {
		return c.Get(ctx, key, object, client.DisableReadYourWritesConsistency)
	})
}

// List reads objects.
func List(ctx context.Context, c client.Reader, list client.ObjectList, options ...client.ListOption) error {
	return bounded(ctx, func(ctx context.Context) error {
		return c.List(ctx, list, options...)
	}, func() error {
		return c.List(ctx, list, append(options, client.DisableReadYourWritesConsistency)...)
	})
}

// bounded falls back to the cache as it is when the one that waits takes too long.
func bounded(ctx context.Context, waiting func(context.Context) error, asItIs func() error) error {
	hurried, cancel := context.WithTimeoutCause(ctx, patience, errBehind)
	defer cancel()
	err := waiting(hurried)
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(hurried), errBehind) {
		return err
	}
	if fallback := asItIs(); fallback != nil {
		return fmt.Errorf("%w, after %w", fallback, errBehind)
	}
	return nil
}

var errBehind = errors.New("the cache did not catch up with what was written")
