package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/preflight"
)

// updateVariable has States write the files.
const updateVariable = "ENROL_TEST_UPDATE"

// States compares an object of each state of a kind with the files under config/argocd, where what judges Enrol's objects
// from outside is tried on them: Argo CD, Flux and kubectl. With ENROL_TEST_UPDATE=1 it writes the files anew.
func States[O client.Object](t testing.TB, states map[string]O) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	var folder string
	for state, object := range states {
		kind, err := apiutil.GVKForObject(object, Scheme)
		if err != nil {
			t.Fatal(err)
		}
		object.GetObjectKind().SetGroupVersionKind(kind)
		content, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		got[state+".yaml"] = string(content)
		root, err := controlplane.Root()
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(root, "config", "argocd", kind.Group, kind.Kind, "testdata")
	}
	if os.Getenv(updateVariable) == "1" {
		if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o750), writeAll(folder, got)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want[filepath.Base(file)] = string(content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is no longer what the controllers write; %s=1 writes it anew (-want +got):\n%s", folder, updateVariable, diff)
	}
}

func writeAll(folder string, files map[string]string) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// PoliciesMissing is found where somebody deleted a policy.
func PoliciesMissing() *preflight.Finding {
	return &preflight.Finding{
		Reason: preflight.PoliciesMissing, What: "admission policies are missing: enrol-inviters",
		Why: "without them, whoever may write Members could make themselves owner",
		Do:  "apply the manifests of this version of Enrol (config/policy)",
	}
}

// InstallationOutdated is found where the operator is of a later version than the CRDs.
func InstallationOutdated() *preflight.Finding {
	return &preflight.Finding{
		Reason: preflight.CRDsOutdated, What: "the CRD members.enrol.dev lacks spec.groups",
		Why: "what it does not know is dropped without a word", Do: "apply the CRDs of this version of Enrol (config/crd)",
	}
}
