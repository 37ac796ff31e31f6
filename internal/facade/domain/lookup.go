package domain

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/store"
)

var errNoMember = fault.New(fault.NotFound, "member not found")

// ByMembershipID finds a person by the id of the membership.
func (d *Domain) ByMembershipID(o *Organisation, id string) (*Membership, error) {
	if member := d.Store.MemberByUID(strings.ToLower(id)); member != nil && member.Namespace == o.HomeNamespace() {
		byName, byEmail := d.look(o, store.Username(member), string(member.Spec.Email))
		if p := cmp.Or(byName, byEmail); p != nil && slices.Contains(p.members, member) {
			return o.membership(p), nil
		}
		return nil, errNoMember
	}
	return d.where(o, func(m *Membership) bool { return strings.EqualFold(m.ID, id) })
}

// ByUserOrMembershipID finds a person by one of the two ids.
func (d *Domain) ByUserOrMembershipID(o *Organisation, id string) (*Membership, error) {
	return d.where(o, func(m *Membership) bool {
		return strings.EqualFold(m.ID, id) || strings.EqualFold(m.UserID(), id)
	})
}

// ByName finds a person by username, else the address of a pending membership, else the id of the membership.
func (d *Domain) ByName(o *Organisation, text string) (*Membership, error) {
	byName, _ := d.look(o, text, "")
	if byName != nil && byName.username == text {
		return o.membership(byName), nil
	}
	if _, byEmail := d.look(o, "", address.Lower(text)); byEmail != nil && byEmail.username == "" {
		return o.membership(byEmail), nil
	}
	return d.ByMembershipID(o, text)
}

// ByMembershipIDOrName finds a person by the id of the membership, else by username.
func (d *Domain) ByMembershipIDOrName(o *Organisation, text string) (*Membership, error) {
	if m, err := d.ByMembershipID(o, text); err == nil {
		return m, nil
	}
	byName, _ := d.look(o, text, "")
	if byName == nil || byName.username != text {
		return nil, errNoMember
	}
	return o.membership(byName), nil
}

// where finds the one person that something is true of. It looks at everybody: ids that are derived have no index.
func (d *Domain) where(o *Organisation, is func(*Membership) bool) (*Membership, error) {
	for _, p := range o.people(d.Store.Members(o.HomeNamespace()), d.Clock.Now()) {
		if m := o.membership(p); is(m) {
			return m, nil
		}
	}
	return nil, errNoMember
}

// Mine are the caller's own memberships in all organisations, by slug.
func (d *Domain) Mine(caller *identity.Caller) []*Membership {
	if caller.Name == "" {
		return nil
	}
	seen := map[*enrolv1alpha1.Organisation]bool{}
	for _, m := range d.Store.MembersByUsername("", caller.Name) {
		if o := d.Store.OrganisationByHome(m.Namespace); o != nil {
			seen[o] = true
		}
	}
	for _, o := range d.Store.OrganisationsOwnedBy(caller.Name) {
		seen[o] = true
	}
	var mine []*Membership
	for o := range seen {
		organisation, err := d.Find(Ref{UID: string(o.UID)})
		if err != nil {
			continue
		}
		if m := d.Own(organisation, caller); m != nil {
			mine = append(mine, m)
		}
	}
	slices.SortFunc(mine, func(a, b *Membership) int {
		return cmp.Or(strings.Compare(a.Organisation.Slug(), b.Organisation.Slug()),
			store.Older(a.Organisation, b.Organisation))
	})
	return mine
}

// Projects are the namespaces of an organisation, oldest first.
func (d *Domain) Projects(o *Organisation) []*corev1.Namespace { return d.Store.Projects(o.Name) }

// ProjectsOf are those of a membership, in its order; of one in all projects, all of them.
func (d *Domain) ProjectsOf(m *Membership) []*corev1.Namespace {
	all := d.Projects(m.Organisation)
	if m.Projects.All() {
		return all
	}
	byName := make(map[string]*corev1.Namespace, len(all))
	for _, project := range all {
		byName[project.Name] = project
	}
	var found []*corev1.Namespace
	for _, name := range m.Projects {
		if project := byName[string(name)]; project != nil {
			found = append(found, project)
		}
	}
	return found
}

// ProjectByID is the project with that id, nil for none.
func (d *Domain) ProjectByID(o *Organisation, id string) *corev1.Namespace {
	for _, project := range d.Projects(o) {
		if strings.EqualFold(string(project.UID), id) {
			return project
		}
	}
	return nil
}
