package store

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
)

// watermark is the highest resourceVersion of a kind that the cache has seen, and its event handler.
type watermark struct {
	mu      sync.Mutex
	version string
	// changed is closed at the next event; nil while nobody waits.
	changed chan struct{}
}

// OnAdd notes that an object came.
func (w *watermark) OnAdd(object any, _ bool) { w.observe(object) }

// OnUpdate notes that an object changed.
func (w *watermark) OnUpdate(_, object any) { w.observe(object) }

// OnDelete notes that an object went.
func (w *watermark) OnDelete(object any) {
	if tombstone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	w.observe(object)
}

func (w *watermark) observe(object any) {
	o, ok := object.(metav1.Object)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.version == "" || older(w.version, o.GetResourceVersion()) {
		w.version = o.GetResourceVersion()
	}
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// older tells whether version a comes before b. Versions that cannot be compared are not waited for.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

// next is closed when something has changed, nil when reached says that nothing need be waited for.
func (w *watermark) next(reached func(version string) bool) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reached(w.version) {
		return nil
	}
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// has tells whether the cache has seen a version.
func (w *watermark) has(version string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return reaching(version)(w.version)
}

// reaching says that a version, or a later one, was seen.
func reaching(version string) func(seen string) bool {
	return func(seen string) bool { return seen != "" && !older(seen, version) }
}

// until waits until reached says yes, of the version or of anything else that events bring about, or the context is done.
func (w *watermark) until(ctx context.Context, reached func(version string) bool) error {
	for {
		changed := w.next(reached)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
