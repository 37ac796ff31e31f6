package domain

import (
	"context"
	"slices"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// SetRole gives a person one role in the place of all others. Role owner adds an owner and leaves the Members as they are;
// any other takes an owner out of spec.owners, with the Member written first.
func (d *Domain) SetRole(
	ctx context.Context, caller *identity.Caller, o *Organisation, find Finder, id string, role enrolv1alpha1.RoleName,
) (*Membership, error) {
	if err := o.known([]enrolv1alpha1.RoleName{role}); err != nil {
		return nil, err
	}
	m, err := find(o, id)
	if err != nil {
		// The right to give the role comes before the question of to whom.
		if refused := d.need(ctx, caller, o, review.Grant(review.OrganisationRoles, string(role))); refused != nil {
			return nil, refused
		}
		return nil, err
	}
	if role == enrolv1alpha1.RoleOwner {
		return d.promote(ctx, caller, m)
	}
	return d.demote(ctx, caller, m, role)
}

// demote gives a person a role other than owner.
func (d *Domain) demote(
	ctx context.Context, caller *identity.Caller, m *Membership, role enrolv1alpha1.RoleName,
) (*Membership, error) {
	o := m.Organisation
	a := d.additionFor(m, Addition{Username: m.Username, Role: &role})
	if !m.hasMember() {
		a.given = enrolv1alpha1.Email(m.Email)
	}
	if err := d.mayCarryOut(ctx, caller, a); err != nil {
		return nil, err
	}
	if m.Owner {
		if err := d.mayGrantOwner(ctx, caller, o); err != nil {
			return nil, err
		}
	}
	if err := d.canCarryOut(caller, a); err != nil {
		return nil, err
	}
	if m.Owner {
		if err := d.canChangeOwners(o); err != nil {
			return nil, err
		}
		if err := d.tryOwners(ctx, o, removeOwner(m.Username)); err != nil {
			return nil, err
		}
	}
	member, err := d.writeMember(ctx, caller, a)
	if err != nil {
		return nil, err
	}
	if m.Owner {
		if o, err = d.changeOwners(ctx, caller, o, removeOwner(m.Username)); err != nil {
			return nil, err
		}
	}
	p := &person{username: m.Username, email: m.Email, members: append([]*enrolv1alpha1.Member{member}, m.rest()...)}
	return o.membership(p), nil
}

// promote makes a person an owner.
func (d *Domain) promote(ctx context.Context, caller *identity.Caller, m *Membership) (*Membership, error) {
	if m.Pending() {
		return nil, fault.Bad(fault.Role, "an owner must have a known username")
	}
	if m.Owner {
		return m, nil
	}
	if err := d.mayGrantOwner(ctx, caller, m.Organisation); err != nil {
		return nil, err
	}
	if err := d.canChangeOwners(m.Organisation); err != nil {
		return nil, err
	}
	owner := enrolv1alpha1.Owner{Username: enrolv1alpha1.Username(m.Username), Email: enrolv1alpha1.Email(m.Email)}
	o, err := d.changeOwners(ctx, caller, m.Organisation, addOwner(owner))
	if err != nil {
		return nil, err
	}
	return o.membership(&person{username: m.Username, email: m.Email, owner: &owner, members: m.members}), nil
}

// rest are the Members but for the oldest, which is the one that changes are made to.
func (m *Membership) rest() []*enrolv1alpha1.Member {
	if len(m.members) == 0 {
		return nil
	}
	return m.members[1:]
}

// additionFor is an addition about somebody who was found already.
func (d *Domain) additionFor(m *Membership, wanted Addition) *addition {
	a := &addition{Addition: wanted, organisation: m.Organisation, isOwner: m.Owner}
	if m.hasMember() {
		a.existing, a.found = m.members[0], true
	}
	return a
}

// AddProject gives a person a project more. Whoever has all has it already, and so has an owner.
func (d *Domain) AddProject(ctx context.Context, caller *identity.Caller, m *Membership, project string) error {
	added := enrolv1alpha1.Project(project)
	if m.Projects.All() || slices.Contains(m.Projects, added) {
		return nil
	}
	return d.setProjects(ctx, caller, d.rescoped(m, m.members[0], func(present enrolv1alpha1.Projects) enrolv1alpha1.Projects {
		if present.All() || slices.Contains(present, added) {
			return present
		}
		return append(slices.Clone(present), added)
	}))
}

// RemoveProjects takes projects from a person. Of one who has all, the scope becomes all others that there are.
func (d *Domain) RemoveProjects(ctx context.Context, caller *identity.Caller, m *Membership, projects []string) error {
	return d.setProjects(ctx, caller, d.narrowed(m, projects)...)
}

// narrowed are the changes of a person's Members that take projects from the person.
func (d *Domain) narrowed(m *Membership, projects []string) []*addition {
	var changes []*addition
	for _, member := range m.members {
		changes = append(changes, d.rescoped(m, member, func(present enrolv1alpha1.Projects) enrolv1alpha1.Projects {
			if len(projects) > 0 && present.All() {
				present = nil
				for _, project := range d.Projects(m.Organisation) {
					present = append(present, enrolv1alpha1.Project(project.Name))
				}
			}
			return slices.DeleteFunc(slices.Clone(present), func(p enrolv1alpha1.Project) bool {
				return slices.Contains(projects, string(p))
			})
		}))
	}
	return changes
}

// rescoped is a change of the projects of one of a person's Members, made from those that it has when it is written: of two
// changes at once, neither undoes the other.
func (d *Domain) rescoped(
	m *Membership, member *enrolv1alpha1.Member, change func(enrolv1alpha1.Projects) enrolv1alpha1.Projects,
) *addition {
	a := d.additionFor(m, Addition{})
	a.existing, a.rescope = member, change
	return a
}

// maxProjects is what a Member takes.
const maxProjects = 256

var errTooManyProjects = fault.Bad(fault.Project, "a member must have at most 256 projects by name")

// setProjects carries changes of projects out, once all of them are allowed.
func (d *Domain) setProjects(ctx context.Context, caller *identity.Caller, changes ...*addition) error {
	if err := d.maySetProjects(ctx, caller, changes); err != nil {
		return err
	}
	for _, a := range changes {
		if _, err := d.writeMember(ctx, caller, a); err != nil {
			return err
		}
	}
	return nil
}

func (d *Domain) maySetProjects(ctx context.Context, caller *identity.Caller, changes []*addition) error {
	for _, a := range changes {
		if len(a.rescope(a.existing.Spec.Projects)) > maxProjects {
			return errTooManyProjects
		}
	}
	return d.authorise(ctx, caller, changes...)
}
