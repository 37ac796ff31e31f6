// Package invitation drives Invitations: from the first mail to the Member that was promised, or to whatever else
// becomes of them. A pass looks at one Invitation and takes one step.
package invitation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/note"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	// maxWait bounds how far ahead a wake-up is set; timers of years are not to be trusted.
	maxWait = 24 * time.Hour
	// staleRetry is how soon a pass is repeated that was overtaken by somebody else's write.
	staleRetry = 50 * time.Millisecond
)

// Reconciler makes the passes.
type Reconciler struct {
	client client.Client
	// direct knows of no cache.
	direct   client.Client
	settings Settings
	keys     *token.Keys
	postman  *postman
	ledger   *ledger
	guard    *preflight.Guard
	recorder events.EventRecorder
	clock    clock.Clock
}

// Reconcile makes one pass over an Invitation, which may be gone.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	w, err := r.gather(ctx, req.NamespacedName)
	if err != nil || w == nil {
		return ctrl.Result{}, err
	}
	d := decide(w, &r.settings)
	if d.counted {
		// One that cannot be counted is not sent.
		if d, err = r.count(ctx, w, d); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.apply(ctx, w, d); err != nil {
		return excuse(err)
	}
	if err := r.writeStatus(ctx, w, d); err != nil {
		return excuse(err)
	}
	if d.dispatch {
		sent := w.invitation.DeepCopy()
		sent.Status = d.status
		r.postman.dispatch(&letter{invitation: sent, organisation: w.organisation})
	}
	if d.wake.IsZero() || d.remove {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: min(max(d.wake.Sub(w.now), time.Millisecond), maxWait)}, nil
}

// count takes a mail from what the organisation may cause, and decides anew when there was none left.
func (r *Reconciler) count(ctx context.Context, w *world, d *decision) (*decision, error) {
	taken, again, err := r.ledger.take(ctx, w.organisation.Name)
	if err != nil {
		return nil, fmt.Errorf("counting the mail: %w", err)
	}
	if taken > 0 {
		return d, nil
	}
	w.exhaust(taken, again)
	return decide(w, &r.settings), nil
}

// writeStatus writes the status, once, if it changed. With the resourceVersion of what was decided on: an answer that
// came in between must not be overlooked.
func (r *Reconciler) writeStatus(ctx context.Context, w *world, d *decision) error {
	if d.remove || equality.Semantic.DeepEqual(d.status, w.invitation.Status) {
		return nil
	}
	changed := w.invitation.DeepCopy()
	changed.Status = d.status
	patch := client.MergeFromWithOptions(w.invitation, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, changed, patch); err != nil {
		return fmt.Errorf("writing the status of the Invitation: %w", err)
	}
	r.tell(w, d)
	return nil
}

// tell makes an event of what happened, and of what stalls the Invitation from now on.
func (r *Reconciler) tell(w *world, d *decision) {
	kind, reason, text := corev1.EventTypeNormal, d.noteReason, d.note
	if text == "" {
		stalled := meta.FindStatusCondition(d.status.Conditions, enrolv1alpha1.ConditionStalled)
		before := meta.FindStatusCondition(w.invitation.Status.Conditions, enrolv1alpha1.ConditionStalled)
		if stalled == nil || (before != nil && before.Reason == stalled.Reason) {
			return
		}
		reason, text = stalled.Reason, stalled.Message
	}
	if reason != enrolv1alpha1.ReasonAccepted && reason != enrolv1alpha1.ReasonAlreadyMember {
		kind = corev1.EventTypeWarning
	}
	r.recorder.Eventf(w.invitation, nil, kind, reason, "Invite", "%s", note.Cut(text))
}

// excuse makes nothing of what the next pass sees: the Invitation is gone, or somebody else wrote in between, and then that
// pass comes in a moment.
func excuse(err error) (ctrl.Result, error) {
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	default:
		return ctrl.Result{}, err
	}
}
