package organisation

import (
	"errors"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/member"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// story is an Organisation with one Member, and what a pass meets.
type story struct {
	*testing.T
	*world
	settings

	outcome outcome
	failure error
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{T: t, world: newWorld(), settings: settings{naming: subject.Naming{EmailIsUsername: true}}, outcome: newOutcome()}
	o := s.organisation
	o.UID = "04d868a2-7eda-4003-9fdf-373ad4ee1df4"
	o.Spec.DisplayName = "Acme Corporation"
	o.Spec.Owners = []enrolv1alpha1.Owner{{Username: "ada@example.com", Email: "ada@example.com"}}
	o.Status.ObservedGeneration = -1
	s.rivals[0] = *o
	s.home.Annotations[enrolv1alpha1.AnnotationOrganisationUID] = string(o.UID)
	m := newMember("jane", enrolv1alpha1.RoleDeveloper, enrolv1alpha1.AllProjects)
	m.UID, m.CreationTimestamp = "cebee025-0be6-4b9b-ae2f-8494f6aea791", metav1.NewTime(now)
	m.Spec.Username, m.Spec.Email = "", "jane@example.com"
	m.Status.ObservedGeneration = -1
	s.members = []enrolv1alpha1.Member{m}
	return s
}

func (s *story) member() *enrolv1alpha1.Member { return &s.members[0] }

// pass writes both statuses as the operator would.
func (s *story) pass() {
	d := decide(s.world, s.settings)
	s.outcome.await(d.waiting, s.hold)
	for i := range d.members {
		s.settle(d, &d.members[i])
	}
	if s.organisation != nil {
		o := s.organisation
		o.Status = d.status(s.world, d.state(o.Spec.Suspend, &s.outcome, s.failure), 4)
	}
}

// settle writes a Member's status, which package member must find to be what was settled.
func (s *story) settle(d *decision, j *judged) {
	settlement := member.Settlement{
		UID: j.member.UID, Generation: j.member.Generation,
		State: d.explain(j, &s.outcome), Subject: j.verdict.Subject, KubernetesRole: j.verdict.KubernetesRole(),
	}
	j.member.Status = enrolv1alpha1.MemberStatus{
		Conditions:         settlement.State.Set(nil, settlement.Generation, s.now),
		ObservedGeneration: settlement.Generation, LastUpdateTime: &metav1.Time{Time: s.now},
		KubernetesRole: settlement.KubernetesRole,
	}
	if who := settlement.Subject; who != nil {
		j.member.Status.Subject = &enrolv1alpha1.Subject{Kind: who.Kind, Name: who.Name}
	}
	if !settlement.Stands(j.member) {
		s.Errorf("package member would write another status than %+v", j.member.Status)
	}
}

// keptFrom has something keep Jane and Ada from being bound, as carrying a plan out finds it.
func (s *story) keptFrom(reason, message string) {
	found := problem{reason, message}
	s.outcome.problems = []problem{found}
	s.outcome.kept = map[subject.Subject]condition.State{{Kind: rbacv1.UserKind, Name: "jane@example.com"}: found.state()}
	s.pass()
}

// clusterRoleMissing maps edit to a ClusterRole that is not there.
func (s *story) clusterRoleMissing() {
	s.organisation.Spec.KubernetesRoles = []enrolv1alpha1.KubernetesRoleMapping{{
		Name: enrolv1alpha1.KubernetesRoleEdit, ClusterRole: "acme-edit",
	}}
	s.missing = []string{"acme-edit"}
	s.pass()
}

func (s *story) bindingNotOurs() {
	s.keptFrom(enrolv1alpha1.ReasonBindingNotOurs,
		"RoleBinding acme-web/enrol:acme:edit:0 was made by somebody else and is left alone: delete or rename it")
}

func (s *story) bindNotAllowed() {
	s.keptFrom(enrolv1alpha1.ReasonBindNotAllowed, `the operator may not bind ClusterRole "acme-edit": give its ServiceAccount, `+
		`in a ClusterRole of your own, the rule {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], `+
		`resourceNames: ["acme-edit"], verbs: [bind]}`)
}

func (s *story) slugTaken() {
	s.rivals = append(s.rivals, enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "older", UID: "0", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))},
	})
	s.pass()
}

func (s *story) policiesMissing() {
	s.hold = testenv.PoliciesMissing()
	s.pass()
}

func (s *story) installationOutdated() {
	s.hold = testenv.InstallationOutdated()
	s.pass()
}

// TestOrganisationStates keeps an Organisation of every state, for those who judge it from outside.
func TestOrganisationStates(t *testing.T) {
	cases := map[string]func(*story){
		"fresh":      func(*story) {},
		"reconciled": (*story).pass,
		"changed": func(s *story) {
			s.pass()
			s.organisation.Generation++
			s.organisation.Spec.DisplayName = "Acme Works"
		},
		"suspended":            func(s *story) { s.organisation.Spec.Suspend = true; s.pass() },
		"slug-taken":           (*story).slugTaken,
		"namespace-not-ours":   func(s *story) { s.home.Labels = nil; s.pass() },
		"binding-not-ours":     (*story).bindingNotOurs,
		"cluster-role-missing": (*story).clusterRoleMissing,
		"bind-not-allowed":     (*story).bindNotAllowed,
		"namespace-protected": func(s *story) {
			s.projects = append(s.projects, project("kube-system"))
			s.pass()
		},
		"subject-refused": func(s *story) {
			s.naming.UsernamePrefix = "system:"
			s.pass()
		},
		"policies-missing":      (*story).policiesMissing,
		"installation-outdated": (*story).installationOutdated,
		"namespace-terminating": func(s *story) { s.home.DeletionTimestamp = gone; s.pass() },
		"progressing": func(s *story) {
			s.failure = errors.New("making the home namespace: the API server is away")
			s.pass()
		},
	}
	states := map[string]*enrolv1alpha1.Organisation{}
	for state, happen := range cases {
		s := newStory(t)
		happen(s)
		states[state] = s.organisation
	}
	testenv.States(t, states)
}

// TestMemberStates keeps a Member of every state, for those who judge it from outside.
func TestMemberStates(t *testing.T) {
	cases := map[string]func(*story){
		"fresh":   func(*story) {},
		"granted": (*story).pass,
		"changed": func(s *story) {
			s.pass()
			s.member().Generation++
			s.member().Spec.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}
		},
		"no-projects": func(s *story) { s.member().Spec.Projects = nil; s.pass() },
		"no-kubernetes-role": func(s *story) {
			s.member().Spec.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleBillingAdmin}
			s.pass()
		},
		"expired": func(s *story) {
			s.member().Spec.ExpireTime = &metav1.Time{Time: now.Add(-time.Hour)}
			s.pass()
		},
		"suspended":              func(s *story) { s.member().Spec.Suspend = true; s.pass() },
		"organisation-suspended": func(s *story) { s.organisation.Spec.Suspend = true; s.pass() },
		"awaiting-sign-in":       func(s *story) { s.naming.EmailIsUsername = false; s.pass() },
		"organisation-missing": func(s *story) {
			s.organisation, s.rivals = nil, nil
			s.pass()
		},
		"organisation-stalled":  (*story).slugTaken,
		"subject-refused":       func(s *story) { s.naming.UsernamePrefix = "system:"; s.pass() },
		"unknown-role":          func(s *story) { s.member().Spec.Roles = []enrolv1alpha1.RoleName{"gardener"}; s.pass() },
		"unknown-group":         func(s *story) { s.member().Spec.Groups = []enrolv1alpha1.GroupName{"gardeners"}; s.pass() },
		"binding-not-ours":      (*story).bindingNotOurs,
		"cluster-role-missing":  (*story).clusterRoleMissing,
		"bind-not-allowed":      (*story).bindNotAllowed,
		"policies-missing":      (*story).policiesMissing,
		"installation-outdated": (*story).installationOutdated,
		"progressing": func(s *story) {
			held := condition.InProgress(enrolv1alpha1.ReasonProgressing,
				"somebody keeps deleting RoleBinding acme-web/enrol:acme:edit:0: it is made again after a while")
			s.outcome.kept = map[subject.Subject]condition.State{{Kind: rbacv1.UserKind, Name: "jane@example.com"}: held}
			s.pass()
		},
	}
	states := map[string]*enrolv1alpha1.Member{}
	for state, happen := range cases {
		s := newStory(t)
		happen(s)
		states[state] = s.member()
	}
	testenv.States(t, states)
}
