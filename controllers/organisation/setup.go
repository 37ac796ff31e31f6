package organisation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/telemetry"
)

const (
	// parallelPasses over different Organisations.
	parallelPasses = 8
	// passTimeout bounds a pass, should a request hang.
	passTimeout = 2 * time.Minute
	// Repairs of one RoleBinding are this far apart at first, doubled each time up to the last.
	firstRepair = 5 * time.Millisecond
	lastRepair  = 5 * time.Minute

	// longestBackOff is how late a pass may be after one that failed: what others break in one project must not hold
	// up an expiry in another for long.
	longestBackOff = 5 * time.Second

	revokingPriority = 100

	// countAfter is how long a change of the number of Invitations waits for more of them.
	countAfter = 5 * time.Second
)

// Options of the controller.
type Options struct {
	Naming subject.Naming
	// Namespace of the operator, which is never a project.
	Namespace string
	Settler   Settler
	// Guard says when nobody must be given anything new; nil: never.
	Guard *preflight.Guard
	Clock clock.Clock
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Setup adds the controller to a manager.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if err := index(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing for the organisation controller: %w", err)
	}
	r := &Reconciler{
		client:    mgr.GetClient(),
		reader:    mgr.GetAPIReader(),
		settings:  settings{naming: options.Naming, namespace: options.Namespace},
		settler:   options.Settler,
		guard:     options.Guard,
		recorder:  mgr.GetEventRecorder("enrol.dev/organisation"),
		clock:     options.Clock,
		pace:      newPace(options.Clock),
		stopwatch: newStopwatch(options.Clock),
		memory:    newMemory(),
		deletions: flowcontrol.NewBackOff(firstRepair, lastRepair),
	}
	if err := mgr.Add(&metrics.Objects{Cache: mgr.GetCache(), Oldest: r.stopwatch.oldest}); err != nil {
		return err
	}
	c, err := controller.New("organisation", mgr, controller.Options{
		Reconciler:              telemetry.TracePasses("organisation", r),
		MaxConcurrentReconciles: parallelPasses,
		ReconciliationTimeout:   passTimeout,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			20*time.Millisecond, longestBackOff),
	})
	if err != nil {
		return err
	}
	clusterRole := &metav1.PartialObjectMetadata{}
	clusterRole.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("ClusterRole"))
	for _, watch := range []source.Source{
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Organisation{}, r.onOrganisation()),
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Member{}, r.onMember()),
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Invitation{}, r.onInvitation()),
		source.Kind(mgr.GetCache(), &corev1.Namespace{}, r.onNamespace()),
		source.Kind(mgr.GetCache(), &rbacv1.RoleBinding{}, r.onRoleBinding()),
		source.Kind(mgr.GetCache(), clusterRole, r.onClusterRole()),
		r.onGuard(),
	} {
		if err := c.Watch(watch); err != nil {
			return err
		}
	}
	return nil
}

func index(ctx context.Context, indexer client.FieldIndexer) error {
	byLabel := func(o client.Object) []string {
		if name, ok := o.GetLabels()[enrolv1alpha1.LabelOrganisation]; ok {
			return []string{name}
		}
		return nil
	}
	for _, i := range []struct {
		object client.Object
		name   string
		value  client.IndexerFunc
	}{
		{&corev1.Namespace{}, indexOrganisation, byLabel},
		{&rbacv1.RoleBinding{}, indexOrganisation, byLabel},
		{&enrolv1alpha1.Organisation{}, indexSlug, func(o client.Object) []string {
			return []string{o.(*enrolv1alpha1.Organisation).Slug()}
		}},
		{&enrolv1alpha1.Organisation{}, indexClusterRole, func(o client.Object) []string {
			mappings := o.(*enrolv1alpha1.Organisation).Spec.KubernetesRoles
			if len(mappings) == 0 {
				return nil
			}
			names := []string{anyClusterRole}
			for _, mapping := range mappings {
				names = append(names, mapping.ClusterRole)
			}
			return names
		}},
	} {
		if err := indexer.IndexField(ctx, i.object, i.name, i.value); err != nil {
			return err
		}
	}
	return nil
}

// enqueue asks for a pass over an Organisation, as soon as the urgency of what happened wants it.
func (r *Reconciler) enqueue(q queue, organisation string, u urgency) {
	options := priorityqueue.AddOpts{After: r.pace.wait(organisation, u)}
	if u == revoking {
		priority := revokingPriority
		options.Priority = &priority
	}
	q.(priorityqueue.PriorityQueue[reconcile.Request]).AddWithOpts(options,
		reconcile.Request{NamespacedName: types.NamespacedName{Name: organisation}})
}

// onOrganisation: the spec decides everything; one that goes frees its slug for another.
func (r *Reconciler) onOrganisation() handler.TypedEventHandler[*enrolv1alpha1.Organisation, reconcile.Request] {
	itself := func(o *enrolv1alpha1.Organisation) changed { return changed{metrics.KindOrganisation, o.Name} }
	return handler.TypedFuncs[*enrolv1alpha1.Organisation, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Organisation], q queue) {
			if e.IsInInitialList {
				r.stopwatch.noteFound(e.Object.Name, itself(e.Object), e.Object, e.Object.Status.ObservedGeneration)
			} else {
				r.stopwatch.note(e.Object.Name, itself(e.Object), metrics.Created)
			}
			// At once: whoever applies Members in the same breath needs the home namespace. Another of the same
			// second may lose its slug.
			r.enqueue(q, e.Object.Name, revoking)
			r.enqueueIndexed(ctx, q, indexSlug, e.Object.Slug())
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*enrolv1alpha1.Organisation], q queue) {
			if e.ObjectOld.Generation != e.ObjectNew.Generation ||
				e.ObjectOld.DeletionTimestamp.IsZero() != e.ObjectNew.DeletionTimestamp.IsZero() {
				r.stopwatch.note(e.ObjectNew.Name, itself(e.ObjectNew), metrics.Updated)
				r.enqueue(q, e.ObjectNew.Name, revoking)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*enrolv1alpha1.Organisation], q queue) {
			r.stopwatch.note(e.Object.Name, itself(e.Object), metrics.Deleted)
			r.enqueue(q, e.Object.Name, revoking)
			r.enqueueIndexed(ctx, q, indexSlug, e.Object.Slug())
		},
	}
}

// onMember: the spec decides, and the username that was recorded for an address. The rest of the status is ours.
func (r *Reconciler) onMember() handler.TypedEventHandler[*enrolv1alpha1.Member, reconcile.Request] {
	enqueue := func(m *enrolv1alpha1.Member, what metrics.Change, q queue, u urgency) {
		if organisation, ok := organisationName(m.Namespace); ok {
			r.stopwatch.note(organisation, changed{metrics.KindMember, m.Name}, what)
			r.enqueue(q, organisation, u)
		}
	}
	return handler.TypedFuncs[*enrolv1alpha1.Member, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Member], q queue) {
			m := e.Object
			if !e.IsInInitialList {
				enqueue(m, metrics.Created, q, additive)
			} else if organisation, ok := organisationName(m.Namespace); ok {
				r.stopwatch.noteFound(organisation, changed{metrics.KindMember, m.Name}, m, m.Status.ObservedGeneration)
				r.enqueue(q, organisation, additive)
			}
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*enrolv1alpha1.Member], q queue) {
			if e.ObjectOld.Generation != e.ObjectNew.Generation ||
				e.ObjectOld.DeletionTimestamp.IsZero() != e.ObjectNew.DeletionTimestamp.IsZero() ||
				e.ObjectOld.Status.Username != e.ObjectNew.Status.Username ||
				e.ObjectOld.Status.UsernameEmail != e.ObjectNew.Status.UsernameEmail {
				enqueue(e.ObjectNew, metrics.Updated, q, revoking)
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*enrolv1alpha1.Member], q queue) {
			enqueue(e.Object, metrics.Deleted, q, revoking)
		},
	}
}

// onInvitation: how many there are is part of the status, and no hurry: a pass for each of a burst would write a count
// for each.
func (r *Reconciler) onInvitation() handler.TypedEventHandler[*enrolv1alpha1.Invitation, reconcile.Request] {
	enqueue := func(i *enrolv1alpha1.Invitation, q queue) {
		if organisation, ok := organisationName(i.Namespace); ok {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: organisation}}, countAfter)
		}
	}
	return handler.TypedFuncs[*enrolv1alpha1.Invitation, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Invitation], q queue) {
			enqueue(e.Object, q)
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*enrolv1alpha1.Invitation], q queue) {
			enqueue(e.Object, q)
		},
	}
}

// onNamespace: a project comes, goes or changes hands; a home namespace comes, goes or is handed over.
func (r *Reconciler) onNamespace() handler.TypedEventHandler[*corev1.Namespace, reconcile.Request] {
	enqueue := func(n *corev1.Namespace, q queue, u urgency) {
		if organisation, ok := n.Labels[enrolv1alpha1.LabelOrganisation]; ok && organisation != "" {
			r.enqueue(q, organisation, u)
		}
		if organisation, ok := organisationName(n.Name); ok {
			r.enqueue(q, organisation, u)
		}
	}
	return handler.TypedFuncs[*corev1.Namespace, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*corev1.Namespace], q queue) {
			enqueue(e.Object, q, additive)
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*corev1.Namespace], q queue) {
			before, after := e.ObjectOld, e.ObjectNew
			if before.DeletionTimestamp.IsZero() == after.DeletionTimestamp.IsZero() &&
				before.Labels[enrolv1alpha1.LabelOrganisation] == after.Labels[enrolv1alpha1.LabelOrganisation] &&
				before.Labels[enrolv1alpha1.LabelHomeOf] == after.Labels[enrolv1alpha1.LabelHomeOf] &&
				before.Annotations[enrolv1alpha1.AnnotationOrganisationUID] == after.Annotations[enrolv1alpha1.AnnotationOrganisationUID] {
				return
			}
			enqueue(before, q, revoking)
			enqueue(after, q, revoking)
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*corev1.Namespace], q queue) {
			// A home namespace that has gone is made again.
			enqueue(e.Object, q, revoking)
		},
	}
}

// onRoleBinding: what is not as it was written is put right, and what nobody wants is removed. Our own writes are seen
// here as well; the pass that they ask for finds nothing to do.
func (r *Reconciler) onRoleBinding() handler.TypedEventHandler[*rbacv1.RoleBinding, reconcile.Request] {
	enqueue := func(b *rbacv1.RoleBinding, q queue) {
		if organisation, ok := b.Labels[enrolv1alpha1.LabelOrganisation]; ok && organisation != "" {
			r.enqueue(q, organisation, additive)
		}
	}
	return handler.TypedFuncs[*rbacv1.RoleBinding, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*rbacv1.RoleBinding], q queue) {
			enqueue(e.Object, q)
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*rbacv1.RoleBinding], q queue) {
			enqueue(e.ObjectOld, q)
			enqueue(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*rbacv1.RoleBinding], q queue) {
			r.deleted(e.Object)
			enqueue(e.Object, q)
		},
	}
}

// onClusterRole: a mapped ClusterRole comes or goes, or the operator's right to bind it changes.
func (r *Reconciler) onClusterRole() handler.TypedEventHandler[*metav1.PartialObjectMetadata, reconcile.Request] {
	return handler.TypedFuncs[*metav1.PartialObjectMetadata, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*metav1.PartialObjectMetadata], q queue) {
			if !e.IsInInitialList {
				r.enqueueIndexed(ctx, q, indexClusterRole, e.Object.Name)
			}
		},
		UpdateFunc: func(ctx context.Context, _ event.TypedUpdateEvent[*metav1.PartialObjectMetadata], q queue) {
			// Metadata does not tell whether it is the one that says what the operator may bind.
			r.enqueueIndexed(ctx, q, indexClusterRole, anyClusterRole)
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*metav1.PartialObjectMetadata], q queue) {
			r.enqueueIndexed(ctx, q, indexClusterRole, e.Object.Name)
		},
	}
}

// onGuard: what is held back may be given, or must be held back from now on.
func (r *Reconciler) onGuard() source.Source {
	return source.Func(func(ctx context.Context, q queue) error {
		r.guard.Subscribe(func() {
			var organisations enrolv1alpha1.OrganisationList
			if err := r.client.List(ctx, &organisations, asItIs); err != nil {
				ctrl.LoggerFrom(ctx).Error(err, "Cannot list Organisations")
				return
			}
			for i := range organisations.Items {
				r.enqueue(q, organisations.Items[i].Name, additive)
			}
		})
		return nil
	})
}

func (r *Reconciler) enqueueIndexed(ctx context.Context, q queue, index, value string) {
	var organisations enrolv1alpha1.OrganisationList
	if err := r.client.List(ctx, &organisations, client.MatchingFields{index: value}, asItIs); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list Organisations", "index", index, "value", value)
		return
	}
	for i := range organisations.Items {
		r.enqueue(q, organisations.Items[i].Name, revoking)
	}
}
