package access_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

const (
	clusterAdmin = enrolv1alpha1.KubernetesRoleClusterAdmin
	edit         = enrolv1alpha1.KubernetesRoleEdit
	view         = enrolv1alpha1.KubernetesRoleView
	none         = enrolv1alpha1.KubernetesRoleNone
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	all  = enrolv1alpha1.Projects{"*"}
	jane = &subject.Subject{Kind: rbacv1.UserKind, Name: "jane"}
)

type organisation = enrolv1alpha1.OrganisationSpec
type member = enrolv1alpha1.MemberSpec
type roles = []enrolv1alpha1.RoleName

func judge(o organisation, m *enrolv1alpha1.Member, naming subject.Naming) access.Verdict {
	return access.NewTerms(&enrolv1alpha1.Organisation{Spec: o}, naming).Judge(m, now)
}

const knownRoles = "its roles are admin, billing-admin, developer, viewer"

func TestJudge(t *testing.T) {
	cases := map[string]struct {
		reason       string
		organisation organisation
		member       member
		want         access.Verdict
	}{
		"Developer": {
			reason: "a role brings its Kubernetes role",
			member: member{Username: "jane", Roles: roles{"developer"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{edit, all}},
				State: condition.Ready("Granted", "edit in all projects")},
		},
		"DefaultRole": {
			reason: "no role is the default role, and that is viewer unless the Organisation says otherwise",
			member: member{Username: "jane", Projects: enrolv1alpha1.Projects{"web", "data"}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"},
				Grants: []access.Grant{{view, enrolv1alpha1.Projects{"web", "data"}}},
				State:  condition.Ready("Granted", "view in web, data")},
		},
		"OtherDefaultRole": {
			reason:       "the Organisation says otherwise",
			organisation: organisation{DefaultRole: "billing-admin"},
			member:       member{Username: "jane", Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"billing-admin"}, Grants: []access.Grant{{none, all}},
				State: condition.Ready("NoKubernetesRole", "organisation roles only: the Member has no Kubernetes role")},
		},
		"HighestOfSeveral": {
			reason: "of several roles the highest Kubernetes role counts, and all organisation roles",
			member: member{Username: "jane", Roles: roles{"viewer", "billing-admin", "admin"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"viewer", "billing-admin", "admin"},
				Grants: []access.Grant{{edit, all}}, State: condition.Ready("Granted", "edit in all projects")},
		},
		"OwnKubernetesRole": {
			reason: "the Member's own Kubernetes role counts before that of its roles, upwards and downwards",
			member: member{Username: "jane", Roles: roles{"developer"}, KubernetesRole: new(view), Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{view, all}},
				State: condition.Ready("Granted", "view in all projects")},
		},
		"EmptyKubernetesRole": {
			reason: "empty is none, and not the same as left out",
			member: member{Username: "jane", Roles: roles{"developer"}, KubernetesRole: new(none), Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{none, all}},
				State: condition.Ready("NoKubernetesRole", "organisation roles only: the Member has no Kubernetes role")},
		},
		"NoProjects": {
			reason: "no project is none, never all",
			member: member{Username: "jane", Roles: roles{"developer"}},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{edit, nil}},
				State: condition.Ready("NoProjects", `organisation roles only: edit holds in no project, since the `+
					`Member names none; all are projects: ["*"]`)},
		},
		"RemappedBuiltIn": {
			reason:       "the Organisation may give a built-in role another Kubernetes role",
			organisation: organisation{Roles: []enrolv1alpha1.Role{{Name: "developer", KubernetesRole: new(view)}}},
			member:       member{Username: "jane", Roles: roles{"developer"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{view, all}},
				State: condition.Ready("Granted", "view in all projects")},
		},
		"OwnRole": {
			reason: "a role of the Organisation's own is bound as what it is based on, with its own Kubernetes role",
			organisation: organisation{Roles: []enrolv1alpha1.Role{
				{Name: "sre", BasedOn: "viewer", KubernetesRole: new(clusterAdmin)},
			}},
			member: member{Username: "jane", Roles: roles{"sre"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"}, Grants: []access.Grant{{clusterAdmin, all}},
				State: condition.Ready("Granted", "cluster-admin in all projects")},
		},
		"OwnRoleInherits": {
			reason: "without a Kubernetes role of its own it has that of the role below, as customised",
			organisation: organisation{Roles: []enrolv1alpha1.Role{
				{Name: "guest", BasedOn: "developer"}, {Name: "developer", KubernetesRole: new(view)},
			}},
			member: member{Username: "jane", Roles: roles{"guest"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{view, all}},
				State: condition.Ready("Granted", "view in all projects")},
		},
		"PlantedRoleBasedOnOwner": {
			reason:       "what got past the rules is unknown, not an owner",
			organisation: organisation{Roles: []enrolv1alpha1.Role{{Name: "boss", BasedOn: "owner"}}},
			member:       member{Username: "jane", Roles: roles{"boss"}, Projects: all},
			want: access.Verdict{Subject: jane, Grants: []access.Grant{{none, all}},
				State: condition.Stalled("UnknownRole", `the Organisation has no role "boss", and that gives nothing: `+knownRoles)},
		},
		"PlantedOwner": {
			reason: "owners stand in the Organisation, whatever a Member says",
			member: member{Username: "jane", Roles: roles{"owner"}, Projects: all},
			want: access.Verdict{Subject: jane, Grants: []access.Grant{{none, all}},
				State: condition.Stalled("UnknownRole", `the Organisation has no role "owner", and that gives nothing: `+knownRoles)},
		},
		"PlantedKubernetesRole": {
			reason: "an unknown Kubernetes role is none",
			member: member{Username: "jane", Roles: roles{"developer"},
				KubernetesRole: new(enrolv1alpha1.KubernetesRole("root")), Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"developer"}, Grants: []access.Grant{{none, all}},
				State: condition.Ready("NoKubernetesRole", "organisation roles only: the Member has no Kubernetes role")},
		},
		"UnknownRoleBesideKnown": {
			reason: "rights add up: the known role goes on",
			member: member{Username: "jane", Roles: roles{"ghost", "viewer"}, Projects: all},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"}, Grants: []access.Grant{{view, all}},
				State: condition.Stalled("UnknownRole", `the Organisation has no role "ghost", and that gives nothing: `+knownRoles)},
		},
		"Group": {
			reason: "a group adds its role in its projects",
			organisation: organisation{Groups: []enrolv1alpha1.Group{
				{Name: "support", KubernetesRole: edit, Projects: enrolv1alpha1.Projects{"web"}},
			}},
			member: member{Username: "jane", Projects: all, Groups: []enrolv1alpha1.GroupName{"support"}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"},
				Grants: []access.Grant{{view, all}, {edit, enrolv1alpha1.Projects{"web"}}},
				State:  condition.Ready("Granted", "view in all projects; edit in web by group support")},
		},
		"GroupOnly": {
			reason: "a group is enough",
			organisation: organisation{Groups: []enrolv1alpha1.Group{
				{Name: "support", KubernetesRole: edit, Projects: enrolv1alpha1.Projects{"web"}},
			}},
			member: member{Username: "jane", Groups: []enrolv1alpha1.GroupName{"support"}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"},
				Grants: []access.Grant{{view, nil}, {edit, enrolv1alpha1.Projects{"web"}}},
				State:  condition.Ready("Granted", "edit in web by group support")},
		},
		"UnknownGroup": {
			reason: "a group that is not there gives nothing, and says so",
			member: member{Username: "jane", Projects: all, Groups: []enrolv1alpha1.GroupName{"ghosts"}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"}, Grants: []access.Grant{{view, all}},
				State: condition.Stalled("UnknownGroup", `the Organisation has no group "ghosts", and that gives nothing: it has no groups`)},
		},
		"UnknownGroupOfSome": {
			reason:       "what there is instead is said",
			organisation: organisation{Groups: []enrolv1alpha1.Group{{Name: "support"}, {Name: "design"}}},
			member:       member{Username: "jane", Groups: []enrolv1alpha1.GroupName{"desing"}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"}, Grants: []access.Grant{{view, nil}},
				State: condition.Stalled("UnknownGroup",
					`the Organisation has no group "desing", and that gives nothing: its groups are design, support`)},
		},
		"Suspended": {
			reason: "nothing while suspended",
			member: member{Username: "jane", Projects: all, Suspend: true},
			want:   access.Verdict{State: condition.Ready("Suspended", "no access: the Member is suspended")},
		},
		"OrganisationSuspended": {
			reason:       "nothing while the Organisation is suspended",
			organisation: organisation{Suspend: true},
			member:       member{Username: "jane", Projects: all},
			want: access.Verdict{
				State: condition.Ready("OrganisationSuspended", "no access: the Organisation is suspended")},
		},
		"ExpiresNow": {
			reason: "access ends at the time, not after it",
			member: member{Username: "jane", Projects: all, ExpireTime: &metav1.Time{Time: now}},
			want: access.Verdict{
				State: condition.Ready("Expired", "no access: the membership expired at 2026-03-01T12:00:00Z")},
		},
		"ExpiresInASecond": {
			reason: "until then it stands, and the end is known",
			member: member{Username: "jane", Projects: all, ExpireTime: &metav1.Time{Time: now.Add(time.Second)}},
			want: access.Verdict{Subject: jane, Home: roles{"viewer"}, Grants: []access.Grant{{view, all}},
				State: condition.Ready("Granted", "view in all projects"), Until: now.Add(time.Second)},
		},
		"PlantedSubject": {
			reason: "what got past the rules is refused once more",
			member: member{Username: "System:masters", Projects: all},
			want: access.Verdict{State: condition.Stalled("SubjectRefused",
				`no access: the name "System:masters" must not start with 'system:'`)},
		},
		"PersonAndGroup": {
			reason: "one or the other",
			member: member{Username: "jane", Group: "team"},
			want: access.Verdict{State: condition.Stalled("SubjectRefused",
				"no access: the Member must name either a person or a group")},
		},
		"Nobody": {
			reason: "neither",
			want: access.Verdict{State: condition.Stalled("SubjectRefused",
				"no access: the Member must name either a person or a group")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := judge(tc.organisation, &enrolv1alpha1.Member{Spec: tc.member}, subject.Naming{})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nJudge (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSubjectOfAMember(t *testing.T) {
	byAddress := subject.Naming{EmailIsUsername: true}
	prefixed := subject.Naming{UsernamePrefix: "u:", GroupsPrefix: "g:"}
	cases := map[string]struct {
		reason string
		naming subject.Naming
		member enrolv1alpha1.Member
		want   string
		state  string
	}{
		"Username": {"the username counts before everything else", byAddress,
			enrolv1alpha1.Member{Spec: member{Username: "jane", Email: "j@example.com"}}, "User jane", "NoProjects"},
		"Recorded": {"the username that was recorded for the address", byAddress,
			enrolv1alpha1.Member{Spec: member{Email: "j@example.com"},
				Status: enrolv1alpha1.MemberStatus{Username: "jane", UsernameEmail: "j@example.com"}},
			"User jane", "NoProjects"},
		"RecordedForAnother": {"what was recorded for another address says nothing", subject.Naming{},
			enrolv1alpha1.Member{Spec: member{Email: "k@example.com"},
				Status: enrolv1alpha1.MemberStatus{Username: "jane", UsernameEmail: "j@example.com"}},
			"", "AwaitingSignIn"},
		"RecordedAndPlanted": {"a recorded username is checked like any other", byAddress,
			enrolv1alpha1.Member{Spec: member{Email: "j@example.com"},
				Status: enrolv1alpha1.MemberStatus{Username: "system:admin", UsernameEmail: "j@example.com"}},
			"", "SubjectRefused"},
		"Address": {"the address, where that is the username", byAddress,
			enrolv1alpha1.Member{Spec: member{Email: "j@example.com"}}, "User j@example.com", "NoProjects"},
		"AddressOnly": {"elsewhere nobody: people might choose the address as their username", subject.Naming{},
			enrolv1alpha1.Member{Spec: member{Email: "j@example.com"}}, "", "AwaitingSignIn"},
		"Group": {"a group, with its prefix", prefixed,
			enrolv1alpha1.Member{Spec: member{Group: "team"}}, "Group g:team", "NoProjects"},
		"Prefix": {"a username, with its prefix", prefixed,
			enrolv1alpha1.Member{Spec: member{Username: "jane"}}, "User u:jane", "NoProjects"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			verdict := judge(organisation{}, &tc.member, tc.naming)
			got := ""
			if verdict.Subject != nil {
				got = verdict.Subject.String()
			}
			if got != tc.want || verdict.State.Reason != tc.state {
				t.Errorf("%s: got %q, %s, want %q, %s", tc.reason, got, verdict.State.Reason, tc.want, tc.state)
			}
		})
	}
}

func TestOwner(t *testing.T) {
	owner := enrolv1alpha1.Owner{Username: "jane"}
	cases := map[string]struct {
		organisation organisation
		owner        enrolv1alpha1.Owner
		want         access.Verdict
	}{
		"Owner": {owner: owner, want: access.Verdict{
			Subject: jane, Home: roles{"owner"}, Grants: []access.Grant{{clusterAdmin, all}}}},
		"Lowered": {
			organisation: organisation{Roles: []enrolv1alpha1.Role{{Name: "owner", KubernetesRole: new(none)}}},
			owner:        owner,
			want:         access.Verdict{Subject: jane, Home: roles{"owner"}, Grants: []access.Grant{{none, all}}}},
		"Suspended": {organisation: organisation{Suspend: true}, owner: owner, want: access.Verdict{
			State: condition.Ready("OrganisationSuspended", "no access: the Organisation is suspended")}},
		"Planted": {owner: enrolv1alpha1.Owner{Username: "system:masters"}, want: access.Verdict{
			State: condition.Stalled("SubjectRefused",
				`owner: the name "system:masters" must not start with 'system:'`)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			terms := access.NewTerms(&enrolv1alpha1.Organisation{Spec: tc.organisation}, subject.Naming{})
			if diff := cmp.Diff(tc.want, terms.Owner(tc.owner)); diff != "" {
				t.Errorf("Owner (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRank(t *testing.T) {
	terms := access.NewTerms(&enrolv1alpha1.Organisation{Spec: organisation{
		KubernetesRoles: []enrolv1alpha1.KubernetesRoleMapping{{Name: edit, ClusterRole: "team-edit"}},
	}}, subject.Naming{})
	for _, order := range [][]string{
		{"view", "team-edit", "cluster-admin", "somebody-elses"},
		{"view", "edit", "cluster-admin"},
		{"enrol:viewer", "enrol:admin", "enrol:owner"},
	} {
		for i := 1; i < len(order); i++ {
			if terms.Rank(order[i-1]) >= terms.Rank(order[i]) {
				t.Errorf("%s must rank below %s", order[i-1], order[i])
			}
		}
	}
	if terms.ClusterRole(edit) != "team-edit" || terms.ClusterRole(view) != "view" || terms.ClusterRole(none) != "" {
		t.Errorf("ClusterRole: edit %q, view %q, none %q",
			terms.ClusterRole(edit), terms.ClusterRole(view), terms.ClusterRole(none))
	}
}

func TestMiss(t *testing.T) {
	t.Parallel()
	const edit, view, none = enrolv1alpha1.KubernetesRoleEdit, enrolv1alpha1.KubernetesRoleView, enrolv1alpha1.KubernetesRoleNone
	type projects = enrolv1alpha1.Projects
	granted := condition.Ready("Granted", "edit in web")
	cases := map[string]struct {
		reason string
		state  condition.State
		grants []access.Grant
		want   condition.State
	}{
		"There": {"nothing is missed", granted, []access.Grant{{edit, projects{"web"}}}, granted},
		"All":   {"all are those that there are", granted, []access.Grant{{edit, projects{"*"}}}, granted},
		"Some": {
			"each that is none is named once", granted, []access.Grant{{edit, projects{"wob", "web", "wab"}}, {view, projects{"wob"}}},
			condition.Ready("Granted", "edit in web; but no project of the Organisation is named wab, wob"),
		},
		"None": {
			"nothing is bound, whatever is named", granted, []access.Grant{{edit, projects{"wob"}}},
			condition.Ready("NoProjects", "organisation roles only: no project of the Organisation is named wob"),
		},
		"ByGroup": {
			"a team's project is one", granted, []access.Grant{{none, projects{"wib"}}, {view, projects{"web"}}}, granted,
		},
		"Waiting": {
			"whoever has nothing yet misses nothing", condition.Ready("AwaitingSignIn", ""), []access.Grant{{edit, projects{"wob"}}},
			condition.Ready("AwaitingSignIn", ""),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := access.Verdict{State: tc.state, Grants: tc.grants}
			v.Miss(func(project enrolv1alpha1.Project) bool { return project == "web" })
			if diff := cmp.Diff(tc.want, v.State); diff != "" {
				t.Errorf("%s: Miss (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
