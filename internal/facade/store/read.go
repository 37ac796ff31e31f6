package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// find returns the objects that an index has under a value, but for those that are being deleted.
func find[T metav1.Object](kind *watched, index, value string) []T {
	objects, err := kind.informer.GetIndexer().ByIndex(index, value)
	if err != nil {
		// An index that does not exist is a mistake in this package, which every test would meet.
		panic(err)
	}
	found := make([]T, 0, len(objects))
	for _, object := range objects {
		if o := object.(T); o.GetDeletionTimestamp().IsZero() {
			found = append(found, o)
		}
	}
	return found
}

// within leaves those of a namespace; with "", all.
func within[T metav1.Object](namespace string, found []T) []T {
	if namespace == "" {
		return found
	}
	return slices.DeleteFunc(found, func(o T) bool { return o.GetNamespace() != namespace })
}

// Older orders objects by their creation, then by id, as lists have them.
func Older[T metav1.Object](a, b T) int {
	if order := a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time); order != 0 {
		return order
	}
	return strings.Compare(string(a.GetUID()), string(b.GetUID()))
}

// OrganisationBySlug is nil for a slug that nobody has. Of two with the same slug it is the older one, then by name.
func (s *Store) OrganisationBySlug(slug string) *enrolv1alpha1.Organisation {
	found := find[*enrolv1alpha1.Organisation](s.organisations, bySlug, slug)
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(a, b *enrolv1alpha1.Organisation) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
}

// OrganisationByUID is nil for a UID that no Organisation has.
func (s *Store) OrganisationByUID(uid string) *enrolv1alpha1.Organisation {
	return first(find[*enrolv1alpha1.Organisation](s.organisations, byUID, uid))
}

// OrganisationByHome is the Organisation of a home namespace, nil for none.
func (s *Store) OrganisationByHome(namespace string) *enrolv1alpha1.Organisation {
	name, ok := strings.CutPrefix(namespace, enrolv1alpha1.HomeNamespacePrefix)
	if !ok {
		return nil
	}
	object, exists, err := s.organisations.informer.GetIndexer().GetByKey(name)
	if err != nil || !exists {
		return nil
	}
	if o := object.(*enrolv1alpha1.Organisation); o.DeletionTimestamp.IsZero() {
		return o
	}
	return nil
}

// OrganisationsOwnedBy are those that name the username among their owners.
func (s *Store) OrganisationsOwnedBy(username string) []*enrolv1alpha1.Organisation {
	return find[*enrolv1alpha1.Organisation](s.organisations, byOwner, username)
}

// Members are all of a namespace, in no order.
func (s *Store) Members(namespace string) []*enrolv1alpha1.Member {
	return find[*enrolv1alpha1.Member](s.members, byNamespace, namespace)
}

// MembersByUsername are those of a person, in a namespace or, when that is "", in all.
func (s *Store) MembersByUsername(namespace, username string) []*enrolv1alpha1.Member {
	return within(namespace, find[*enrolv1alpha1.Member](s.members, byUsername, username))
}

// MembersByEmail are those of an address, in a namespace or, when that is "", in all.
func (s *Store) MembersByEmail(namespace, email string) []*enrolv1alpha1.Member {
	return within(namespace, find[*enrolv1alpha1.Member](s.members, byEmail, email))
}

// MemberByUID is nil for a UID that no Member has.
func (s *Store) MemberByUID(uid string) *enrolv1alpha1.Member {
	return first(find[*enrolv1alpha1.Member](s.members, byUID, uid))
}

// Invitations are all of a namespace, in no order.
func (s *Store) Invitations(namespace string) []*enrolv1alpha1.Invitation {
	return find[*enrolv1alpha1.Invitation](s.invitations, byNamespace, namespace)
}

// Unsent are those of a namespace whose mails are about to be sent, and not counted yet.
func (s *Store) Unsent(namespace string) []*enrolv1alpha1.Invitation {
	return find[*enrolv1alpha1.Invitation](s.invitations, byUnsent, namespace)
}

// InvitationsByEmail are those for an address, in a namespace or, when that is "", in all.
func (s *Store) InvitationsByEmail(namespace, email string) []*enrolv1alpha1.Invitation {
	return within(namespace, find[*enrolv1alpha1.Invitation](s.invitations, byEmail, email))
}

// InvitationByUID is nil for a UID that no Invitation has.
func (s *Store) InvitationByUID(uid string) *enrolv1alpha1.Invitation {
	return first(find[*enrolv1alpha1.Invitation](s.invitations, byUID, uid))
}

// Projects are the namespaces of an Organisation, oldest first. A home namespace is none, whatever its labels say.
func (s *Store) Projects(organisation string) []*corev1.Namespace {
	found := slices.DeleteFunc(find[*corev1.Namespace](s.namespaces, byOrganisation, organisation), func(n *corev1.Namespace) bool {
		_, home := n.Labels[enrolv1alpha1.LabelHomeOf]
		return home
	})
	slices.SortFunc(found, Older)
	return found
}

func first[T any](found []T) T {
	var none T
	if len(found) == 0 {
		return none
	}
	return found[0]
}

// Live reads an object past the caches, with the facade's own account.
func (s *Store) Live(ctx context.Context, namespace, name string, object client.Object) error {
	return s.own.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
}

// LiveList reads objects past the caches, with the facade's own account.
func (s *Store) LiveList(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return s.own.List(ctx, list, options...)
}
