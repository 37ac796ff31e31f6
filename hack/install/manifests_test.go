package install_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// path is that of a file or a program of this project.
func path(t testing.TB, elements ...string) string {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{root}, elements...)...)
}

// output of a program, which must succeed.
func output(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, &stderr)
	}
	return stdout.Bytes()
}

func kustomize(t testing.TB, folder string) []byte {
	t.Helper()
	return output(t, path(t, "bin", "tools", "kustomize"), "build", path(t, folder))
}

func template(t testing.TB, namespace string, args ...string) []byte {
	t.Helper()
	return output(t, path(t, "bin", "tools", "helm"),
		append([]string{"template", "enrol", path(t, "dist", "chart"), "--namespace", namespace}, args...)...)
}

// objects of a file with several, by kind, namespace and name.
func objects(t testing.TB, manifests []byte) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		var o unstructured.Unstructured
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) == 0 {
			continue
		}
		key := fmt.Sprintf("%s %s/%s", o.GroupVersionKind(), o.GetNamespace(), o.GetName())
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = o.Object
	}
}

func TestChartIsTheKustomization(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		folder string
		args   []string
	}{
		"Default":          {"What neither is told anything.", "config/default", nil},
		"HighAvailability": {"Two of each.", "config/overlays/high-availability", []string{"--set", "operator.replicas=2,facade.replicas=2"}},
		"WithoutFacade":    {"No trace of the facade.", "config/overlays/without-facade", []string{"--set", "facade.enabled=false"}},
	}
	for name, tc := range cases {
		for _, namespace := range []string{"enrol-system", "membership"} {
			t.Run(name+"/"+namespace, func(t *testing.T) {
				t.Parallel()
				// What docs/install.md says to do for another namespace.
				want := objects(t, bytes.ReplaceAll(kustomize(t, tc.folder), []byte("enrol-system"), []byte(namespace)))
				// Helm makes the namespace by itself, if asked to.
				delete(want, "/v1, Kind=Namespace /"+namespace)
				got := objects(t, template(t, namespace, tc.args...))
				for key, o := range got {
					// Helm leaves CRDs, and with them all Organisations, where they are.
					if strings.Contains(key, "CustomResourceDefinition") {
						if policy, _, _ := unstructured.NestedString(o, "metadata", "annotations", "helm.sh/resource-policy"); policy != "keep" {
							t.Errorf("%s must be kept, not %q", key, policy)
						}
						unstructured.RemoveNestedField(o, "metadata", "annotations", "helm.sh/resource-policy")
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\nthe chart must have what %s has (-want +got):\n%s", tc.reason, tc.folder, diff)
				}
			})
		}
	}
}

func TestInstallYAMLIsTheDefault(t *testing.T) {
	t.Parallel()
	stored, err := os.ReadFile(path(t, "dist", "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kustomize(t, "config/default")), string(stored)); diff != "" {
		t.Errorf("dist/install.yaml is stale: run `make manifests` (-want +got):\n%s", diff)
	}
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, values, want string
	}{
		"TopLevel":      {"A key that nobody reads.", "publicUrl: https://enrol.example.com", "'publicUrl' not allowed"},
		"Nested":        {"A slip of the pen further down, with its path.", "facade: {signIn: {secret: x}}", "at '/facade/signIn': additional properties 'secret' not allowed"},
		"OldPlace":      {"The right key in the wrong place.", "replicas: 2", "'replicas' not allowed"},
		"Type":          {"The right key with the wrong type.", `operator: {replicas: "two"}`, "at '/operator/replicas': got string, want integer"},
		"Transport":     {"File is of no use where the root is read-only.", "mail: {transport: file, from: a@example.com}", "at '/mail/transport': value must be one of"},
		"NoSender":      {"Mail is from somebody.", "mail: {transport: log}", "mail.from must say whom mails are from"},
		"NoMailServer":  {"SMTP goes somewhere.", "mail: {transport: smtp, from: a@example.com}", "mail.smtp.address must name the mail server"},
		"NoCredentials": {"An authority comes with the credentials.", "mail: {smtp: {ownAuthority: true}}", "mail.smtp.ownAuthority needs mail.smtp.secretName"},
		"SignInNowhere": {"Providers send people back to an address.", "facade: {signIn: {secretName: x}}", "facade.signIn needs publicURL"},
		"ExtraArgument": {"Flags, and nothing else.", "facade: {extraArgs: [verbose]}", "at '/facade/extraArgs/0'"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(tc.values), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(path(t, "bin", "tools", "helm"), "template", path(t, "dist", "chart"), "--values", file).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%s\nhelm template: %v, %s, want an error with %q", tc.reason, err, out, tc.want)
			}
		})
	}
}

// What the schema allows is in values.yaml, where it is described; the other way round is Helm's own check.
func TestValuesAreDescribed(t *testing.T) {
	t.Parallel()
	schema, values := read(t, "values.schema.json"), read(t, "values.yaml")
	compareKeys(t, "", schema, values)
}

func read(t *testing.T, name string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(path(t, "dist", "chart", name))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := yaml.Unmarshal(content, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func compareKeys(t *testing.T, at string, schema, values map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	for key, property := range properties {
		value, ok := values[key]
		if !ok && at+key != "global" {
			t.Errorf("values.yaml must have %s%s", at, key)
		}
		if inner, ok := value.(map[string]any); ok {
			compareKeys(t, at+key+".", property.(map[string]any), inner)
		}
	}
}

// Each value does something, and everything is described in values.yaml: without any one of them, other objects come.
func TestValuesCount(t *testing.T) {
	t.Parallel()
	everything := read(t, filepath.Join("..", "..", "hack", "install", "testdata", "everything.yaml"))
	whole := string(render(t, everything))
	for _, key := range leaves("", read(t, "values.yaml")) {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			values := runtime.DeepCopyJSON(everything)
			switch key {
			case "facade.enabled", "networkPolicy.enabled":
				set(t, values, key, false)
			case "image.tag":
				t.Skip("the digest takes its place")
			case "mail.smtp.secretName":
				// The authority comes with it.
				set(t, values, "mail.smtp.ownAuthority", false)
				if string(render(t, values)) == whole {
					t.Error("mail.smtp.ownAuthority does nothing")
				}
				unstructured.RemoveNestedField(values, strings.Split(key, ".")...)
			case "mail.from", "mail.smtp.address", "publicURL":
				t.Skip("others need it, as TestValuesAreChecked says")
			default:
				if _, given, _ := unstructured.NestedFieldNoCopy(values, strings.Split(key, ".")...); !given {
					t.Fatal("everything.yaml lacks it")
				}
				unstructured.RemoveNestedField(values, strings.Split(key, ".")...)
			}
			if string(render(t, values)) == whole {
				t.Errorf("%s does nothing", key)
			}
		})
	}
}

func set(t *testing.T, values map[string]any, key string, value any) {
	t.Helper()
	if err := unstructured.SetNestedField(values, value, strings.Split(key, ".")...); err != nil {
		t.Fatal(err)
	}
}

func render(t *testing.T, values map[string]any) []byte {
	t.Helper()
	content, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return template(t, "enrol-system", "--values", file(t, "values.json", string(content)))
}

// leaves are the keys of values, with dots between them. What is empty by default is one.
func leaves(at string, values map[string]any) []string {
	var all []string
	for key, value := range values {
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 && key != "resources" {
			all = append(all, leaves(at+key+".", inner)...)
		} else {
			all = append(all, at+key)
		}
	}
	return all
}
