package qovery

import (
	"cmp"
	"net/url"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// kinds are what the platform calls the built-in roles.
var kinds = map[enrolv1alpha1.RoleName]RoleKind{
	enrolv1alpha1.RoleOwner:        RoleKindOwner,
	enrolv1alpha1.RoleAdmin:        RoleKindAdmin,
	enrolv1alpha1.RoleDeveloper:    RoleKindDeveloper,
	enrolv1alpha1.RoleBillingAdmin: RoleKindViewer,
	enrolv1alpha1.RoleViewer:       RoleKindViewer,
}

// byKind are the roles that can be given by their kind.
var byKind = map[RoleKind]enrolv1alpha1.RoleName{
	RoleKindOwner:     enrolv1alpha1.RoleOwner,
	RoleKindAdmin:     enrolv1alpha1.RoleAdmin,
	RoleKindDeveloper: enrolv1alpha1.RoleDeveloper,
	RoleKindViewer:    enrolv1alpha1.RoleViewer,
}

// roles are those that somebody is invited to: by id, else by kind, else none, which the organisation has a default for.
func roles(o *domain.Organisation, body *InviteMemberRequest) ([]enrolv1alpha1.RoleName, error) {
	switch {
	case body.RoleID != nil:
		role, err := roleByID(o, *body.RoleID)
		return []enrolv1alpha1.RoleName{role}, err
	case body.Role != nil:
		return []enrolv1alpha1.RoleName{byKind[*body.Role]}, nil
	}
	return nil, nil
}

func roleByID(o *domain.Organisation, id string) (enrolv1alpha1.RoleName, error) {
	role, ok := o.RoleByID(id)
	if !ok {
		return "", fault.Bad(fault.Role, "unknown role")
	}
	return role.Name, nil
}

func roleList(o *domain.Organisation) RoleList {
	roles := o.Roles()
	list := RoleList{Results: make([]Role, 0, len(roles))}
	for _, role := range roles {
		list.Results = append(list.Results, Role{ID: role.ID, Name: string(role.Name)})
	}
	return list
}

// view shows what is in one organisation. It is for one request.
type view struct {
	organisation *domain.Organisation
	publicURL    string
	// roles that were shown already: an id is a hash, and a list has few roles and many people.
	roles map[enrolv1alpha1.RoleName]shownRole
}

type shownRole struct {
	id   string
	kind RoleKind
}

func newView(o *domain.Organisation, publicURL string) *view {
	return &view{organisation: o, publicURL: publicURL, roles: map[enrolv1alpha1.RoleName]shownRole{}}
}

func (v *view) role(name enrolv1alpha1.RoleName) shownRole {
	shown, ok := v.roles[name]
	if !ok {
		shown = shownRole{id: v.organisation.RoleID(name), kind: kinds[v.organisation.Base(name)]}
		v.roles[name] = shown
	}
	return shown
}

func (v *view) invitation(i *domain.Invitation) InviteMember {
	o := v.organisation
	// One without roles has the lowest kind, and the role of that.
	name := cmp.Or(i.Role(), enrolv1alpha1.RoleViewer)
	role := v.role(name)
	status := InvitationStatusPending
	if i.Expired {
		status = InvitationStatusExpired
	}
	return InviteMember{
		ID: i.ID, CreatedAt: i.Created, UpdatedAt: i.Updated, Email: i.Email,
		Role: role.kind, RoleID: role.id, RoleName: string(name),
		InvitationLink: v.link(i.ID), InvitationStatus: status,
		Inviter:          cmp.Or(string(i.InvitedBy.Email), i.InvitedBy.Username),
		OrganizationName: o.Title(), LogoURL: o.Spec.LogoURL,
	}
}

// link is where the invited person answers. It holds no secret.
func (v *view) link(id string) string {
	query := url.Values{"inviteToken": {id}, "organization": {v.organisation.ID()}}
	return v.publicURL + "/invitations?" + query.Encode()
}

func (v *view) invitations(all []*domain.Invitation) InviteMemberList {
	list := InviteMemberList{Results: make([]InviteMember, 0, len(all))}
	for _, i := range all {
		list.Results = append(list.Results, v.invitation(i))
	}
	return list
}

func (v *view) member(m *domain.Membership) Member {
	name := cmp.Or(m.Username, m.Email)
	shown := Member{
		ID: m.ID, CreatedAt: m.Created, UpdatedAt: m.Updated, Email: m.Email, Name: name, Nickname: name,
		Role: RoleKindViewer,
	}
	if !m.Pending() {
		// Readers take a member who was never active for an invitation.
		shown.LastActivityAt = &m.Updated
	}
	if m.Role() != "" {
		role := v.role(m.Role())
		shown.Role, shown.RoleID, shown.RoleName = role.kind, role.id, string(m.Role())
	}
	return shown
}

func (v *view) members(all []*domain.Membership) MemberList {
	list := MemberList{Results: make([]Member, 0, len(all))}
	for _, m := range all {
		list.Results = append(list.Results, v.member(m))
	}
	return list
}
