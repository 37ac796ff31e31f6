package store

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// Create creates an object as the caller.
func (s *Store) Create(ctx context.Context, caller *identity.Caller, object client.Object) error {
	err := s.callers.Create(actingAs(ctx, caller.Token), object)
	return s.note(caller, object, err)
}

// Update replaces an object as the caller. Its resourceVersion is what it was decided on.
func (s *Store) Update(ctx context.Context, caller *identity.Caller, object client.Object) error {
	err := s.callers.Update(actingAs(ctx, caller.Token), object)
	return s.note(caller, object, err)
}

// Delete deletes an object as the caller: the one with its UID, and as it is now; and waits until the cache has seen it go.
func (s *Store) Delete(ctx context.Context, caller *identity.Caller, object client.Object) error {
	uid := object.GetUID()
	err := s.callers.Delete(actingAs(ctx, caller.Token), object, client.Preconditions{UID: &uid})
	if err != nil {
		return err
	}
	kind := s.kindOf(object)
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	// As with Settle, a cache that is behind is no reason to fail: the object is gone.
	_ = kind.seen.until(ctx, func(string) bool {
		found, _ := kind.informer.GetIndexer().ByIndex(byUID, string(uid))
		return len(found) == 0 || !found[0].(metav1.Object).GetDeletionTimestamp().IsZero()
	})
	return nil
}

// UpdateOwners replaces an Organisation, of which the owners may differ, with the facade's own account.
func (s *Store) UpdateOwners(ctx context.Context, caller *identity.Caller, o *enrolv1alpha1.Organisation) error {
	err := s.own.Update(ctx, o)
	return s.note(caller, o, err)
}

// UpdateAnswer replaces the status of an Invitation, of which the answer may differ, with the facade's own account.
func (s *Store) UpdateAnswer(ctx context.Context, caller *identity.Caller, i *enrolv1alpha1.Invitation) error {
	err := s.own.Status().Update(ctx, i)
	return s.note(caller, i, err)
}

// UpdateUsername replaces the status of a Member, of which the recorded username may differ, with the facade's own account.
func (s *Store) UpdateUsername(ctx context.Context, caller *identity.Caller, m *enrolv1alpha1.Member) error {
	err := s.own.Status().Update(ctx, m)
	return s.note(caller, m, err)
}

// note remembers a write for Settle.
func (s *Store) note(caller *identity.Caller, object client.Object, err error) error {
	if err == nil {
		kind := s.kindOf(object)
		s.written.note(caller.Username, written{kind: kind, version: object.GetResourceVersion(), about: kind.about(object)})
	}
	return err
}

func (s *Store) kindOf(object client.Object) *watched {
	switch object.(type) {
	case *enrolv1alpha1.Organisation:
		return s.organisations
	case *enrolv1alpha1.Member:
		return s.members
	case *enrolv1alpha1.Invitation:
		return s.invitations
	default:
		panic(fmt.Sprintf("the facade does not write %T", object))
	}
}

// Await waits until ready says that the cached Members and Organisations are as wanted, or the context is done.
func (s *Store) Await(ctx context.Context, ready func() bool) error {
	for {
		members := s.members.seen.next(func(string) bool { return false })
		organisations := s.organisations.seen.next(func(string) bool { return false })
		invitations := s.invitations.seen.next(func(string) bool { return false })
		if ready() {
			return nil
		}
		select {
		case <-members:
		case <-organisations:
		case <-invitations:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
