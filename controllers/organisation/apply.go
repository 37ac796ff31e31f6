package organisation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/binding"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/subject"
)

const (
	// parallelWrites of one pass: the API server takes no more from more.
	parallelWrites = 16
	// staleRetry is how soon a pass is repeated that was overtaken by somebody else's write.
	staleRetry = 50 * time.Millisecond
	// foreignRetry is how often something is tried again that stands in the way and is not watched.
	foreignRetry = time.Minute
)

// outcome is what became of a plan.
type outcome struct {
	// done are the writes that were made.
	done []binding.Write
	// problems that somebody has to put right.
	problems []problem
	// kept are subjects that something keeps from being bound, with what their Members say of it.
	kept map[subject.Subject]condition.State
	// failed are subjects whose writes have to be tried again.
	failed map[subject.Subject]struct{}
	// overtaken is true when somebody else's write came in between.
	overtaken bool
	// held says which RoleBinding, the first by name, is not made again yet, and why; "" for none.
	held string
	// retry is when to try again what nothing else will bring back; 0: never.
	retry time.Duration
	// errs are unexpected.
	errs []error
}

func newOutcome() outcome {
	return outcome{kept: map[subject.Subject]condition.State{}, failed: map[subject.Subject]struct{}{}}
}

func (o *outcome) again(after time.Duration) {
	if o.retry == 0 || after < o.retry {
		o.retry = after
	}
}

// fail notes a write that has to be tried again.
func (o *outcome) fail(w *binding.Write) {
	for _, subjects := range [][]subject.Subject{w.Added, w.Revoked} {
		for _, who := range subjects {
			o.failed[who] = struct{}{}
		}
	}
}

// keep notes those who are not bound by a write, and why.
func (o *outcome) keep(w *binding.Write, state condition.State) {
	for _, who := range w.Added {
		o.kept[who] = state
	}
}

// await notes those who are to be given something, and wait for the cluster to be fit for it.
func (o *outcome) await(waiting binding.Wanted, hold *preflight.Finding) {
	for _, subjects := range waiting {
		for who := range subjects {
			o.kept[who] = hold.State()
		}
	}
}

// stale notes that somebody else's write came in between: the next pass, in a moment, knows.
func (o *outcome) stale() {
	o.again(staleRetry)
	o.overtaken = true
}

// failedFor tells whether something of what a Member gets, or had, has to be tried again.
func (o *outcome) failedFor(j *judged) bool {
	if len(o.failed) == 0 {
		return false
	}
	if who := j.verdict.Subject; who != nil {
		if _, failed := o.failed[*who]; failed {
			return true
		}
	}
	had := j.member.Status.Subject
	if had == nil {
		return false
	}
	_, failed := o.failed[subject.Subject{Kind: had.Kind, Name: had.Name}]
	return failed
}

// prepareHome makes the home namespace, or notes the Organisation's UID on the one that is there.
func (r *Reconciler) prepareHome(ctx context.Context, w *world, state homeState) error {
	uid := string(w.organisation.UID)
	switch state {
	case homeOurs, homeTerminating, homeForeign:
	case homeMissing:
		controller := true
		home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name:        w.organisation.HomeNamespace(),
			Labels:      map[string]string{enrolv1alpha1.LabelHomeOf: w.name},
			Annotations: map[string]string{enrolv1alpha1.AnnotationOrganisationUID: uid},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: enrolv1alpha1.SchemeGroupVersion.String(), Kind: "Organisation",
				Name: w.name, UID: w.organisation.UID, Controller: &controller,
			}},
		}}
		if err := r.client.Create(ctx, home); err != nil {
			return fmt.Errorf("making the home namespace: %w", err)
		}
	case homeUnclaimed:
		claimed := w.home.DeepCopy()
		if claimed.Annotations == nil {
			claimed.Annotations = map[string]string{}
		}
		claimed.Annotations[enrolv1alpha1.AnnotationOrganisationUID] = uid
		patch := client.MergeFromWithOptions(w.home, client.MergeFromWithOptimisticLock{})
		if err := r.client.Patch(ctx, claimed, patch); err != nil {
			return fmt.Errorf("noting the Organisation on the home namespace: %w", err)
		}
	}
	return nil
}

// apply carries a plan out, phase by phase, each phase's writes side by side. A write that fails does not keep the
// others from being made.
func (r *Reconciler) apply(ctx context.Context, w *world, d *decision) outcome {
	a := &application{
		Reconciler: r, world: w, owner: d.owner, outcome: newOutcome(), current: map[types.NamespacedName]*rbacv1.RoleBinding{},
	}
	for _, writes := range d.plan {
		var group sync.WaitGroup
		slots := make(chan struct{}, parallelWrites)
		for i := range writes {
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				a.carryOut(ctx, &writes[i])
			})
		}
		group.Wait()
	}
	// Writes end in any order, and what a status says must not depend on it.
	slices.SortFunc(a.outcome.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return a.outcome
}

// application is a plan being carried out.
type application struct {
	*Reconciler
	world *world
	owner binding.Owner

	mu sync.Mutex
	// current is what each RoleBinding written in this pass is now, nil when it was deleted.
	current map[types.NamespacedName]*rbacv1.RoleBinding
	outcome outcome
}

func (a *application) carryOut(ctx context.Context, w *binding.Write) {
	key := types.NamespacedName{Namespace: w.Place.Namespace, Name: w.Name(a.owner)}
	if wait := a.backOff(key); w.Existing == nil && wait > 0 {
		a.hold(w, key, wait)
		return
	}
	a.mu.Lock()
	if written, ok := a.current[key]; ok && w.Existing != nil {
		w.Existing = written
	}
	a.mu.Unlock()

	drift := a.memory.drift(a.owner, key, w.Existing)
	result, err := a.write(ctx, w)
	if err != nil {
		a.excuse(ctx, w, key, err)
		return
	}
	a.wrote(key, w, result, drift)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current[key] = result
	a.outcome.done = append(a.outcome.done, *w)
}

// wrote counts a write that was made.
func (a *application) wrote(key types.NamespacedName, w *binding.Write, result *rbacv1.RoleBinding, drift metrics.Drift) {
	operation := metrics.Update
	switch {
	case w.Existing == nil:
		operation = metrics.Create
	case result == nil:
		operation = metrics.Delete
	}
	metrics.BindingWritten(operation)
	metrics.DriftCorrected(drift)
	a.memory.wrote(key, result)
}

// hold puts off a write.
func (a *application) hold(w *binding.Write, key types.NamespacedName, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcome.again(wait)
	held := fmt.Sprintf("somebody keeps deleting RoleBinding %s: it is made again after a while", key)
	a.outcome.keep(w, condition.InProgress(enrolv1alpha1.ReasonProgressing, held))
	if a.outcome.held == "" || held < a.outcome.held {
		a.outcome.held = held
	}
}

// write makes one write and returns what is there afterwards.
func (a *application) write(ctx context.Context, w *binding.Write) (*rbacv1.RoleBinding, error) {
	switch {
	case w.Existing == nil:
		created := a.owner.Object(w.Place, w.Number, w.Subjects)
		return created, a.client.Create(ctx, created)
	case len(w.Subjects) == 0:
		return nil, a.remove(ctx, w.Existing)
	default:
		// With the resourceVersion of what was decided on: somebody else's write in between fails this one.
		changed := w.Existing.DeepCopy()
		a.owner.Adjust(changed, w.Subjects)
		return changed, a.client.Update(ctx, changed)
	}
}

// errHeld: somebody's finalizer holds a deleted RoleBinding, which RBAC does not let the operator empty.
var errHeld = errors.New("held by finalizers of somebody else")

// remove deletes a RoleBinding. Where a finalizer would hold it, and the access with it, it is emptied first.
func (a *application) remove(ctx context.Context, b *rbacv1.RoleBinding) error {
	var held error
	if len(b.Finalizers) > 0 && len(b.Subjects) > 0 {
		emptied := b.DeepCopy()
		a.owner.Adjust(emptied, nil)
		err := a.client.Update(ctx, emptied)
		switch {
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
			// It is the Role, perhaps, that is not found.
			held = fmt.Errorf("%w: %w", errHeld, err)
		case err != nil:
			return err
		}
	}
	a.ours.Store(b.UID, struct{}{})
	// Nobody waits for the cache to see it: it never does if somebody takes the labels away just before.
	if err := a.client.Delete(ctx, b, client.Preconditions{UID: &b.UID}, asItIs); err != nil {
		a.ours.Delete(b.UID)
		return client.IgnoreNotFound(err)
	}
	return held
}

// excuse sorts out a failed write: settled by the world, to be put right by somebody, to be tried again, or unexpected.
func (a *application) excuse(ctx context.Context, w *binding.Write, key types.NamespacedName, err error) {
	var found problem
	switch {
	case errors.Is(err, errHeld):
		found, err = a.held(key)
	case apierrors.IsAlreadyExists(err):
		found, err = a.foreignBinding(ctx, w, key)
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		found, err = a.forbidden(ctx, w.Place.ClusterRole, err)
		if found.reason != "" && len(w.Revoked) > 0 {
			// RBAC asks for the right to bind even when subjects are removed, but not for deleting.
			a.withdraw(ctx, w, key)
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o := &a.outcome
	switch {
	case found.reason != "":
		o.problems = append(o.problems, found)
		o.keep(w, found.state())
		o.again(foreignRetry)
	case err == nil:
	case errors.Is(err, errStale), apierrors.IsConflict(err), apierrors.IsNotFound(err),
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		// Somebody else wrote it, or its namespace is going or has gone.
		o.stale()
		o.fail(w)
	default:
		o.errs = append(o.errs, fmt.Errorf("writing RoleBinding %s: %w", key, err))
		o.fail(w)
	}
}

// held is about a RoleBinding that was deleted and gives access all the same. In a namespace of the Organisation's that is for
// somebody to put right. Elsewhere anybody may have made it who may bind there, and chosen the labels: what it gives is theirs to
// give, and no reason for the Organisation not to be Ready.
func (a *application) held(key types.NamespacedName) (problem, error) {
	if !a.world.has(key.Namespace) {
		return problem{}, nil
	}
	return problem{enrolv1alpha1.ReasonBindingNotOurs, fmt.Sprintf(
		"RoleBinding %s is being deleted and held by finalizers of somebody else: remove these", key)}, nil
}

// withdraw deletes a RoleBinding from which somebody has to go and cannot be taken. Those who stay are told why they
// are not bound by the pass that follows.
func (a *application) withdraw(ctx context.Context, w *binding.Write, key types.NamespacedName) {
	err := a.remove(ctx, w.Existing)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.outcome.errs = append(a.outcome.errs, fmt.Errorf("withdrawing RoleBinding %s: %w", key, err))
		a.outcome.fail(w)
		return
	}
	metrics.BindingWritten(metrics.Delete)
	a.outcome.stale()
	withdrawn := *w
	withdrawn.Subjects, withdrawn.Added = nil, nil
	a.outcome.done = append(a.outcome.done, withdrawn)
}

// errStale: the cache has not seen yet what is there.
var errStale = errors.New("the cache is behind")

// foreignBinding looks, past the cache, at what has a name that should have been free.
func (a *application) foreignBinding(
	ctx context.Context, w *binding.Write, key types.NamespacedName,
) (problem, error) {
	existing := &rbacv1.RoleBinding{}
	if err := a.reader.Get(ctx, key, existing); err != nil {
		if apierrors.IsNotFound(err) {
			return problem{}, errStale
		}
		return problem{}, err
	}
	switch {
	case !existing.DeletionTimestamp.IsZero():
		return a.held(key)
	case !a.owner.Owns(existing):
		return problem{enrolv1alpha1.ReasonBindingNotOurs, fmt.Sprintf(
			"RoleBinding %s was made by somebody else and is left alone: delete or rename it", key)}, nil
	case !binding.RefersTo(existing, w.Place.ClusterRole):
		if err := a.remove(ctx, existing); err != nil {
			return problem{}, err
		}
		metrics.BindingWritten(metrics.Delete)
		metrics.DriftCorrected(metrics.DriftForeign)
		return problem{}, errStale
	}
	// Ours, and out of the cache's sight for want of its labels, or because the cache is behind.
	drift := a.memory.drift(a.owner, key, existing)
	a.owner.Adjust(existing, w.Subjects)
	if err := a.client.Update(ctx, existing); err != nil {
		return problem{}, err
	}
	metrics.BindingWritten(metrics.Update)
	metrics.DriftCorrected(drift)
	a.memory.wrote(key, existing)
	return problem{}, errStale
}

// forbidden asks whether a refusal is for want of the right to bind the ClusterRole.
func (a *application) forbidden(ctx context.Context, clusterRole string, refusal error) (problem, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: rbacv1.GroupName, Resource: "clusterroles", Verb: "bind", Name: clusterRole,
		},
	}}
	if err := a.client.Create(ctx, review, asItIs); err != nil {
		return problem{}, errors.Join(refusal, err)
	}
	if review.Status.Allowed {
		return problem{}, refusal
	}
	return problem{enrolv1alpha1.ReasonBindNotAllowed, fmt.Sprintf(
		"the operator may not bind ClusterRole %q: give its ServiceAccount, in a ClusterRole of your own, the rule "+
			"{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [%q], verbs: [bind]}",
		clusterRole, clusterRole)}, nil
}
