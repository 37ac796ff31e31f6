package qovery

import (
	"context"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// server answers what came through the gate.
type server struct {
	domain *domain.Domain
	// publicURL has no slash at its end.
	publicURL string
}

// InviteMember invites a person.
func (s *server) InviteMember(ctx context.Context, r InviteMemberRequestObject) (InviteMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	roles, err := roles(session.Organisation, r.Body)
	if err != nil {
		return nil, err
	}
	invited, err := s.domain.Invite(ctx, session.Caller, session.Organisation, domain.Invite{
		Email: r.Body.Email, Roles: roles, Type: enrolv1alpha1.InvitationJoin, SendEmail: new(true),
	})
	if err != nil {
		return nil, err
	}
	return InviteMember201JSONResponse(s.view(session.Organisation).invitation(invited)), nil
}

// ListInvitations answers what waits or has expired.
func (s *server) ListInvitations(ctx context.Context, _ ListInvitationsRequestObject) (ListInvitationsResponseObject, error) {
	o := dialect.SessionOf(ctx).Organisation
	return ListInvitations200JSONResponse(s.view(o).invitations(s.domain.Invitations(o))), nil
}

// ReadInvitation answers one invitation.
func (s *server) ReadInvitation(ctx context.Context, r ReadInvitationRequestObject) (ReadInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	found, err := s.domain.ReadInvitation(ctx, session.Caller, session.Organisation, r.InviteID)
	if err != nil {
		return nil, err
	}
	return ReadInvitation200JSONResponse(s.view(session.Organisation).invitation(found)), nil
}

// AcceptInvitation makes the caller a member, and answers the invitation as it was.
func (s *server) AcceptInvitation(ctx context.Context, r AcceptInvitationRequestObject) (AcceptInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	accepted, err := s.domain.Accept(ctx, session.Caller, session.Organisation, r.InviteID)
	if err != nil {
		return nil, dialect.Unseen(err)
	}
	return AcceptInvitation201JSONResponse(s.view(session.Organisation).invitation(accepted)), nil
}

// DeleteInvitation revokes an invitation.
func (s *server) DeleteInvitation(ctx context.Context, r DeleteInvitationRequestObject) (DeleteInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	return DeleteInvitation204Response{}, s.domain.Revoke(ctx, session.Caller, session.Organisation, r.InviteID)
}

// ListMembers answers who is in an organisation.
func (s *server) ListMembers(ctx context.Context, _ ListMembersRequestObject) (ListMembersResponseObject, error) {
	o := dialect.SessionOf(ctx).Organisation
	return ListMembers200JSONResponse(s.view(o).members(s.domain.Memberships(o))), nil
}

// ChangeMemberRole gives a member one role in the place of all others.
func (s *server) ChangeMemberRole(ctx context.Context, r ChangeMemberRoleRequestObject) (ChangeMemberRoleResponseObject, error) {
	session := dialect.SessionOf(ctx)
	role, err := roleByID(session.Organisation, r.Body.RoleID)
	if err != nil {
		return nil, err
	}
	find := s.domain.ByMembershipIDOrName
	_, err = s.domain.SetRole(ctx, session.Caller, session.Organisation, find, r.Body.UserID, role)
	return ChangeMemberRole200Response{}, err
}

// RemoveMember takes a member out.
func (s *server) RemoveMember(ctx context.Context, r RemoveMemberRequestObject) (RemoveMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	find := s.domain.ByMembershipIDOrName
	return RemoveMember204Response{}, s.domain.Remove(ctx, session.Caller, session.Organisation, find, r.Body.UserID)
}

// TransferOwnership makes a member an owner in the place of the caller.
func (s *server) TransferOwnership(ctx context.Context, r TransferOwnershipRequestObject) (TransferOwnershipResponseObject, error) {
	session := dialect.SessionOf(ctx)
	find := s.domain.ByMembershipIDOrName
	return TransferOwnership204Response{}, s.domain.Transfer(ctx, session.Caller, session.Organisation, find, r.Body.UserID)
}

// ListRoles answers what a member can be.
func (*server) ListRoles(ctx context.Context, _ ListRolesRequestObject) (ListRolesResponseObject, error) {
	return ListRoles200JSONResponse(roleList(dialect.SessionOf(ctx).Organisation)), nil
}

func (s *server) view(o *domain.Organisation) *view { return newView(o, s.publicURL) }
