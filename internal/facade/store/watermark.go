package store

import (
	"context"
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
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

// ledger remembers what callers wrote last, for as long as a cache could possibly be behind.
type ledger struct {
	mu      sync.Mutex
	entries *cache.LRUExpireCache
}

const (
	ledgerSize = 16384
	ledgerAge  = 30 * time.Second
)

func newLedger(clock clock.Clock) *ledger {
	return &ledger{entries: cache.NewLRUExpireCacheWithClock(ledgerSize, clock)}
}

// entry is what a caller wrote: the highest version by kind.
type entry map[*watched]string

// note remembers that a caller wrote that version of a kind.
func (l *ledger) note(caller string, kind *watched, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	updated := entry{}
	if known, ok := l.entries.Get(caller); ok {
		maps.Copy(updated, known.(entry))
	}
	if last := updated[kind]; last == "" || older(last, version) {
		updated[kind] = version
	}
	l.entries.Add(caller, updated, ledgerAge)
}

func (l *ledger) of(caller string) entry {
	known, ok := l.entries.Get(caller)
	if !ok {
		return nil
	}
	return known.(entry)
}

// Settle waits until the caches have seen what the caller wrote through this facade, but not for ever.
func (s *Store) Settle(ctx context.Context, caller string) {
	written := s.written.of(caller)
	if len(written) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for kind, version := range written {
		// A cache that does not catch up is no reason to answer nothing: every write says what it was decided on.
		_ = kind.seen.until(ctx, func(seen string) bool { return seen != "" && !older(seen, version) })
	}
}
