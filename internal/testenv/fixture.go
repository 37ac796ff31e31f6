package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// FixtureFolder is where the states of a kind are kept, as the controllers write them: what judges Enrol's objects from
// outside (Argo CD, Flux, kubectl) is tried on these.
func FixtureFolder(t testing.TB, kind string) string {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "config", "argocd", "enrol.dev", kind, "testdata")
}

// Fixture compares an object with the state of that name that is kept of its kind. With ENROL_TEST_UPDATE=1 it writes it anew.
func Fixture(t testing.TB, state string, object client.Object) {
	t.Helper()
	kind, err := apiutil.GVKForObject(object, Scheme)
	if err != nil {
		t.Fatal(err)
	}
	object.GetObjectKind().SetGroupVersionKind(kind)
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(FixtureFolder(t, kind.Kind), state+".yaml")
	if os.Getenv("ENROL_TEST_UPDATE") == "1" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; ENROL_TEST_UPDATE=1 writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is no longer what the controllers write; ENROL_TEST_UPDATE=1 writes it anew (-want +got):\n%s", path, diff)
	}
}
