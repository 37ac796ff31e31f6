package controllers_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

func TestRolesGiveWhatTheTableSays(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	for _, role := range []enrolv1alpha1.RoleName{"admin", "developer", "billing-admin", "viewer"} {
		f.member(string(role), enrolv1alpha1.MemberSpec{
			Roles: []enrolv1alpha1.RoleName{role}, Projects: enrolv1alpha1.Projects{"*"},
		})
	}
	cases := map[string]struct {
		user                           string
		manages, lists                 bool
		becomesAdmin, edits, viewsOnly bool
	}{
		"owner":         {f.user("ada"), true, true, true, true, true},
		"admin":         {f.user("admin"), true, true, false, true, true},
		"developer":     {f.user("developer"), false, true, false, true, true},
		"billing-admin": {f.user("billing-admin"), false, true, false, false, false},
		"viewer":        {f.user("viewer"), false, true, false, false, true},
		"stranger":      {f.user("kim"), false, false, false, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := f.as(tc.user)
			p.await(at(memberList, f.home()), tc.lists)
			p.await(at(inviting, f.home()), tc.manages)
			p.await(at(binding, f.in("web")), tc.becomesAdmin)
			p.await(at(editing, f.in("web")), tc.edits)
			p.await(at(viewing, f.in("web")), tc.viewsOnly)
			for _, elsewhere := range []string{"default", "kube-system", "enrol-system"} {
				p.mayNot(at(viewing, elsewhere))
			}
			p.mayNot(at(viewing, f.home()))
			p.mayNot(at(binding, f.home()))
			p.mayNot(at(memberList, ""))
		})
	}
}

func TestProjectsComeAndGo(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	everywhere, named := f.as(f.user("jane")), f.as(f.user("joe"))
	f.member("jane", developer())
	f.member("joe", enrolv1alpha1.MemberSpec{
		Roles: []enrolv1alpha1.RoleName{"developer"}, Projects: enrolv1alpha1.Projects{enrolv1alpha1.Project(f.in("data"))},
	})
	everywhere.can(at(editing, f.in("web")))
	f.ready("joe", enrolv1alpha1.ReasonNoProjects)
	named.mayNot(at(editing, f.in("web")))

	f.project("data")
	everywhere.can(at(editing, f.in("data")))
	named.can(at(editing, f.in("data")))
	f.ready("joe", enrolv1alpha1.ReasonGranted)
	if got := f.organisationReady(enrolv1alpha1.ReasonReconciled).Status.Namespace; got != f.home() {
		t.Errorf("status.namespace = %q, want %q", got, f.home())
	}

	// A namespace that leaves the organisation takes nobody along.
	change(f, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.in("data")}}, func(n *corev1.Namespace) {
		delete(n.Labels, enrolv1alpha1.LabelOrganisation)
	})
	everywhere.cannot(at(editing, f.in("data")))
	named.cannot(at(editing, f.in("data")))

	// One that is deleted is no fault.
	f.delete(f.platform, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.in("web")}})
	everywhere.cannot(at(editing, f.in("web")))
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
}

func TestAProjectChangesHands(t *testing.T) {
	t.Parallel()
	f, g := newOrganisation(t), newOrganisation(t)
	f.member("jane", developer())
	g.member("gina", developer())
	jane, gina := f.as(f.user("jane")), g.as(g.user("gina"))
	jane.can(at(editing, f.in("web")))
	gina.can(at(editing, g.in("web")))
	change(f, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.in("web")}}, func(n *corev1.Namespace) {
		n.Labels[enrolv1alpha1.LabelOrganisation] = g.name
	})
	jane.cannot(at(editing, f.in("web")))
	gina.can(at(editing, f.in("web")))
}

func TestAMemberChanges(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	jane := f.as(f.user("jane"))
	m := f.member("jane", enrolv1alpha1.MemberSpec{
		Roles: []enrolv1alpha1.RoleName{"admin"}, KubernetesRole: new(enrolv1alpha1.KubernetesRoleClusterAdmin),
		Projects: enrolv1alpha1.Projects{"*"},
	})
	jane.can(at(binding, f.in("web")))
	jane.can(at(inviting, f.home()))

	change(f, m, func(m *enrolv1alpha1.Member) {
		m.Spec.Roles = []enrolv1alpha1.RoleName{"developer"}
		m.Spec.KubernetesRole = new(enrolv1alpha1.KubernetesRoleView)
	})
	jane.cannot(at(binding, f.in("web")))
	jane.cannot(at(inviting, f.home()))
	jane.can(at(viewing, f.in("web")))
	jane.cannot(at(editing, f.in("web")))

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.KubernetesRole = new(enrolv1alpha1.KubernetesRoleNone) })
	jane.cannot(at(viewing, f.in("web")))
	jane.can(at(memberList, f.home()))
	f.ready("jane", enrolv1alpha1.ReasonNoKubernetesRole)

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.KubernetesRole, m.Spec.Projects = nil, nil })
	f.ready("jane", enrolv1alpha1.ReasonNoProjects)
	jane.mayNot(at(viewing, f.in("web")))

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Projects = enrolv1alpha1.Projects{"*"} })
	jane.can(at(editing, f.in("web")))

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = true })
	jane.cannot(at(memberList, f.home()))
	jane.cannot(at(editing, f.in("web")))
	if suspended := f.ready("jane", enrolv1alpha1.ReasonSuspended); suspended.Status.Subject != nil {
		t.Errorf("status.subject = %v while suspended", suspended.Status.Subject)
	}
	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false })
	jane.can(at(editing, f.in("web")))

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Email = enrolv1alpha1.Email(f.user("janet")) })
	jane.cannot(at(editing, f.in("web")))
	f.as(f.user("janet")).can(at(editing, f.in("web")))

	f.delete(f.platform, m)
	f.as(f.user("janet")).cannot(at(memberList, f.home()))
	f.bound(f.line(f.home(), "enrol:owner", f.user("ada")), f.line(f.in("web"), "cluster-admin", f.user("ada")))
}

func TestAMembershipEndsByItself(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
	spec := developer()
	// Time enough for the access to be seen.
	spec.ExpireTime = &metav1.Time{Time: time.Now().Add(20 * time.Second)}
	m := f.member("jane", spec)
	jane := f.as(f.user("jane"))
	jane.can(at(editing, f.in("web")))
	jane.cannot(at(editing, f.in("web")))
	if time.Now().Before(m.Spec.ExpireTime.Time) {
		t.Errorf("the access ended before %s", m.Spec.ExpireTime)
	}
	f.ready("jane", enrolv1alpha1.ReasonExpired)
	jane.cannot(at(memberList, f.home()))
}

// A Member that a finalizer holds is on its way out: the access goes with the wish, not with the object.
func TestAFinalizerKeepsNoAccess(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", developer())
	jane := f.as(f.user("jane"))
	jane.can(at(editing, f.in("web")))
	change(f, m, func(m *enrolv1alpha1.Member) { m.Finalizers = []string{"example.com/slow"} })
	f.delete(f.platform, m)
	jane.cannot(at(editing, f.in("web")))
	change(f, m, func(m *enrolv1alpha1.Member) { m.Finalizers = nil })
}

func TestRightsOfSeveralMembersAddUp(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	jane := f.as(f.user("jane"))
	username := enrolv1alpha1.Username(f.user("jane"))
	first := f.member("viewer", enrolv1alpha1.MemberSpec{Username: username, Projects: enrolv1alpha1.Projects{"*"}})
	jane.can(at(viewing, f.in("web")))
	spec := developer()
	spec.Username = username
	second := f.member("developer", spec)
	jane.can(at(editing, f.in("web")))
	f.delete(f.platform, second)
	jane.cannot(at(editing, f.in("web")))
	jane.can(at(viewing, f.in("web")))
	f.delete(f.platform, first)
	jane.cannot(at(viewing, f.in("web")))
}

func TestGroups(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) {
		o.Groups = []enrolv1alpha1.Group{{Name: "support", KubernetesRole: "edit", Projects: enrolv1alpha1.Projects{"*"}}}
	})
	// A team within the organisation.
	f.member("jane", enrolv1alpha1.MemberSpec{Groups: []enrolv1alpha1.GroupName{"support"}})
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	// A group of the identity provider.
	spec := developer()
	spec.Group = enrolv1alpha1.Username(f.name + ":engineers")
	f.member("engineers", spec)
	f.as(f.user("kim"), f.name+":engineers").can(at(editing, f.in("web")))
	f.as(f.user("kim")).mayNot(at(editing, f.in("web")))
	// Nobody gets in by a username that is the group's name.
	f.as(f.name + ":engineers").mayNot(at(editing, f.in("web")))

	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.Groups = nil })
	f.as(f.user("jane")).cannot(at(editing, f.in("web")))
	f.ready("jane", enrolv1alpha1.ReasonUnknownGroup)
}

func TestTheOrganisationChanges(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	jane, ada, eve := f.as(f.user("jane")), f.as(f.user("ada")), f.as(f.user("eve"))
	f.member("jane", developer())
	jane.can(at(editing, f.in("web")))
	ada.can(at(binding, f.in("web")))

	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) {
		o.Roles = []enrolv1alpha1.Role{{Name: "developer", KubernetesRole: new(enrolv1alpha1.KubernetesRoleView)}}
		o.Owners = []enrolv1alpha1.Owner{{Username: enrolv1alpha1.Username(f.user("eve"))}}
	})
	jane.cannot(at(editing, f.in("web")))
	jane.can(at(viewing, f.in("web")))
	ada.cannot(at(binding, f.in("web")))
	ada.cannot(at(inviting, f.home()))
	eve.can(at(binding, f.in("web")))

	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.Suspend = true })
	f.bound()
	f.organisationReady(enrolv1alpha1.ReasonSuspended)
	f.ready("jane", enrolv1alpha1.ReasonOrganisationSuspended)
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.Suspend, o.Roles = false, nil })
	jane.can(at(editing, f.in("web")))
	eve.can(at(inviting, f.home()))
}

func TestOwnRoles(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) {
		o.Roles = []enrolv1alpha1.Role{{Name: "sre", BasedOn: "admin", KubernetesRole: new(enrolv1alpha1.KubernetesRoleClusterAdmin)}}
		o.DefaultRole = "developer"
	})
	f.member("jane", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{"sre"}, Projects: enrolv1alpha1.Projects{"*"}})
	f.member("joe", enrolv1alpha1.MemberSpec{Projects: enrolv1alpha1.Projects{"*"}})
	f.member("jim", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{"ghost"}, Projects: enrolv1alpha1.Projects{"*"}})
	f.as(f.user("jane")).can(at(binding, f.in("web")))
	f.as(f.user("jane")).can(at(inviting, f.home()))
	f.as(f.user("joe")).can(at(editing, f.in("web")))
	f.ready("jim", enrolv1alpha1.ReasonUnknownRole)
	f.as(f.user("jim")).mayNot(at(viewing, f.in("web")))
}

// The username that a person was seen to sign in with counts, for the address that it was recorded for.
func TestRecordedUsername(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", developer())
	f.as(f.user("jane")).can(at(editing, f.in("web")))

	recorded := m.DeepCopy()
	recorded.Status.Username = enrolv1alpha1.Username(f.name + "-jane")
	recorded.Status.UsernameEmail = m.Spec.Email
	if err := f.admin.Status().Patch(f.Context(), recorded, client.MergeFrom(m)); err != nil {
		t.Fatal(err)
	}
	f.as(f.name + "-jane").can(at(editing, f.in("web")))
	f.as(f.user("jane")).cannot(at(editing, f.in("web")))

	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Email = enrolv1alpha1.Email(f.user("joe")) })
	f.as(f.user("joe")).can(at(editing, f.in("web")))
	f.as(f.name + "-jane").cannot(at(editing, f.in("web")))
}

func TestTheStatusTellsWhy(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	created := f.member("jane", developer())
	if created.Status.ObservedGeneration != -1 {
		t.Errorf("status.observedGeneration of a new Member = %d, want -1", created.Status.ObservedGeneration)
	}
	m := f.ready("jane", enrolv1alpha1.ReasonGranted)
	if m.Status.Subject == nil || m.Status.Subject.Name != f.user("jane") || m.Status.KubernetesRole != "edit" ||
		m.Status.Conditions[0].Message != "edit in all projects" || m.Status.LastUpdateTime == nil {
		t.Errorf("status = %+v", m.Status)
	}
	f.awaitStatus(enrolv1alpha1.OrganisationStatus{
		ObservedGeneration: 1, Slug: f.name, Namespace: f.home(), Members: 1, Projects: 1, Bindings: 4,
	})

	// It is the same a while and several passes later: one project more rewrites no Member.
	version := m.ResourceVersion
	f.project("data")
	f.as(f.user("jane")).can(at(editing, f.in("data")))
	if got := f.ready("jane", enrolv1alpha1.ReasonGranted).ResourceVersion; got != version {
		t.Errorf("the Member was written again: %s, before %s", got, version)
	}
}

// A second person of one name: the UID tells them apart.
func TestAMemberIsMadeAnew(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", developer())
	first := f.ready("jane", enrolv1alpha1.ReasonGranted).UID
	f.delete(f.platform, m)
	f.member("jane", developer())
	if second := f.ready("jane", enrolv1alpha1.ReasonGranted).UID; second == first || second == types.UID("") {
		t.Errorf("UID %s, before %s", second, first)
	}
	f.as(f.user("jane")).can(at(editing, f.in("web")))
}
