package cause_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/kubectl/cause"
)

func member(name, subject string, change func(*enrolv1alpha1.Member)) *enrolv1alpha1.Member {
	m := &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: "org-acme", Name: name},
		Spec:       enrolv1alpha1.MemberSpec{Email: "jane@example.com", Projects: enrolv1alpha1.Projects{"web"}},
		Status:     enrolv1alpha1.MemberStatus{Subject: &enrolv1alpha1.Subject{Kind: "User", Name: subject}},
	}
	change(m)
	return m
}

func TestCauses(t *testing.T) {
	t.Parallel()
	const jane = "jane@example.com"
	role := func(role enrolv1alpha1.RoleName, projects ...enrolv1alpha1.Project) func(*enrolv1alpha1.Member) {
		return func(m *enrolv1alpha1.Member) {
			m.Spec.Roles, m.Spec.Projects = []enrolv1alpha1.RoleName{role}, projects
			m.Status.KubernetesRole = enrolv1alpha1.KubernetesRoleEdit
		}
	}
	acme := &enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "acme"},
		Spec: enrolv1alpha1.OrganisationSpec{
			Owners: []enrolv1alpha1.Owner{{Username: "ada"}},
			Groups: []enrolv1alpha1.Group{{Name: "ops", KubernetesRole: "cluster-admin", Projects: enrolv1alpha1.Projects{"*"}}},
		},
	}
	cases := map[string]struct {
		reason                 string
		person                 cause.Person
		organisation           *enrolv1alpha1.Organisation
		namespace, role, bound string
		kind                   string
		foreign                bool
		from                   []string
		none                   bool
	}{
		"Member": {
			reason: "The Member with that role in that project", organisation: acme, namespace: "web", role: "edit", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, role("developer", "web"))}},
			from:   []string{"member/jane"},
		},
		"OtherProject": {
			reason: "A Member for another project does not give it", organisation: acme, namespace: "data", role: "edit", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, role("developer", "web"))}},
		},
		"Both": {
			reason: "Two Members may give the same", organisation: acme, namespace: "web", role: "edit", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{
				member("a", jane, role("developer", "web")), member("b", jane, role("admin", "*")), member("c", jane, role("viewer", "web")),
			}},
			from: []string{"member/a", "member/b"},
		},
		"Group": {
			reason: "By way of a group of the Organisation", organisation: acme, namespace: "data", role: "cluster-admin", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, func(m *enrolv1alpha1.Member) {
				m.Spec.Groups = []enrolv1alpha1.GroupName{"ops"}
			})}},
			from: []string{"member/jane"},
		},
		"Home": {
			reason: "An organisation role in the home namespace", organisation: acme, namespace: "org-acme", role: "enrol:developer", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, role("developer"))}},
			from:   []string{"member/jane"},
		},
		"Owner": {
			reason: "An owner has it from the Organisation, under the name with its prefix", organisation: acme,
			namespace: "web", role: "cluster-admin", bound: "oidc:ada",
			person: cause.Person{Username: "oidc:ada", Prefix: "oidc:"}, from: []string{"organisation/acme"},
		},
		"NoOwner": {
			reason: "A name that ends like an owner's is another one", organisation: acme,
			namespace: "web", role: "cluster-admin", bound: "canada",
			person: cause.Person{Username: "canada", Prefix: ""},
		},
		"ByAddress": {
			reason: "Who is asked about by address is found under the username that is bound", organisation: acme,
			namespace: "web", role: "edit", bound: "oidc:j",
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", "oidc:j", role("developer", "web"))}},
			from:   []string{"member/jane"},
		},
		"Unreadable": {
			reason:    "Without the Organisation, the Member's status says what it gives",
			namespace: "web", role: "edit", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, role("sailor", "web"))}},
			from:   []string{"member/jane"},
		},
		"Suspended": {
			reason: "A suspended Member gives nothing", organisation: acme, namespace: "web", role: "edit", bound: jane,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, func(m *enrolv1alpha1.Member) {
				role("developer", "web")(m)
				m.Spec.Suspend = true
			})}},
		},
		"ProviderGroup": {
			reason: "A group of the identity provider", organisation: acme, namespace: "web", role: "view", bound: "team", kind: "Group",
			person: cause.Person{Username: jane, Groups: []string{"team"}, Members: []*enrolv1alpha1.Member{
				member("team", "team", func(m *enrolv1alpha1.Member) {
					m.Spec.Email, m.Spec.Group, m.Status.Subject.Kind = "", "team", "Group"
				}),
			}},
			from: []string{"member/team"},
		},
		"Foreign": {
			reason: "A RoleBinding without the labels is not Enrol's", organisation: acme, namespace: "web", role: "edit", bound: jane, foreign: true,
			person: cause.Person{Username: jane, Members: []*enrolv1alpha1.Member{member("jane", jane, role("developer", "web"))}},
		},
		"Nobody": {
			reason: "A RoleBinding of others is no cause", organisation: acme, namespace: "web", role: "edit", bound: "joe", none: true,
			person: cause.Person{Username: jane},
		},
		"SameNamedGroup": {
			reason: "A group of the person's name is somebody else", organisation: acme, namespace: "web", role: "edit", bound: jane, kind: "Group",
			none: true, person: cause.Person{Username: jane},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tc.kind
			if kind == "" {
				kind = rbacv1.UserKind
			}
			b := &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace, Name: "b"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: tc.role},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: kind, Name: tc.bound}},
			}
			want := cause.Cause{Namespace: tc.namespace, Role: tc.role, Binding: "b", Subject: kind + " " + tc.bound, From: tc.from}
			if !tc.foreign {
				b.Labels = map[string]string{
					enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy, enrolv1alpha1.LabelOrganisation: "acme",
				}
				want.Organisation = "acme"
				if tc.from == nil {
					want.Message = "which Member it is from is not known"
				}
			}
			wanted := []cause.Cause{want}
			if tc.none {
				wanted = nil
			}
			finder := cause.NewFinder(tc.person, func(string) *enrolv1alpha1.Organisation { return tc.organisation })
			if diff := cmp.Diff(wanted, finder.Causes(b)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestClusterCauses(t *testing.T) {
	t.Parallel()
	finder := cause.NewFinder(cause.Person{Username: "jane", Groups: []string{"system:authenticated"}}, nil)
	everybody := rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:authenticated"}
	for role, want := range map[string]int{"system:discovery": 0, "cluster-admin": 1} {
		b := &rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: []rbacv1.Subject{everybody}}
		if got := finder.ClusterCauses(b); len(got) != want {
			t.Errorf("%s bound to everybody has the causes %v, want %d", role, got, want)
		}
	}
}
