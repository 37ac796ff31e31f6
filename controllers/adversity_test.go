package controllers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		damage func(f *fixture, b *rbacv1.RoleBinding) error
	}{
		"Deleted": {"somebody deletes a binding", func(f *fixture, b *rbacv1.RoleBinding) error {
			return f.admin.Delete(f.Context(), b)
		}},
		"Emptied": {"somebody empties it", func(f *fixture, b *rbacv1.RoleBinding) error {
			b.Subjects = nil
			return f.admin.Update(f.Context(), b)
		}},
		"Intruder": {"somebody puts himself in", func(f *fixture, b *rbacv1.RoleBinding) error {
			b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "eve"})
			return f.admin.Update(f.Context(), b)
		}},
		"ServiceAccount": {"or a ServiceAccount", func(f *fixture, b *rbacv1.RoleBinding) error {
			b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "default", Namespace: b.Namespace})
			return f.admin.Update(f.Context(), b)
		}},
		"Unlabelled": {"somebody takes it out of sight", func(f *fixture, b *rbacv1.RoleBinding) error {
			b.Labels, b.Subjects = nil, nil
			return f.admin.Update(f.Context(), b)
		}},
		"Disowned": {"somebody takes its owner away", func(f *fixture, b *rbacv1.RoleBinding) error {
			b.OwnerReferences = nil
			return f.admin.Update(f.Context(), b)
		}},
		"OtherRoleRef": {"somebody makes it anew for another ClusterRole", func(f *fixture, b *rbacv1.RoleBinding) error {
			again := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{
				Namespace: b.Namespace, Name: b.Name, Labels: b.Labels, OwnerReferences: b.OwnerReferences,
			}, Subjects: b.Subjects, RoleRef: b.RoleRef}
			again.RoleRef.Name = "cluster-admin"
			if err := f.admin.Delete(f.Context(), b); err != nil {
				return err
			}
			// The operator may be faster with the right one; then there is nothing to put right.
			return ignoreExists(f.admin.Create(f.Context(), again))
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOrganisation(t)
			f.member("jane", developer())
			f.as(f.user("jane")).can(at(editing, f.in("web")))
			before := f.rolebinding(f.in("web"), "edit")
			damaged := before.DeepCopy()
			testenv.Eventually(f, func() error {
				if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(before), damaged); err != nil {
					return err
				}
				return tc.damage(f, damaged)
			})
			testenv.Eventually(f, func() error {
				after := f.rolebinding(f.in("web"), "edit")
				if diff := cmp.Diff(owned(before), owned(after)); diff != "" {
					return errors.New(tc.reason + "; afterwards (-want +got):\n" + diff)
				}
				return nil
			})
			f.as(f.user("jane")).can(at(editing, f.in("web")))
			f.as(f.user("jane")).cannot(at(binding, f.in("web")))
		})
	}
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// owned is what Enrol decides about a RoleBinding.
func owned(b *rbacv1.RoleBinding) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: b.Name, Namespace: b.Namespace, Labels: b.Labels, OwnerReferences: b.OwnerReferences},
		Subjects:   b.Subjects, RoleRef: b.RoleRef,
	}
}

// What others add to a binding besides is theirs.
func TestForeignLabelsStay(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.member("jane", developer())
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	testenv.Eventually(t, func() error {
		b := f.rolebinding(f.in("web"), "edit")
		b.Labels["example.com/cost-centre"] = "42"
		b.Annotations = map[string]string{"example.com/note": "looked at"}
		return f.admin.Update(t.Context(), b)
	})
	f.member("joe", developer())
	f.as(f.user("joe")).can(at(editing, f.in("web")))
	b := f.rolebinding(f.in("web"), "edit")
	if b.Labels["example.com/cost-centre"] != "42" || b.Annotations["example.com/note"] != "looked at" {
		t.Errorf("labels %v, annotations %v", b.Labels, b.Annotations)
	}
}

// Somebody who keeps deleting a binding is answered less and less often.
func TestAFightCostsLittle(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	key := client.ObjectKeyFromObject(f.rolebinding(f.in("web"), "cluster-admin"))
	repairs := 0
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		b := &rbacv1.RoleBinding{}
		if err := f.admin.Get(t.Context(), key, b); err == nil {
			repairs++
			f.delete(f.admin, b)
		}
	}
	// At 10 passes a second it would be over a hundred; doubling from 5 ms it is about ten.
	if repairs < 3 || repairs > 15 {
		t.Errorf("repaired %d times in 15 s, want 3 to 15", repairs)
	}
}

func TestWhatIsSomebodyElsesStaysAsItIs(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
	foreign := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.in("web"), Name: "enrol:" + f.name + ":edit:0"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: f.user("eve")}},
	}
	if err := f.admin.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	f.member("jane", developer())
	f.member("joe", enrolv1alpha1.MemberSpec{Projects: enrolv1alpha1.Projects{"*"}})
	f.ready("jane", enrolv1alpha1.ReasonBindingNotOurs)
	f.organisationReady(enrolv1alpha1.ReasonBindingNotOurs)
	f.as(f.user("joe")).can(at(viewing, f.in("web")))
	f.as(f.user("jane")).can(at(memberList, f.home()))
	f.as(f.user("jane")).mayNot(at(editing, f.in("web")))

	after := f.rolebinding(f.in("web"), "edit")
	if diff := cmp.Diff(foreign, after); diff != "" {
		t.Errorf("the foreign RoleBinding changed:\n%s", diff)
	}
	f.delete(f.admin, after)
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.DisplayName = "Again" })
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	f.ready("jane", enrolv1alpha1.ReasonGranted)
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
}

func TestAForeignHomeNamespace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.home()}})
	f.organise()
	f.project("web")
	f.organisationReady(enrolv1alpha1.ReasonNamespaceNotOurs)
	foreign := &corev1.Namespace{}
	if err := f.admin.Get(t.Context(), client.ObjectKey{Name: f.home()}, foreign); err != nil {
		t.Fatal(err)
	}
	if len(foreign.Annotations) > 0 || len(foreign.OwnerReferences) > 0 {
		t.Errorf("the foreign Namespace was changed: %+v", foreign.ObjectMeta)
	}
	f.bound()
	f.as(f.user("ada")).mayNot(at(viewing, f.in("web")))

	change(f, foreign, func(n *corev1.Namespace) { n.Labels = map[string]string{enrolv1alpha1.LabelHomeOf: f.name} })
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
	f.as(f.user("ada")).can(at(binding, f.in("web")))
}

// Who makes an Organisation of the name of one that is gone does not inherit its Members.
func TestAHomeNamespaceThatWasThereBeforeStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: f.home(), Labels: map[string]string{enrolv1alpha1.LabelHomeOf: f.name},
	}})
	f.member("jane", developer())
	f.ready("jane", enrolv1alpha1.ReasonOrganisationMissing)
	f.organise()
	f.project("web")
	f.as(f.user("jane")).can(at(editing, f.in("web")))

	f.delete(f.platform, &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: f.name}})
	f.as(f.user("jane")).cannot(at(editing, f.in("web")))
	f.bound()
	f.ready("jane", enrolv1alpha1.ReasonOrganisationMissing)

	f.organise()
	f.organisationReady(enrolv1alpha1.ReasonNamespaceNotOurs)
	f.as(f.user("jane")).mayNot(at(editing, f.in("web")))
	change(f, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.home()}}, func(n *corev1.Namespace) {
		delete(n.Annotations, enrolv1alpha1.AnnotationOrganisationUID)
	})
	f.as(f.user("jane")).can(at(editing, f.in("web")))
}

func TestADeletedOrganisationLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]client.DeleteOption{
		"Background": client.PropagationPolicy(metav1.DeletePropagationBackground),
		"Foreground": client.PropagationPolicy(metav1.DeletePropagationForeground),
		// Bindings and home namespace lose their owner, and would stay for ever without somebody who looks.
		"Orphan": client.PropagationPolicy(metav1.DeletePropagationOrphan),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOrganisation(t)
			f.member("jane", developer())
			f.as(f.user("jane")).can(at(editing, f.in("web")))
			f.delete(f.platform, &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: f.name}}, option)
			f.as(f.user("jane")).cannot(at(editing, f.in("web")))
			f.as(f.user("ada")).cannot(at(binding, f.in("web")))
			f.bound()
			if name == "Orphan" {
				f.ready("jane", enrolv1alpha1.ReasonOrganisationMissing)
				return
			}
			testenv.Eventually(t, func() error {
				err := f.admin.Get(t.Context(), client.ObjectKey{Name: f.home()}, &corev1.Namespace{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return fmt.Errorf("the home namespace is still there: %w", err)
			})
		})
	}
}

// The home namespace is made again when somebody deletes it, and who owns the organisation gets back in.
func TestADeletedHomeNamespaceComesBack(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.member("jane", developer())
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	f.delete(f.admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.home()}})
	f.as(f.user("jane")).cannot(at(editing, f.in("web")))
	f.as(f.user("ada")).can(at(inviting, f.home()))
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
}

func TestProtectedNamespaces(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.member("jane", developer())
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	protected := []string{"kube-system", "default", "enrol-system", f.home()}
	for _, name := range protected {
		change(f, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, func(n *corev1.Namespace) {
			n.Labels[enrolv1alpha1.LabelOrganisation] = f.name
		})
	}
	testenv.Eventually(t, func() error {
		o := f.organisationReady(enrolv1alpha1.ReasonNamespaceProtected)
		for _, name := range protected {
			if !strings.Contains(o.Status.Conditions[0].Message, name) {
				return fmt.Errorf("the message %q does not name %s", o.Status.Conditions[0].Message, name)
			}
		}
		return nil
	})
	for _, name := range protected {
		f.as(f.user("ada")).mayNot(at(binding, name))
		f.as(f.user("jane")).mayNot(at(editing, name))
		change(f, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, func(n *corev1.Namespace) {
			delete(n.Labels, enrolv1alpha1.LabelOrganisation)
		})
	}
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
	f.as(f.user("jane")).can(at(editing, f.in("web")))
}

func TestTheOldestKeepsTheSlug(t *testing.T) {
	t.Parallel()
	older := newOrganisation(t)
	older.organisationReady(enrolv1alpha1.ReasonReconciled)
	younger := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) { o.Slug = older.name })
	o := younger.organisationReady(enrolv1alpha1.ReasonSlugTaken)
	if o.Status.Slug != "" || !strings.Contains(o.Status.Conditions[0].Message, older.name) {
		t.Errorf("status = %+v", o.Status)
	}
	younger.as(younger.user("ada")).mayNot(at(viewing, younger.in("web")))
	older.as(older.user("ada")).can(at(binding, older.in("web")))

	older.delete(older.platform, &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: older.name}})
	younger.as(younger.user("ada")).can(at(binding, younger.in("web")))
	if slug := younger.organisationReady(enrolv1alpha1.ReasonReconciled).Status.Slug; slug != older.name {
		t.Errorf("status.slug = %q, want %q", slug, older.name)
	}
}

func TestARemappedClusterRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	team := "team-" + f.name
	f.organise(func(o *enrolv1alpha1.OrganisationSpec) {
		o.KubernetesRoles = []enrolv1alpha1.KubernetesRoleMapping{{Name: "edit", ClusterRole: team}}
	})
	f.project("web")
	f.member("jane", developer())
	f.member("joe", enrolv1alpha1.MemberSpec{Projects: enrolv1alpha1.Projects{"*"}})
	jane := f.as(f.user("jane"))

	// Not there: the others go on.
	f.organisationReady(enrolv1alpha1.ReasonClusterRoleMissing)
	f.ready("jane", enrolv1alpha1.ReasonClusterRoleMissing)
	f.as(f.user("joe")).can(at(viewing, f.in("web")))

	// There, but the operator must not hand out what it may not bind.
	secrets := testenv.Access{Verb: "get", Resource: "secrets", Namespace: f.in("web")}
	if err := f.admin.Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: team},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
	}); err != nil {
		t.Fatal(err)
	}
	f.ready("jane", enrolv1alpha1.ReasonBindNotAllowed)
	rule := fmt.Sprintf("{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [%q], verbs: [bind]}", team)
	if o := f.organisationReady(enrolv1alpha1.ReasonBindNotAllowed); !strings.Contains(o.Status.Conditions[0].Message, rule) {
		t.Errorf("the message %q does not show the rule %s", o.Status.Conditions[0].Message, rule)
	}
	jane.mayNot(secrets)

	// With the rule that the message shows.
	bind := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "enrol:operator-bind"}}
	testenv.Eventually(t, func() error {
		if err := f.admin.Get(t.Context(), client.ObjectKeyFromObject(bind), bind); err != nil {
			return err
		}
		bind.Rules = append(bind.Rules, rbacv1.PolicyRule{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{team}, Verbs: []string{"bind"},
		})
		return f.admin.Update(t.Context(), bind)
	})
	jane.can(secrets)
	jane.cannot(at(editing, f.in("web")))
	f.ready("jane", enrolv1alpha1.ReasonGranted)

	// Back to the usual one.
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.KubernetesRoles = nil })
	jane.can(at(editing, f.in("web")))
}

// What lies in etcd from before a rule is refused once more.
func TestPlantedSubjectsAreRefused(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.member("jane", developer())
	f.ready("jane", enrolv1alpha1.ReasonGranted)
	for name, username := range map[string]string{
		"masters": "system:masters", "upper": "SYSTEM:admin", "blank": " ", "star": "*", "newline": "eve\n", "wide": "eve：x",
	} {
		environment.Plant(t, &unstructured.Unstructured{Object: map[string]any{
			"kind":     "Member",
			"metadata": map[string]any{"name": name, "namespace": f.home()},
			"spec":     map[string]any{"username": username, "roles": []any{"admin"}, "projects": []any{"*"}},
		}})
		m := f.ready(name, enrolv1alpha1.ReasonSubjectRefused)
		if m.Status.Subject != nil {
			t.Errorf("%s: status.subject = %v", name, m.Status.Subject)
		}
	}
	environment.Plant(t, &unstructured.Unstructured{Object: map[string]any{
		"kind":     "Member",
		"metadata": map[string]any{"name": "group", "namespace": f.home()},
		"spec":     map[string]any{"group": "system:authenticated", "projects": []any{"*"}},
	}})
	f.ready("group", enrolv1alpha1.ReasonSubjectRefused)
	f.bound(
		f.line(f.home(), "enrol:owner", f.user("ada")), f.line(f.home(), "enrol:developer", f.user("jane")),
		f.line(f.in("web"), "cluster-admin", f.user("ada")), f.line(f.in("web"), "edit", f.user("jane")),
	)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", developer())
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	f.ready("jane", enrolv1alpha1.ReasonGranted)
	f.event("Organisation", f.name, "Granted", "gave access to")
	change(f, m, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = true })
	f.event("Member", "jane", "Revoked", "edit in "+f.in("web"))
	f.delete(f.platform, m)

	f.member("joe", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{"ghost"}})
	f.event("Member", "joe", "UnknownRole", "ghost")
}

func (f *fixture) event(kind, name, reason, note string) {
	f.Helper()
	testenv.Eventually(f, func() error {
		var list eventsv1.EventList
		if err := f.admin.List(f.Context(), &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.Kind == kind && e.Regarding.Name == name && e.Reason == reason && strings.Contains(e.Note, note) &&
				(kind == "Organisation" || e.Regarding.Namespace == f.home()) {
				return nil
			}
		}
		return fmt.Errorf("no event %s on %s %s with %q", reason, kind, name, note)
	})
}

// At rest nothing is written: passes that find nothing to do leave every resourceVersion as it is.
func TestAPassAtRestWritesNothing(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.member("jane", developer())
	f.member("joe", enrolv1alpha1.MemberSpec{Suspend: true})
	f.ready("jane", enrolv1alpha1.ReasonGranted)
	f.ready("joe", enrolv1alpha1.ReasonSuspended)
	f.awaitStatus(enrolv1alpha1.OrganisationStatus{
		ObservedGeneration: 1, Slug: f.name, Namespace: f.home(), Members: 2, Projects: 1, Bindings: 4,
	})
	before := f.versions()
	for i := range 3 {
		f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.DisplayName = fmt.Sprint("Name ", i) })
		f.organisationReady(enrolv1alpha1.ReasonReconciled)
	}
	if diff := cmp.Diff(before, f.versions()); diff != "" {
		t.Errorf("resourceVersions changed:\n%s", diff)
	}
}

func (f *fixture) versions() map[string]string {
	f.Helper()
	versions := map[string]string{}
	var bindings rbacv1.RoleBindingList
	var members enrolv1alpha1.MemberList
	if err := errors.Join(f.admin.List(f.Context(), &bindings),
		f.admin.List(f.Context(), &members, client.InNamespace(f.home()))); err != nil {
		f.Fatal(err)
	}
	for _, b := range bindings.Items {
		if b.Namespace == f.home() || strings.HasPrefix(b.Namespace, f.name+"-") {
			versions[b.Namespace+"/"+b.Name] = b.ResourceVersion
		}
	}
	for _, m := range members.Items {
		versions[m.Name] = m.ResourceVersion
	}
	return versions
}

// More people than fit a binding, and one project more.
func TestManyMembersShareBindings(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.organisationReady(enrolv1alpha1.ReasonReconciled)
	const many = 1_100
	for i := range many {
		if err := f.platform.Create(t.Context(), &enrolv1alpha1.Member{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("m", i), Namespace: f.home()},
			Spec: enrolv1alpha1.MemberSpec{
				Username: enrolv1alpha1.Username(f.user(fmt.Sprint("m", i))), Projects: enrolv1alpha1.Projects{"*"},
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
	f.as(f.user(fmt.Sprint("m", many-1))).can(at(viewing, f.in("web")))
	f.project("data")
	f.as(f.user("m0")).can(at(viewing, f.in("data")))
	testenv.Eventually(t, func() error {
		// Three shards for viewers in each of three namespaces, and one for the owner.
		if o := f.organisationReady(enrolv1alpha1.ReasonReconciled); o.Status.Bindings != 12 || o.Status.Members != many {
			return fmt.Errorf("%d bindings for %d members, want 12 for %d", o.Status.Bindings, o.Status.Members, many)
		}
		return nil
	})
}
