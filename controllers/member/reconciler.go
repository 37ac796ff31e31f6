// Package member writes the statuses of Members: what access each has, and why.
package member

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/fresh"
	"github.com/enrol-dev/enrol/internal/note"
)

// Reconciler writes what was settled.
type Reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	clock    clock.PassiveClock

	mu sync.Mutex
	// pending is what is not written yet; of two settlements of a Member only the later one counts.
	pending map[types.NamespacedName]Settlement
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// Settle has a Member's status brought up to date soon. One that stands already is of interest only while another one
// is on its way, which it replaces.
func (r *Reconciler) Settle(m *enrolv1alpha1.Member, s Settlement) {
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
	stands := s.Stands(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, pending := r.pending[key]; stands && !pending {
		return
	}
	r.pending[key] = s
	if r.queue != nil {
		r.queue.Add(reconcile.Request{NamespacedName: key})
	}
}

// start takes up what was settled before the controller ran.
func (r *Reconciler) start(queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = queue
	for key := range r.pending {
		queue.Add(reconcile.Request{NamespacedName: key})
	}
}

// Reconcile writes the status of one Member, if what was settled speaks of the Member as it is now. If it does not,
// the change brings another pass, and that another settlement.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s, ok := r.settlement(req.NamespacedName)
	if !ok {
		return ctrl.Result{}, nil
	}
	member := &enrolv1alpha1.Member{}
	if err := fresh.Get(ctx, r.client, req.NamespacedName, member); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("reading the Member: %w", err)
		}
		r.settled(req.NamespacedName, s)
		return ctrl.Result{}, nil
	}
	if member.UID != s.UID || member.Generation != s.Generation || s.Stands(member) {
		r.settled(req.NamespacedName, s)
		return ctrl.Result{}, nil
	}
	changed := member.DeepCopy()
	changed.Status = s.desired(member, r.clock.Now())
	if err := r.client.Status().Patch(ctx, changed, client.MergeFrom(member)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("writing the status of the Member: %w", err)
	}
	if s.State.IsStalled() {
		r.recorder.Eventf(member, nil, corev1.EventTypeWarning, s.State.Reason, "Refuse", "%s", note.Cut(s.State.Message))
	}
	r.settled(req.NamespacedName, s)
	return ctrl.Result{}, nil
}

func (r *Reconciler) settlement(key types.NamespacedName) (Settlement, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.pending[key]
	return s, ok
}

// settled forgets a settlement that was dealt with, unless a later one has taken its place.
func (r *Reconciler) settled(key types.NamespacedName, s Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending[key] == s {
		delete(r.pending, key)
	}
}
