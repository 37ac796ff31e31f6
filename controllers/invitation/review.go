package invitation

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/invitation"
)

// allAuthenticated is the group that everybody whom the API server knows is in.
const allAuthenticated = "system:authenticated"

// gatherReview asks the API server whether the inviter may still grant what was accepted, while it is not there yet.
func (r *Reconciler) gatherReview(ctx context.Context, w *world) error {
	i := w.invitation
	if invitation.StateOf(i, w.policy(), w.now) != invitation.Accepting || w.organisation == nil || w.stands(&r.settings) {
		return nil
	}
	w.review = &review{}
	for _, grant := range w.grants() {
		allowed, err := r.mayGrant(ctx, i, grant)
		if err != nil {
			return err
		}
		if !allowed {
			w.review.missing = append(w.review.missing, grant.resource+".enrol.dev/"+grant.name)
		}
	}
	return nil
}

// grant is a virtual resource that the admission policies ask the verb grant on.
type grant struct{ resource, name string }

// grants are those that creating the Invitation needed.
func (w *world) grants() []grant {
	spec := &w.invitation.Spec
	var grants []grant
	roles, makes := spec.MemberRoles()
	if makes && len(roles) == 0 {
		roles = append(roles, w.terms.DefaultRole())
	}
	if spec.Owns() {
		roles = append(slices.Clone(roles), enrolv1alpha1.RoleOwner)
	}
	for _, role := range roles {
		grants = append(grants, grant{"organisationroles", string(role)})
	}
	if spec.KubernetesRole != nil && *spec.KubernetesRole != enrolv1alpha1.KubernetesRoleNone {
		grants = append(grants, grant{"kubernetesroles", string(*spec.KubernetesRole)})
	}
	for _, group := range spec.Groups {
		grants = append(grants, grant{"organisationgroups", string(group)})
	}
	return grants
}

func (r *Reconciler) mayGrant(ctx context.Context, i *enrolv1alpha1.Invitation, what grant) (bool, error) {
	ask := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   i.Spec.InvitedBy.Username,
		Groups: append(slices.Clone(i.Spec.InvitedBy.Groups), allAuthenticated),
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "grant", Group: enrolv1alpha1.SchemeGroupVersion.Group, Resource: what.resource,
			Name: what.name, Namespace: i.Namespace,
		},
	}}
	if err := r.direct.Create(ctx, ask); err != nil {
		return false, fmt.Errorf("asking what the inviter may grant: %w", err)
	}
	return ask.Status.Allowed, nil
}
