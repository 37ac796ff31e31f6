package organisation

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/fresh"
	"github.com/enrol-dev/enrol/internal/preflight"
)

// Names of the cache's indexes.
const (
	// indexSlug finds Organisations by the slug that they ask for.
	indexSlug = "slug"
	// indexClusterRole finds Organisations by the ClusterRoles that they map to.
	indexClusterRole = "clusterRole"
	// anyClusterRole in that index finds those that map anything at all. It is no name of a ClusterRole.
	anyClusterRole = "%"
	// indexOrganisation finds Namespaces and RoleBindings by the Organisation that their label names.
	indexOrganisation = "organisation"
)

// has tells whether a namespace is the Organisation's: the home namespace or one that is labelled as a project.
func (w *world) has(namespace string) bool {
	return namespace == enrolv1alpha1.HomeNamespacePrefix+w.name ||
		slices.ContainsFunc(w.projects, func(n corev1.Namespace) bool { return n.Name == namespace })
}

// asItIs reads without waiting for one's own writes: nothing of what is read so is written here, or only statuses of
// Members, of which there may be thousands on their way.
const asItIs = client.DisableReadYourWritesConsistency

// world is all that a pass looks at. What it points to belongs to the cache and must not be changed.
type world struct {
	name string
	// organisation is nil when there is none, or one that is being deleted.
	organisation *enrolv1alpha1.Organisation
	// rivals are all Organisations that ask for the same slug, this one included.
	rivals []enrolv1alpha1.Organisation
	// home is the namespace org-<name>, whoever made it; nil when there is none.
	home *corev1.Namespace
	// projects are the namespaces that are labelled as the Organisation's.
	projects []corev1.Namespace
	members  []enrolv1alpha1.Member
	// invitations in the home namespace are counted only.
	invitations int
	// bindings are the RoleBindings that are labelled as Enrol's for the Organisation.
	bindings []rbacv1.RoleBinding
	// missing are the mapped ClusterRoles that do not exist.
	missing []string
	// hold is why nobody is to be given anything new; nil for no reason.
	hold *preflight.Finding
	now  time.Time
}

// gather reads the world from the cache. An error leaves nothing to decide from: a part that is missing would look
// like access that is no longer wanted.
func (r *Reconciler) gather(ctx context.Context, name string) (*world, error) {
	w := &world{name: name, hold: r.guard.Hold(), now: r.clock.Now()}
	organisation := &enrolv1alpha1.Organisation{}
	err := fresh.Get(ctx, r.client, types.NamespacedName{Name: name}, organisation)
	switch {
	case err == nil && organisation.DeletionTimestamp.IsZero():
		w.organisation = organisation
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading the Organisation: %w", err)
	}
	if w.organisation != nil {
		if err := r.gatherRivals(ctx, w); err != nil {
			return nil, err
		}
		if err := r.gatherMissing(ctx, w); err != nil {
			return nil, err
		}
	}

	homeName := enrolv1alpha1.HomeNamespacePrefix + name
	home := &corev1.Namespace{}
	if err := fresh.Get(ctx, r.client, types.NamespacedName{Name: homeName}, home); err == nil {
		w.home = home
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the home namespace: %w", err)
	}

	var projects corev1.NamespaceList
	if err := r.client.List(ctx, &projects, client.MatchingFields{indexOrganisation: name}, asItIs); err != nil {
		return nil, fmt.Errorf("listing the projects: %w", err)
	}
	w.projects = projects.Items

	var members enrolv1alpha1.MemberList
	if err := r.client.List(ctx, &members, client.InNamespace(homeName), asItIs); err != nil {
		return nil, fmt.Errorf("listing the Members: %w", err)
	}
	w.members = members.Items

	var invitations enrolv1alpha1.InvitationList
	if err := r.client.List(ctx, &invitations, client.InNamespace(homeName), asItIs); err != nil {
		return nil, fmt.Errorf("listing the Invitations: %w", err)
	}
	w.invitations = len(invitations.Items)

	var bindings rbacv1.RoleBindingList
	if err := fresh.List(ctx, r.client, &bindings, client.MatchingFields{indexOrganisation: name}); err != nil {
		return nil, fmt.Errorf("listing the RoleBindings: %w", err)
	}
	w.bindings = bindings.Items
	return w, nil
}

func (r *Reconciler) gatherRivals(ctx context.Context, w *world) error {
	var rivals enrolv1alpha1.OrganisationList
	if err := r.client.List(ctx, &rivals, client.MatchingFields{indexSlug: w.organisation.Slug()}, asItIs); err != nil {
		return fmt.Errorf("listing the Organisations of the slug: %w", err)
	}
	w.rivals = rivals.Items
	return nil
}

func (r *Reconciler) gatherMissing(ctx context.Context, w *world) error {
	for _, mapping := range w.organisation.Spec.KubernetesRoles {
		clusterRole := &metav1.PartialObjectMetadata{}
		clusterRole.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("ClusterRole"))
		err := r.client.Get(ctx, types.NamespacedName{Name: mapping.ClusterRole}, clusterRole, asItIs)
		switch {
		case apierrors.IsNotFound(err):
			w.missing = append(w.missing, mapping.ClusterRole)
		case err != nil:
			return fmt.Errorf("reading ClusterRole %s: %w", mapping.ClusterRole, err)
		}
	}
	return nil
}
