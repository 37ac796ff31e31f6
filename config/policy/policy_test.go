// Package policy_test asks a real API server what the admission policies of this folder allow, as real users.
package policy_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	installed "github.com/enrol-dev/enrol/config/policy"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

// TestPolicies says how the policies are made: refusing, failing closed, and without a type error that the API server
// would only warn of.
func TestPolicies(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	bindings := &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{}
	// The controller-manager checks the types.
	testenv.Eventually(t, func() error {
		if err := admin.List(ctx, policies); err != nil {
			return err
		}
		for _, policy := range policies.Items {
			if policy.Status.ObservedGeneration != policy.Generation {
				return fmt.Errorf("%s is not checked yet", policy.Name)
			}
		}
		return nil
	})
	if err := admin.List(ctx, bindings); err != nil {
		t.Fatal(err)
	}
	denied := map[string]bool{}
	for _, binding := range bindings.Items {
		actions := binding.Spec.ValidationActions
		denied[binding.Spec.PolicyName] = len(actions) == 1 && actions[0] == admissionregistrationv1.Deny &&
			binding.Spec.MatchResources == nil
	}
	names := map[string]bool{}
	for _, policy := range policies.Items {
		names[policy.Name] = true
		if got, want := policy.Annotations[installed.AnnotationRevision], strconv.Itoa(installed.Revision); got != want {
			t.Errorf("%s is of revision %q, want %q", policy.Name, got, want)
		}
		if !denied[policy.Name] {
			t.Errorf("%s has no binding that denies everywhere", policy.Name)
		}
		if *policy.Spec.FailurePolicy != admissionregistrationv1.Fail {
			t.Errorf("%s has failurePolicy %s, want Fail", policy.Name, *policy.Spec.FailurePolicy)
		}
		if check := policy.Status.TypeChecking; check != nil && len(check.ExpressionWarnings) > 0 {
			t.Errorf("%s: %v", policy.Name, check.ExpressionWarnings)
		}
		for i, validation := range policy.Spec.Validations {
			if !strings.Contains(validation.Message+validation.MessageExpression, "must") {
				t.Errorf("%s: message of validation %d does not say 'must'", policy.Name, i)
			}
			if validation.Reason == nil || *validation.Reason != metav1.StatusReasonForbidden {
				t.Errorf("%s: validation %d is not answered with 403", policy.Name, i)
			}
		}
	}
	for _, name := range []string{
		"enrol-grant-roles", "enrol-grant-groups", "enrol-home-namespaces", "enrol-namespace-labels",
		"enrol-self-rbac", "enrol-self-kinds", "enrol-self-namespaces", "enrol-self-secrets", "enrol-inviters",
	} {
		if !names[name] {
			t.Errorf("there is no policy %s", name)
		}
	}
}

// create makes what a test needs, as admin, to whom the policies on grants do not matter.
func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	admin := environment.AdminClient(t)
	for _, object := range objects {
		if err := admin.Create(context.Background(), object); client.IgnoreAlreadyExists(err) != nil {
			t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
		}
	}
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func homeOf(organisation string) *corev1.Namespace {
	return namespace("org-"+organisation, map[string]string{enrolv1alpha1.LabelHomeOf: organisation})
}

// bound binds a user to a ClusterRole in a namespace.
func bound(namespace, user, clusterRole string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user + "-" + clusterRole},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

// boundEverywhere binds a user to a ClusterRole in the whole cluster.
func boundEverywhere(user, clusterRole string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user + "-" + clusterRole},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}

// person is a client of a user who, as far as RBAC is concerned, may do it: the authoriser hears of a new binding a
// moment later.
func person(t *testing.T, user string, access testenv.Access) client.Client {
	t.Helper()
	c := environment.As(t, user)
	waitFor(t, c, access)
	return c
}

// serviceAccount is a client of a ServiceAccount.
func serviceAccount(t *testing.T, namespace, name string) client.Client {
	t.Helper()
	config, err := environment.ServiceAccountConfig(context.Background(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return environment.ClientFor(t, config)
}

func waitFor(t *testing.T, c client.Client, access testenv.Access) {
	t.Helper()
	testenv.Eventually(t, func() error {
		allowed, err := testenv.Can(context.Background(), c, access)
		if err == nil && !allowed {
			return apierrors.NewForbidden(enrolv1alpha1.SchemeGroupVersion.WithResource(access.Resource).GroupResource(),
				access.Name, nil)
		}
		return err
	})
}

// member is a Member whose spec is given as YAML.
func member(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"spec": parse(t, spec)}}
	object.SetGroupVersionKind(enrolv1alpha1.SchemeGroupVersion.WithKind("Member"))
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	// Through the type that the API server would decode to, so that numbers are what comparisons expect.
	object := &unstructured.Unstructured{}
	data, err := yaml.ToJSON([]byte("apiVersion: v1\nkind: Any\nspec: " + text))
	if err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	spec, _, err := unstructured.NestedMap(object.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// checkAnswer compares an answer with what is wanted: nil where nothing is, else a 403 that says all of it.
func checkAnswer(t *testing.T, reason string, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("%s\ngot %v, want no error", reason, err)
		}
		return
	}
	if !apierrors.IsForbidden(err) {
		t.Errorf("%s\ngot %v, want Forbidden", reason, err)
		return
	}
	for _, part := range append(want, "ValidatingAdmissionPolicy", "must") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s\ngot %q, want it to contain %q", reason, err, part)
		}
	}
}

// checkUnchanged compares the version of an object with the one that it had.
func checkUnchanged(t *testing.T, reason string, object client.Object, version string) {
	t.Helper()
	if err := environment.AdminClient(t).Get(context.Background(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Errorf("%s\nafter a refusal: %v", reason, err)
	} else if object.GetResourceVersion() != version {
		t.Errorf("%s\nafter a refusal the resourceVersion is %s, want %s", reason, object.GetResourceVersion(), version)
	}
}
