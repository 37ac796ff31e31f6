package versori

import (
	"cmp"
	"strings"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// types are what the platform calls the types of invitations.
var types = map[InviteType]enrolv1alpha1.InvitationType{
	InviteTypeJoinOrganisation:  enrolv1alpha1.InvitationJoin,
	InviteTypeTransferOwnership: enrolv1alpha1.InvitationTransferOwnership,
}

// scope is what every role is given for.
const scope = "organisation"

// bothLinks wants both links: to the domain, no link means one of Enrol's own.
func bothLinks(accept, signIn string) error {
	var details []fault.Detail
	for _, link := range []struct {
		field fault.Field
		url   string
	}{{fault.AcceptURL, accept}, {fault.SignInURL, signIn}} {
		if link.url == "" {
			details = append(details, fault.Bad(link.field, "must be an absolute URL").Details...)
		}
	}
	if len(details) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Details: details}
}

// roles are the names that were given.
func roles(given *[]string) []enrolv1alpha1.RoleName {
	if given == nil {
		return nil
	}
	roles := make([]enrolv1alpha1.RoleName, 0, len(*given))
	for _, name := range *given {
		roles = append(roles, enrolv1alpha1.RoleName(name))
	}
	return roles
}

func invitation(i *domain.Invitation) Invitation {
	kind := InviteTypeJoinOrganisation
	if i.Type == enrolv1alpha1.InvitationTransferOwnership {
		kind = InviteTypeTransferOwnership
	}
	shown := Invitation{
		ID: ulidOf(i.ID), Email: i.Email, Name: i.Email, InviteType: kind, ExpiresAt: i.Expire, CreatedAt: i.Created,
		Roles: make([]string, 0, len(i.Roles)), GroupIDs: make([]string, 0, len(i.GroupIDs)),
	}
	for _, role := range i.Roles {
		shown.Roles = append(shown.Roles, string(role))
	}
	for _, group := range i.GroupIDs {
		shown.GroupIDs = append(shown.GroupIDs, ulidOf(group))
	}
	return shown
}

// invitations are all of them on the one page there is.
func invitations(all []*domain.Invitation) InvitationsPages {
	page := InvitationsPage{TotalCount: len(all), Invitations: make([]Invitation, 0, len(all))}
	for _, i := range all {
		page.Invitations = append(page.Invitations, invitation(i))
	}
	return InvitationsPages{page}
}

// view shows who is in one organisation. It is for one request.
type view struct {
	organisation *domain.Organisation
	resource     Resource
	// bindings that were shown already: an id is a hash, and a list has few roles and many people.
	bindings map[enrolv1alpha1.RoleName]RoleBinding
}

func newView(o *domain.Organisation) *view {
	return &view{
		organisation: o,
		resource:     Resource{ResourceType: scope, ResourceID: ulidOf(o.ID()), Name: o.Title()},
		bindings:     map[enrolv1alpha1.RoleName]RoleBinding{},
	}
}

func (v *view) binding(role enrolv1alpha1.RoleName) RoleBinding {
	shown, ok := v.bindings[role]
	if !ok {
		shown = RoleBinding{
			Role:     Role{ID: ulidOf(v.organisation.RoleID(role)), Name: string(role), Scopes: []string{scope}},
			Resource: v.resource,
		}
		v.bindings[role] = shown
	}
	return shown
}

func (v *view) member(m *domain.Membership) Member {
	name := cmp.Or(m.Username, m.Email)
	shown := Member{
		ID: m.ID, IdentityType: IdentityTypeUser, IdentityID: name, Name: name, Email: m.Email,
		RoleBindings: make([]RoleBinding, 0, len(m.Roles)),
	}
	for _, role := range m.Roles {
		shown.RoleBindings = append(shown.RoleBindings, v.binding(role))
	}
	return shown
}

// members are all of them on the one page there is.
func (v *view) members(all []*domain.Membership) MembersPages {
	page := MembersPage{TotalCount: len(all), Members: make([]Member, 0, len(all))}
	for _, m := range all {
		page.Members = append(page.Members, v.member(m))
	}
	return MembersPages{page}
}

// organisations are those of somebody's memberships whose display name or slug has the filter in it.
func organisations(mine []*domain.Membership, filter string) OrganisationsPage {
	page := OrganisationsPage{Organisations: make([]Organisation, 0, len(mine))}
	filter = lower(filter)
	for _, m := range mine {
		shown := organisation(m.Organisation)
		if strings.Contains(lower(shown.DisplayName), filter) || strings.Contains(lower(shown.Slug), filter) {
			page.Organisations = append(page.Organisations, shown)
		}
	}
	page.TotalCount = len(page.Organisations)
	return page
}

// lower makes letters of ASCII small, and no others: that is all that a filter compares without case.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

func organisation(o *domain.Organisation) Organisation {
	shown := Organisation{
		ID: ulidOf(o.ID()), Slug: o.Slug(), DisplayName: o.Title(),
		// Nobody is billed: the values are what clients need in order to take the organisation for a paid one.
		Billing: Billing{
			IsSubscriptionActive: 1, BillingPeriodStart: o.CreationTimestamp.UTC().Format(time.DateOnly),
			BillingPeriodEnd: "9999-12-31", IsBespoke: true,
		},
	}
	if len(o.Spec.Owners) > 0 {
		shown.Owner = string(o.Spec.Owners[0].Username)
	}
	return shown
}
