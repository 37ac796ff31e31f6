package dreadnode

import (
	"cmp"
	"net/http"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// roles are the platform's names for the built-in roles. An organisation's own role has that of the one it is based on.
var roles = map[enrolv1alpha1.RoleName]Role{
	enrolv1alpha1.RoleOwner:        RoleOwner,
	enrolv1alpha1.RoleAdmin:        RoleContributor,
	enrolv1alpha1.RoleDeveloper:    RoleContributor,
	enrolv1alpha1.RoleBillingAdmin: RoleReader,
	enrolv1alpha1.RoleViewer:       RoleReader,
}

// shown is what the platform calls the strongest role: its lowest for somebody who has none.
func shown(o *domain.Organisation, role enrolv1alpha1.RoleName) Role {
	return roles[o.Base(cmp.Or(role, enrolv1alpha1.RoleViewer))]
}

// given are the roles that the platform's name stands for in a request: none for none.
func given(role *Role) []enrolv1alpha1.RoleName {
	if role == nil {
		return nil
	}
	switch *role {
	case RoleOwner:
		return []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}
	case RoleContributor:
		return []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}
	case RoleReader:
	}
	return []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer}
}

func (s *server) invitation(i *domain.Invitation) OrganizationInvitationResponse {
	o, status := i.Organisation, InvitationStatusPending
	if i.Expired {
		status = InvitationStatusExpired
	}
	return OrganizationInvitationResponse{
		ID: i.ID, OrgID: o.ID(), OrgName: o.Title(), Email: i.Email, Role: shown(o, i.Role()),
		InvitedBy: dialect.OrNull(s.domain.InviterID(o, &i.InvitedBy)), Status: status, CreatedAt: i.Created, ExpiresAt: i.Expire,
	}
}

// member leaves out what is not kept of people: their first and last names, and models.
func (s *server) member(m *domain.Membership) OrganizationMemberResponse {
	o := m.Organisation
	return OrganizationMemberResponse{
		ID: m.ID, OrgID: o.ID(), OrgName: o.Title(), UserID: m.UserID(), UserEmail: m.Email, UserName: dialect.OrNull(m.Username),
		Role: shown(o, m.Role()), IsActive: !m.Pending() && !m.Suspended, InvitedBy: dialect.OrNull(s.domain.InviterID(o, m.InvitedBy)),
		JoinedAt: m.Created,
	}
}

// declined is the answer to whoever did not join: null in the place of a membership, for which the generated code has no type.
type declined struct{}

// VisitRespondToInvitationResponse writes it.
func (declined) VisitRespondToInvitationResponse(w http.ResponseWriter) error {
	return dialect.WriteNull(w)
}
