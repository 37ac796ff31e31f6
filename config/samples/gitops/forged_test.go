package gitops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// repositories are whose Git forges something: that of the platform team, with the sample's ServiceAccount, and one of an
// organisation's own, with a ServiceAccount that holds enrol:admin in the home namespace.
type repositories struct{ platform, own client.Client }

const (
	platformAccount = "system:serviceaccount:argocd:organisations-sync"
	ownAccount      = "system:serviceaccount:argocd:forged-sync"
)

func newRepositories(t *testing.T) repositories {
	t.Helper()
	admin := environment.AdminClient(t)
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "forged-sync"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "org-forged", Labels: map[string]string{enrolv1alpha1.LabelHomeOf: "forged"}}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "org-forged", Name: "forged-sync"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "enrol:admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "argocd", Name: "forged-sync"}},
		},
	} {
		if err := client.IgnoreAlreadyExists(admin.Create(t.Context(), o)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := environment.Kubectl("apply", "-f", "rbac.yaml", "-f", "argocd/service_account.yaml"); err != nil {
		t.Fatal(err)
	}
	as := func(name string) client.Client {
		config, err := environment.ServiceAccountConfig(t.Context(), "argocd", name)
		if err != nil {
			t.Fatal(err)
		}
		return environment.ClientFor(t, config)
	}
	r := repositories{as("organisations-sync"), as("forged-sync")}
	// The API server takes a moment to hear of the rights of both.
	for _, account := range []client.Client{r.platform, r.own} {
		testenv.Eventually(t, func() error {
			allowed, err := testenv.Can(t.Context(), account, testenv.Access{
				Verb: "create", Group: enrolv1alpha1.SchemeGroupVersion.Group, Resource: "members", Namespace: "org-forged",
			})
			if err == nil && !allowed {
				err = errors.New("the account has no rights yet")
			}
			return err
		})
	}
	return r
}

func manifest(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte("apiVersion: enrol.dev/v1alpha1\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return o
}

// apply applies as Flux does, and Argo CD when told to apply on the server's side.
func apply(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner("gitops"), client.ForceOwnership)
}

// TestForgedStatus: a status in Git is ignored, at the creation of an object and later, and the tools' right ends before it.
func TestForgedStatus(t *testing.T) {
	r := newRepositories(t)
	for name, text := range map[string]string{
		"Organisation": `
kind: Organisation
metadata: {name: forged-status}
spec: {owners: [{username: ada@example.com}]}
status: {observedGeneration: 1, slug: other, namespace: kube-system, members: 7}`,
		"Member": `
kind: Member
metadata: {name: forged-status, namespace: org-forged}
spec: {email: eve@example.com, projects: ["*"]}
status: {observedGeneration: 1, username: ada@example.com, usernameEmail: eve@example.com, kubernetesRole: cluster-admin}`,
		"Invitation": `
kind: Invitation
metadata: {name: forged-status, namespace: org-forged}
spec: {email: eve@example.com, roles: [developer], invitedBy: {username: ada@example.com}}
status:
  observedGeneration: 1
  expireTime: "2099-01-01T00:00:00Z"
  outcome: Accepted
  acceptedBy: {username: eve@example.com, email: eve@example.com, time: "2026-01-01T00:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			forged := manifest(t, text)
			if err := r.platform.Create(t.Context(), forged.DeepCopy()); err != nil {
				t.Fatal(err)
			}
			if err := apply(t.Context(), r.platform, forged); err != nil {
				t.Fatal(err)
			}
			stored := forged.DeepCopy()
			if err := r.platform.Get(t.Context(), client.ObjectKeyFromObject(stored), stored); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, stored.Object["status"]); diff != "" {
				t.Errorf("the status in Git counts (-want +got):\n%s", diff)
			}
			stored.Object["status"] = forged.Object["status"]
			resource := strings.ToLower(name) + "s"
			wantRefusal(t, r.platform.Status().Update(t.Context(), stored), resource+`.enrol.dev "forged-status" is forbidden: User "`+
				platformAccount+`" cannot update resource "`+resource+`/status" in API group "enrol.dev"`)
		})
	}
}

func wantRefusal(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the answer is %v, want %q", err, want)
	}
}

// TestForgedMetadata is about ownerReferences and finalizers, which the tools hand on as they are in Git.
func TestForgedMetadata(t *testing.T) {
	r := newRepositories(t)
	const stranger = "\n  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: none, uid: 11111111-1111-1111-1111-111111111111}]"
	const finalizer = "\n  finalizers: [example.com/never]"
	member := func(name, metadata, kubernetesRole string) *unstructured.Unstructured {
		return manifest(t, `
kind: Member
metadata:
  name: `+name+`
  namespace: org-forged`+metadata+`
spec: {username: `+name+`, roles: [developer], kubernetesRole: `+kubernetesRole+`, projects: ["*"]}`)
	}
	for name, kubernetesRole := range map[string]string{"better": "cluster-admin", "equal": "edit"} {
		if err := apply(t.Context(), r.platform, member(name, "", kubernetesRole)); err != nil {
			t.Fatal(err)
		}
	}

	// Who may not grant what a Member has may neither give it an owner nor hold it by a finalizer.
	refusal := "ValidatingAdmissionPolicy 'enrol-grant-roles' with binding 'enrol-grant-roles' denied request: must hold the verb grant on " +
		"kubernetesroles.enrol.dev/cluster-admin in namespace org-forged to give or take it"
	wantRefusal(t, apply(t.Context(), r.own, member("better", stranger, "cluster-admin")), refusal)
	wantRefusal(t, apply(t.Context(), r.own, member("better", finalizer, "cluster-admin")), refusal)
	wantRefusal(t, apply(t.Context(), r.own, member("new", finalizer, "edit")),
		"must hold the verb adopt on organisations.enrol.dev/forged to set metadata.finalizers")

	// Who may grant it may as well delete it, and that is what an owner that does not exist leads to.
	if err := apply(t.Context(), r.platform, member("equal", stranger, "edit")); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		err := r.platform.Get(t.Context(), client.ObjectKey{Namespace: "org-forged", Name: "equal"}, &enrolv1alpha1.Member{})
		if err == nil {
			return errors.New("the garbage collector has not come by")
		}
		return client.IgnoreNotFound(err)
	})
}

// TestForgedInviter: whom an Invitation names as inviter.
func TestForgedInviter(t *testing.T) {
	r := newRepositories(t)
	invitation := func(name, inviter string) *unstructured.Unstructured {
		return manifest(t, `
kind: Invitation
metadata: {name: `+name+`, namespace: org-forged}
spec: {email: `+name+`@example.com, roles: [developer], invitedBy: {username: `+inviter+`}}`)
	}
	const ada = "ada@example.com"
	wantRefusal(t, apply(t.Context(), r.own, invitation("own", ada)),
		"ValidatingAdmissionPolicy 'enrol-inviters' with binding 'enrol-inviters' denied request: spec.invitedBy must name who makes the "+
			"Invitation: username "+ownAccount+", none but own groups, and an address only if it is the username or verified; "+
			"or else the verb adopt on organisations.enrol.dev/forged must be held")
	if err := apply(t.Context(), r.own, invitation("own", `"`+ownAccount+`"`)); err != nil {
		t.Errorf("an account must be allowed to invite in its own name: %v", err)
	}
	if err := apply(t.Context(), r.platform, invitation("kim", ada)); err != nil {
		t.Errorf("the platform team must be allowed to invite in somebody's name: %v", err)
	}
	wantRefusal(t, apply(t.Context(), r.platform, invitation("kim", "joe@example.com")), "invitedBy must not change")
}
