package migration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/kubectl/migration"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/subject"
)

func user(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}
}

func group(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}
}

func binding(namespace, name, clusterRole string, subjects ...rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects:   subjects,
	}
}

// labelled is a RoleBinding that says to be Enrol's; made is one that is.
func labelled(b *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	b.Labels = map[string]string{
		enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy, enrolv1alpha1.LabelOrganisation: "acme",
	}
	return b
}

func made(b *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	b = labelled(b)
	b.OwnerReferences = []metav1.OwnerReference{{UID: "acme-uid", Controller: new(true)}}
	return b
}

func member(name string, spec enrolv1alpha1.MemberSpec) *enrolv1alpha1.Member {
	return &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: "org-acme", Name: name}, Spec: spec}
}

// line is a Member in short.
func line(m *enrolv1alpha1.Member) string {
	who := "user " + string(m.Spec.Username)
	if m.Spec.Group != "" {
		who = "group " + string(m.Spec.Group)
	}
	return fmt.Sprintf("%s %v %s %v", who, m.Spec.Roles, *m.Spec.KubernetesRole, m.Spec.Projects)
}

func TestPropose(t *testing.T) {
	t.Parallel()
	edit := enrolv1alpha1.KubernetesRoleEdit
	role := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "role"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "edit"},
		Subjects: []rbacv1.Subject{user("jane")},
	}
	cases := map[string]struct {
		reason   string
		mapping  []enrolv1alpha1.KubernetesRoleMapping
		options  migration.Options
		members  []*enrolv1alpha1.Member
		bindings []*rbacv1.RoleBinding
		want     []string
		// fates of the RoleBindings that are not Enrol's, with what keeps them.
		fates []string
	}{
		"Merged": {
			reason: "Somebody with one role in two namespaces is one Member",
			bindings: []*rbacv1.RoleBinding{
				binding("b", "x", "edit", user("jane")), binding("a", "x", "edit", user("jane"), group("devs")),
			},
			want:  []string{"group devs [viewer] edit [a]", "user jane [viewer] edit [a b]"},
			fates: []string{"b/x replaceable", "a/x replaceable"},
		},
		"TwoRoles": {
			reason: "Rights add up: one Member for each role",
			bindings: []*rbacv1.RoleBinding{
				binding("a", "x", "edit", user("jane")), binding("b", "x", "view", user("jane")),
			},
			want:  []string{"user jane [viewer] edit [a]", "user jane [viewer] view [b]"},
			fates: []string{"a/x replaceable", "b/x replaceable"},
		},
		"Lower": {
			reason: "What a higher role in the same namespace includes is not proposed as well",
			bindings: []*rbacv1.RoleBinding{
				binding("a", "x", "cluster-admin", user("jane")), binding("a", "y", "view", user("jane")),
			},
			want:  []string{"user jane [viewer] cluster-admin [a]"},
			fates: []string{"a/x replaceable", "a/y replaceable"},
		},
		"OneName": {
			reason:   "A user and a group of one name are two Members",
			bindings: []*rbacv1.RoleBinding{binding("a", "x", "view", user("ops"), group("ops"))},
			want:     []string{"group ops [viewer] view [a]", "user ops [viewer] view [a]"},
			fates:    []string{"a/x replaceable"},
		},
		"NoMembers": {
			reason: "ServiceAccounts and Kubernetes' own are no Members, and keep their RoleBindings",
			bindings: []*rbacv1.RoleBinding{
				binding("a", "x", "edit", user("jane"), rbacv1.Subject{Kind: "ServiceAccount", Name: "ci", Namespace: "a"}),
				binding("a", "y", "view", group("system:authenticated"), user("System:admin"), user("*")),
			},
			want: []string{"user jane [viewer] edit [a]"},
			fates: []string{
				"a/x needed: ServiceAccount ci: a ServiceAccount cannot be a Member",
				"a/y needed: Group system:authenticated: the name \"system:authenticated\" must not start with 'system:'; " +
					"User System:admin: the name \"System:admin\" must not start with 'system:'; User *: the name must not be '*'",
			},
		},
		"Roles": {
			reason: "A Role, even of that name, and a ClusterRole that nothing is mapped to stay",
			bindings: []*rbacv1.RoleBinding{
				role, binding("a", "x", "admin", user("jane")),
			},
			fates: []string{
				"a/role needed: Role edit is none that Enrol binds: it binds ClusterRoles",
				"a/x needed: no Kubernetes role of the Organisation stands for ClusterRole admin",
			},
		},
		"Admin": {
			reason:   "What ClusterRole admin becomes a person decides",
			options:  migration.Options{AdminAs: edit},
			bindings: []*rbacv1.RoleBinding{binding("a", "x", "admin", user("jane"))},
			want:     []string{"user jane [viewer] edit [a]"},
			fates:    []string{"a/x replaceable"},
		},
		"Mapped": {
			reason:  "The Organisation's own mapping decides what a ClusterRole stands for",
			mapping: []enrolv1alpha1.KubernetesRoleMapping{{Name: edit, ClusterRole: "writer"}},
			bindings: []*rbacv1.RoleBinding{
				binding("a", "x", "writer", user("jane")), binding("a", "y", "edit", user("joe")),
			},
			want:  []string{"user jane [viewer] edit [a]"},
			fates: []string{"a/x replaceable", "a/y needed: no Kubernetes role of the Organisation stands for ClusterRole edit"},
		},
		"Redundant": {
			reason: "What Enrol gives already, or more than that, needs no Member",
			bindings: []*rbacv1.RoleBinding{
				made(binding("a", "enrol", "edit", user("jane"))), binding("a", "x", "edit", user("jane")),
				binding("a", "y", "view", user("jane")), binding("a", "z", "edit"),
			},
			fates: []string{"a/x redundant", "a/y redundant", "a/z redundant"},
		},
		"Elsewhere": {
			reason: "What Enrol gives in another namespace, or less, is not enough",
			bindings: []*rbacv1.RoleBinding{
				made(binding("a", "enrol", "view", user("jane"))), made(binding("b", "enrol", "edit", user("jane"))),
				binding("a", "x", "edit", user("jane")),
			},
			want:  []string{"user jane [viewer] edit [a]"},
			fates: []string{"a/x replaceable"},
		},
		"Forged": {
			reason: "Labels alone make no RoleBinding Enrol's: who believes them deletes the wrong one",
			bindings: []*rbacv1.RoleBinding{
				labelled(binding("a", "forged", "edit", user("jane"))), binding("a", "x", "edit", user("jane")),
			},
			want:  []string{"user jane [viewer] edit [a]"},
			fates: []string{"a/forged replaceable", "a/x replaceable"},
		},
		"MappedRanks": {
			reason:  "Whether a mapped ClusterRole includes another is not known",
			mapping: []enrolv1alpha1.KubernetesRoleMapping{{Name: edit, ClusterRole: "writer"}},
			bindings: []*rbacv1.RoleBinding{
				made(binding("a", "enrol", "writer", user("jane"))), binding("a", "x", "view", user("jane")),
			},
			want:  []string{"user jane [viewer] view [a]"},
			fates: []string{"a/x replaceable"},
		},
		"Prefix": {
			reason:  "Members go without the prefixes; who has none is not the identity provider's",
			options: migration.Options{Naming: subject.Naming{UsernamePrefix: "oidc:", GroupsPrefix: "idp/"}},
			bindings: []*rbacv1.RoleBinding{
				binding("a", "x", "view", user("oidc:jane"), group("idp/devs")), binding("a", "y", "view", user("root")),
			},
			want:  []string{"group devs [viewer] view [a]", "user jane [viewer] view [a]"},
			fates: []string{"a/x replaceable", `a/y needed: User root: the name does not begin with the prefix "oidc:"`},
		},
		"Protected": {
			reason:   "A namespace that can be no project keeps what it has",
			bindings: []*rbacv1.RoleBinding{binding("kube-system", "x", "view", user("jane"))},
			fates:    []string{"kube-system/x needed: namespace kube-system is never a project"},
		},
		"There": {
			reason: "A Member that is there already gets the project besides",
			members: []*enrolv1alpha1.Member{member(naming.Member("jane")+"-edit", enrolv1alpha1.MemberSpec{
				Username: "jane", Roles: []enrolv1alpha1.RoleName{"developer"}, KubernetesRole: &edit, Projects: enrolv1alpha1.Projects{"b"},
			})},
			bindings: []*rbacv1.RoleBinding{binding("a", "x", "edit", user("jane"))},
			want:     []string{"user jane [developer] edit [b a]"},
			fates:    []string{"a/x replaceable"},
		},
		"NotBoundYet": {
			reason: "A Member that names the project only has to be bound",
			members: []*enrolv1alpha1.Member{member(naming.Member("jane")+"-edit", enrolv1alpha1.MemberSpec{
				Username: "jane", KubernetesRole: &edit, Projects: enrolv1alpha1.Projects{"a"},
			})},
			bindings: []*rbacv1.RoleBinding{binding("a", "x", "edit", user("jane"))},
			fates:    []string{"a/x replaceable"},
		},
		"SomebodyElse": {
			reason: "A Member of that name that is about something else is left alone",
			members: []*enrolv1alpha1.Member{member(naming.Member("jane")+"-edit", enrolv1alpha1.MemberSpec{
				Username: "jane", KubernetesRole: &edit, Suspend: true,
			})},
			bindings: []*rbacv1.RoleBinding{binding("a", "x", "edit", user("jane"))},
			want:     []string{"user jane [viewer] edit [a]"},
			fates:    []string{"a/x replaceable"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.options.Role = enrolv1alpha1.RoleViewer
			plan := migration.Propose(migration.World{
				Organisation: &enrolv1alpha1.Organisation{
					ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "acme-uid"},
					Spec:       enrolv1alpha1.OrganisationSpec{KubernetesRoles: tc.mapping},
				},
				Members: tc.members, Bindings: tc.bindings, Protected: map[string]bool{"kube-system": true},
			}, tc.options)
			var got, fates []string
			for _, m := range plan.Members {
				got = append(got, line(m))
			}
			for _, old := range plan.Old {
				fate := old.Namespace + "/" + old.Name + " " + []string{"needed", "replaceable", "redundant"}[old.Fate]
				if len(old.Why) > 0 {
					fate += ": " + strings.Join(old.Why, "; ")
				}
				fates = append(fates, fate)
			}
			if diff := cmp.Diff(tc.want, sorted(got)); diff != "" {
				t.Errorf("%s: Members (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.fates, fates); diff != "" {
				t.Errorf("%s: RoleBindings (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestManyProjects(t *testing.T) {
	t.Parallel()
	const projects, most = 600, 256
	var bindings []*rbacv1.RoleBinding
	for i := range projects {
		bindings = append(bindings, binding(fmt.Sprintf("p%03d", i), "x", "view", user("jane")))
	}
	plan := migration.Propose(migration.World{Organisation: &enrolv1alpha1.Organisation{}, Bindings: bindings}, migration.Options{})
	total := 0
	for _, m := range plan.Members {
		total += len(m.Spec.Projects)
		if len(m.Spec.Projects) > most {
			t.Errorf("Member %s has %d projects, and may have %d", m.Name, len(m.Spec.Projects), most)
		}
	}
	if total != projects || len(plan.Members) != 3 {
		t.Errorf("%d Members have %d projects, want 3 and %d", len(plan.Members), total, projects)
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
