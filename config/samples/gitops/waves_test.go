package gitops_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// waves syncs manifests as Argo CD's controller does, and returns the last line: how the sync ended.
func (s *stack) waves(t *testing.T, manifests map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for file, content := range manifests {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(s.root, "bin", "tools", "gitops-waves"), "--kubeconfig", s.kubeconfig, "--timeout=3m",
		"--scripts", filepath.Join(s.root, "config", "argocd"), "--manifests", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// goesInWaves syncs the sample with its waves, and again after its Invitation has expired.
func (s *stack) goesInWaves(t *testing.T) {
	t.Helper()
	const succeeded = "Succeeded: successfully synced (all tasks run)"
	dawn := sample(t, "dawn", "Dawn")
	if got := s.waves(t, dawn); got != succeeded {
		t.Fatalf("the first sync ended with %q", got)
	}
	key := client.ObjectKey{Namespace: "org-dawn", Name: "kim"}
	s.await(t, key, enrolv1alpha1.ReasonPending)
	if got := s.waves(t, dawn); got != succeeded {
		t.Fatalf("the second sync ended with %q", got)
	}

	// A week later, as far as the object says.
	expired := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	patch := fmt.Appendf(nil, `{"status":{"expireTime":%q}}`, time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	if err := s.admin.Status().Patch(t.Context(), expired, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	s.await(t, key, enrolv1alpha1.ReasonExpired)
	if got := s.waves(t, dawn); got != succeeded {
		t.Errorf("with an expired Invitation in the last wave the sync ended with %q", got)
	}

	// Something in a wave after it does wait, and learns that it is Degraded.
	later := maps.Clone(dawn)
	later["later.yaml"] = `apiVersion: enrol.dev/v1alpha1
kind: Member
metadata: {name: max, namespace: org-dawn, annotations: {argocd.argoproj.io/sync-wave: "3"}}
spec: {email: max@example.com}
`
	if got := s.waves(t, later); !strings.HasPrefix(got, "Failed: ") {
		t.Errorf("with a wave after that of an expired Invitation the sync ended with %q", got)
	}
}

func (s *stack) await(t *testing.T, key client.ObjectKey, reason string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		found := &enrolv1alpha1.Invitation{}
		if err := s.admin.Get(t.Context(), key, found); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(found.Status.Conditions, enrolv1alpha1.ConditionReady)
		if ready == nil || ready.Reason != reason {
			return fmt.Errorf("the conditions of %s are %+v, want reason %s", key, found.Status.Conditions, reason)
		}
		return nil
	})
}

// definitions are modules that have the definitions of the tools' kinds, each with a folder or file in it.
var definitions = map[string]string{
	"github.com/argoproj/argo-cd/v3@v3.5.7":         "manifests/crds",
	"github.com/fluxcd/kustomize-controller@v1.9.6": "config/crd/bases",
	"github.com/fluxcd/source-controller@v1.9.6":    "config/crd/bases",
}

// samplesAreValid has the API server hold the samples against the tools' own definitions.
func (s *stack) samplesAreValid(t *testing.T) {
	t.Helper()
	for module, folder := range definitions {
		var found map[string]any
		// Outside of a module, so that none gets a requirement by it.
		out := s.command(t.TempDir(), "go", "mod", "download", "-json", module)
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(found["Dir"].(string), folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no definitions: %v", module, err)
		}
		for _, file := range files {
			if filepath.Base(file) != "kustomization.yaml" {
				s.kubectl("apply", "--server-side", "-f", file)
			}
		}
	}
	s.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=3m")
	s.kubectl("create", "namespace", "flux-system")
	for _, folder := range []string{"argocd", "flux"} {
		s.kubectl("apply", "--server-side", "--validate=strict", "-f", filepath.Join("config", "samples", "gitops", folder))
	}
}
