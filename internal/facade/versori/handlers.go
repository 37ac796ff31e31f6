package versori

import (
	"context"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// server answers what came through the gate.
type server struct{ domain *domain.Domain }

// ListOrganisations answers which organisations the caller belongs to.
func (s *server) ListOrganisations(
	ctx context.Context, r ListOrganisationsRequestObject,
) (ListOrganisationsResponseObject, error) {
	mine := s.domain.Mine(dialect.SessionOf(ctx).Caller)
	return ListOrganisations200JSONResponse(organisations(mine, value(r.Params.Filter))), nil
}

// CreateInvitation invites a person.
func (s *server) CreateInvitation(ctx context.Context, r CreateInvitationRequestObject) (CreateInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	if err := bothLinks(r.Body.URL, r.Body.AuthURL); err != nil {
		return nil, err
	}
	invited, err := s.domain.Invite(ctx, session.Caller, session.Organisation, domain.Invite{
		Email: r.Body.Email, Roles: roles(r.Body.Roles), Type: types[r.Body.InviteType], SendEmail: new(true),
		AcceptURL: r.Body.URL, SignInURL: r.Body.AuthURL,
	})
	if err != nil {
		return nil, err
	}
	return CreateInvitation201JSONResponse(invitation(invited)), nil
}

// ListInvitations answers what waits or has expired.
func (s *server) ListInvitations(ctx context.Context, _ ListInvitationsRequestObject) (ListInvitationsResponseObject, error) {
	return ListInvitations200JSONResponse(invitations(s.domain.Invitations(dialect.SessionOf(ctx).Organisation))), nil
}

// DeleteInvitation revokes an invitation.
func (s *server) DeleteInvitation(ctx context.Context, r DeleteInvitationRequestObject) (DeleteInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	return DeleteInvitation204Response{}, s.domain.Revoke(ctx, session.Caller, session.Organisation, uidOf(r.InvitationID))
}

// AcceptInvitation makes the caller a member, or an owner.
func (s *server) AcceptInvitation(ctx context.Context, r AcceptInvitationRequestObject) (AcceptInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	_, err := s.domain.Accept(ctx, session.Caller, session.Organisation, uidOf(r.InvitationID))
	return AcceptInvitation204Response{}, dialect.Unseen(err)
}

// ResendInvitation sends an invitation once more.
func (s *server) ResendInvitation(ctx context.Context, r ResendInvitationRequestObject) (ResendInvitationResponseObject, error) {
	session := dialect.SessionOf(ctx)
	if err := bothLinks(r.Body.URL, r.Body.AuthURL); err != nil {
		return nil, err
	}
	sent, err := s.domain.Resend(ctx, session.Caller, session.Organisation, uidOf(r.InvitationID), domain.Resend{
		Email: r.Body.Email, Type: types[r.Body.InviteType], AcceptURL: r.Body.URL, SignInURL: r.Body.AuthURL,
	})
	if err != nil {
		return nil, err
	}
	return ResendInvitation200JSONResponse(invitation(sent)), nil
}

// ListMembers answers who is in an organisation.
func (s *server) ListMembers(ctx context.Context, r ListMembersRequestObject) (ListMembersResponseObject, error) {
	o := dialect.SessionOf(ctx).Organisation
	if r.Params.IdentityType != nil && *r.Params.IdentityType == IdentityTypeServiceAccount {
		return ListMembers200JSONResponse(newView(o).members(nil)), nil
	}
	return ListMembers200JSONResponse(newView(o).members(s.domain.Memberships(o))), nil
}

// ReadMember answers one member.
func (s *server) ReadMember(ctx context.Context, r ReadMemberRequestObject) (ReadMemberResponseObject, error) {
	o := dialect.SessionOf(ctx).Organisation
	found, err := s.domain.ByMembershipID(o, r.MemberID)
	if err != nil {
		return nil, err
	}
	return ReadMember200JSONResponse(newView(o).member(found)), nil
}

// RemoveMember takes a member out.
func (s *server) RemoveMember(ctx context.Context, r RemoveMemberRequestObject) (RemoveMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	find := s.domain.ByMembershipID
	return RemoveMember204Response{}, s.domain.Remove(ctx, session.Caller, session.Organisation, find, r.MemberID)
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
