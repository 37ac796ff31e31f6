// Package migration proposes Members in the place of RoleBindings that people made by hand: a pure function from what is
// bound to what an Organisation would have to say for the same access.
package migration

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/subject"
)

// World is what a plan is made from.
type World struct {
	Organisation *enrolv1alpha1.Organisation
	// Members that the organisation has.
	Members []*enrolv1alpha1.Member
	// Protected are those of the namespaces that the operator never takes for projects, whatever their labels say.
	Protected map[string]bool
	// Bindings in the namespaces, whoever made them.
	Bindings []*rbacv1.RoleBinding
}

// Options are decisions that nobody but a person can make.
type Options struct {
	// Naming has the prefixes that the API server puts in front of names; Members go without.
	Naming subject.Naming
	// Role of each Member in the organisation.
	Role enrolv1alpha1.RoleName
	// AdminAs is what ClusterRole admin, which no Kubernetes role stands for, is taken for; none: it is left alone.
	AdminAs enrolv1alpha1.KubernetesRole
}

// Fate is what may become of a RoleBinding.
type Fate int

const (
	// Needed gives something that no Member here can give.
	Needed Fate = iota
	// Replaceable gives nothing more than the proposed Members, once they are Ready.
	Replaceable
	// Redundant gives nothing that Enrol's RoleBindings do not give already.
	Redundant
)

// Old is a RoleBinding that is not Enrol's.
type Old struct {
	Namespace, Name string
	Fate            Fate
	// Why says in words what is not taken over.
	Why []string
}

// Plan is what to do.
type Plan struct {
	// Members to make, with deterministic names. One that is there already has more projects here.
	Members []*enrolv1alpha1.Member
	Old     []Old
}

// planner makes a plan.
type planner struct {
	world   World
	options Options
	terms   *access.Terms
	// bound are the ClusterRoles that Enrol binds for the organisation, by namespace and subject.
	bound map[place][]string
	// wanted are the namespaces where a subject has a Kubernetes role, and does not by Enrol.
	wanted map[grant]map[string]bool
}

type place struct {
	namespace string
	who       subject.Subject
}

type grant struct {
	who  subject.Subject
	role enrolv1alpha1.KubernetesRole
}

// Propose makes the plan.
func Propose(world World, options Options) *Plan {
	p := &planner{
		world: world, options: options, terms: access.NewTerms(world.Organisation, options.Naming),
		bound: map[place][]string{}, wanted: map[grant]map[string]bool{},
	}
	var old []*rbacv1.RoleBinding
	for _, b := range world.Bindings {
		if !p.isOurs(b) {
			old = append(old, b)
			continue
		}
		for _, s := range b.Subjects {
			if who, ok := subject.FromRBAC(s); ok {
				at := place{b.Namespace, who}
				p.bound[at] = append(p.bound[at], b.RoleRef.Name)
			}
		}
	}
	plan := &Plan{}
	for _, b := range old {
		plan.Old = append(plan.Old, p.judge(b))
	}
	p.dropLower()
	plan.Members = p.members()
	return plan
}

// isOurs wants both the labels and the owner: labels alone anybody may write who may bind in the namespace, and an old
// RoleBinding that is taken for redundant is deleted.
func (p *planner) isOurs(b *rbacv1.RoleBinding) bool {
	if b.Labels[enrolv1alpha1.LabelManagedBy] != enrolv1alpha1.ManagedBy ||
		b.Labels[enrolv1alpha1.LabelOrganisation] != p.world.Organisation.Name || b.RoleRef.Kind != "ClusterRole" {
		return false
	}
	owner := metav1.GetControllerOf(b)
	return owner != nil && owner.UID == p.world.Organisation.UID
}

// judge notes what an old RoleBinding gives, and says what may become of it.
func (p *planner) judge(b *rbacv1.RoleBinding) Old {
	old := Old{Namespace: b.Namespace, Name: b.Name, Fate: Redundant}
	keep := func(format string, args ...any) { old.Why = append(old.Why, fmt.Sprintf(format, args...)) }
	role, err := p.role(b.RoleRef)
	switch {
	case err != nil:
		keep("%s", err)
	case p.world.Protected[b.Namespace]:
		keep("namespace %s is never a project", b.Namespace)
	default:
		for _, s := range b.Subjects {
			who, err := p.subject(s)
			if err != nil {
				keep("%s %s: %s", s.Kind, s.Name, err)
			} else if !p.isCovered(place{b.Namespace, who}, role) {
				p.want(grant{who, role}, b.Namespace)
				old.Fate = Replaceable
			}
		}
	}
	if len(old.Why) > 0 {
		old.Fate = Needed
	}
	return old
}

// role is the Kubernetes role that a RoleBinding gives.
func (p *planner) role(ref rbacv1.RoleRef) (enrolv1alpha1.KubernetesRole, error) {
	if ref.Kind != "ClusterRole" {
		return "", fmt.Errorf("%s %s is none that Enrol binds: it binds ClusterRoles", ref.Kind, ref.Name)
	}
	for _, role := range enrolv1alpha1.KubernetesRoles() {
		if p.terms.ClusterRole(role) == ref.Name {
			return role, nil
		}
	}
	if ref.Name == "admin" && p.options.AdminAs != enrolv1alpha1.KubernetesRoleNone {
		return p.options.AdminAs, nil
	}
	return "", fmt.Errorf("no Kubernetes role of the Organisation stands for ClusterRole %s", ref.Name)
}

// subject is whom a Member can name.
func (p *planner) subject(s rbacv1.Subject) (subject.Subject, error) {
	who, ok := subject.FromRBAC(s)
	if !ok {
		return who, fmt.Errorf("a %s cannot be a Member", s.Kind)
	}
	name, ok := p.bare(who)
	if !ok {
		return who, fmt.Errorf("the name does not begin with the prefix %q", p.prefix(who))
	}
	check := p.options.Naming.User
	if who.Kind == rbacv1.GroupKind {
		check = p.options.Naming.Group
	}
	_, err := check(name)
	return who, err
}

// bare is a name as a Member has it.
func (p *planner) bare(who subject.Subject) (string, bool) {
	return strings.CutPrefix(who.Name, p.prefix(who))
}

func (p *planner) prefix(who subject.Subject) string {
	if who.Kind == rbacv1.GroupKind {
		return p.options.Naming.GroupsPrefix
	}
	return p.options.Naming.UsernamePrefix
}

// isCovered tells whether Enrol binds as much already.
func (p *planner) isCovered(at place, role enrolv1alpha1.KubernetesRole) bool {
	for _, bound := range enrolv1alpha1.KubernetesRoles() {
		if slices.Contains(p.bound[at], p.terms.ClusterRole(bound)) && (bound == role || p.includes(bound, role)) {
			return true
		}
	}
	return false
}

// includes tells whether one Kubernetes role allows all that another does: known only of those that are not mapped to
// ClusterRoles of somebody's own.
func (p *planner) includes(higher, lower enrolv1alpha1.KubernetesRole) bool {
	return higher.Rank() >= lower.Rank() &&
		p.terms.ClusterRole(higher) == string(higher) && p.terms.ClusterRole(lower) == string(lower)
}

func (p *planner) want(g grant, namespace string) {
	if p.wanted[g] == nil {
		p.wanted[g] = map[string]bool{}
	}
	p.wanted[g][namespace] = true
}

// dropLower drops what somebody is to get in a namespace by a higher role as well.
func (p *planner) dropLower() {
	for g, namespaces := range p.wanted {
		for _, role := range enrolv1alpha1.KubernetesRoles() {
			if role == g.role || !p.includes(role, g.role) {
				continue
			}
			for namespace := range p.wanted[grant{g.who, role}] {
				delete(namespaces, namespace)
			}
		}
	}
}

// members are one for each person or group and Kubernetes role: their rights add up.
func (p *planner) members() []*enrolv1alpha1.Member {
	there := map[string]*enrolv1alpha1.Member{}
	for _, m := range p.world.Members {
		there[m.Name] = m
	}
	var members []*enrolv1alpha1.Member
	for g, namespaces := range p.wanted {
		members = append(members, p.membersOf(g, slices.Sorted(maps.Keys(namespaces)), there)...)
	}
	slices.SortFunc(members, func(a, b *enrolv1alpha1.Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}

// membersOf are as many as there must be for so many projects. Those that are there already are filled up.
func (p *planner) membersOf(g grant, names []string, there map[string]*enrolv1alpha1.Member) []*enrolv1alpha1.Member {
	var members []*enrolv1alpha1.Member
	for n := 0; len(names) > 0; n++ {
		m := p.member(g, n)
		var taken []enrolv1alpha1.Project
		if before := there[m.Name]; before != nil {
			if isAnother(before, m) {
				continue
			}
			taken = before.Spec.Projects
			// Named already, but not bound yet.
			names = slices.DeleteFunc(names, func(name string) bool {
				return slices.Contains(taken, enrolv1alpha1.Project(name))
			})
			m = &enrolv1alpha1.Member{TypeMeta: m.TypeMeta, ObjectMeta: m.ObjectMeta, Spec: before.Spec}
		}
		fits := min(len(names), maxProjects-len(taken))
		if fits == 0 {
			continue
		}
		m.Spec.Projects = slices.Clone(taken)
		for _, name := range names[:fits] {
			m.Spec.Projects = append(m.Spec.Projects, enrolv1alpha1.Project(name))
		}
		names = names[fits:]
		members = append(members, m)
	}
	return members
}

// maxProjects is what a Member takes.
const maxProjects = 256

// member is the n-th Member of a grant, without projects.
func (p *planner) member(g grant, n int) *enrolv1alpha1.Member {
	bare, _ := p.bare(g.who)
	m := &enrolv1alpha1.Member{
		TypeMeta:   metav1.TypeMeta{APIVersion: enrolv1alpha1.SchemeGroupVersion.String(), Kind: "Member"},
		ObjectMeta: metav1.ObjectMeta{Namespace: p.world.Organisation.HomeNamespace()},
		Spec: enrolv1alpha1.MemberSpec{
			Roles: []enrolv1alpha1.RoleName{p.options.Role}, KubernetesRole: &g.role,
		},
	}
	if g.who.Kind == rbacv1.GroupKind {
		m.Spec.Group = enrolv1alpha1.Username(bare)
		// No username has a line break: a group and a user of one name are two Members.
		m.Name = naming.Member("group\n" + bare)
	} else {
		m.Spec.Username = enrolv1alpha1.Username(bare)
		m.Name = naming.Member(bare)
	}
	m.Name += "-" + string(g.role)
	if n > 0 {
		m.Name += "-" + strconv.Itoa(n+1)
	}
	return m
}

// isAnother tells whether a Member that has the name gives something else, or to somebody else, or to whom more projects
// would add nothing.
func isAnother(there, wanted *enrolv1alpha1.Member) bool {
	return there.Spec.Username != wanted.Spec.Username || there.Spec.Group != wanted.Spec.Group ||
		there.Spec.KubernetesRole == nil || *there.Spec.KubernetesRole != *wanted.Spec.KubernetesRole ||
		there.Spec.Suspend || there.Spec.ExpireTime != nil || there.Spec.Projects.All()
}
