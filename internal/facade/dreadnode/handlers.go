package dreadnode

import (
	"context"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// server answers what came through the gate.
type server struct{ domain *domain.Domain }

// InviteMember invites an address.
func (s *server) InviteMember(ctx context.Context, r InviteMemberRequestObject) (InviteMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	invited, err := s.domain.Invite(ctx, session.Caller, session.Organisation, domain.Invite{
		Email: r.Body.Email, Roles: given(r.Body.Role), SendEmail: r.Body.SendEmail,
	})
	if err != nil {
		return nil, err
	}
	return InviteMember200JSONResponse(s.invitation(invited)), nil
}

// CancelInvitation withdraws an invitation.
func (s *server) CancelInvitation(ctx context.Context, r CancelInvitationRequestObject) (CancelInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	return CancelInvitation204Response{}, s.domain.Revoke(ctx, session.Caller, session.Organisation, r.InvitationID)
}

// RespondToInvitation accepts or declines an invitation.
func (s *server) RespondToInvitation(
	ctx context.Context, r RespondToInvitationRequestObject,
) (RespondToInvitationResponseObject, error) {
	caller := dialect.SessionOf(ctx).Caller
	if !r.Body.Accept {
		_, err := s.domain.Decline(ctx, caller, nil, r.InvitationID)
		return declined{}, err
	}
	joined, err := s.domain.Join(ctx, caller, r.InvitationID)
	if err != nil {
		return nil, err
	}
	return RespondToInvitation200JSONResponse(s.member(joined)), nil
}

// ListMembers answers all people of an organisation.
func (s *server) ListMembers(ctx context.Context, _ ListMembersRequestObject) (ListMembersResponseObject, error) {
	all := s.domain.Memberships(dialect.SessionOf(ctx).Organisation)
	members := make(ListMembers200JSONResponse, 0, len(all))
	for _, m := range all {
		members = append(members, s.member(m))
	}
	return members, nil
}

// ChangeMemberRole gives a person one role in the place of all others.
func (s *server) ChangeMemberRole(ctx context.Context, r ChangeMemberRoleRequestObject) (ChangeMemberRoleResponseObject, error) {
	session := dialect.SessionOf(ctx)
	role, find := given(&r.Body.Role)[0], s.domain.ByUserOrMembershipID
	changed, err := s.domain.SetRole(ctx, session.Caller, session.Organisation, find, r.UserID, role)
	if err != nil {
		return nil, err
	}
	return ChangeMemberRole200JSONResponse(s.member(changed)), nil
}

// RemoveMember takes a person out, and answers when the access is gone.
func (s *server) RemoveMember(ctx context.Context, r RemoveMemberRequestObject) (RemoveMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	err := s.domain.Remove(ctx, session.Caller, session.Organisation, s.domain.ByUserOrMembershipID, r.UserID)
	return RemoveMember200JSONResponse{}, err
}
