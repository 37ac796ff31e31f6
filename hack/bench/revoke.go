package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/enrol-dev/enrol/internal/subject"
)

const (
	// shortestPause and longestPause are between two removals. A pause at random, so that they meet the operator at any
	// moment after the last one, its next pass included.
	shortestPause = 100 * time.Millisecond
	longestPause  = 300 * time.Millisecond
	// busyPause spreads the removals over a burst of additions.
	busyPause = 60 * time.Millisecond
)

func (s *stage) makeNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.user.Create(ctx, namespace); err != nil {
		return fmt.Errorf("creating a namespace: %w", err)
	}
	return nil
}

// remove deletes a Member and returns how long its access lasts, from before the request on.
func (s *stage) remove(ctx context.Context, o organisation, i int) (time.Duration, error) {
	project := o.project(i % o.projects)
	allowed, err := s.allowed(ctx, o.user(i), project)
	if err != nil {
		return 0, err
	}
	if !allowed {
		return 0, fmt.Errorf("%s has no access to %s, before being removed", o.user(i), project)
	}
	begun := time.Now()
	if err := s.user.Delete(ctx, o.member(i)); err != nil {
		return 0, fmt.Errorf("deleting a Member: %w", err)
	}
	return s.untilDenied(ctx, begun, o.user(i), project)
}

// removePlainly deletes somebody's own RoleBinding and returns how long the access lasts.
func (s *stage) removePlainly(ctx context.Context, namespace, person string) (time.Duration, error) {
	plain := plainBinding(namespace, person)
	if err := s.user.Create(ctx, plain); err != nil {
		return 0, fmt.Errorf("creating a RoleBinding: %w", err)
	}
	for {
		allowed, err := s.allowed(ctx, person, namespace)
		if err != nil {
			return 0, err
		}
		if allowed {
			break
		}
		if err := pause(ctx, reviewPause); err != nil {
			return 0, err
		}
	}
	begun := time.Now()
	if err := s.user.Delete(ctx, plain); err != nil {
		return 0, fmt.Errorf("deleting a RoleBinding: %w", err)
	}
	return s.untilDenied(ctx, begun, person, namespace)
}

func plainBinding(namespace, person string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: person},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: viewClusterRole},
		Subjects:   []rbacv1.Subject{subject.Subject{Kind: rbacv1.UserKind, Name: person}.RBAC()},
	}
}

// revoke measures how long access lasts after a removal, at rest.
func (b *bench) revoke(ctx context.Context, s *stage, o organisation) error {
	const namespace = "plain-bindings"
	if err := s.makeNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	b.say("removing Members, one at a time ...")
	r := &result{
		Row: rowRevoke, Unit: "ms", Most: 250,
		Figure:  fmt.Sprintf("one Member deleted at rest until the review is denied, p99 of %d", b.samples),
		Against: "a plain RoleBinding",
	}
	for repetition := range b.repeat {
		var figures, references []float64
		for i := range b.samples {
			// Those of the last repetition are gone.
			victim := (i*b.repeat + repetition) * b.members / (b.samples * b.repeat)
			took, err := s.remove(ctx, o, victim)
			if err != nil {
				return err
			}
			figures = append(figures, milliseconds(took))
			took, err = s.removePlainly(ctx, namespace, o.user(victim))
			if err != nil {
				return err
			}
			references = append(references, milliseconds(took))
			if err := pause(ctx, shortestPause+rand.N(longestPause-shortestPause)); err != nil {
				return err
			}
		}
		r.Values = append(r.Values, quantile(figures, 0.99))
		r.References = append(r.References, quantile(references, 0.99))
		r.sample("Member, ms", figures)
		r.sample("RoleBinding, ms", references)
	}
	r.note("p50 %.0f ms, of plain RoleBindings %.0f ms", median(r.Samples["Member, ms"]),
		median(r.Samples["RoleBinding, ms"]))
	b.add(r)
	return nil
}

// revokeBusy measures the same while as many others are added.
func (b *bench) revokeBusy(ctx context.Context, s *stage, _ organisation) error {
	r := &result{
		Row: rowRevokeBusy, Unit: "ms", Most: 1000,
		Figure: fmt.Sprintf("the same while %d others are being added, p99", b.members),
	}
	for i := range b.repeat {
		o := organisation{name: fmt.Sprintf("busy-%d", i), projects: projectsOfOne}
		b.say("removing Members while %d others are being added ...", b.members)
		took, err := b.removeAmong(ctx, s, o)
		if err != nil {
			return err
		}
		r.Values = append(r.Values, quantile(took, 0.99))
		r.sample(fmt.Sprintf("Member, ms, repetition %d", i+1), took)
		r.note("repetition %d: p50 %.0f ms of %d", i+1, median(took), len(took))
	}
	b.add(r)
	return nil
}

// removeAmong removes Members one at a time while others come.
func (b *bench) removeAmong(ctx context.Context, s *stage, o organisation) ([]float64, error) {
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return nil, err
	}
	add := func(from, n int) func(context.Context) error {
		return func(ctx context.Context) error {
			return parallel(ctx, n, func(ctx context.Context, i int) error {
				_, err := s.addMember(ctx, o, from+i)
				return err
			})
		}
	}
	if _, err := s.untilReady(ctx, o.home(), b.samples, add(0, b.samples)); err != nil {
		return nil, err
	}
	if err := s.awaitRest(ctx); err != nil {
		return nil, err
	}
	added := make(chan error, 1)
	go func() {
		_, err := s.untilReady(ctx, o.home(), b.members, add(b.samples, b.members))
		added <- err
	}()
	var took []float64
	for i := range b.samples {
		select {
		case err := <-added:
			if err == nil && len(took) == 0 {
				err = errors.New("the burst was over before anybody was removed")
			}
			return took, err
		default:
		}
		lasted, err := s.remove(ctx, o, i)
		if err != nil {
			return nil, err
		}
		took = append(took, milliseconds(lasted))
		if err := pause(ctx, busyPause); err != nil {
			return nil, err
		}
	}
	if err := <-added; err != nil {
		return nil, err
	}
	return took, s.awaitRest(ctx)
}
