package pages

import (
	"fmt"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// saying is a thing with what it means.
type saying struct{ Name, Meaning string }

// seesMembers is all that most roles allow in the organisation itself; what they allow in projects is another matter, which the
// organisation decides.
const seesMembers = "Sees the members, and cannot change them."

// meanings are what the built-in roles allow.
var meanings = map[enrolv1alpha1.RoleName]string{
	enrolv1alpha1.RoleOwner:        "Decides who is a member or an owner, and everything in all projects.",
	enrolv1alpha1.RoleAdmin:        "Invites and removes people, and changes their roles, except for owners.",
	enrolv1alpha1.RoleDeveloper:    seesMembers,
	enrolv1alpha1.RoleBillingAdmin: seesMembers,
	enrolv1alpha1.RoleViewer:       seesMembers,
}

// roleName is what a role is called.
func roleName(o *domain.Organisation, role enrolv1alpha1.RoleName) string {
	if title := o.RoleTitle(role); title != string(role) {
		return title
	}
	return role.Title()
}

// roleNames are what roles are called.
func roleNames(o *domain.Organisation, roles []enrolv1alpha1.RoleName) []string {
	names := make([]string, 0, len(roles))
	for _, role := range roles {
		names = append(names, roleName(o, role))
	}
	return names
}

// rolesInWords says of each role what it allows in the organisation, whatever its name makes people think.
func rolesInWords(o *domain.Organisation, roles []enrolv1alpha1.RoleName) []saying {
	sayings := make([]saying, 0, len(roles))
	for _, role := range roles {
		sayings = append(sayings, saying{Name: roleName(o, role), Meaning: meanings[o.Base(role)]})
	}
	return sayings
}

// accessInWords says what a Kubernetes role allows in projects; "" for none.
func accessInWords(o *domain.Organisation, role enrolv1alpha1.KubernetesRole) string {
	bound := o.ClusterRole(role)
	switch {
	case bound == "":
		return ""
	case bound != string(role):
		return fmt.Sprintf("What the cluster's role “%s” allows.", bound)
	}
	switch role {
	case enrolv1alpha1.KubernetesRoleClusterAdmin:
		return "Everything, rights of others included."
	case enrolv1alpha1.KubernetesRoleEdit:
		return "Run and change what is there, secrets included."
	case enrolv1alpha1.KubernetesRoleView:
		return "Look at what is there, but for secrets."
	default:
		return ""
	}
}

// projectsInWords names projects.
func projectsInWords(projects enrolv1alpha1.Projects) string {
	if projects.All() {
		return "All projects"
	}
	return sequence(texts(projects))
}

func texts[T ~string](names []T) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		all = append(all, string(name))
	}
	return all
}
