package llamacloud

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// valuesFunc says what is wrong with the values of a batch: see Values of dialect.Operation.
type valuesFunc = func(ctx context.Context, o *domain.Organisation, body any, skip func(row int) bool) []fault.Detail

// checkAdditions says what is wrong with the values of rows to add.
func (s *server) checkAdditions(_ context.Context, o *domain.Organisation, body any, skip func(row int) bool) []fault.Detail {
	additions, unknown := s.namesOf(o).additions(rowsOf[UserOrganizationCreate](body, skip))
	return append(unknown, s.domain.CheckAll(o, additions, skip)...)
}

// checkRemovals says what is wrong with the values of rows to remove. Whether projects are there is for the handler to find.
func (s *server) checkRemovals(_ context.Context, o *domain.Organisation, body any, skip func(row int) bool) []fault.Detail {
	rows := rowsOf[UserOrganizationDelete](body, skip)
	removals := make([]domain.Removal, 0, len(rows))
	for _, row := range rows {
		removals = append(removals, domain.Removal{Username: value(row.UserID), Email: value(row.Email)})
	}
	return s.domain.CheckRemovals(o, removals, skip)
}

// rowsOf reads the rows of a body, but for those to skip, which are empty then.
func rowsOf[T any](body any, skip func(row int) bool) []T {
	given, _ := body.([]any)
	rows := make([]T, len(given))
	for i, row := range given {
		if skip(i) {
			continue
		}
		// The row was read from JSON and checked by the document, from which its type is made.
		text, err := json.Marshal(row)
		if err == nil {
			err = json.Unmarshal(text, &rows[i])
		}
		if err != nil {
			panic(err)
		}
	}
	return rows
}

// names are those of an organisation's projects and roles, by their ids.
type names struct {
	projects map[string]enrolv1alpha1.Project
	roles    map[string]enrolv1alpha1.RoleName
}

func (s *server) namesOf(o *domain.Organisation) *names {
	n := &names{projects: map[string]enrolv1alpha1.Project{}, roles: map[string]enrolv1alpha1.RoleName{}}
	for _, project := range s.domain.Projects(o) {
		n.projects[string(project.UID)] = enrolv1alpha1.Project(project.Name)
	}
	for _, role := range o.Roles() {
		n.roles[role.ID] = role.Name
	}
	return n
}

// additions are what rows ask for, and the ids in them that nothing has.
func (n *names) additions(rows []UserOrganizationCreate) (additions []domain.Addition, unknown []fault.Detail) {
	additions = make([]domain.Addition, 0, len(rows))
	for i, row := range rows {
		projects, details := n.scope(i, row.ProjectIDs)
		unknown = append(unknown, details...)
		a := domain.Addition{Username: value(row.UserID), Email: value(row.Email), Projects: &projects}
		if row.RoleID != nil {
			if role, ok := n.roles[strings.ToLower(*row.RoleID)]; ok {
				a.Role = &role
			} else {
				unknown = append(unknown, unknownID("unknown role", i, "role_id"))
			}
		}
		additions = append(additions, a)
	}
	return additions, unknown
}

// scope are the projects of a row, each once: all without a list.
func (n *names) scope(row int, ids *[]string) (scope enrolv1alpha1.Projects, unknown []fault.Detail) {
	if ids == nil {
		return enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}, nil
	}
	scope = make(enrolv1alpha1.Projects, 0, len(*ids))
	seen := make(map[enrolv1alpha1.Project]bool, len(*ids))
	for i, id := range *ids {
		project, ok := n.projects[strings.ToLower(id)]
		switch {
		case !ok:
			unknown = append(unknown, unknownID("unknown project", row, "project_ids", i))
		case !seen[project]:
			seen[project] = true
			scope = append(scope, project)
		}
	}
	return scope, unknown
}

func unknownID(text string, path ...any) fault.Detail {
	return fault.Detail{In: fault.Body, Path: path, Text: text}
}

// known are the names of projects that must be there.
func (n *names) known(ids []string) ([]string, error) {
	projects := make([]string, 0, len(ids))
	for _, id := range ids {
		project, ok := n.projects[strings.ToLower(id)]
		if !ok {
			return nil, fault.New(fault.NotFound, "project not found")
		}
		projects = append(projects, string(project))
	}
	return projects, nil
}

// removals are what rows ask for. Without a list, the person leaves the organisation.
func (n *names) removals(rows []UserOrganizationDelete) ([]domain.Removal, error) {
	removals := make([]domain.Removal, 0, len(rows))
	for _, row := range rows {
		removal := domain.Removal{Username: value(row.UserID), Email: value(row.Email)}
		if row.ProjectIDList != nil {
			projects, err := n.known(*row.ProjectIDList)
			if err != nil {
				return nil, err
			}
			removal.Projects = projects
		}
		removals = append(removals, removal)
	}
	return removals, nil
}

// roleToAssign is the role that a body names, for the organisation of the path.
func roleToAssign(o *domain.Organisation, body *UserOrganizationRoleCreate) (enrolv1alpha1.RoleName, error) {
	var details []fault.Detail
	if !strings.EqualFold(body.OrganizationID, o.ID()) {
		details = append(details, unknownID("must be the organisation of the path", "organization_id"))
	}
	role, ok := o.RoleByID(body.RoleID)
	if !ok {
		details = append(details, unknownID("unknown role", "role_id"))
	}
	if len(details) > 0 {
		return "", &fault.Error{Kind: fault.Invalid, Details: details}
	}
	return role.Name, nil
}

// has tells whether somebody has the project with that id.
func (s *server) has(m *domain.Membership, project string) bool {
	namespace := s.domain.ProjectByID(m.Organisation, project)
	return namespace != nil && (m.Projects.All() || slices.Contains(m.Projects, enrolv1alpha1.Project(namespace.Name)))
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
