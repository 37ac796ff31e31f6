package llamacloud

import (
	"context"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// server answers what came through the gate.
type server struct {
	domain *domain.Domain
	// noReply is the domain of addresses that take no mail.
	noReply string
}

// AddUsers adds people, or changes them: a row each.
func (s *server) AddUsers(ctx context.Context, r AddUsersRequestObject) (AddUsersResponseObject, error) {
	session := dialect.SessionOf(ctx)
	additions, details := s.namesOf(session.Organisation).additions(*r.Body)
	if len(details) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Details: details}
	}
	views, err := s.views(ctx, session.Organisation)
	if err != nil {
		return nil, err
	}
	added, err := s.domain.AddAll(ctx, session.Caller, session.Organisation, additions)
	return AddUsers200JSONResponse(views.users(added)), err
}

// ListUsers answers all people of an organisation.
func (s *server) ListUsers(ctx context.Context, _ ListUsersRequestObject) (ListUsersResponseObject, error) {
	o := dialect.SessionOf(ctx).Organisation
	views, err := s.views(ctx, o)
	if err != nil {
		return nil, err
	}
	return ListUsers200JSONResponse(views.users(s.domain.Memberships(o))), nil
}

// RemoveUser takes a person out of an organisation, and answers when the access is gone; or out of some of its projects.
func (s *server) RemoveUser(ctx context.Context, r RemoveUserRequestObject) (RemoveUserResponseObject, error) {
	session := dialect.SessionOf(ctx)
	if r.Body == nil || *r.Body == nil {
		err := s.domain.Remove(ctx, session.Caller, session.Organisation, s.domain.ByName, r.MemberUserID)
		return RemoveUser204Response{}, err
	}
	m, err := s.domain.ByName(session.Organisation, r.MemberUserID)
	if err != nil {
		return nil, err
	}
	projects, err := s.namesOf(session.Organisation).known(*r.Body)
	if err != nil {
		return nil, err
	}
	return RemoveUser204Response{}, s.domain.RemoveProjects(ctx, session.Caller, m, projects)
}

// RemoveUsers takes people out of an organisation, or out of some of its projects: a row each.
func (s *server) RemoveUsers(ctx context.Context, r RemoveUsersRequestObject) (RemoveUsersResponseObject, error) {
	session := dialect.SessionOf(ctx)
	removals, err := s.namesOf(session.Organisation).removals(*r.Body)
	if err != nil {
		return nil, err
	}
	return RemoveUsers204Response{}, s.domain.RemoveAll(ctx, session.Caller, session.Organisation, removals)
}

// AssignRole gives a person one role in the place of all others.
func (s *server) AssignRole(ctx context.Context, r AssignRoleRequestObject) (AssignRoleResponseObject, error) {
	session := dialect.SessionOf(ctx)
	role, err := roleToAssign(session.Organisation, r.Body)
	if err != nil {
		return nil, err
	}
	views, err := s.views(ctx, session.Organisation)
	if err != nil {
		return nil, err
	}
	changed, err := s.domain.SetRole(ctx, session.Caller, session.Organisation, s.domain.ByName, r.Body.UserID, role)
	if err != nil {
		return nil, err
	}
	return AssignRole200JSONResponse(views.roleOf(changed, role)), nil
}

// ReadOwnRole answers what the caller is in an organisation, or in one of its projects.
func (s *server) ReadOwnRole(ctx context.Context, r ReadOwnRoleRequestObject) (ReadOwnRoleResponseObject, error) {
	session := dialect.SessionOf(ctx)
	own := s.domain.Own(session.Organisation, session.Caller)
	if own == nil || r.Params.ProjectID != nil && !s.has(own, *r.Params.ProjectID) {
		return noRole{}, nil
	}
	views, err := s.views(ctx, session.Organisation)
	if err != nil {
		return nil, err
	}
	return ReadOwnRole200JSONResponse(views.strongestRoleOf(own)), nil
}

// ListRoles answers the roles of an organisation, and what they allow.
func (s *server) ListRoles(ctx context.Context, _ ListRolesRequestObject) (ListRolesResponseObject, error) {
	views, err := s.views(ctx, dialect.SessionOf(ctx).Organisation)
	if err != nil {
		return nil, err
	}
	return ListRoles200JSONResponse(views.allRoles()), nil
}

// ListUserProjects answers which projects a person has.
func (s *server) ListUserProjects(ctx context.Context, r ListUserProjectsRequestObject) (ListUserProjectsResponseObject, error) {
	m, err := s.domain.ByName(dialect.SessionOf(ctx).Organisation, r.UserID)
	if err != nil {
		return nil, err
	}
	return ListUserProjects200JSONResponse(projects(m.Organisation, s.domain.ProjectsOf(m))), nil
}

// AddUserToProject gives a person a project more.
func (s *server) AddUserToProject(ctx context.Context, r AddUserToProjectRequestObject) (AddUserToProjectResponseObject, error) {
	session := dialect.SessionOf(ctx)
	project := s.domain.ProjectByID(session.Organisation, *r.Params.ProjectID)
	if project == nil {
		return nil, badQuery(projectID, "unknown project")
	}
	m, err := s.domain.ByName(session.Organisation, r.UserID)
	if err != nil {
		return nil, err
	}
	return AddUserToProject200JSONResponse{}, s.domain.AddProject(ctx, session.Caller, m, project.Name)
}

// RemoveUserFromProject takes a project from a person.
func (s *server) RemoveUserFromProject(
	ctx context.Context, r RemoveUserFromProjectRequestObject,
) (RemoveUserFromProjectResponseObject, error) {
	session := dialect.SessionOf(ctx)
	m, err := s.domain.ByName(session.Organisation, r.UserID)
	if err != nil {
		return nil, err
	}
	projects, err := s.namesOf(session.Organisation).known([]string{r.ProjectID})
	if err != nil {
		return nil, err
	}
	return RemoveUserFromProject200JSONResponse{}, s.domain.RemoveProjects(ctx, session.Caller, m, projects)
}

// ListInvites answers which invitations wait for the caller, a page at a time.
func (s *server) ListInvites(ctx context.Context, r ListInvitesRequestObject) (ListInvitesResponseObject, error) {
	all := s.domain.InvitationsFor(dialect.SessionOf(ctx).Caller)
	page, next, err := pageOf(all, invitationKey, r.Params.PageSize, r.Params.PageToken)
	return ListInvites200JSONResponse{Items: each(page, invite), NextPageToken: next}, err
}

// AcceptInvite accepts an invitation.
func (s *server) AcceptInvite(ctx context.Context, r AcceptInviteRequestObject) (AcceptInviteResponseObject, error) {
	accepted, err := s.domain.Accept(ctx, dialect.SessionOf(ctx).Caller, nil, r.InviteID)
	if err != nil {
		return nil, err
	}
	return AcceptInvite200JSONResponse{OrganizationID: accepted.Organisation.ID()}, nil
}

// DeclineInvite declines an invitation.
func (s *server) DeclineInvite(ctx context.Context, r DeclineInviteRequestObject) (DeclineInviteResponseObject, error) {
	_, err := s.domain.Decline(ctx, dialect.SessionOf(ctx).Caller, nil, r.InviteID)
	return DeclineInvite204Response{}, err
}

// ListOrganizations answers what the caller is a member of, a page at a time.
func (s *server) ListOrganizations(ctx context.Context, r ListOrganizationsRequestObject) (ListOrganizationsResponseObject, error) {
	page, next, err := pageOf(byAge(s.domain.Mine(dialect.SessionOf(ctx).Caller)), organisationKey, r.Params.PageSize, r.Params.PageToken)
	return ListOrganizations200JSONResponse{Items: each(page, organization), NextPageToken: next}, err
}
