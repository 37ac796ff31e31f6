package pages

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// homeView is what the first page shows.
type homeView struct {
	// SignIn is where to sign in; "" for whoever has.
	SignIn string
	// Done is what was just done; "" for nothing.
	Done string
	// Foreign is true for a visitor whose token the API server does not take.
	Foreign       bool
	Organisations []organisationRow
	Invitations   []invitationCard
}

type organisationRow struct {
	Name, Path, Roles string
	Suspended         bool
}

type invitationCard struct {
	Organisation, InvitedBy, Roles, Path string
	Expire                               time.Time
}

func organisationsOf(mine []*domain.Membership) []organisationRow {
	rows := make([]organisationRow, 0, len(mine))
	for _, m := range mine {
		rows = append(rows, organisationRow{
			Name: m.Organisation.Title(), Path: organisationPath(m.Organisation), Roles: roleTitles(m.Organisation, m.Roles),
			Suspended: m.Suspended,
		})
	}
	return rows
}

func invitationsFor(waiting []*domain.Invitation) []invitationCard {
	cards := make([]invitationCard, 0, len(waiting))
	for _, i := range waiting {
		query := url.Values{"inviteToken": {i.ID}, "organization": {i.Organisation.ID()}}
		cards = append(cards, invitationCard{
			Organisation: i.Organisation.Title(), InvitedBy: inviter(&i.InvitedBy), Roles: invitedTo(i),
			Path: "/invitations?" + query.Encode(), Expire: i.Expire,
		})
	}
	return cards
}

// state is what the page of an organisation shows besides the organisation.
type state struct {
	status int
	// done and failed say what was just done, or why not.
	done, failed string
	// email and role are what was filled in.
	email, role string
	// projects that were chosen; nil: all.
	projects []string
	// people and invitations are numbers of pages, from 1.
	people, invitations int
}

// organisationView is what the page of an organisation shows. It has no button that the caller may not press.
type organisationView struct {
	Name, Slug, Path string
	// Logo is the address of a picture, "" for none; Initial stands in its place.
	Logo, Initial string
	Done, Failed  string
	People        []personRow
	PeoplePages   pager
	// SeesInvitations is whether the caller may list invitations.
	SeesInvitations bool
	Invitations     []invitationRow
	InvitationPages pager
	// Roles that the caller may invite to; none: there is no form.
	Roles []roleOption
	Email string
	// Projects to choose from, and whether some of them are to be chosen instead of all.
	Projects     []projectOption
	SomeProjects bool
}

// personRow is a person. Buttons are named by the action and whom it is about, as screen readers say them.
type personRow struct {
	ID, Name, Address, Roles, Projects string
	Self, Pending, Suspended, InGit    bool
	Remove                             bool
}

type invitationRow struct {
	ID, Email, Roles, InvitedBy string
	Expire                      time.Time
	Expired, InGit              bool
	Resend, Revoke              bool
}

// roleOption is a role with what it allows in the organisation, and in projects: "" for nothing.
type roleOption struct {
	Value, Title, Meaning, InProjects string
	Chosen                            bool
}

type projectOption struct {
	Name   string
	Chosen bool
}

// maxProjectOptions bounds the form; an Invitation takes no more either.
const maxProjectOptions = 256

func projectOptions(all []*corev1.Namespace, chosen []string) []projectOption {
	options := make([]projectOption, 0, len(all))
	for _, project := range all[:min(len(all), maxProjectOptions)] {
		options = append(options, projectOption{Name: project.Name, Chosen: slices.Contains(chosen, project.Name)})
	}
	return options
}

// organisationView asks for the caller's rights to what is shown.
func (p *Pages) organisationView(
	ctx context.Context, caller *identity.Caller, o *domain.Organisation, s state,
) (*organisationView, error) {
	powers := p.Domain.Powers(caller, o)
	view := &organisationView{
		Name: o.Title(), Slug: o.Slug(), Path: organisationPath(o), Logo: o.Spec.LogoURL, Initial: initial(o.Title()),
		Done: s.done, Failed: s.failed, Email: s.email,
	}
	var people []*domain.Membership
	people, view.PeoplePages = pageOf(p.Domain.Memberships(o), view.Path, queryPeople, s.people)
	for _, m := range people {
		remove, err := powers.MayRemove(ctx, m)
		if err != nil {
			return nil, err
		}
		row := person(m, caller)
		row.InGit, row.Remove = p.Domain.KeptInGit(m) != "", remove
		view.People = append(view.People, row)
	}
	if err := p.addInvitations(ctx, powers, o, view, s.invitations); err != nil {
		return nil, err
	}
	roles, err := powers.Invitable(ctx)
	view.Roles = options(o, roles, enrolv1alpha1.RoleName(s.role))
	view.Projects, view.SomeProjects = projectOptions(p.Domain.Projects(o), s.projects), s.projects != nil
	return view, err
}

// addInvitations adds the invitations that wait or have expired, for callers who may list them.
func (p *Pages) addInvitations(
	ctx context.Context, powers *domain.Powers, o *domain.Organisation, view *organisationView, page int,
) (err error) {
	if view.SeesInvitations, err = powers.Has(ctx, domain.ListInvitations); err != nil || !view.SeesInvitations {
		return err
	}
	var invitations []*domain.Invitation
	invitations, view.InvitationPages = pageOf(p.Domain.Invitations(o), view.Path, queryInvitations, page)
	for _, i := range invitations {
		row := invitationRow{
			ID: i.ID, Email: i.Email, Roles: invitedTo(i), InvitedBy: inviter(&i.InvitedBy), Expire: i.Expire, Expired: i.Expired,
			InGit: p.Domain.InvitationKeptInGit(i) != "",
		}
		if row.Resend, err = powers.MayResend(ctx, i); err != nil {
			return err
		}
		if row.Revoke, err = powers.MayRevoke(ctx, i); err != nil {
			return err
		}
		view.Invitations = append(view.Invitations, row)
	}
	return nil
}

func person(m *domain.Membership, caller *identity.Caller) personRow {
	row := personRow{
		ID: m.ID, Name: cmp.Or(m.Username, m.Email), Roles: roleTitles(m.Organisation, m.Roles), Projects: projects(m.Projects),
		Self: isSelf(m, caller), Pending: m.Pending(), Suspended: m.Suspended,
	}
	if m.Email != row.Name {
		row.Address = m.Email
	}
	return row
}

func isSelf(m *domain.Membership, caller *identity.Caller) bool {
	return caller.Name != "" && m.Username == caller.Name
}

func organisationPath(o *domain.Organisation) string {
	return "/organisations/" + url.PathEscape(o.Slug())
}

// initial is the first letter of a name.
func initial(name string) string {
	_, size := utf8.DecodeRuneInString(name)
	return name[:size]
}

// roleTitles are roles as people call them. A person without any has the organisation's default role.
func roleTitles(o *domain.Organisation, roles []enrolv1alpha1.RoleName) string {
	if len(roles) == 0 {
		roles = []enrolv1alpha1.RoleName{o.DefaultRole()}
	}
	return sequence(roleNames(o, roles))
}

// invitedTo are the roles of an invitation.
func invitedTo(i *domain.Invitation) string {
	if i.Type == enrolv1alpha1.InvitationTransferOwnership {
		return "Owner, in the place of the inviter"
	}
	return roleTitles(i.Organisation, i.Roles)
}

func inviter(by *enrolv1alpha1.Inviter) string { return cmp.Or(string(by.Email), by.Username) }

func projects(names enrolv1alpha1.Projects) string {
	switch {
	case names.All():
		return "All"
	case len(names) == 0:
		return "None"
	}
	return sequence(texts(names))
}

// options are the roles to choose from. The default one is chosen, if it is among them, else the weakest: nobody is to become more by
// mistake.
func options(o *domain.Organisation, roles []domain.Role, chosen enrolv1alpha1.RoleName) []roleOption {
	found := make([]roleOption, 0, len(roles))
	selected := -1
	for i, role := range roles {
		found = append(found, roleOption{
			Value: string(role.Name), Title: roleName(o, role.Name), Meaning: meanings[role.Base],
			InProjects: accessInWords(o, o.KubernetesRole(role.Name)),
		})
		if role.Name == chosen || selected < 0 && chosen == "" && role.Name == o.DefaultRole() {
			selected = i
		}
	}
	if selected < 0 {
		selected = len(found) - 1
	}
	if selected >= 0 {
		found[selected].Chosen = true
	}
	return found
}

const (
	queryPeople      = "members"
	queryInvitations = "invitations"

	// rowsPerPage bounds a page and the access reviews for it.
	rowsPerPage = 100
)

// pager leads to the pages before and after; "" where there is none.
type pager struct {
	Total, Number, Count int
	Before, After        string
}

// pageNumber is the number of a page in an address, 1 for what is none.
func pageNumber(r *http.Request, name string) int {
	number, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return 1
	}
	return number
}

// pageOf are the rows of a page; the first or the last where there is none of the number.
func pageOf[T any](rows []T, path, name string, number int) ([]T, pager) {
	count := max(1, (len(rows)+rowsPerPage-1)/rowsPerPage)
	number = min(max(1, number), count)
	at := func(number int) string { return path + "?" + url.Values{name: {strconv.Itoa(number)}}.Encode() }
	p := pager{Total: len(rows), Number: number, Count: count}
	if number > 1 {
		p.Before = at(number - 1)
	}
	if number < count {
		p.After = at(number + 1)
	}
	return rows[(number-1)*rowsPerPage : min(number*rowsPerPage, len(rows))], p
}
