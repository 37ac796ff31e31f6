package domain

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// Role is a role of an organisation.
type Role struct {
	ID   string
	Name enrolv1alpha1.RoleName
	// Base is the built-in role whose rights it has in the organisation: itself, for a built-in one.
	Base enrolv1alpha1.RoleName
}

// Roles are the built-in ones, strongest first, then the organisation's own.
func (o *Organisation) Roles() []Role {
	builtIn := enrolv1alpha1.BuiltInRoles()
	roles := make([]Role, 0, len(builtIn)+len(o.Spec.Roles))
	for _, name := range builtIn {
		roles = append(roles, o.role(name))
	}
	for _, own := range o.Spec.Roles {
		if own.BasedOn != "" && o.knows(own.Name) {
			roles = append(roles, o.role(own.Name))
		}
	}
	return roles
}

func (o *Organisation) role(name enrolv1alpha1.RoleName) Role {
	return Role{ID: o.RoleID(name), Name: name, Base: o.Base(name)}
}

// RoleByID is the role with that id.
func (o *Organisation) RoleByID(id string) (Role, bool) {
	for _, role := range o.Roles() {
		if strings.EqualFold(role.ID, id) {
			return role, true
		}
	}
	return Role{}, false
}

// knows tells whether the organisation has a role of that name.
func (o *Organisation) knows(name enrolv1alpha1.RoleName) bool {
	_, ok := o.terms.Base(name)
	return ok
}

// Base is the built-in role that a role is, or is based on; viewer for one that is not known.
func (o *Organisation) Base(name enrolv1alpha1.RoleName) enrolv1alpha1.RoleName {
	if base, ok := o.terms.Base(name); ok {
		return base
	}
	return enrolv1alpha1.RoleViewer
}

// DefaultRole is that of whoever has none.
func (o *Organisation) DefaultRole() enrolv1alpha1.RoleName { return o.terms.DefaultRole() }

// rank orders roles, strongest first: an organisation's own comes after the built-in one that it is based on.
func (o *Organisation) rank(name enrolv1alpha1.RoleName) int {
	builtIn := enrolv1alpha1.BuiltInRoles()
	rank := 2 * slices.Index(builtIn, o.Base(name))
	if !slices.Contains(builtIn, name) {
		rank++
	}
	return rank
}

// strongest orders roles, strongest first, each once.
func (o *Organisation) strongest(roles []enrolv1alpha1.RoleName) []enrolv1alpha1.RoleName {
	sorted := make([]enrolv1alpha1.RoleName, 0, len(roles))
	for _, role := range roles {
		if !slices.Contains(sorted, role) {
			sorted = append(sorted, role)
		}
	}
	slices.SortStableFunc(sorted, func(a, b enrolv1alpha1.RoleName) int { return o.rank(a) - o.rank(b) })
	return sorted
}

// known wants every role to be one of the organisation's.
func (o *Organisation) known(roles []enrolv1alpha1.RoleName) error {
	for _, role := range roles {
		if !o.knows(role) {
			return fault.Bad(fault.Role, "unknown role")
		}
	}
	return nil
}

// Permissions is what the roles of an organisation allow in it.
type Permissions struct {
	// Names of all that any role allows, sorted: <resource>.<group>:<verb>.
	Names []string
	rules map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule
	parts map[string]triple
}

type triple struct{ group, resource, verb string }

// Permissions reads what the ClusterRoles behind the roles allow.
func (d *Domain) Permissions(ctx context.Context) (*Permissions, error) {
	rules, err := d.Store.Rules(ctx)
	if err != nil {
		return nil, fault.OfSelf(err)
	}
	return NewPermissions(rules), nil
}

// NewPermissions is what the rules of the built-in roles allow.
func NewPermissions(rules map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule) *Permissions {
	p := &Permissions{rules: rules, parts: map[string]triple{}}
	for _, role := range enrolv1alpha1.BuiltInRoles() {
		for _, rule := range rules[role] {
			if len(rule.ResourceNames) > 0 {
				continue
			}
			eachTriple(rule, func(t triple) { p.parts[t.name()] = t })
		}
	}
	for name := range p.parts {
		p.Names = append(p.Names, name)
	}
	slices.Sort(p.Names)
	return p
}

func eachTriple(rule rbacv1.PolicyRule, do func(triple)) {
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				do(triple{group: group, resource: resource, verb: verb})
			}
		}
	}
}

func (t triple) name() string {
	if t.group == "" {
		return t.resource + ":" + t.verb
	}
	return t.resource + "." + t.group + ":" + t.verb
}

// Allows tells whether a built-in role allows what a name says, exactly or by '*'.
func (p *Permissions) Allows(base enrolv1alpha1.RoleName, name string) bool {
	wanted := p.parts[name]
	covers := func(values []string, value string) bool {
		return slices.Contains(values, value) || slices.Contains(values, "*")
	}
	return slices.ContainsFunc(p.rules[base], func(rule rbacv1.PolicyRule) bool {
		return len(rule.ResourceNames) == 0 && covers(rule.APIGroups, wanted.group) &&
			covers(rule.Resources, wanted.resource) && covers(rule.Verbs, wanted.verb)
	})
}
