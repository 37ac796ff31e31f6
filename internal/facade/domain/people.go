package domain

import (
	"cmp"
	"slices"
	"strings"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/store"
)

// Membership is a person in an organisation: an owner, the Members that name the person, or both.
type Membership struct {
	Organisation *Organisation
	// ID of the oldest Member; of an owner without one, an id derived from the username.
	ID string
	// Username is "" while it is not known: the membership is pending.
	Username string
	// Email is "" where none is known and the username is none.
	Email string
	// Roles, strongest first. An owner has the role owner first.
	Roles []enrolv1alpha1.RoleName
	// KubernetesRole in projects, by the Members' own choice or their roles.
	KubernetesRole enrolv1alpha1.KubernetesRole
	// Projects of the Members together; all for an owner.
	Projects enrolv1alpha1.Projects
	// Owner is true for whoever is in spec.owners.
	Owner bool
	// Suspended is true when no Member gives anything, as all are suspended, and the person is no owner.
	Suspended bool
	// InvitedBy is nil when unknown.
	InvitedBy *enrolv1alpha1.Inviter
	// Created and Updated in UTC.
	Created, Updated time.Time

	// members are the Members, oldest first.
	members []*enrolv1alpha1.Member
}

// Pending tells whether nobody is known to have signed in as the person.
func (m *Membership) Pending() bool { return m.Username == "" }

// UserID is the id of the person where a UUID is wanted.
func (m *Membership) UserID() string { return m.Organisation.UserID(cmp.Or(m.Username, m.Email)) }

// Role is the strongest, "" for none.
func (m *Membership) Role() enrolv1alpha1.RoleName {
	if len(m.Roles) == 0 {
		return ""
	}
	return m.Roles[0]
}

// hasMember tells whether there is a Member, and not an owner's entry alone.
func (m *Membership) hasMember() bool { return len(m.members) > 0 }

// person is who is meant, before the details are looked at.
type person struct {
	username, email string
	owner           *enrolv1alpha1.Owner
	members         []*enrolv1alpha1.Member
}

// Memberships are all people of an organisation, oldest first, then by id.
func (d *Domain) Memberships(o *Organisation) []*Membership {
	members := d.Store.Members(o.HomeNamespace())
	people := o.people(members, d.Clock.Now())
	memberships := make([]*Membership, 0, len(people))
	for _, p := range people {
		memberships = append(memberships, o.membership(p))
	}
	slices.SortFunc(memberships, func(a, b *Membership) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return memberships
}

// people sorts owners and Members by who they name: first by username, then those that have none by address.
func (o *Organisation) people(members []*enrolv1alpha1.Member, now time.Time) []*person {
	people := make([]*person, 0, len(members)+len(o.Spec.Owners))
	byName := make(map[string]*person, cap(people))
	byEmail := make(map[string]*person, cap(people))
	enter := func(p *person) *person {
		people = append(people, p)
		if p.username != "" {
			byName[p.username] = p
		}
		return p
	}
	claim := func(p *person, email string) {
		if email != "" && byEmail[email] == nil {
			byEmail[email] = p
		}
	}
	for i := range o.Spec.Owners {
		owner := &o.Spec.Owners[i]
		email := store.Email(string(owner.Username), string(owner.Email))
		claim(enter(&person{username: string(owner.Username), email: email, owner: owner}), email)
	}
	slices.SortFunc(members, store.Older)
	var pending []*enrolv1alpha1.Member
	for _, m := range members {
		username := store.Username(m)
		if !counts(m, now) {
			continue
		}
		if username == "" {
			pending = append(pending, m)
			continue
		}
		p := byName[username]
		if p == nil {
			p = enter(&person{username: username})
		}
		email := store.Email(username, string(m.Spec.Email))
		p.email = cmp.Or(p.email, email)
		p.members = append(p.members, m)
		claim(p, email)
	}
	for _, m := range pending {
		email := string(m.Spec.Email)
		p := byEmail[email]
		if p == nil {
			p = enter(&person{email: email})
			claim(p, email)
		}
		p.members = append(p.members, m)
	}
	return people
}

// counts tells whether a Member names a person and has not expired.
func counts(m *enrolv1alpha1.Member, now time.Time) bool {
	return m.Spec.Group == "" && (m.Spec.Username != "" || m.Spec.Email != "") && !m.Expired(now)
}

// membership looks at the details.
func (o *Organisation) membership(p *person) *Membership {
	slices.SortFunc(p.members, store.Older)
	m := &Membership{
		Organisation: o, Username: p.username, Email: p.email, Owner: p.owner != nil, Suspended: p.owner == nil,
		members: p.members,
	}
	if m.Owner {
		m.Roles = append(m.Roles, enrolv1alpha1.RoleOwner)
		m.KubernetesRole = o.terms.KubernetesRole(enrolv1alpha1.RoleOwner)
		m.Projects = enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}
		m.ID, m.Created, m.Updated = "", o.CreationTimestamp.UTC(), o.Updated()
	}
	for i, member := range p.members {
		m.Roles = append(m.Roles, member.Spec.Roles...)
		if given := o.gives(&member.Spec); given.Rank() > m.KubernetesRole.Rank() {
			m.KubernetesRole = given
		}
		m.Projects = union(m.Projects, member.Spec.Projects)
		m.Suspended = m.Suspended && member.Spec.Suspend
		if m.InvitedBy == nil {
			m.InvitedBy = member.Spec.InvitedBy
		}
		if i == 0 {
			m.ID, m.Created, m.Updated = string(member.UID), member.CreationTimestamp.UTC(), updated(member)
		}
	}
	if m.ID == "" {
		m.ID = o.ownerID(p.username)
	}
	if len(m.Roles) > 1 {
		m.Roles = o.strongest(m.Roles)
	}
	return m
}

func updated(m *enrolv1alpha1.Member) time.Time {
	if at := m.Status.LastUpdateTime; at != nil {
		return at.UTC()
	}
	return m.CreationTimestamp.UTC()
}

// gives is the Kubernetes role of a Member: its own, else the highest of its roles.
func (o *Organisation) gives(spec *enrolv1alpha1.MemberSpec) enrolv1alpha1.KubernetesRole {
	if spec.KubernetesRole != nil {
		return spec.KubernetesRole.Known()
	}
	highest := enrolv1alpha1.KubernetesRoleNone
	roles := spec.Roles
	if len(roles) == 0 {
		roles = []enrolv1alpha1.RoleName{o.DefaultRole()}
	}
	for _, role := range roles {
		if role == enrolv1alpha1.RoleOwner {
			continue
		}
		if given := o.terms.KubernetesRole(role); given.Rank() > highest.Rank() {
			highest = given
		}
	}
	return highest
}

// union is what two lists of projects are together.
func union(a, b enrolv1alpha1.Projects) enrolv1alpha1.Projects {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0, a.All():
		return a
	case b.All():
		return b
	}
	together := slices.Clone(a)
	for _, project := range b {
		if !slices.Contains(together, project) {
			together = append(together, project)
		}
	}
	return together
}

// look finds who is named by a username, and who by an address; nil for nobody.
func (d *Domain) look(o *Organisation, username, email string) (byName, byEmail *person) {
	for _, p := range o.people(d.candidates(o, username, email), d.Clock.Now()) {
		if username != "" && byName == nil && d.answersTo(p, username) {
			byName = p
		}
		if email != "" && byEmail == nil && p.hasEmail(email) {
			byEmail = p
		}
	}
	return byName, byEmail
}

// candidates are the Members that can have to do with a username or an address. Whoever is found by one is looked for by the
// other as well: an address without a username belongs to whoever has it. Of one person there may be thousands of Members, made by
// somebody who wants this to take long: each must cost the same.
func (d *Domain) candidates(o *Organisation, username, email string) []*enrolv1alpha1.Member {
	var names, addresses series[string]
	names.add(username)
	addresses.add(email)
	for _, owner := range o.Spec.Owners {
		known := store.Email(string(owner.Username), string(owner.Email))
		if string(owner.Username) == username {
			addresses.add(known)
		}
		if email != "" && known == email {
			names.add(string(owner.Username))
		}
	}
	home := o.HomeNamespace()
	var found series[*enrolv1alpha1.Member]
	add := func(members []*enrolv1alpha1.Member) {
		for _, m := range members {
			if found.add(m) {
				names.add(store.Username(m))
				addresses.add(store.Email(store.Username(m), string(m.Spec.Email)))
			}
		}
	}
	for i, j := 0, 0; i < len(names.values) || j < len(addresses.values); {
		if i < len(names.values) {
			add(d.Store.MembersByUsername(home, names.values[i]))
			i++
			continue
		}
		add(d.Store.MembersByEmail(home, addresses.values[j]))
		j++
	}
	return found.values
}

// series are values in the order in which they were added, each once.
type series[T comparable] struct {
	values []T
	known  map[T]struct{}
}

// add tells whether the value is a new one; the zero value is none.
func (s *series[T]) add(value T) bool {
	var none T
	if _, known := s.known[value]; known || value == none {
		return false
	}
	if s.known == nil {
		s.known = map[T]struct{}{}
	}
	s.known[value] = struct{}{}
	s.values = append(s.values, value)
	return true
}

func addNew(values []string, value string) []string {
	if value == "" || slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}

// answersTo tells whether somebody signs in with a username.
func (d *Domain) answersTo(p *person, username string) bool {
	return p.username == username || p.username == "" && d.Naming.EmailIsUsername && p.email == username
}

func (p *person) hasEmail(email string) bool {
	return p.email == email || slices.ContainsFunc(p.members, func(m *enrolv1alpha1.Member) bool {
		return string(m.Spec.Email) == email
	})
}

// Own is the caller's own membership, nil for none.
func (d *Domain) Own(o *Organisation, caller *identity.Caller) *Membership {
	if caller.Name == "" {
		return nil
	}
	p, _ := d.look(o, caller.Name, "")
	if p == nil {
		return nil
	}
	return o.membership(p)
}
