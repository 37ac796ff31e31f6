package store

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Names of indexes. What a person has is found by the person, and then looked through for the namespace: an index by both would
// make each Member a third larger, and nobody is in that many organisations.
const (
	byUID          = "uid"
	bySlug         = "slug"
	byOwner        = "owner"
	byNamespace    = toolscache.NamespaceIndex
	byUsername     = "username"
	byEmail        = "email"
	byUnsent       = "unsent"
	byOrganisation = "organisation"
)

// indexing says what objects are found by.
type indexing struct{ naming subject.Naming }

// index makes an index function for objects of one type.
func index[T any](keys func(object T) []string) toolscache.IndexFunc {
	return func(object any) ([]string, error) {
		o, ok := object.(T)
		if !ok {
			return nil, nil
		}
		return keys(o), nil
	}
}

func uid(object metav1.Object) []string { return []string{string(object.GetUID())} }

func (indexing) organisations() toolscache.Indexers {
	return toolscache.Indexers{
		byUID:  index(uid),
		bySlug: index(func(o *enrolv1alpha1.Organisation) []string { return []string{o.Slug()} }),
		byOwner: index(func(o *enrolv1alpha1.Organisation) []string {
			names := make([]string, 0, len(o.Spec.Owners))
			for _, owner := range o.Spec.Owners {
				names = append(names, string(owner.Username))
			}
			return names
		}),
	}
}

func (x indexing) members() toolscache.Indexers {
	return toolscache.Indexers{
		byUID: index(uid), byNamespace: toolscache.MetaNamespaceIndexFunc,
		byUsername: index(x.usernames), byEmail: index(emails),
	}
}

func (indexing) invitations() toolscache.Indexers {
	return toolscache.Indexers{
		byUID: index(uid), byNamespace: toolscache.MetaNamespaceIndexFunc,
		byEmail:  index(func(i *enrolv1alpha1.Invitation) []string { return []string{string(i.Spec.Email)} }),
		byUnsent: index(unsent),
	}
}

// unsent is the namespace of an Invitation whose mail the operator has not seen to yet.
func unsent(i *enrolv1alpha1.Invitation) []string {
	if i.Status.SendNumber > 0 || len(i.Status.Conditions) > 0 || !i.Spec.Mails() {
		return nil
	}
	return []string{i.Namespace}
}

func (indexing) namespaces() toolscache.Indexers {
	return toolscache.Indexers{
		byUID: index(uid),
		byOrganisation: index(func(n *corev1.Namespace) []string {
			return []string{n.Labels[enrolv1alpha1.LabelOrganisation]}
		}),
	}
}

// usernames are those that the holder of a membership signs in with. Where usernames are addresses, that is the address
// even before anybody has signed in.
func (x indexing) usernames(m *enrolv1alpha1.Member) []string {
	if name := Username(m); name != "" {
		return []string{name}
	}
	if x.naming.EmailIsUsername && m.Spec.Email != "" {
		return []string{string(m.Spec.Email)}
	}
	return nil
}

// emails are the addresses that a Member is found by: a username that is an address counts where no other is known.
func emails(m *enrolv1alpha1.Member) []string {
	if email := Email(Username(m), string(m.Spec.Email)); email != "" {
		return []string{email}
	}
	return nil
}

// Username is the username of a Member as far as it is known: "" while it is not.
func Username(m *enrolv1alpha1.Member) string {
	switch {
	case m.Spec.Username != "":
		return string(m.Spec.Username)
	case m.Status.Username != "" && m.Status.UsernameEmail == m.Spec.Email:
		return string(m.Status.Username)
	}
	return ""
}

// Email is somebody's address: the one that is known, else the username where that is one, else "".
func Email(username, email string) string {
	if email != "" {
		return email
	}
	if parsed, err := address.Parse(username); err == nil {
		return string(parsed)
	}
	return ""
}
