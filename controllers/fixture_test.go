package controllers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// platform is the platform team: everything is written with its rights, never as an administrator of the cluster.
const platform = "platform@example.com"

// fixture is an Organisation of one test's own, and the people who try things out.
type fixture struct {
	testing.TB
	name     string
	platform client.Client
	// admin looks, and does what only an administrator of the cluster can do.
	admin client.Client
}

var counter atomic.Int32

// newFixture prepares names that no other test has. Nothing is made yet.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{
		TB: t, name: fmt.Sprintf("o%d", counter.Add(1)),
		platform: environment.As(t, platform), admin: environment.AdminClient(t),
	}
}

// newOrganisation makes an Organisation with an owner and one project.
func newOrganisation(t *testing.T, changes ...func(*enrolv1alpha1.OrganisationSpec)) *fixture {
	t.Helper()
	f := newFixture(t)
	f.organise(changes...)
	f.project("web")
	return f
}

func (f *fixture) organise(changes ...func(*enrolv1alpha1.OrganisationSpec)) {
	f.Helper()
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: f.name}}
	o.Spec.Owners = []enrolv1alpha1.Owner{{Username: enrolv1alpha1.Username(f.user("ada"))}}
	for _, change := range changes {
		change(&o.Spec)
	}
	f.create(o)
}

// user is a person of this test only: rights that one test gives must not be seen by another.
func (f *fixture) user(name string) string { return name + "@" + f.name + ".example.com" }

func (f *fixture) home() string { return "org-" + f.name }

func (f *fixture) in(project string) string { return f.name + "-" + project }

func (f *fixture) create(o client.Object) {
	f.Helper()
	// Repeated as any tool does whose Members overtake their namespace.
	testenv.Eventually(f, func() error { return f.platform.Create(f.Context(), o) })
}

func (f *fixture) project(name string) {
	f.Helper()
	f.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: f.in(name), Labels: map[string]string{enrolv1alpha1.LabelOrganisation: f.name},
	}})
}

func (f *fixture) member(name string, spec enrolv1alpha1.MemberSpec) *enrolv1alpha1.Member {
	f.Helper()
	if spec.Username == "" && spec.Email == "" && spec.Group == "" {
		spec.Email = enrolv1alpha1.Email(f.user(name))
	}
	m := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}, Spec: spec}
	f.create(m)
	return m
}

// developer is what most tests give somebody.
func developer() enrolv1alpha1.MemberSpec {
	return enrolv1alpha1.MemberSpec{
		Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}, Projects: enrolv1alpha1.Projects{"*"},
	}
}

// change changes an object as the platform team, again if somebody else wrote in between.
func change[T client.Object](f *fixture, o T, change func(T)) {
	f.Helper()
	testenv.Eventually(f, func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		return f.platform.Update(f.Context(), o)
	})
}

func (f *fixture) changeOrganisation(do func(*enrolv1alpha1.OrganisationSpec)) {
	f.Helper()
	change(f, &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: f.name}},
		func(o *enrolv1alpha1.Organisation) { do(&o.Spec) })
}

func (f *fixture) delete(c client.Client, o client.Object, options ...client.DeleteOption) {
	f.Helper()
	if err := c.Delete(f.Context(), o, options...); err != nil {
		f.Fatal(err)
	}
}

// What the tests ask whether somebody may.
var (
	editing    = testenv.Access{Verb: "create", Resource: "configmaps"}
	viewing    = testenv.Access{Verb: "list", Resource: "configmaps"}
	binding    = testenv.Access{Verb: "create", Group: rbacv1.GroupName, Resource: "rolebindings"}
	memberList = testenv.Access{Verb: "list", Group: "enrol.dev", Resource: "members"}
	inviting   = testenv.Access{Verb: "create", Group: "enrol.dev", Resource: "members"}
)

func at(a testenv.Access, namespace string) testenv.Access {
	a.Namespace = namespace
	return a
}

// person asks as somebody.
type person struct {
	*fixture
	who    string
	client client.Client
}

func (f *fixture) as(user string, groups ...string) *person {
	f.Helper()
	return &person{fixture: f, who: user, client: environment.As(f, user, groups...)}
}

// can waits until the person may do it; cannot until the person may not.
func (p *person) can(access testenv.Access)    { p.Helper(); p.await(access, true) }
func (p *person) cannot(access testenv.Access) { p.Helper(); p.await(access, false) }

func (p *person) await(access testenv.Access, want bool) {
	p.Helper()
	testenv.Eventually(p, func() error {
		allowed, err := testenv.Can(p.Context(), p.client, access)
		if err == nil && allowed != want {
			err = fmt.Errorf("may %s %+v = %v, want %v", p.who, access, allowed, want)
		}
		return err
	})
}

// mayNot asks once: for what must not be possible at any moment.
func (p *person) mayNot(access testenv.Access) {
	p.Helper()
	if allowed, err := testenv.Can(p.Context(), p.client, access); err != nil || allowed {
		p.Errorf("may %s %+v = %v, %v, want false", p.who, access, allowed, err)
	}
}

// ready waits until a Member's Ready has that reason, and returns it.
func (f *fixture) ready(name, reason string) *enrolv1alpha1.Member {
	f.Helper()
	m := &enrolv1alpha1.Member{}
	testenv.Eventually(f, func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, m); err != nil {
			return err
		}
		return expect(m.Status.Conditions, m.Generation, reason)
	})
	return m
}

// organisationReady waits until the Organisation's Ready has that reason, and returns it.
func (f *fixture) organisationReady(reason string) *enrolv1alpha1.Organisation {
	f.Helper()
	o := &enrolv1alpha1.Organisation{}
	testenv.Eventually(f, func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKey{Name: f.name}, o); err != nil {
			return err
		}
		return expect(o.Status.Conditions, o.Generation, reason)
	})
	return o
}

func expect(conditions []metav1.Condition, generation int64, reason string) error {
	for _, c := range conditions {
		if c.Type == enrolv1alpha1.ConditionReady && c.Reason == reason && c.ObservedGeneration == generation {
			return nil
		}
	}
	return fmt.Errorf("conditions of generation %d are %+v, want reason %s", generation, conditions, reason)
}

// bindings are the RoleBindings of the test's own namespaces, as 'namespace ClusterRole: subjects'.
func (f *fixture) bindings() []string {
	f.Helper()
	var list rbacv1.RoleBindingList
	if err := f.admin.List(f.Context(), &list); err != nil {
		f.Fatal(err)
	}
	var lines []string
	for _, b := range list.Items {
		if b.Namespace != f.home() && !strings.HasPrefix(b.Namespace, f.name+"-") {
			continue
		}
		var names []string
		for _, s := range b.Subjects {
			names = append(names, s.Name)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", b.Namespace, b.RoleRef.Name, strings.Join(names, ", ")))
	}
	slices.Sort(lines)
	return lines
}

// bound waits until just these RoleBindings are there.
func (f *fixture) bound(want ...string) {
	f.Helper()
	slices.Sort(want)
	testenv.Eventually(f, func() error {
		if diff := cmp.Diff(want, f.bindings()); diff != "" {
			return errors.New("RoleBindings (-want +got):\n" + diff)
		}
		return nil
	})
}

// line is a RoleBinding as bindings shows it.
func (f *fixture) line(namespace, clusterRole string, users ...string) string {
	return namespace + " " + clusterRole + ": " + strings.Join(users, ", ")
}

// rolebinding reads one of the Organisation's RoleBindings.
func (f *fixture) rolebinding(namespace, clusterRole string) *rbacv1.RoleBinding {
	f.Helper()
	b := &rbacv1.RoleBinding{}
	key := client.ObjectKey{Namespace: namespace, Name: "enrol:" + f.name + ":" + clusterRole + ":0"}
	testenv.Eventually(f, func() error { return f.admin.Get(f.Context(), key, b) })
	return b
}

// awaitStatus waits until the Organisation is Reconciled and its status besides is just that.
func (f *fixture) awaitStatus(want enrolv1alpha1.OrganisationStatus) {
	f.Helper()
	testenv.Eventually(f, func() error {
		o := f.organisationReady(enrolv1alpha1.ReasonReconciled)
		o.Status.Conditions, o.Status.LastUpdateTime = nil, nil
		if diff := cmp.Diff(want, o.Status); diff != "" {
			return errors.New("status (-want +got):\n" + diff)
		}
		return nil
	})
}
