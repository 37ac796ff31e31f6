// Package access decides what a membership gives: pure functions from an Organisation, a Member and the time.
package access

import (
	"strings"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/subject"
)

// builtIn are the roles that every Organisation has, with what they give in projects.
var builtIn = map[enrolv1alpha1.RoleName]enrolv1alpha1.KubernetesRole{
	enrolv1alpha1.RoleOwner:        enrolv1alpha1.KubernetesRoleClusterAdmin,
	enrolv1alpha1.RoleAdmin:        enrolv1alpha1.KubernetesRoleEdit,
	enrolv1alpha1.RoleDeveloper:    enrolv1alpha1.KubernetesRoleEdit,
	enrolv1alpha1.RoleViewer:       enrolv1alpha1.KubernetesRoleView,
	enrolv1alpha1.RoleBillingAdmin: enrolv1alpha1.KubernetesRoleNone,
}

// homeRank orders what the built-in roles allow in the home namespace. Equal ranks allow the same.
var homeRank = map[string]int{
	enrolv1alpha1.RoleOwner.ClusterRole():        3,
	enrolv1alpha1.RoleAdmin.ClusterRole():        2,
	enrolv1alpha1.RoleDeveloper.ClusterRole():    1,
	enrolv1alpha1.RoleBillingAdmin.ClusterRole(): 1,
	enrolv1alpha1.RoleViewer.ClusterRole():       1,
}

// role is what a role of an Organisation comes to.
type role struct {
	// home is the built-in role whose ClusterRole is bound in the home namespace.
	home       enrolv1alpha1.RoleName
	kubernetes enrolv1alpha1.KubernetesRole
}

// Terms are the roles, groups and mappings of an Organisation, ready for being asked.
type Terms struct {
	organisation *enrolv1alpha1.Organisation
	naming       subject.Naming
	roles        map[enrolv1alpha1.RoleName]role
	groups       map[enrolv1alpha1.GroupName]*enrolv1alpha1.Group
	clusterRoles map[enrolv1alpha1.KubernetesRole]string
}

// NewTerms reads the terms of an Organisation, which must not change afterwards.
func NewTerms(organisation *enrolv1alpha1.Organisation, naming subject.Naming) *Terms {
	t := &Terms{
		organisation: organisation,
		naming:       naming,
		roles:        make(map[enrolv1alpha1.RoleName]role, len(builtIn)+len(organisation.Spec.Roles)),
		groups:       make(map[enrolv1alpha1.GroupName]*enrolv1alpha1.Group, len(organisation.Spec.Groups)),
		clusterRoles: map[enrolv1alpha1.KubernetesRole]string{},
	}
	for name, kubernetesRole := range builtIn {
		t.roles[name] = role{home: name, kubernetes: kubernetesRole}
	}
	// Built-in roles first: the organisation's own inherit what these were customised to.
	for _, own := range []bool{false, true} {
		for _, r := range organisation.Spec.Roles {
			if (r.BasedOn != "") == own {
				t.addRole(r)
			}
		}
	}
	for i := range organisation.Spec.Groups {
		group := &organisation.Spec.Groups[i]
		t.groups[group.Name] = group
	}
	for _, kubernetesRole := range enrolv1alpha1.KubernetesRoles() {
		t.clusterRoles[kubernetesRole] = string(kubernetesRole)
	}
	for _, mapping := range organisation.Spec.KubernetesRoles {
		t.clusterRoles[mapping.Name] = mapping.ClusterRole
		if isReserved(mapping.ClusterRole) {
			t.clusterRoles[mapping.Name] = ""
		}
	}
	return t
}

// isReserved tells whether a ClusterRole is Kubernetes' or Enrol's own. The API group accepts no mapping to one; a
// mapping that got past it gives nothing.
func isReserved(clusterRole string) bool {
	name := strings.ToLower(clusterRole)
	return strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "enrol:")
}

// addRole refuses nothing that the API group accepts. A stored role that got past it, based on owner or on a role
// that is not built in, is left out, and so unknown to Members that name it.
func (t *Terms) addRole(r enrolv1alpha1.Role) {
	_, isBuiltIn := builtIn[r.Name]
	base := r.BasedOn
	if base == "" {
		base = r.Name
	}
	_, baseIsBuiltIn := builtIn[base]
	if !baseIsBuiltIn || isBuiltIn != (base == r.Name) || (!isBuiltIn && base == enrolv1alpha1.RoleOwner) {
		return
	}
	kubernetesRole := t.roles[base].kubernetes
	if r.KubernetesRole != nil {
		kubernetesRole = r.KubernetesRole.Known()
	}
	t.roles[r.Name] = role{home: base, kubernetes: kubernetesRole}
}

// ClusterRole is what a Kubernetes role is bound as, "" for none.
func (t *Terms) ClusterRole(kubernetesRole enrolv1alpha1.KubernetesRole) string {
	return t.clusterRoles[kubernetesRole]
}

// Rank orders ClusterRoles that are bound in the same namespace by what they allow. One that the terms do not know
// ranks highest, so that it is taken for a right that is lost when it goes.
func (t *Terms) Rank(clusterRole string) int {
	if rank, ok := homeRank[clusterRole]; ok {
		return rank
	}
	rank := 0
	for kubernetesRole, name := range t.clusterRoles {
		if name == clusterRole {
			rank = max(rank, kubernetesRole.Rank())
		}
	}
	if rank == 0 {
		rank = enrolv1alpha1.KubernetesRole(clusterRole).Rank()
	}
	if rank == 0 {
		return unknownRank
	}
	return rank
}

const unknownRank = 100

// Base is the built-in role that a role is, or is based on; false for one that the Organisation does not have.
func (t *Terms) Base(name enrolv1alpha1.RoleName) (enrolv1alpha1.RoleName, bool) {
	known, ok := t.roles[name]
	return known.home, ok
}

// KubernetesRole is what a role gives in projects: none for one that the Organisation does not have.
func (t *Terms) KubernetesRole(name enrolv1alpha1.RoleName) enrolv1alpha1.KubernetesRole {
	return t.roles[name].kubernetes
}
