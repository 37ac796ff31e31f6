package invitation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
)

// apply carries a decision out but for the status and the mail. What the API server refuses for good becomes what the
// status says.
func (r *Reconciler) apply(ctx context.Context, w *world, d *decision) error {
	for _, write := range []func(context.Context, *world, *decision) error{r.create, r.changeOwners, r.resume, r.remove} {
		err := write(ctx, w, d)
		var refused *refusedError
		switch {
		case err == nil:
		case errors.As(err, &refused):
			d.say(w, condition.Stalled(enrolv1alpha1.ReasonNotAcceptable, "accepted, and not carried out: "+refused.Error()))
			d.wake = w.now.Add(recheck)
			return nil
		default:
			return err
		}
	}
	return nil
}

// refusedError is what the same request would be answered with again.
type refusedError struct{ error }

func refusedForGood(err error) error {
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
		return &refusedError{err}
	}
	return err
}

func (r *Reconciler) create(ctx context.Context, _ *world, d *decision) error {
	for _, member := range d.create {
		err := r.client.Create(ctx, member)
		if apierrors.IsAlreadyExists(err) {
			err = r.settle(ctx, member)
		}
		if err != nil {
			return fmt.Errorf("making Member %s: %w", member.Name, refusedForGood(err))
		}
	}
	return nil
}

// settle looks at who has the name that a Member should have got. If it is the same person, the next pass sees it.
func (r *Reconciler) settle(ctx context.Context, member *enrolv1alpha1.Member) error {
	existing := &enrolv1alpha1.Member{}
	if err := r.direct.Get(ctx, client.ObjectKeyFromObject(member), existing); err != nil {
		return client.IgnoreNotFound(err)
	}
	switch {
	case !existing.DeletionTimestamp.IsZero():
		return errors.New("one of its name is being deleted still")
	case existing.Spec.Username == member.Spec.Username:
		return nil
	}
	return &refusedError{errors.New("its name is taken by a Member for somebody else: delete that")}
}

// changeOwners replaces the owners as they were when that was decided.
func (r *Reconciler) changeOwners(ctx context.Context, w *world, d *decision) error {
	if d.owners == nil {
		return nil
	}
	changed := w.organisation.DeepCopy()
	changed.Spec.Owners = d.owners
	patch := client.MergeFromWithOptions(w.organisation, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, changed, patch); err != nil {
		return fmt.Errorf("changing the owners of the Organisation: %w", refusedForGood(err))
	}
	return nil
}

func (r *Reconciler) resume(ctx context.Context, _ *world, d *decision) error {
	for _, member := range d.resume {
		resumed := member.DeepCopy()
		resumed.Spec.Suspend = false
		patch := client.MergeFromWithOptions(member, client.MergeFromWithOptimisticLock{})
		if err := r.client.Patch(ctx, resumed, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("resuming Member %s: %w", member.Name, err)
		}
	}
	return nil
}

// remove deletes the Invitation as it was when that was decided.
func (r *Reconciler) remove(ctx context.Context, w *world, d *decision) error {
	if !d.remove {
		return nil
	}
	uid, version := w.invitation.UID, w.invitation.ResourceVersion
	err := r.client.Delete(ctx, &enrolv1alpha1.Invitation{
		ObjectMeta: w.invitation.ObjectMeta,
	}, client.Preconditions{UID: &uid, ResourceVersion: &version}, asItIs)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the finished Invitation: %w", err)
	}
	return nil
}
