// Package organisation turns Organisations and their Members into RoleBindings. A pass looks at one Organisation as a
// whole: what it wants is always computed completely, and may be nothing.
package organisation

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/member"
	"github.com/enrol-dev/enrol/internal/preflight"
)

// maxWait bounds how far ahead a wake-up is set; timers of years are not to be trusted.
const maxWait = 24 * time.Hour

// Settler brings the statuses of Members up to date.
type Settler interface {
	Settle(*enrolv1alpha1.Member, member.Settlement)
}

// Reconciler makes the passes.
type Reconciler struct {
	client   client.Client
	reader   client.Reader
	settings settings
	settler  Settler
	guard    *preflight.Guard
	recorder events.EventRecorder
	clock    clock.Clock
	pace     *pace
	// stopwatch measures how long access takes.
	stopwatch *stopwatch
	memory    *memory
	// deletions holds back the making of a RoleBinding that somebody keeps deleting.
	deletions *flowcontrol.Backoff
	// foreignDeletions counts them.
	foreignDeletions atomic.Int64
	// ours are the UIDs of RoleBindings that a pass deletes.
	ours sync.Map
}

// Reconcile makes one pass over the Organisation of that name, which may be gone.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.pace.started(req.Name)
	waits := r.stopwatch.take(req.Name)
	defer func() { r.stopwatch.passed(req.Name, waits) }()
	w, err := r.gather(ctx, req.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	d := decide(w, r.settings)
	// Whatever becomes of the home namespace: what is taken away is taken away.
	unprepared := r.prepare(ctx, w, d)
	o := r.apply(ctx, w, d)
	o.await(d.waiting, w.hold)
	if apierrors.IsAlreadyExists(unprepared) || apierrors.IsConflict(unprepared) {
		o.stale()
		unprepared = nil
	}
	failure := errors.Join(append([]error{unprepared}, o.errs...)...)
	waits = r.stopwatch.measure(waits, w, d, &o, failure)
	r.report(w, d, o)
	r.settle(d, o)
	if err := errors.Join(failure, r.writeStatus(ctx, w, d, o, failure)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: wakeUp(w.now, d.until, o.retry)}, nil
}

// prepare sees to the home namespace of an Organisation that is not refused.
func (r *Reconciler) prepare(ctx context.Context, w *world, d *decision) error {
	if w.organisation == nil || d.refused {
		return nil
	}
	return r.prepareHome(ctx, w, d.home)
}

// writeStatus writes the Organisation's status, once, if it changed.
func (r *Reconciler) writeStatus(ctx context.Context, w *world, d *decision, o outcome, failure error) error {
	if w.organisation == nil {
		return nil
	}
	if failure == nil && o.overtaken {
		// The pass that follows in a moment has something to say.
		return nil
	}
	state := d.state(w.organisation.Spec.Suspend, &o, failure)
	status := d.status(w, state, countBindings(w, o))
	if equality.Semantic.DeepEqual(status, w.organisation.Status) {
		return nil
	}
	changed := w.organisation.DeepCopy()
	changed.Status = status
	return client.IgnoreNotFound(r.client.Status().Patch(ctx, changed, client.MergeFrom(w.organisation)))
}

// countBindings is how many RoleBindings the Organisation has after the pass.
func countBindings(w *world, o outcome) int {
	count := len(w.bindings)
	for i := range o.done {
		switch {
		case o.done[i].Existing == nil:
			count++
		case len(o.done[i].Subjects) == 0:
			count--
		}
	}
	return count
}

// settle has the statuses of Members brought up to date. Those whose access could not be given, or taken away, yet wait
// for the pass that does it.
func (r *Reconciler) settle(d *decision, o outcome) {
	for i := range d.members {
		j := &d.members[i]
		if o.failedFor(j) {
			continue
		}
		r.settler.Settle(j.member, member.Settlement{
			UID: j.member.UID, Generation: j.member.Generation,
			State: d.explain(j, &o), Subject: j.verdict.Subject, KubernetesRole: j.verdict.KubernetesRole(),
		})
	}
}

// wakeUp is how long to wait when nothing happens; 0: for ever.
func wakeUp(now, until time.Time, retry time.Duration) time.Duration {
	if until.IsZero() {
		return retry
	}
	wait := min(max(until.Sub(now), time.Millisecond), maxWait)
	if retry == 0 {
		return wait
	}
	return min(wait, retry)
}

// organisationName is the Organisation whose home namespace has that name; false for any other namespace.
func organisationName(namespace string) (string, bool) {
	const prefix = enrolv1alpha1.HomeNamespacePrefix
	if len(namespace) <= len(prefix) || namespace[:len(prefix)] != prefix {
		return "", false
	}
	return namespace[len(prefix):], true
}
