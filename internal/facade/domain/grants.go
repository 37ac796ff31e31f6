package domain

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

type right = review.Right

// defaultRoles are those that a Member without roles may have: the policy on grants, which cannot see the Organisation,
// wants the right to all.
var defaultRoles = []enrolv1alpha1.RoleName{
	enrolv1alpha1.RoleViewer, enrolv1alpha1.RoleDeveloper, enrolv1alpha1.RoleBillingAdmin,
}

// grants are the rights to give or take what a Member gives, as the policy on grants asks for them.
func grants(spec *enrolv1alpha1.MemberSpec) []right {
	roles := spec.Roles
	if len(roles) == 0 {
		roles = defaultRoles
	}
	return grantsOf(roles, spec.KubernetesRole, spec.Groups)
}

// invitationGrants is grants for an Invitation.
func invitationGrants(spec *enrolv1alpha1.InvitationSpec) []right {
	roles := spec.Roles
	if spec.Owns() && !slices.Contains(roles, enrolv1alpha1.RoleOwner) {
		roles = append(slices.Clone(roles), enrolv1alpha1.RoleOwner)
	}
	if len(roles) == 0 {
		roles = defaultRoles
	}
	return grantsOf(roles, spec.KubernetesRole, spec.Groups)
}

func grantsOf(
	roles []enrolv1alpha1.RoleName, kubernetesRole *enrolv1alpha1.KubernetesRole, groups []enrolv1alpha1.GroupName,
) []right {
	rights := make([]right, 0, len(roles)+len(groups)+1)
	for _, role := range roles {
		rights = append(rights, review.Grant(review.OrganisationRoles, string(role)))
	}
	if kubernetesRole != nil && *kubernetesRole != enrolv1alpha1.KubernetesRoleNone {
		rights = append(rights, review.Grant(review.KubernetesRoles, string(*kubernetesRole)))
	}
	for _, group := range groups {
		rights = append(rights, review.Grant(review.OrganisationGroups, string(group)))
	}
	return rights
}

// canChangeOwners says why nobody makes or unmakes owners here: they are kept in Git.
func (d *Domain) canChangeOwners(o *Organisation) error {
	if by := d.organisationKeptBy(o.Organisation); by != "" {
		return managedInGit("the organisation", by)
	}
	return nil
}

// mayGrantOwner asks for the right to make and unmake owners. It is asked as of this moment, since the API server sees the
// facade's own account in the write.
func (d *Domain) mayGrantOwner(ctx context.Context, caller *identity.Caller, o *Organisation) error {
	wanted := review.Grant(review.OrganisationRoles, string(enrolv1alpha1.RoleOwner))
	allowed, err := d.Access.Now(ctx, caller, o.HomeNamespace(), wanted)
	if err != nil {
		return fault.OfSelf(err)
	}
	if !allowed {
		return lacking(wanted, o)
	}
	return nil
}

// differs tells whether a Member was changed.
func (d *Domain) differs(a, b *enrolv1alpha1.Member) bool {
	return !equality.Semantic.DeepEqual(a.Spec, b.Spec)
}
