package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// allowed asks the API server whether somebody may do in a namespace what Members of the bench may do in projects.
func (s *stage) allowed(ctx context.Context, person, namespace string) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               person,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "configmaps", Namespace: namespace},
	}}
	if err := s.user.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking for an access review: %w", err)
	}
	return review.Status.Allowed, nil
}

const (
	// reviewPause keeps a wait from being a load of its own; it is part of what is measured.
	reviewPause = 5 * time.Millisecond
	// reviewTimeout bounds every wait for one person's access.
	reviewTimeout = 2 * time.Minute
)

// untilDenied is how long it takes from now until somebody has no access any more.
func (s *stage) untilDenied(ctx context.Context, begun time.Time, person, namespace string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	for {
		allowed, err := s.allowed(ctx, person, namespace)
		if err != nil {
			return 0, err
		}
		if !allowed {
			return time.Since(begun), nil
		}
		if err := pause(ctx, reviewPause); err != nil {
			return 0, fmt.Errorf("waiting until %s has no access: %w", person, err)
		}
	}
}

const (
	// lagReviewers ask side by side, of each person every lagPause: asking for 200 people more often would take from the
	// operator what it is measured by.
	lagReviewers = 8
	lagPause     = 100 * time.Millisecond
)

// awaited is somebody whose access is waited for.
type awaited struct {
	person, namespace string
	asked             time.Time

	// answered is when the create was, allowed when a review first was.
	answered, allowed time.Time
}

// lagMeter asks for the access of people in turn, from before their creates are answered. It finds out late by up to the
// pause between two reviews, so that a lag is overstated.
type lagMeter struct {
	queue chan *awaited
	// mu guards the times of all.
	mu  sync.Mutex
	all []*awaited
}

func newLagMeter(people int) *lagMeter { return &lagMeter{queue: make(chan *awaited, people)} }

// expect starts asking for somebody.
func (l *lagMeter) expect(person, namespace string) *awaited {
	a := &awaited{person: person, namespace: namespace}
	l.mu.Lock()
	l.all = append(l.all, a)
	l.mu.Unlock()
	l.queue <- a
	return a
}

// answer notes that the create was answered.
func (l *lagMeter) answer(a *awaited) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.answered = time.Now()
}

// run asks until everybody of that number has access.
func (l *lagMeter) run(ctx context.Context, s *stage, people int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group   sync.WaitGroup
		allowed int
	)
	arrived := func(a *awaited) {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.allowed = time.Now()
		if allowed++; allowed == people {
			cancel(nil)
		}
	}
	for range lagReviewers {
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case a := <-l.queue:
					if err := l.ask(ctx, s, a, arrived); err != nil && ctx.Err() == nil {
						cancel(err)
					}
				}
			}
		})
	}
	group.Wait()
	if allowed < people {
		return fmt.Errorf("waiting for access: %w", context.Cause(ctx))
	}
	return nil
}

func (l *lagMeter) ask(ctx context.Context, s *stage, a *awaited, arrived func(*awaited)) error {
	if err := pause(ctx, time.Until(a.asked.Add(lagPause))); err != nil {
		return err
	}
	a.asked = time.Now()
	allowed, err := s.allowed(ctx, a.person, a.namespace)
	if err != nil {
		return err
	}
	if allowed {
		arrived(a)
		return nil
	}
	l.queue <- a
	return nil
}

// lags are the times from answered creates to access, in milliseconds.
func (l *lagMeter) lags() []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	lags := make([]float64, 0, len(l.all))
	for _, a := range l.all {
		lags = append(lags, milliseconds(max(0, a.allowed.Sub(a.answered))))
	}
	return lags
}
