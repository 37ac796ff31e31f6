package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// ledger remembers what callers wrote last, for as long as a cache could possibly be behind.
type ledger struct {
	mu      sync.Mutex
	entries *cache.LRUExpireCache
}

const (
	ledgerSize = 16384
	ledgerAge  = 30 * time.Second
	// ledgerWrites are how many writes of a caller are kept apart. Of more than that, it is not known whom they are about.
	ledgerWrites = 64
)

func newLedger(clock clock.Clock) *ledger {
	return &ledger{entries: cache.NewLRUExpireCacheWithClock(ledgerSize, clock)}
}

// written is a write that a cache may not have seen yet. Once it is made, it does not change.
type written struct {
	kind    *watched
	version string
	// about are the usernames and addresses that the object has, and had; nil: it may be about anybody.
	about []string
}

// concerns tells whether a write matters to somebody who is called so. What is written of an Organisation matters to all.
func (w *written) concerns(names []string) bool {
	return w.about == nil || slices.ContainsFunc(names, func(name string) bool {
		return name != "" && slices.Contains(w.about, name)
	})
}

// note remembers a write of a caller, and forgets those that the caches have seen.
func (l *ledger) note(caller string, w written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := append(l.unseen(caller), w)
	if len(kept) > ledgerWrites {
		kept = merged(kept)
	}
	l.entries.Add(caller, kept, ledgerAge)
}

// merged are the last writes of each kind, about anybody.
func merged(writes []written) []written {
	var last []written
	for _, w := range writes {
		i := slices.IndexFunc(last, func(l written) bool { return l.kind == w.kind })
		switch {
		case i < 0:
			last = append(last, written{kind: w.kind, version: w.version})
		case older(last[i].version, w.version):
			last[i].version = w.version
		}
	}
	return last
}

// unseen are the writes of a caller that a cache has not seen.
func (l *ledger) unseen(caller string) []written {
	known, ok := l.entries.Get(caller)
	if !ok {
		return nil
	}
	var unseen []written
	for _, w := range known.([]written) {
		if !w.kind.seen.has(w.version) {
			unseen = append(unseen, w)
		}
	}
	return unseen
}

// Settle waits until the caches have seen what the caller wrote through this facade, but not for ever.
func (s *Store) Settle(ctx context.Context, caller string) {
	settle(ctx, s.written.unseen(caller))
}

// SettleFor is Settle for what the caller wrote about anybody of these usernames and addresses, and about organisations: who
// adds many people at once need not wait for each before the next.
func (s *Store) SettleFor(ctx context.Context, caller string, names ...string) {
	settle(ctx, slices.DeleteFunc(s.written.unseen(caller), func(w written) bool { return !w.concerns(names) }))
}

// Unseen is how many of the caller's last writes the caches may not have, after SettleFor.
func (s *Store) Unseen(caller string) int { return len(s.written.unseen(caller)) }

func settle(ctx context.Context, writes []written) {
	if len(writes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for _, w := range writes {
		// A cache that does not catch up is no reason to answer nothing: every write says what it was decided on.
		_ = w.kind.seen.until(ctx, reaching(w.version))
	}
}

// about are the usernames and addresses of an object, those that it has in the cache included: a person is looked for by what
// the cache has. It is nil for an Organisation.
func (w *watched) about(object client.Object) []string {
	names := namesIn(object)
	if names == nil {
		return nil
	}
	if cached, ok, err := w.informer.GetIndexer().GetByKey(client.ObjectKeyFromObject(object).String()); err == nil && ok {
		names = append(names, namesIn(cached)...)
	}
	return names
}

func namesIn(object any) []string {
	switch o := object.(type) {
	case *enrolv1alpha1.Member:
		return []string{string(o.Spec.Username), string(o.Status.Username), string(o.Spec.Email)}
	case *enrolv1alpha1.Invitation:
		return []string{string(o.Spec.Email)}
	default:
		return nil
	}
}
