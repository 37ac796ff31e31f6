package gitops_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const (
	ada, jane, joe, kim, maxim = "ada@example.com", "jane@example.com", "joe@example.com", "kim@example.com", "max@example.com"

	home, project = "org-night", "night-web"
)

// TestGitOps is what docs/gitops.md promises, with Argo CD's engine on a Git repository that starts as the sample here, with
// organisation night in the place of acme. Operator, facade and mail server are those of `make run`, and the engine has
// the rights of the sample's ServiceAccount.
func TestGitOps(t *testing.T) {
	if os.Getenv(gitOpsVariable) == "" {
		t.Skip("make test-gitops builds the engine and runs this")
	}
	s := newStack(t)
	s.seed("max", enrolv1alpha1.RoleViewer)
	s.startEngine()
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"everybody has what Git says", s.installs},
		{"a second sync changes nothing", s.changesNothing},
		{"what actions wrote survives a sync", s.keepsActions},
		{"who is removed from Git loses access", s.removesMember},
		{"an accepted Invitation stays in sync", s.keepsAccepted},
		{"one that was deleted comes back, and mails nobody", s.bringsBack},
		{"one that the operator deletes comes back, and mails nobody", s.bringsBackUntracked},
		{"an Organisation removed from Git leaves no binding", s.removesOrganisation},
		{"waves go by health, and wait for no Invitation in the last", s.goesInWaves},
		{"the samples are what the tools' own definitions want", s.samplesAreValid},
	} {
		if !t.Run(step.name, step.do) {
			t.Fatalf("the engine's log ends:\n%s", s.engineLog())
		}
	}
}

func (s *stack) installs(t *testing.T) {
	t.Helper()
	s.awaitSync(t)
	s.can(t, ada, "delete", "secrets", true)
	s.can(t, jane, "create", "configmaps", true)
	s.can(t, joe, "get", "configmaps", true)
	s.can(t, joe, "create", "configmaps", false)
	s.can(t, kim, "get", "configmaps", false)
	s.ready(t, &enrolv1alpha1.Invitation{}, "kim", enrolv1alpha1.ReasonPending)
	s.ready(t, &enrolv1alpha1.Invitation{}, "max", enrolv1alpha1.ReasonPending)
	s.mails(t, kim, 1)
	s.mails(t, maxim, 1)
}

func (s *stack) changesNothing(t *testing.T) {
	t.Helper()
	s.atRest(t)
	before := s.versions(t)
	s.sync(t)
	if diff := cmp.Diff(before, s.versions(t)); diff != "" {
		t.Errorf("resource versions and generations before and after:\n%s", diff)
	}
}

// keepsActions writes what Argo CD's actions write: their scripts are tried in hack/gitops.
func (s *stack) keepsActions(t *testing.T) {
	t.Helper()
	const asked = "2026-01-01T00:00:00Z"
	// Within a minute of a mail no other is sent, however long ago that was.
	sent := fmt.Appendf(nil, `{"status":{"sendTime":%q}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	if err := s.admin.Status().Patch(t.Context(), s.invitation(t, "kim"), client.RawPatch("application/merge-patch+json", sent)); err != nil {
		t.Fatal(err)
	}
	s.patch(t, &enrolv1alpha1.Invitation{}, "kim", `{"metadata":{"annotations":{"enrol.dev/resend-requested-at":"`+asked+`"}}}`)
	s.patch(t, &enrolv1alpha1.Member{}, "joe", `{"spec":{"suspend":true}}`)
	s.can(t, joe, "get", "configmaps", false)
	testenv.Eventually(t, func() error {
		if got := s.invitation(t, "kim").Status.LastHandledResend; got != asked {
			return fmt.Errorf("the resend that was dealt with is %q", got)
		}
		return nil
	})
	s.sync(t)
	if got := s.invitation(t, "kim").Annotations[enrolv1alpha1.AnnotationResend]; got != asked {
		t.Errorf("after a sync the annotation is %q", got)
	}
	s.mails(t, kim, 1)

	// Of suspend, Git says nothing yet, and so the sync leaves it. Once Git says false, false it is.
	joes := &enrolv1alpha1.Member{}
	s.get(t, joes, "joe")
	if !joes.Spec.Suspend {
		t.Error("a sync resumed a Member of whom Git does not say whether it is suspended")
	}
	s.edit(t, "members.yaml", "  roles: [viewer]\n", "  roles: [viewer]\n  suspend: false\n")
	s.sync(t)
	s.can(t, joe, "get", "configmaps", true)
}

func (s *stack) removesMember(t *testing.T) {
	t.Helper()
	content := s.read(t, "members.yaml")
	_, rest, _ := strings.Cut(content, "---\n")
	s.commit(t, "members.yaml", rest)
	s.sync(t)
	s.can(t, jane, "create", "configmaps", false)
	s.can(t, jane, "get", "configmaps", false)
	s.can(t, joe, "get", "configmaps", true)
}

func (s *stack) keepsAccepted(t *testing.T) {
	t.Helper()
	s.accept(t, kim, s.invitation(t, "kim"))
	s.can(t, kim, "create", "configmaps", true)
	testenv.Eventually(t, func() error {
		if found := s.invitation(t, "kim"); meta.FindStatusCondition(found.Status.Conditions, enrolv1alpha1.ConditionRetainedByGitOps) == nil {
			return fmt.Errorf("the conditions are %+v", found.Status.Conditions)
		}
		return nil
	})
	s.changesNothing(t)
	s.ready(t, &enrolv1alpha1.Invitation{}, "kim", enrolv1alpha1.ReasonAccepted)
	s.can(t, kim, "create", "configmaps", true)
	s.mails(t, kim, 1)
}

func (s *stack) bringsBack(t *testing.T) {
	t.Helper()
	accepted := s.invitation(t, "kim")
	if err := s.admin.Delete(t.Context(), accepted); err != nil {
		t.Fatal(err)
	}
	s.sync(t)
	s.ready(t, &enrolv1alpha1.Invitation{}, "kim", enrolv1alpha1.ReasonAlreadyMember)
	if again := s.invitation(t, "kim"); again.UID == accepted.UID || again.Status.SendNumber != 0 {
		t.Errorf("it is not a new one that was never sent: %+v", again)
	}
	s.can(t, kim, "create", "configmaps", true)
	s.mails(t, kim, 1)
}

// bringsBackUntracked is about an Invitation that the operator cannot see to be kept in Git.
func (s *stack) bringsBackUntracked(t *testing.T) {
	t.Helper()
	accepted := s.invitation(t, "max")
	s.accept(t, maxim, accepted)
	testenv.Eventually(t, func() error {
		err := s.admin.Get(t.Context(), client.ObjectKeyFromObject(accepted), &enrolv1alpha1.Invitation{})
		if err == nil {
			return errors.New("the Invitation is still there")
		}
		return client.IgnoreNotFound(err)
	})
	s.can(t, maxim, "get", "configmaps", true)
	s.sync(t)
	s.ready(t, &enrolv1alpha1.Invitation{}, "max", enrolv1alpha1.ReasonAlreadyMember)
	s.can(t, maxim, "get", "configmaps", true)
	s.mails(t, maxim, 1)
}

func (s *stack) removesOrganisation(t *testing.T) {
	t.Helper()
	// Somebody confirms, which the engine's own command has no means for.
	s.edit(t, "organisation.yaml", "    argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm\n", "")
	s.sync(t)
	s.remove(t, "organisation.yaml")
	s.sync(t)
	testenv.Eventually(t, func() error {
		var bindings rbacv1.RoleBindingList
		if err := s.admin.List(t.Context(), &bindings, client.MatchingLabels{enrolv1alpha1.LabelOrganisation: "night"}); err != nil {
			return err
		}
		for _, namespace := range []string{home, project} {
			var all rbacv1.RoleBindingList
			if err := s.admin.List(t.Context(), &all, client.InNamespace(namespace)); err != nil {
				return err
			}
			bindings.Items = append(bindings.Items, all.Items...)
		}
		if len(bindings.Items) > 0 {
			return fmt.Errorf("%d RoleBindings are left", len(bindings.Items))
		}
		return nil
	})
	for _, person := range []string{ada, joe, kim, maxim} {
		s.can(t, person, "get", "configmaps", false)
	}
	s.sync(t)
	s.ready(t, &enrolv1alpha1.Member{}, "joe", enrolv1alpha1.ReasonOrganisationMissing)
}

// seed adds an Invitation without Argo CD's mark to the repository.
func (s *stack) seed(name string, role enrolv1alpha1.RoleName) {
	s.commit(s.T, "untracked.yaml", fmt.Sprintf(`apiVersion: enrol.dev/v1alpha1
kind: Invitation
metadata: {name: %s, namespace: %s}
spec:
  email: %[1]s@example.com
  roles: [%[3]s]
  projects: [%[4]s]
  invitedBy: {username: %[5]s, email: %[5]s}
`, name, home, role, project, ada))
}

// versions of all that there is of the organisation, with the generations.
func (s *stack) versions(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &rbacv1.RoleBindingList{},
		&enrolv1alpha1.OrganisationList{}, &enrolv1alpha1.MemberList{}, &enrolv1alpha1.InvitationList{},
	} {
		if err := s.admin.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			o := item.(client.Object)
			key := fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())
			versions[key] = fmt.Sprintf("%s, generation %d", o.GetResourceVersion(), o.GetGeneration())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return versions
}

// atRest waits until every status speaks of the object as it is, and the operator has written nothing for a while.
func (s *stack) atRest(t *testing.T) {
	t.Helper()
	const calm = 3 * time.Second
	var last map[string]string
	var since time.Time
	testenv.Eventually(t, func() error {
		var members enrolv1alpha1.MemberList
		if err := s.admin.List(t.Context(), &members, client.InNamespace(home)); err != nil {
			return err
		}
		for _, m := range members.Items {
			if m.Spec.Suspend || m.Status.ObservedGeneration != m.Generation {
				return fmt.Errorf("Member %s is not settled", m.Name)
			}
		}
		now := s.versions(t)
		diff := cmp.Diff(last, now)
		if diff != "" {
			last, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < calm {
			return fmt.Errorf("something changed %s ago:\n%s", quiet, diff)
		}
		return nil
	})
}

func (s *stack) get(t *testing.T, o client.Object, name string) {
	t.Helper()
	if err := s.admin.Get(t.Context(), client.ObjectKey{Namespace: home, Name: name}, o); err != nil {
		t.Fatal(err)
	}
}

func (s *stack) invitation(t *testing.T, name string) *enrolv1alpha1.Invitation {
	t.Helper()
	found := &enrolv1alpha1.Invitation{}
	s.get(t, found, name)
	return found
}

// ready waits for a reason of Ready.
func (s *stack) ready(t *testing.T, o client.Object, name, reason string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		s.get(t, o, name)
		var conditions []metav1.Condition
		switch o := o.(type) {
		case *enrolv1alpha1.Invitation:
			conditions = o.Status.Conditions
		case *enrolv1alpha1.Member:
			conditions = o.Status.Conditions
		}
		if found := meta.FindStatusCondition(conditions, enrolv1alpha1.ConditionReady); found == nil || found.Reason != reason {
			return fmt.Errorf("the conditions of %s are %+v, want reason %s", name, conditions, reason)
		}
		return nil
	})
}

// patch changes an object as the account does that Argo CD acts as.
func (s *stack) patch(t *testing.T, o client.Object, name, patch string) {
	t.Helper()
	o.SetNamespace(home)
	o.SetName(name)
	if err := s.account.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// can waits until the API server says to the person what the person may do in the project.
func (s *stack) can(t *testing.T, person, verb, resource string, want bool) {
	t.Helper()
	c := s.person(t, person)
	access := testenv.Access{Verb: verb, Resource: resource, Namespace: project}
	testenv.Eventually(t, func() error {
		got, err := testenv.Can(t.Context(), c, access)
		if err == nil && got != want {
			return fmt.Errorf("%s may %s %s: %t, want %t", person, verb, resource, got, want)
		}
		return err
	})
}

// mails counts the mails that somebody got from the organisation.
func (s *stack) mails(t *testing.T, person string, want int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.env["MAILBOX"], "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "To: <"+person+">") && strings.Contains(string(content), "Night Corporation") {
			got++
		}
	}
	if got != want {
		t.Errorf("%s got %d mails, want %d", person, got, want)
	}
}
