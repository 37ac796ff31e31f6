package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/enrol-dev/enrol/hack/gitops/lua"
)

const customizations = "../../config/argocd/enrol.dev"

var kinds = []string{"Organisation", "Member", "Invitation"}

// health is what Argo CD has of an object.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func read[T any](t testing.TB, path string) T {
	t.Helper()
	var value T
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(content, &value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return value
}

// object reads an object as a client of the API server has it: whole numbers are int64.
func object(t testing.TB, path string) *unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err = yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(content); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return o
}

func script(t testing.TB, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{customizations}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func healthOf(t testing.TB, kind string, o *unstructured.Unstructured) health {
	t.Helper()
	var result health
	if err := lua.Run(script(t, kind, "health.lua"), o.Object, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// states are the fixtures of a kind, by name.
func states(t testing.TB, kind string) map[string]*unstructured.Unstructured {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(customizations, kind, "testdata", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures of %s: %v", kind, err)
	}
	found := map[string]*unstructured.Unstructured{}
	for _, path := range paths {
		found[strings.TrimSuffix(filepath.Base(path), ".yaml")] = object(t, path)
	}
	return found
}

// verdict is a line of docs/states.md.
type verdict struct{ KStatus, ArgoCD string }

// TestVerdicts holds kstatus and the Lua against docs/states.md. What kubectl prints of the same fixtures is held against it
// in config/argocd, with a real API server.
func TestVerdicts(t *testing.T) {
	for _, kind := range kinds {
		want := map[string]verdict{}
		for state, cells := range documented(t, kind) {
			want[state] = verdict{cells["kstatus"], cells["Argo CD"]}
		}
		got := map[string]verdict{}
		for state, o := range states(t, kind) {
			result, err := status.Compute(o)
			if err != nil {
				t.Fatal(err)
			}
			got[state] = verdict{result.Status.String(), healthOf(t, kind, o).Status}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: docs/states.md and what is so (-want +got):\n%s", kind, diff)
		}
	}
}

// documented are the lines of a kind's table in docs/states.md: for each state its cells by heading.
func documented(t testing.TB, kind string) map[string]map[string]string {
	t.Helper()
	content, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), "\n## "+kind+"\n")
	if !found {
		t.Fatalf("docs/states.md has no section %s", kind)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var headings []string
	rows := map[string]map[string]string{}
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		if headings == nil {
			headings = cells
			continue
		}
		row := map[string]string{}
		for i, cell := range cells {
			row[headings[i]] = cell
		}
		rows[row["state"]] = row
	}
	return rows
}

// TestWithoutStatus is about an object that the API server has not defaulted: there is nothing to judge yet.
func TestWithoutStatus(t *testing.T) {
	for _, kind := range kinds {
		for name, empty := range map[string]any{"none": nil, "empty": map[string]any{}} {
			o := states(t, kind)["fresh"]
			o.Object["status"] = empty
			if got := healthOf(t, kind, o).Status; got != "Progressing" {
				t.Errorf("%s with status %s is %s", kind, name, got)
			}
		}
	}
}

// TestHealth is the upstream test of health.lua: each fixture with its status and message.
func TestHealth(t *testing.T) {
	for _, kind := range kinds {
		file := read[struct {
			Tests []struct {
				HealthStatus health `json:"healthStatus"`
				InputPath    string `json:"inputPath"`
			} `json:"tests"`
		}](t, filepath.Join(customizations, kind, "health_test.yaml"))
		tested := map[string]bool{}
		for _, test := range file.Tests {
			got := healthOf(t, kind, object(t, filepath.Join(customizations, kind, test.InputPath)))
			if diff := cmp.Diff(test.HealthStatus, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", kind, test.InputPath, diff)
			}
			tested[strings.TrimSuffix(filepath.Base(test.InputPath), ".yaml")] = true
		}
		for state := range states(t, kind) {
			if !tested[state] {
				t.Errorf("%s: health_test.yaml leaves out %s", kind, state)
			}
		}
	}
}

// TestActions is the upstream test of actions: which are offered when, and what each makes of an object.
func TestActions(t *testing.T) {
	for _, kind := range kinds {
		dir := filepath.Join(customizations, kind, "actions")
		file := read[struct {
			DiscoveryTests []struct {
				InputPath string `json:"inputPath"`
				Result    []struct {
					Name     string `json:"name"`
					Disabled bool   `json:"disabled"`
				} `json:"result"`
			} `json:"discoveryTests"`
			ActionTests []struct {
				Action             string `json:"action"`
				InputPath          string `json:"inputPath"`
				ExpectedOutputPath string `json:"expectedOutputPath"`
			} `json:"actionTests"`
		}](t, filepath.Join(dir, "action_test.yaml"))
		for _, test := range file.DiscoveryTests {
			want, got := map[string]bool{}, map[string]bool{}
			for _, r := range test.Result {
				want[r.Name] = r.Disabled
			}
			offered := map[string]struct {
				Disabled bool `json:"disabled"`
			}{}
			if err := lua.Run(script(t, kind, "actions", "discovery.lua"), object(t, filepath.Join(dir, test.InputPath)).Object, &offered); err != nil {
				t.Fatal(err)
			}
			for name, action := range offered {
				got[name] = action.Disabled
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: disabled actions (-want +got):\n%s", kind, test.InputPath, diff)
			}
		}
		tried := map[string]bool{}
		for _, test := range file.ActionTests {
			tried[test.Action] = true
			before := object(t, filepath.Join(dir, test.InputPath))
			got := map[string]any{}
			if err := lua.Run(script(t, kind, "actions", test.Action, "action.lua"), before.Object, &got); err != nil {
				t.Fatal(err)
			}
			want := object(t, filepath.Join(dir, test.ExpectedOutputPath))
			if diff := cmp.Diff(plain(t, want.Object), plain(t, withoutTime(got))); diff != "" {
				t.Errorf("%s %s %s (-want +got):\n%s", test.Action, kind, test.InputPath, diff)
			}
		}
		if diff := cmp.Diff(names(t, kind), slices.Sorted(maps.Keys(tried))); diff != "" {
			t.Errorf("%s: actions that are there and that are tried (-want +got):\n%s", kind, diff)
		}
	}
}

// plain is a value of JSON with one kind of numbers.
func plain(t testing.TB, value any) map[string]any {
	t.Helper()
	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var result map[string]any
	if err := yaml.Unmarshal(content, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// withoutTime puts a fixed time where an action puts the present one.
func withoutTime(o map[string]any) map[string]any {
	const key = "enrol.dev/resend-requested-at"
	u := &unstructured.Unstructured{Object: o}
	annotations := u.GetAnnotations()
	if _, found := annotations[key]; found {
		annotations[key] = "0001-01-01T00:00:00Z"
		u.SetAnnotations(annotations)
	}
	return o
}

// TestNothingElseIsOpen makes sure that the scripts are tried under Argo CD's restrictions.
func TestNothingElseIsOpen(t *testing.T) {
	for name, script := range map[string]string{
		"string": `return {s = string.upper("x")}`,
		"method": `local s = "x"; return {s = s:upper()}`,
		"os":     `return {s = require("os").getenv("HOME")}`,
		"global": `return {s = os.date()}`,
		"io":     `return {s = io.open("/etc/passwd")}`,
		"math":   `return {s = math.random()}`,
		"loop":   `while true do end`,
	} {
		var result map[string]any
		if err := lua.Run(script, nil, &result); err == nil {
			t.Errorf("%s works, and returns %s", name, fmt.Sprint(result))
		}
	}
}

// names are the actions of a kind.
func names(t testing.TB, kind string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(customizations, kind, "actions", "*", "action.lua"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range found {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}
