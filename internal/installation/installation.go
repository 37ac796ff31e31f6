// Package installation puts Enrol's manifests on a control plane, as a user would.
package installation

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

const (
	// patience bounds each wait; all of them end within seconds on an idle machine.
	patience = 3 * time.Minute
	interval = 100 * time.Millisecond
)

// Apply applies config/core with kubectl and the kubeconfig of an admin, and returns when its CRDs are served and its
// policies are enforced.
func Apply(ctx context.Context, plane *controlplane.ControlPlane, kubeconfig string) error {
	root, err := controlplane.Root()
	if err != nil {
		return err
	}
	manifests := filepath.Join(root, "config", "core")
	if err := plane.Kubectl(ctx, kubeconfig, "apply", "--server-side", "-k", manifests); err != nil {
		return err
	}
	err = plane.Kubectl(ctx, kubeconfig, "wait", "--for=condition=Established", "crd", "--all",
		"--timeout="+patience.String())
	if err != nil {
		return err
	}
	return awaitPolicies(ctx, plane)
}

// lastPolicy is the name of a policy that exists only for waiting.
const lastPolicy = "enrol-last-policy"

// awaitPolicies returns when the admission policies that exist are enforced, about a second after they were made. The
// API server reads policies in the order of their creation, all at once, so it makes one more and waits for that.
func awaitPolicies(ctx context.Context, plane *controlplane.ControlPlane) error {
	clients, err := kubernetes.NewForConfig(plane.Admin())
	if err != nil {
		return err
	}
	probe := metav1.ObjectMeta{Name: lastPolicy}
	policies := clients.AdmissionregistrationV1().ValidatingAdmissionPolicies()
	bindings := clients.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	if _, err := policies.Create(ctx, refusingPolicy(), metav1.CreateOptions{}); ignoreExists(err) != nil {
		return err
	}
	if _, err := bindings.Create(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: probe,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        lastPolicy,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}, metav1.CreateOptions{}); ignoreExists(err) != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, interval, patience, true, func(ctx context.Context) (bool, error) {
		_, err := clients.CoreV1().ConfigMaps(metav1.NamespaceDefault).Create(ctx,
			&corev1.ConfigMap{ObjectMeta: probe}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsInvalid(err) {
			return true, nil
		}
		return false, err
	})
	return errors.Join(err,
		bindings.Delete(ctx, lastPolicy, metav1.DeleteOptions{}), policies.Delete(ctx, lastPolicy, metav1.DeleteOptions{}))
}

// refusingPolicy refuses ConfigMaps that are named like itself.
func refusingPolicy() *admissionregistrationv1.ValidatingAdmissionPolicy {
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: lastPolicy},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					ResourceNames: []string{lastPolicy},
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
						Rule: admissionregistrationv1.Rule{
							APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"},
						},
					},
				}},
			},
			Validations: []admissionregistrationv1.Validation{{Expression: "false"}},
		},
	}
}

// ignoreExists takes what an interrupted start left behind for made.
func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
