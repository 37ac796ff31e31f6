package llamacloud

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
)

// views turns what an organisation has into what the platform shows. It is made for one request.
type views struct {
	organisation *domain.Organisation
	noReply      string
	// projects are the ids of projects by name.
	projects    map[enrolv1alpha1.Project]string
	permissions *domain.Permissions
	// roles are those that were shown already: each has all permissions, and all people have the same few.
	roles map[enrolv1alpha1.RoleName]Role
}

func (s *server) views(ctx context.Context, o *domain.Organisation) (*views, error) {
	permissions, err := s.domain.Permissions(ctx)
	if err != nil {
		return nil, err
	}
	v := &views{
		organisation: o, noReply: s.noReply, permissions: permissions,
		projects: map[enrolv1alpha1.Project]string{}, roles: map[enrolv1alpha1.RoleName]Role{},
	}
	for _, project := range s.domain.Projects(o) {
		v.projects[enrolv1alpha1.Project(project.Name)] = string(project.UID)
	}
	return v, nil
}

func (v *views) users(memberships []*domain.Membership) []UserOrganization {
	return each(memberships, v.user)
}

func (v *views) user(m *domain.Membership) UserOrganization {
	u := UserOrganization{
		ID: m.ID, CreatedAt: m.Created, UpdatedAt: m.Updated, Email: v.email(m), UserID: dialect.OrNull(m.Username),
		OrganizationID: m.Organisation.ID(), Pending: m.Pending(), Roles: make([]UserOrganizationRole, 0, len(m.Roles)),
	}
	if by := m.InvitedBy; by != nil {
		u.InvitedByUserID, u.InvitedByUserEmail = dialect.OrNull(by.Username), dialect.OrNull(string(by.Email))
	}
	for _, role := range m.Roles {
		u.Roles = append(u.Roles, v.roleOf(m, role))
	}
	return u
}

// email is one that takes no mail where none is known: clients want one in any case.
func (v *views) email(m *domain.Membership) string {
	return cmp.Or(m.Email, m.UserID()+"@"+v.noReply)
}

// strongestRoleOf is the strongest role of somebody, the weakest that there is for who has none.
func (v *views) strongestRoleOf(m *domain.Membership) UserOrganizationRole {
	return v.roleOf(m, cmp.Or(m.Role(), enrolv1alpha1.RoleViewer))
}

func (v *views) roleOf(m *domain.Membership, name enrolv1alpha1.RoleName) UserOrganizationRole {
	role := v.role(name)
	return UserOrganizationRole{
		ID: roleOfID(m.ID, name), CreatedAt: m.Created, UpdatedAt: m.Updated, UserID: cmp.Or(m.Username, m.Email),
		OrganizationID: m.Organisation.ID(), ProjectIDs: v.projectIDs(m.Projects), RoleID: role.ID, Role: role,
	}
}

// roleOfID is the id of a role of a membership, made from that of the membership.
func roleOfID(membership string, role enrolv1alpha1.RoleName) string {
	namespace, err := uuid.Parse(membership)
	if err != nil {
		// The API server makes UIDs, and makes them so.
		return ""
	}
	return uuid.NewSHA1(namespace, []byte("role/"+string(role))).String()
}

// projectIDs are the ids of projects in their order, nil for all. What has no namespace is left out.
func (v *views) projectIDs(projects enrolv1alpha1.Projects) *[]string {
	if projects.All() {
		return nil
	}
	ids := make([]string, 0, len(projects))
	for _, project := range projects {
		if id, ok := v.projects[project]; ok {
			ids = append(ids, id)
		}
	}
	return &ids
}

func (v *views) role(name enrolv1alpha1.RoleName) Role {
	if known, ok := v.roles[name]; ok {
		return known
	}
	o := v.organisation
	role := Role{
		ID: o.RoleID(name), OrganizationID: o.ID(), Name: string(name), Permissions: make([]Permission, 0, len(v.permissions.Names)),
	}
	base := o.Base(name)
	for _, permission := range v.permissions.Names {
		role.Permissions = append(role.Permissions, Permission{
			ID: o.PermissionID(permission), Name: permission, Access: v.permissions.Allows(base, permission),
		})
	}
	v.roles[name] = role
	return role
}

func (v *views) allRoles() []Role {
	return each(v.organisation.Roles(), func(role domain.Role) Role { return v.role(role.Name) })
}

func projects(o *domain.Organisation, namespaces []*corev1.Namespace) []Project {
	return each(namespaces, func(n *corev1.Namespace) Project {
		created := n.CreationTimestamp.UTC()
		return Project{ID: string(n.UID), Name: n.Name, OrganizationID: o.ID(), CreatedAt: created, UpdatedAt: created}
	})
}

func invite(i *domain.Invitation) Invite {
	o, role := i.Organisation, i.Role()
	if i.Type == enrolv1alpha1.InvitationTransferOwnership {
		role = enrolv1alpha1.RoleOwner
	}
	return Invite{
		ID: i.ID, OrganizationID: o.ID(), OrganizationName: o.Title(), Role: string(cmp.Or(role, o.DefaultRole())),
		CreatedAt: i.Created, UpdatedAt: i.Updated,
	}
}

func organization(m *domain.Membership) Organization {
	o := m.Organisation
	return Organization{ID: o.ID(), Name: o.Title(), CreatedAt: o.CreationTimestamp.UTC(), UpdatedAt: o.Updated()}
}

// noReplyDomain is the domain of addresses that take no mail. It is below the host of the public URL, where nobody else has one, or
// else below a top-level domain that is set aside.
func noReplyDomain(publicURL string) string {
	host := ""
	if parsed, err := url.Parse(publicURL); err == nil {
		host = parsed.Hostname()
	}
	if host == "" || net.ParseIP(host) != nil {
		host = "enrol.invalid"
	}
	return "users.noreply." + host
}

// noRole is the answer to whoever has no role: null, for which the generated code has no type.
type noRole struct{}

// VisitReadOwnRoleResponse writes it.
func (noRole) VisitReadOwnRoleResponse(w http.ResponseWriter) error {
	return dialect.WriteNull(w)
}
