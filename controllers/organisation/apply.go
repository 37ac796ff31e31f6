package organisation

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/enrol-dev/enrol/internal/binding"
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
	mu sync.Mutex
	// current is what each RoleBinding written in this pass is now, nil when it was deleted.
	current map[types.NamespacedName]*rbacv1.RoleBinding
	// problems that somebody has to put right, and the ClusterRoles and subjects that they keep from being bound.
	problems []problem
	unbound  map[string]problem
	foreign  map[subject.Subject]problem
	// failed are subjects whose writes have to be tried again.
	failed map[subject.Subject]struct{}
	// retry is when to try again what nothing else will bring back; 0: never.
	retry time.Duration
	// errs are unexpected.
	errs []error
	// done are the writes that were made.
	done []binding.Write
}

func newOutcome() *outcome {
	return &outcome{
		current: map[types.NamespacedName]*rbacv1.RoleBinding{},
		unbound: map[string]problem{},
		foreign: map[subject.Subject]problem{},
		failed:  map[subject.Subject]struct{}{},
	}
}

func (o *outcome) again(after time.Duration) {
	if o.retry == 0 || after < o.retry {
		o.retry = after
	}
}

// fail notes a write that has to be tried again.
func (o *outcome) fail(w *binding.Write) {
	for _, who := range w.Added {
		o.failed[who] = struct{}{}
	}
}

// prepareHome makes the home namespace, or notes the Organisation's UID on the one that is there.
func (r *Reconciler) prepareHome(ctx context.Context, w *world, state homeState) error {
	uid := string(w.organisation.UID)
	switch state {
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
func (r *Reconciler) apply(ctx context.Context, owner binding.Owner, plan *binding.Plan) *outcome {
	o := newOutcome()
	for _, writes := range plan {
		var group sync.WaitGroup
		slots := make(chan struct{}, parallelWrites)
		for i := range writes {
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				r.applyOne(ctx, owner, &writes[i], o)
			})
		}
		group.Wait()
	}
	return o
}

func (r *Reconciler) applyOne(ctx context.Context, owner binding.Owner, w *binding.Write, o *outcome) {
	key := types.NamespacedName{Namespace: w.Place.Namespace, Name: w.Name(owner)}
	if w.Existing == nil {
		if wait := r.backOff(key); wait > 0 {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.again(wait)
			o.fail(w)
			return
		}
	}
	o.mu.Lock()
	if written, ok := o.current[key]; ok && w.Existing != nil {
		w.Existing = written
	}
	o.mu.Unlock()

	result, err := r.write(ctx, owner, w)
	if err != nil {
		r.excuse(ctx, owner, w, key, err, o)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.current[key] = result
	o.done = append(o.done, *w)
}

// write makes one write and returns what is there afterwards.
func (r *Reconciler) write(ctx context.Context, owner binding.Owner, w *binding.Write) (*rbacv1.RoleBinding, error) {
	switch {
	case w.Existing == nil:
		created := owner.Object(w.Place, w.Number, w.Subjects)
		return created, r.client.Create(ctx, created)
	case len(w.Subjects) == 0:
		precondition := client.Preconditions{UID: &w.Existing.UID}
		return nil, client.IgnoreNotFound(r.client.Delete(ctx, w.Existing, precondition))
	default:
		// With the resourceVersion of what was decided on: somebody else's write in between fails this one.
		changed := w.Existing.DeepCopy()
		owner.Adjust(changed, w.Subjects)
		return changed, r.client.Update(ctx, changed)
	}
}

// excuse sorts out a failed write: settled by the world, to be put right by somebody, to be tried again, or unexpected.
func (r *Reconciler) excuse(
	ctx context.Context, owner binding.Owner, w *binding.Write, key types.NamespacedName, err error, o *outcome,
) {
	var found problem
	switch {
	case apierrors.IsAlreadyExists(err):
		found, err = r.foreignBinding(ctx, owner, key)
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		found, err = r.forbidden(ctx, w.Place.ClusterRole, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case found.reason == enrolv1alpha1.ReasonBindingNotOurs:
		o.problems = append(o.problems, found)
		for _, who := range w.Added {
			o.foreign[who] = found
		}
		o.again(foreignRetry)
	case found.reason == enrolv1alpha1.ReasonBindNotAllowed:
		o.problems = append(o.problems, found)
		o.unbound[w.Place.ClusterRole] = found
		o.again(foreignRetry)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		// The namespace is going or has gone, and the access in it with it. Its own event brings the next pass.
	case errors.Is(err, errStale), apierrors.IsConflict(err):
		o.again(staleRetry)
		o.fail(w)
	default:
		o.errs = append(o.errs, fmt.Errorf("writing RoleBinding %s: %w", key, err))
		o.fail(w)
	}
}

// errStale: the cache has not seen yet what is there.
var errStale = errors.New("the cache is behind")

// foreignBinding looks, past the cache, at what has a name that should have been free.
func (r *Reconciler) foreignBinding(
	ctx context.Context, owner binding.Owner, key types.NamespacedName,
) (problem, error) {
	existing := &rbacv1.RoleBinding{}
	if err := r.reader.Get(ctx, key, existing); err != nil {
		if apierrors.IsNotFound(err) {
			return problem{}, errStale
		}
		return problem{}, err
	}
	if !owner.Owns(existing) {
		return problem{enrolv1alpha1.ReasonBindingNotOurs, fmt.Sprintf(
			"RoleBinding %s was made by somebody else and is left alone: delete or rename it", key)}, nil
	}
	if existing.Labels[enrolv1alpha1.LabelOrganisation] != owner.Name ||
		existing.Labels[enrolv1alpha1.LabelManagedBy] != enrolv1alpha1.ManagedBy {
		return problem{}, r.relabel(ctx, owner, existing)
	}
	return problem{}, errStale
}

// relabel brings back into sight a binding of ours that somebody took the labels from.
func (r *Reconciler) relabel(ctx context.Context, owner binding.Owner, existing *rbacv1.RoleBinding) error {
	var subjects []subject.Subject
	for _, s := range existing.Subjects {
		if who, ok := subject.FromRBAC(s); ok {
			subjects = append(subjects, who)
		}
	}
	owner.Adjust(existing, subjects)
	if err := r.client.Update(ctx, existing); err != nil {
		return err
	}
	return errStale
}

// forbidden asks whether a refusal is for want of the right to bind the ClusterRole.
func (r *Reconciler) forbidden(ctx context.Context, clusterRole string, refusal error) (problem, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: rbacv1.GroupName, Resource: "clusterroles", Verb: "bind", Name: clusterRole,
		},
	}}
	if err := r.client.Create(ctx, review, client.DisableReadYourWritesConsistency); err != nil {
		return problem{}, errors.Join(refusal, err)
	}
	if review.Status.Allowed {
		return problem{}, refusal
	}
	return problem{enrolv1alpha1.ReasonBindNotAllowed, fmt.Sprintf(
		"the operator may not bind ClusterRole %q: add to ClusterRole enrol:operator-bind the rule "+
			"{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [%q], verbs: [bind]}",
		clusterRole, clusterRole)}, nil
}
