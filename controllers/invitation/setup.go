package invitation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/note"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/telemetry"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	// TemplatesConfigMap is the ConfigMap with the platform team's own templates, in the operator's namespace.
	TemplatesConfigMap = "enrol-mail-templates"

	// parallelPasses over different Invitations. Most of them wait for the one write that counts the mails of many.
	parallelPasses = 100
	// passTimeout bounds a pass, should a request hang.
	passTimeout = time.Minute
	// longestBackOff is how late a pass may be after one that failed.
	longestBackOff = 15 * time.Second
)

// Options of the controller.
type Options struct {
	Settings
	// Namespace of the operator.
	Namespace string
	Keys      *token.Keys
	// Transport of mails; nil for none, and then Settings have no MailDomain.
	Transport mail.Transport
	// ParallelMails at a time.
	ParallelMails int
	From          mail.Address
	// Guard says when nobody must be given anything new; nil: never.
	Guard *preflight.Guard
	Clock clock.Clock
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Setup adds the controller to a manager.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if err := index(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing for the invitation controller: %w", err)
	}
	// What is only ever created needs no cache, and a client that sees its own writes would begin one.
	direct, err := client.New(mgr.GetConfig(), client.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
	})
	if err != nil {
		return err
	}
	w := &writer{links: options.Links, keys: options.Keys, from: options.From, templates: mail.DefaultTemplates()}
	r := &Reconciler{
		client:   mgr.GetClient(),
		direct:   direct,
		settings: options.Settings,
		keys:     options.Keys,
		postman:  newPostman(options.Transport, w, options.Clock, options.ParallelMails),
		guard:    options.Guard,
		ledger:   newLedger(mgr.GetClient(), direct, options.Clock),
		recorder: mgr.GetEventRecorder("enrol.dev/invitation"),
		clock:    options.Clock,
	}
	c, err := controller.New("invitation", mgr, controller.Options{
		Reconciler:              telemetry.TracePasses("invitation", r),
		MaxConcurrentReconciles: parallelPasses,
		ReconciliationTimeout:   passTimeout,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			20*time.Millisecond, longestBackOff),
	})
	if err != nil {
		return err
	}
	for _, watch := range []source.Source{
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Invitation{}, r.onInvitation()),
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Organisation{}, r.onOrganisation()),
		source.Kind(mgr.GetCache(), &enrolv1alpha1.Member{}, r.onMember()),
		source.Kind(mgr.GetCache(), &corev1.ConfigMap{}, onTemplates(mgr, w)),
		r.onDelivery(),
		r.onGuard(),
	} {
		if err := c.Watch(watch); err != nil {
			return err
		}
	}
	if err := mgr.Add(&keyMaker{client: direct, keys: options.Keys, namespace: options.Namespace}); err != nil {
		return err
	}
	if options.Transport == nil {
		return nil
	}
	return mgr.Add(r.postman)
}

func index(ctx context.Context, indexer client.FieldIndexer) error {
	one := func(value string) []string {
		if value == "" {
			return nil
		}
		return []string{value}
	}
	for _, i := range []struct {
		object client.Object
		name   string
		value  client.IndexerFunc
	}{
		{&enrolv1alpha1.Invitation{}, indexAddress, func(o client.Object) []string {
			return one(string(o.(*enrolv1alpha1.Invitation).Spec.Email))
		}},
		{&enrolv1alpha1.Member{}, indexAddress, func(o client.Object) []string {
			return one(string(o.(*enrolv1alpha1.Member).Spec.Email))
		}},
		{&enrolv1alpha1.Member{}, indexUsername, func(o client.Object) []string {
			m := o.(*enrolv1alpha1.Member)
			if m.Spec.Username == "" && m.Spec.Email == m.Status.UsernameEmail {
				return one(string(m.Status.Username))
			}
			return one(string(m.Spec.Username))
		}},
	} {
		if err := indexer.IndexField(ctx, i.object, i.name, i.value); err != nil {
			return err
		}
	}
	return nil
}

func enqueue(q queue, i *enrolv1alpha1.Invitation) {
	q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: i.Namespace, Name: i.Name}})
}

// onInvitation: everything about it matters, its annotations included. One that is finished, or goes, makes way for
// another to the same address.
func (r *Reconciler) onInvitation() handler.TypedEventHandler[*enrolv1alpha1.Invitation, reconcile.Request] {
	return handler.TypedFuncs[*enrolv1alpha1.Invitation, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Invitation], q queue) {
			enqueue(q, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*enrolv1alpha1.Invitation], q queue) {
			enqueue(q, e.ObjectNew)
			if e.ObjectOld.Status.Outcome != e.ObjectNew.Status.Outcome {
				r.enqueueOpen(ctx, q, e.ObjectNew.Namespace, client.MatchingFields{indexAddress: string(e.ObjectNew.Spec.Email)})
			}
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*enrolv1alpha1.Invitation], q queue) {
			r.postman.forget(client.ObjectKeyFromObject(e.Object))
			r.enqueueOpen(ctx, q, e.Object.Namespace, client.MatchingFields{indexAddress: string(e.Object.Spec.Email)})
		},
	}
}

// onOrganisation: its policy, roles and owners decide what becomes of Invitations, and so does whether it is in force.
func (r *Reconciler) onOrganisation() handler.TypedEventHandler[*enrolv1alpha1.Organisation, reconcile.Request] {
	all := func(ctx context.Context, o *enrolv1alpha1.Organisation, q queue) {
		r.enqueueOpen(ctx, q, o.HomeNamespace())
	}
	return handler.TypedFuncs[*enrolv1alpha1.Organisation, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Organisation], q queue) {
			if !e.IsInInitialList {
				all(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*enrolv1alpha1.Organisation], q queue) {
			before, after := e.ObjectOld, e.ObjectNew
			if before.Generation != after.Generation ||
				before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
				before.Status.Slug != after.Status.Slug || before.Status.Namespace != after.Status.Namespace ||
				before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() {
				all(ctx, after, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*enrolv1alpha1.Organisation], q queue) {
			all(ctx, e.Object, q)
		},
	}
}

// onMember: who becomes a member by other means needs no Invitation any more.
func (r *Reconciler) onMember() handler.TypedEventHandler[*enrolv1alpha1.Member, reconcile.Request] {
	invitations := func(ctx context.Context, m *enrolv1alpha1.Member, q queue) {
		if m.Spec.Email != "" {
			r.enqueueOpen(ctx, q, m.Namespace, client.MatchingFields{indexAddress: string(m.Spec.Email)})
		}
	}
	return handler.TypedFuncs[*enrolv1alpha1.Member, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*enrolv1alpha1.Member], q queue) {
			if !e.IsInInitialList {
				invitations(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*enrolv1alpha1.Member], q queue) {
			if e.ObjectOld.Generation != e.ObjectNew.Generation {
				invitations(ctx, e.ObjectNew, q)
			}
		},
	}
}

// enqueueOpen asks for passes over the Invitations of a namespace that are not finished.
func (r *Reconciler) enqueueOpen(ctx context.Context, q queue, namespace string, options ...client.ListOption) {
	var found enrolv1alpha1.InvitationList
	options = append(options, client.InNamespace(namespace), asItIs)
	if err := r.client.List(ctx, &found, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list Invitations", "namespace", namespace)
		return
	}
	for k := range found.Items {
		enqueue(q, &found.Items[k])
	}
}

// onDelivery: a mail was handed over, or not.
func (r *Reconciler) onDelivery() source.Source {
	return source.Func(func(_ context.Context, q queue) error {
		r.postman.done = func(key types.NamespacedName) { q.Add(reconcile.Request{NamespacedName: key}) }
		return nil
	})
}

// onGuard: what is held back may be done, or must be held back from now on.
func (r *Reconciler) onGuard() source.Source {
	return source.Func(func(ctx context.Context, q queue) error {
		r.guard.Subscribe(func() { r.enqueueOpen(ctx, q, metav1.NamespaceAll) })
		return nil
	})
}

// onTemplates: templates of the platform team's own come, change or go. They are read before the first pass.
func onTemplates(mgr ctrl.Manager, w *writer) handler.TypedEventHandler[*corev1.ConfigMap, reconcile.Request] {
	recorder := mgr.GetEventRecorder("enrol.dev/invitation")
	load := func(ctx context.Context, c *corev1.ConfigMap) {
		if err := w.load(c); err != nil {
			text := "not used, and the earlier templates stay in use: " + err.Error()
			recorder.Eventf(c, nil, corev1.EventTypeWarning, "TemplatesBroken", "Load", "%s", note.Cut(text))
			return
		}
		ctrl.LoggerFrom(ctx).Info("Using templates of a ConfigMap", "name", c.Name)
	}
	return handler.TypedFuncs[*corev1.ConfigMap, reconcile.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[*corev1.ConfigMap], _ queue) { load(ctx, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*corev1.ConfigMap], _ queue) {
			load(ctx, e.ObjectNew)
		},
		DeleteFunc: func(context.Context, event.TypedDeleteEvent[*corev1.ConfigMap], queue) { _ = w.load(nil) },
	}
}
