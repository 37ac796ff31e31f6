package llamacloud

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// valuesFunc says what is wrong with the values of a batch: see Values of dialect.Operation.
type valuesFunc = func(ctx context.Context, o *domain.Organisation, body any, wrong []fault.Detail) []fault.Detail

// checkAdditions says what is wrong with the values of rows to add. Those of a row that is wrong by the document are looked at as far
// as that can be done, and not beside those of other rows.
func (s *server) checkAdditions(ctx context.Context, o *domain.Organisation, body any, wrong []fault.Detail) []fault.Detail {
	rows, faults := rowsOf[UserOrganizationCreate](body, wrong)
	additions, details := s.namesOf(o).additions(rows)
	details = append(details, s.domain.CheckAll(ctx, o, additions, func(row int) bool { return faults[row] != nil })...)
	for row, fields := range faults {
		a := additions[row]
		if fields["user_id"] {
			// Whether the username is known does not show.
			a.Role = nil
		}
		if fields.whole() || fields.names() && a.Username == "" && a.Email == "" {
			continue
		}
		for _, d := range s.domain.Check(o, a) {
			d.Path = append([]any{row}, d.Path...)
			details = append(details, d)
		}
	}
	return details
}

// checkRemovals says what is wrong with the values of rows to remove. Whether projects are there is for the handler to find.
func (s *server) checkRemovals(ctx context.Context, o *domain.Organisation, body any, wrong []fault.Detail) []fault.Detail {
	rows, faults := rowsOf[UserOrganizationDelete](body, wrong)
	removals := make([]domain.Removal, 0, len(rows))
	for _, row := range rows {
		removals = append(removals, domain.Removal{Username: value(row.UserID), Email: value(row.Email)})
	}
	return s.domain.CheckRemovals(ctx, o, removals, func(row int) bool { return faults[row].whole() || faults[row].names() })
}

// fields are those of a row that are wrong by the document; "" for the row as a whole.
type fields map[string]bool

func (f fields) whole() bool { return f[""] }

// names tells whether the person may have another name than the row has.
func (f fields) names() bool { return f["user_id"] || f["email"] }

// rowsOf reads the rows of a body, without what is wrong in them by the document: entries of lists are empty then.
func rowsOf[T any](body any, wrong []fault.Detail) (rows []T, faults map[int]fields) {
	given, _ := body.([]any)
	rows, faults = make([]T, len(given)), map[int]fields{}
	for _, d := range wrong {
		if len(d.Path) == 0 {
			continue
		}
		row, _ := d.Path[0].(int)
		if faults[row] == nil {
			faults[row] = fields{}
		}
		switch len(d.Path) {
		case 1:
			faults[row][""] = true
		case 2:
			faults[row][fmt.Sprint(d.Path[1])] = true
		default:
			blank(given[row], d.Path[1], d.Path[2])
		}
	}
	for i, row := range given {
		if !faults[i].whole() {
			read(row, faults[i], &rows[i])
		}
	}
	return rows, faults
}

// blank empties an entry of a list in a row, so that the others keep their places.
func blank(row, field, index any) {
	object, _ := row.(map[string]any)
	list, _ := object[fmt.Sprint(field)].([]any)
	if i, ok := index.(int); ok && i < len(list) {
		list[i] = ""
	}
}

// read reads a row, but for some fields.
func read[T any](row any, but fields, into *T) {
	given, _ := row.(map[string]any)
	good := maps.Clone(given)
	maps.DeleteFunc(good, func(field string, _ any) bool { return but[field] })
	text, err := json.Marshal(good)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		// The row was read from JSON and checked by the document, from which the type is made.
		panic(err)
	}
}

// names are those of an organisation's projects, roles and users, by their ids.
type names struct {
	organisation *domain.Organisation
	projects     map[string]enrolv1alpha1.Project
	roles        map[string]enrolv1alpha1.RoleName
	// noReply is the domain of addresses that take no mail, and users are the usernames of who is shown with one.
	noReply string
	users   func() map[string]string
}

func (s *server) namesOf(o *domain.Organisation) *names {
	n := &names{
		organisation: o, projects: map[string]enrolv1alpha1.Project{}, roles: map[string]enrolv1alpha1.RoleName{}, noReply: s.noReply,
		users: sync.OnceValue(func() map[string]string {
			users := map[string]string{}
			for _, m := range s.domain.Memberships(o) {
				if m.Email == "" {
					users[m.UserID()] = m.Username
				}
			}
			return users
		}),
	}
	for _, project := range s.domain.Projects(o) {
		n.projects[string(project.UID)] = enrolv1alpha1.Project(project.Name)
	}
	for _, role := range o.Roles() {
		n.roles[role.ID] = role.Name
	}
	return n
}

// person is whom a row names. An address that takes no mail names the user who is shown with it, and is none to keep; false for one
// that is nobody's.
func (n *names) person(userID, email *string) (username, mail string, ok bool) {
	username, mail = value(userID), value(email)
	parsed, err := address.Parse(mail)
	id, takesNone := strings.CutSuffix(string(parsed), "@"+n.noReply)
	if err != nil || !takesNone {
		return username, mail, true
	}
	shown := username
	if shown == "" {
		shown = n.users()[id]
	}
	if shown != "" && n.organisation.UserID(shown) == id {
		return shown, "", true
	}
	return username, mail, false
}

// additions are what rows ask for, and the ids in them that nothing has.
func (n *names) additions(rows []UserOrganizationCreate) (additions []domain.Addition, unknown []fault.Detail) {
	additions = make([]domain.Addition, 0, len(rows))
	for i, row := range rows {
		projects, details := n.scope(i, row.ProjectIDs)
		unknown = append(unknown, details...)
		username, email, ok := n.person(row.UserID, row.Email)
		if !ok {
			unknown = append(unknown, unknownID("takes no mail, and is no user's", i, "email"))
		}
		a := domain.Addition{Username: username, Email: email, Projects: &projects}
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
		case id == "":
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
		username, email, _ := n.person(row.UserID, row.Email)
		removal := domain.Removal{Username: username, Email: email}
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
