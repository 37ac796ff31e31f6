// Package cause finds what somebody's access comes from: a pure function from a RoleBinding, Members and Organisations.
package cause

import (
	"cmp"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Everywhere stands for the namespace of access to the whole cluster.
const Everywhere = "*"

// Cause is a binding that gives a person access, by one of its subjects.
type Cause struct {
	// Namespace is Everywhere for access to the whole cluster.
	Namespace string `json:"namespace"`
	// Role is the ClusterRole, or Role/<name>.
	Role    string `json:"role"`
	Binding string `json:"binding"`
	Subject string `json:"subject"`
	// Organisation that Enrol made the binding for; "": it is not Enrol's.
	Organisation string `json:"organisation,omitempty"`
	// From are the Members, as namespace/name, or the Organisation whose owner the person is. Empty: not known.
	From    []string `json:"from,omitempty"`
	Message string   `json:"message,omitempty"`
}

// Finder finds the causes of one person's access.
type Finder struct {
	subjects map[subject.Subject]bool
	members  []*enrolv1alpha1.Member
	// organisation is nil for one that cannot be read.
	organisation func(name string) *enrolv1alpha1.Organisation
	prefix       string
}

// Person is whose access is looked for.
type Person struct {
	// Username and Groups are as the API server knows them.
	Username string
	Groups   []string
	// Members are those that are about the person.
	Members []*enrolv1alpha1.Member
	// Prefix is what the API server puts in front of usernames, see Prefix.
	Prefix string
}

// NewFinder makes a finder. It asks for the Organisations that bindings are made for; nil is one that cannot be read.
func NewFinder(person Person, organisation func(string) *enrolv1alpha1.Organisation) *Finder {
	f := &Finder{
		subjects: map[subject.Subject]bool{}, members: person.Members, organisation: organisation, prefix: person.Prefix,
	}
	f.subjects[subject.Subject{Kind: rbacv1.UserKind, Name: person.Username}] = true
	for _, group := range person.Groups {
		f.subjects[subject.Subject{Kind: rbacv1.GroupKind, Name: group}] = true
	}
	for _, m := range person.Members {
		if who := m.Status.Subject; who != nil {
			f.subjects[subject.Subject{Kind: who.Kind, Name: who.Name}] = true
		}
	}
	return f
}

// Causes of a RoleBinding are one for each subject that is the person.
func (f *Finder) Causes(b *rbacv1.RoleBinding) []Cause {
	organisation := ""
	if b.Labels[enrolv1alpha1.LabelManagedBy] == enrolv1alpha1.ManagedBy {
		organisation = b.Labels[enrolv1alpha1.LabelOrganisation]
	}
	causes := f.causes(b.Namespace, b.Name, b.RoleRef, b.Subjects)
	if organisation == "" {
		return causes
	}
	for i := range causes {
		causes[i].Organisation = organisation
		causes[i].From = f.from(organisation, causes[i])
		if len(causes[i].From) == 0 {
			causes[i].Message = "which Member it is from is not known"
		}
	}
	return causes
}

// everybodys are bound to everybody in every cluster, and give access to nothing but the API server's own description.
var everybodys = []string{"system:basic-user", "system:discovery", "system:public-info-viewer"}

// ClusterCauses are those of a ClusterRoleBinding, unless everybody has it. Enrol makes none.
func (f *Finder) ClusterCauses(b *rbacv1.ClusterRoleBinding) []Cause {
	if slices.Contains(everybodys, b.RoleRef.Name) {
		return nil
	}
	return f.causes(Everywhere, b.Name, b.RoleRef, b.Subjects)
}

func (f *Finder) causes(namespace, name string, role rbacv1.RoleRef, subjects []rbacv1.Subject) []Cause {
	var causes []Cause
	for _, s := range subjects {
		who, ok := subject.FromRBAC(s)
		if !ok || !f.subjects[who] {
			continue
		}
		causes = append(causes, Cause{Namespace: namespace, Role: roleName(role), Binding: name, Subject: who.String()})
	}
	return causes
}

func roleName(role rbacv1.RoleRef) string {
	if role.Kind == "ClusterRole" {
		return role.Name
	}
	return role.Kind + "/" + role.Name
}

// from names the Members that give what a binding of an Organisation carries, or the Organisation to an owner.
func (f *Finder) from(name string, c Cause) []string {
	organisation := f.organisation(name)
	home := enrolv1alpha1.HomeNamespacePrefix + name
	var from []string
	if organisation != nil {
		terms := access.NewTerms(organisation, subject.Naming{UsernamePrefix: f.prefix})
		for _, owner := range organisation.Spec.Owners {
			if carries(terms, terms.Owner(owner), c, home) {
				from = append(from, "organisation/"+name)
			}
		}
	}
	terms := access.NewTerms(cmp.Or(organisation, &enrolv1alpha1.Organisation{}), subject.Naming{})
	for _, m := range f.members {
		if m.Namespace == home && m.Status.Subject != nil &&
			carries(terms, terms.Judge(asBound(m, organisation), time.Now()), c, home) {
			from = append(from, "member/"+m.Name)
		}
	}
	return from
}

// asBound is a Member that names the subject which it is bound as. Without the Organisation, what its roles come to is only
// known from its status, and what its groups come to not at all.
func asBound(m *enrolv1alpha1.Member, organisation *enrolv1alpha1.Organisation) *enrolv1alpha1.Member {
	bound := m.DeepCopy()
	bound.Spec.Email, bound.Spec.Username, bound.Spec.Group = "", "", ""
	if name := enrolv1alpha1.Username(m.Status.Subject.Name); m.Status.Subject.Kind == rbacv1.GroupKind {
		bound.Spec.Group = name
	} else {
		bound.Spec.Username = name
	}
	if organisation == nil {
		bound.Spec.Groups, bound.Spec.KubernetesRole = nil, &m.Status.KubernetesRole
	}
	return bound
}

// carries tells whether a binding is by what somebody gets.
func carries(terms *access.Terms, v access.Verdict, c Cause, home string) bool {
	if v.Subject == nil || v.Subject.String() != c.Subject {
		return false
	}
	if c.Namespace == home {
		return slices.ContainsFunc(v.Home, func(r enrolv1alpha1.RoleName) bool { return r.ClusterRole() == c.Role })
	}
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool {
		return g.KubernetesRole != "" && terms.ClusterRole(g.KubernetesRole) == c.Role &&
			(g.Projects.All() || slices.Contains(g.Projects, enrolv1alpha1.Project(c.Namespace)))
	})
}

// Prefix is what the API server puts in front of usernames, as a Member shows it; false when that one does not.
func Prefix(m *enrolv1alpha1.Member) (string, bool) {
	who := m.Status.Subject
	if who == nil || who.Kind != rbacv1.UserKind {
		return "", false
	}
	name := cmp.Or(m.Spec.Username, m.Status.Username, enrolv1alpha1.Username(m.Spec.Email))
	return strings.CutSuffix(who.Name, string(name))
}
