// Package docs_test holds the documentation to what is there: files, make targets, flags, tests, and an API server that
// accepts the manifests.
package docs_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

// TestLinks: every link within the repository leads to a file, and to a heading in it where it names one.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	anchors := map[string]map[string]bool{}
	for _, p := range all {
		anchors[p.path] = p.anchors
	}
	for _, p := range all {
		for _, l := range p.links {
			to, err := url.Parse(l.target)
			if err != nil || to.Scheme != "" || to.Host != "" {
				continue
			}
			target := p.path
			if to.Path != "" {
				target = path.Join(path.Dir(p.path), to.Path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: there is no %s", p.path, l.target)
			} else if to.Fragment != "" && !anchors[target][to.Fragment] {
				t.Errorf("%s: %s has no heading #%s", p.path, target, to.Fragment)
			}
		}
	}
}

// TestIndex: every page is in the index.
func TestIndex(t *testing.T) {
	t.Parallel()
	index := map[string]bool{"docs/README.md": true}
	all := pages(t)
	for _, p := range all {
		for _, l := range p.links {
			if p.path == "docs/README.md" {
				target, _, _ := strings.Cut(l.target, "#")
				index[path.Join("docs", target)] = true
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.path, "docs/") && !index[p.path] {
			t.Errorf("docs/README.md does not lead to %s", p.path)
		}
	}
}

// made is what follows make on a command line.
var (
	made   = regexp.MustCompile(`(?:^|[\s(;])make ([^\n;&|>)]*)`)
	target = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// TestMakeTargets: what pages and workflows tell to make can be made.
func TestMakeTargets(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool { return strings.Contains(string(source), "\n"+name+":") }
	texts := map[string][]string{"workflows": workflows(t)}
	for _, p := range pages(t) {
		texts[p.path] = p.code("sh")
	}
	for where, codes := range texts {
		for _, name := range targetsIn(codes) {
			if !exists(name) {
				t.Errorf("%s: there is no target for make %s", where, name)
			}
		}
	}
	for _, where := range []string{"workflows", "README.md", "CONTRIBUTING.md"} {
		if len(targetsIn(texts[where])) == 0 {
			t.Errorf("%s: does not tell to make anything", where)
		}
	}
}

// targetsIn are the targets in lines of commands.
func targetsIn(codes []string) []string {
	var names []string
	for _, code := range codes {
		for _, match := range made.FindAllStringSubmatch(code, -1) {
			for word := range strings.FieldsSeq(strings.TrimPrefix(match[1], "-s ")) {
				if !target.MatchString(word) {
					break
				}
				names = append(names, word)
			}
		}
	}
	return names
}

// workflows are the commands that GitHub runs, and the targets of its matrix.
func workflows(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, name := range paths {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		workflow := struct {
			Jobs map[string]struct {
				Strategy struct {
					Matrix struct{ Target []string }
				}
				Steps []struct{ Run string }
			}
		}{}
		if err := yaml.Unmarshal(source, &workflow); err != nil {
			t.Fatal(err)
		}
		for _, job := range workflow.Jobs {
			for _, name := range job.Strategy.Matrix.Target {
				commands = append(commands, "make "+name)
			}
			for _, step := range job.Steps {
				commands = append(commands, step.Run)
			}
		}
	}
	return commands
}

// code is what stands in spans, and in blocks of a language.
func (p *page) code(language string) []string {
	code := slices.Clone(p.spans)
	for _, b := range p.blocks {
		if b.language == language {
			code = append(code, b.code)
		}
	}
	return code
}

// flagsOfOthers are flags of other programs that the pages name by themselves.
var flagsOfOthers = map[string]string{
	"authentication-config": "kube-apiserver", "feature-gates": "kube-apiserver", "runtime-config": "kube-apiserver",
	"oidc-username-prefix": "kube-apiserver", "oidc-groups-prefix": "kube-apiserver",
	"use-service-account-credentials": "kube-controller-manager",
	"as":                              "kubectl", "as-group": "kubectl", "cascade": "kubectl", "dry-run": "kubectl", "force-conflicts": "kubectl",
	"overwrite": "kubectl", "server-side": "kubectl", "create-namespace": "helm", "set": "helm", "values": "helm",
}

// TestFlags: a flag that a page names by itself is one of our programs, or of another one's.
func TestFlags(t *testing.T) {
	t.Parallel()
	flag := regexp.MustCompile(`^--([a-z][a-z-]*)(?:[= ].*)?$`)
	ours := sources(t, "cmd", "internal", "hack")
	found := 0
	for _, p := range pages(t) {
		for _, span := range p.spans {
			match := flag.FindStringSubmatch(span)
			if match == nil || flagsOfOthers[match[1]] != "" {
				continue
			}
			found++
			if !strings.Contains(ours, `"`+match[1]+`"`) {
				t.Errorf("%s: no program has the flag --%s", p.path, match[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page names a flag")
	}
}

// sources is all Go of some folders.
func sources(t *testing.T, folders ...string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, _ os.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".go" {
				return err
			}
			source, err := os.ReadFile(name)
			all.Write(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestTests: a test that a page leads to is in the file.
func TestTests(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
	found := 0
	for _, p := range pages(t) {
		for _, l := range p.links {
			if !name.MatchString(l.text) {
				continue
			}
			found++
			source, err := os.ReadFile(filepath.Join(root, path.Dir(p.path), l.target))
			if err != nil || !strings.Contains(string(source), "\nfunc "+l.text+"(") {
				t.Errorf("%s: %s is not in %s", p.path, l.text, l.target)
			}
		}
	}
	if found == 0 {
		t.Error("no page leads to a test")
	}
}

// TestManifests: what the pages show of Enrol's kinds is accepted by an API server, unknown fields and all.
func TestManifests(t *testing.T) {
	t.Parallel()
	admin := environment.AdminClient(t)
	homes := map[string]bool{}
	found := 0
	for _, p := range pages(t) {
		for _, object := range p.objects(t) {
			found++
			if home := object.GetNamespace(); home != "" && !homes[home] {
				homes[home] = true
				makeHome(t, admin, home)
			}
			options := []client.CreateOption{client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)}
			if err := admin.Create(context.Background(), object, options...); err != nil {
				t.Errorf("%s: %v", p.path, err)
			}
		}
	}
	if found == 0 {
		t.Error("no page shows a manifest")
	}
}

func makeHome(t *testing.T, admin client.Client, name string) {
	t.Helper()
	organisation := strings.TrimPrefix(name, enrolv1alpha1.HomeNamespacePrefix)
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{enrolv1alpha1.LabelHomeOf: organisation},
	}}
	if err := admin.Create(context.Background(), home); err != nil {
		t.Fatal(err)
	}
}

// heredoc is a manifest within a command.
var heredoc = regexp.MustCompile(`(?s)<<'EOF'\n(.*?)\nEOF\n`)

// objects are Enrol's objects in blocks of YAML, and in commands that apply some.
func (p *page) objects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var manifests []string
	for _, b := range p.blocks {
		switch b.language {
		case "yaml":
			manifests = append(manifests, b.code)
		case "sh":
			for _, match := range heredoc.FindAllStringSubmatch(b.code, -1) {
				manifests = append(manifests, match[1])
			}
		}
	}
	var objects []*unstructured.Unstructured
	for _, manifest := range manifests {
		for i, document := range strings.Split(manifest, "\n---\n") {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
				// Of lists and of templates, nothing is Enrol's.
				if strings.Contains(document, "apiVersion: "+enrolv1alpha1.SchemeGroupVersion.Group) {
					t.Error(fmt.Errorf("%s: document %d of a manifest: %w", p.path, i, err))
				}
				continue
			}
			if strings.HasPrefix(object.GetAPIVersion(), enrolv1alpha1.SchemeGroupVersion.Group+"/") {
				objects = append(objects, object)
			}
		}
	}
	return objects
}
