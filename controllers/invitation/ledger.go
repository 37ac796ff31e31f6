package invitation

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/quota"
)

const (
	// maxCountAttempts of a write that others get in the way of.
	maxCountAttempts = 10
	// company is how long a write waits for others that it can count as well. Without, 1,000 Invitations of 20 organisations
	// took six hundred writes.
	company = 250 * time.Millisecond
)

// ledger counts mails in the statuses of Organisations, by compare and swap. Those who come while a write is under way
// share the next one: fifty mails at once cost a few writes.
type ledger struct {
	client client.Client
	// reader reads past the cache.
	reader client.Reader
	clock  clock.Clock

	mu   sync.Mutex
	desk map[string]*desk
}

// desk is where the mails of one Organisation are counted.
type desk struct {
	// waiting want a mail each; one of them is writing for others.
	waiting []chan counted
	busy    bool
}

// counted is the answer to one who wants a mail.
type counted struct {
	taken int
	again time.Time
	err   error
}

func newLedger(c client.Client, reader client.Reader, clk clock.Clock) *ledger {
	return &ledger{client: c, reader: reader, clock: clk, desk: map[string]*desk{}}
}

// take counts one mail. Taken is 0 when there is none left, and again is then from when on there may be one.
func (l *ledger) take(ctx context.Context, organisation string) (taken int, again time.Time, err error) {
	answer := make(chan counted, 1)
	l.mu.Lock()
	at := l.desk[organisation]
	if at == nil {
		at = &desk{}
		l.desk[organisation] = at
	}
	at.waiting = append(at.waiting, answer)
	mine := !at.busy
	at.busy = true
	l.mu.Unlock()
	if mine {
		// Not with this caller's context: others rely on it.
		go l.serve(context.WithoutCancel(ctx), organisation, at)
	}
	select {
	case a := <-answer:
		return a.taken, a.again, a.err
	case <-ctx.Done():
		return 0, time.Time{}, ctx.Err()
	}
}

// serve answers until nobody waits.
func (l *ledger) serve(ctx context.Context, organisation string, at *desk) {
	for {
		<-l.clock.After(company)
		l.mu.Lock()
		waiting := at.waiting
		at.waiting = nil
		if len(waiting) == 0 {
			at.busy = false
			delete(l.desk, organisation)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		taken, again, err := l.write(ctx, organisation, len(waiting))
		for i, answer := range waiting {
			switch {
			case err != nil:
				answer <- counted{err: err}
			case i < taken:
				answer <- counted{taken: 1}
			default:
				answer <- counted{again: again}
			}
		}
	}
}

// write takes as many mails as are left of those wanted.
func (l *ledger) write(ctx context.Context, organisation string, wanted int) (taken int, again time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var reader client.Reader = l.client
	for range maxCountAttempts {
		o := &enrolv1alpha1.Organisation{}
		if err := reader.Get(ctx, types.NamespacedName{Name: organisation}, o); err != nil {
			return 0, time.Time{}, fmt.Errorf("reading Organisation %s: %w", organisation, err)
		}
		changed := o.DeepCopy()
		taken, changed.Status.Mails, again = quota.Take(
			o.Status.Mails, quota.Max(&o.Spec.Invitations), wanted, l.clock.Now())
		if taken == 0 {
			return 0, again, nil
		}
		patch := client.MergeFromWithOptions(o, client.MergeFromWithOptimisticLock{})
		err := l.client.Status().Patch(ctx, changed, patch)
		if err == nil {
			return taken, again, nil
		}
		if !apierrors.IsConflict(err) {
			return 0, time.Time{}, fmt.Errorf("writing the status of Organisation %s: %w", organisation, err)
		}
		// Somebody else wrote it: the cache may not know that yet.
		reader = l.reader
	}
	return 0, time.Time{}, fmt.Errorf("the status of Organisation %s keeps changing", organisation)
}
