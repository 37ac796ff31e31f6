// Package gitops_test tries the samples here, and what docs/gitops.md says about them.
package gitops_test

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) {
	if os.Getenv(gitOpsVariable) != "" {
		// TestGitOps brings all that it needs. What its clients log is not what it looks at.
		log.SetLogger(logr.Discard())
		os.Exit(m.Run())
	}
	os.Exit(testenv.Run(m, &environment))
}

// TestRepository applies the sample repository, twice, as the account that Flux acts as.
func TestRepository(t *testing.T) {
	if err := client.IgnoreAlreadyExists(environment.AdminClient(t).Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "flux-system"}})); err != nil {
		t.Fatal(err)
	}
	if _, err := environment.Kubectl("apply", "-f", "rbac.yaml", "-f", "flux/service_account.yaml"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		// Namespaces first, as Flux does.
		for _, file := range []string{"namespaces", "organisation", "members", "invitations"} {
			// The API server takes a moment to hear of the rights that the account was given.
			testenv.Eventually(t, func() error {
				_, err := environment.Kubectl("apply", "--server-side", "--field-manager=kustomize-controller",
					"--as=system:serviceaccount:flux-system:organisations-sync", "-f", "repository/acme/"+file+".yaml")
				return err
			})
		}
	}
}
