// Package installation puts Enrol's manifests on a control plane, as a user would.
package installation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
)

const (
	// patience bounds each wait; all of them end within seconds.
	patience = time.Minute
	interval = 100 * time.Millisecond
)

// Apply applies config/default with kubectl and the kubeconfig of an admin, and returns when its CRDs are served and its
// policies are enforced.
func Apply(ctx context.Context, plane *controlplane.ControlPlane, kubeconfig string) error {
	root, err := controlplane.Root()
	if err != nil {
		return err
	}
	manifests := filepath.Join(root, "config", "default")
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

// awaitPolicies waits until the API server refuses a Member outside home namespaces: it learns of policies a moment
// after they are stored, and all of them at once.
func awaitPolicies(ctx context.Context, plane *controlplane.ControlPlane) error {
	scheme := runtime.NewScheme()
	if err := enrolv1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	admin, err := client.New(plane.Admin(), client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	last := errors.New("a Member outside home namespaces is accepted")
	err = wait.PollUntilContextTimeout(ctx, interval, patience, true, func(ctx context.Context) (bool, error) {
		probe := &enrolv1alpha1.Member{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "probe"},
			Spec:       enrolv1alpha1.MemberSpec{Email: "probe@example.com"},
		}
		err := admin.Create(ctx, probe, client.DryRunAll)
		if err != nil {
			last = err
		}
		return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy"), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the admission policies: %w (last: %w)", err, last)
	}
	return nil
}
