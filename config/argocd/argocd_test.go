// Package argocd_test tries the states that are kept here on a real API server. How kstatus and Argo CD judge the same
// states is tested in hack/gitops.
package argocd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

// resources are the kinds, with what the API server calls them in a path.
var resources = map[string]string{
	"Organisation": "organisations",
	"Member":       "namespaces/org-acme/members",
	"Invitation":   "namespaces/org-acme/invitations",
}

// added is what the second generation of a fixture may have over the first.
var added = map[string][]string{"Organisation": {"displayName"}, "Member": {"roles"}, "Invitation": {"signInURL", "revoked"}}

// states are the fixtures of a kind, by name.
func states(t *testing.T, kind string) map[string]*unstructured.Unstructured {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("enrol.dev", kind, "testdata", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures of %s: %v", kind, err)
	}
	found := map[string]*unstructured.Unstructured{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if content, err = yaml.YAMLToJSON(content); err == nil {
			err = o.UnmarshalJSON(content)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found[strings.TrimSuffix(filepath.Base(path), ".yaml")] = o
	}
	return found
}

// TestPrinterColumns makes an object of each state and holds what kubectl prints of it against docs/states.md.
func TestPrinterColumns(t *testing.T) {
	admin := environment.AdminClient(t)
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "org-acme", Labels: map[string]string{enrolv1alpha1.LabelHomeOf: "acme"},
	}}
	if err := admin.Create(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	for kind, resource := range resources {
		t.Run(kind, func(t *testing.T) {
			want := documented(t, kind)
			messages := map[string]string{}
			for state, fixture := range states(t, kind) {
				fixture.SetName(state)
				store(t, admin, fixture)
				messages[state] = readyMessage(t, fixture)
			}
			got := map[string]map[string]string{}
			for state, printed := range table(t, resource) {
				if printed["MESSAGE"] != messages[state] {
					t.Errorf("%s %s prints the message %q, want %q", kind, state, printed["MESSAGE"], messages[state])
				}
				got[state] = map[string]string{}
				for heading := range want[state] {
					got[state][heading] = printed[heading]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("docs/states.md and what the API server prints (-want +got):\n%s", diff)
			}
		})
	}
}

// store makes the object with the fixture's generation and status.
func store(t *testing.T, admin client.Client, fixture *unstructured.Unstructured) {
	t.Helper()
	o := fixture.DeepCopy()
	o.SetUID("")
	o.SetCreationTimestamp(metav1.Time{})
	unstructured.RemoveNestedField(o.Object, "status")
	if fixture.GetGeneration() > 1 {
		for _, field := range added[o.GetKind()] {
			unstructured.RemoveNestedField(o.Object, "spec", field)
		}
	}
	if err := admin.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if fixture.GetGeneration() > 1 {
		o.Object["spec"] = fixture.DeepCopy().Object["spec"]
		if err := admin.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if fixture.GetName() != "fresh" {
		o.Object["status"] = fixture.DeepCopy().Object["status"]
		if err := admin.Status().Update(t.Context(), o); err != nil {
			t.Fatalf("%s %s: %v", fixture.GetKind(), fixture.GetName(), err)
		}
	}
	if diff := cmp.Diff(fixture.Object["status"], o.Object["status"]); diff != "" {
		t.Errorf("%s %s is stored with another status (-want +got):\n%s", fixture.GetKind(), fixture.GetName(), diff)
	}
	if o.GetGeneration() != fixture.GetGeneration() {
		t.Errorf("%s %s is of generation %d, want %d", fixture.GetKind(), fixture.GetName(), o.GetGeneration(), fixture.GetGeneration())
	}
}

func conditions(t *testing.T, o *unstructured.Unstructured) []metav1.Condition {
	t.Helper()
	var found struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	content, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(content, &found)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found.Status.Conditions
}

func readyMessage(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	if ready := meta.FindStatusCondition(conditions(t, o), enrolv1alpha1.ConditionReady); ready != nil {
		return ready.Message
	}
	return ""
}

// table is what kubectl prints, by name and heading: the API server fills the columns.
func table(t *testing.T, resource string) map[string]map[string]string {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(environment.Admin())
	if err != nil {
		t.Fatal(err)
	}
	content, err := clientset.RESTClient().Get().AbsPath("/apis/enrol.dev/v1alpha1/"+resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var printed metav1.Table
	if err := json.Unmarshal(content, &printed); err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[string]string{}
	for _, row := range printed.Rows {
		cells := map[string]string{}
		for i, column := range printed.ColumnDefinitions {
			cells[strings.ToUpper(column.Name)] = cell(row.Cells[i])
		}
		rows[cells["NAME"]] = cells
	}
	return rows
}

func cell(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// documented are the printed columns of a kind's table in docs/states.md, by state and heading.
func documented(t *testing.T, kind string) map[string]map[string]string {
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
		for i, heading := range headings {
			if heading == strings.ToUpper(heading) {
				row[heading] = cells[i]
			}
		}
		rows[cells[0]] = row
	}
	return rows
}

// TestEveryReason fails when a reason is added and no state has it.
func TestEveryReason(t *testing.T) {
	missing := reasons(t)
	for kind := range resources {
		for _, state := range states(t, kind) {
			for _, c := range conditions(t, state) {
				delete(missing, c.Reason)
			}
		}
	}
	for reason := range missing {
		t.Errorf("no state has reason %s: add it to TestStates, TestMemberStates or TestOrganisationStates", reason)
	}
}

// reasons are all that the API knows, read from the source: Go cannot list constants.
func reasons(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found[value] = true
		return true
	})
	if len(found) == 0 {
		t.Fatal("conditions.go has no reasons")
	}
	return found
}

// TestConfigMap adds the scripts to an Argo CD that is set up already.
func TestConfigMap(t *testing.T) {
	admin := environment.AdminClient(t)
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "argocd-cm"}, Data: map[string]string{"url": "https://argocd.example.com"}},
	} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := environment.Kubectl("apply", "--server-side", "-k", "."); err != nil {
			t.Fatal(err)
		}
	}
	found := &corev1.ConfigMap{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: "argocd-cm"}, found); err != nil {
		t.Fatal(err)
	}
	if found.Data["url"] != "https://argocd.example.com" || len(found.Data) != 1+2*len(resources) {
		t.Errorf("argocd-cm is %v", found.Data)
	}
	for kind := range resources {
		want, err := os.ReadFile(filepath.Join("enrol.dev", kind, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		if got := found.Data["resource.customizations.health.enrol.dev_"+kind]; got != string(want) {
			t.Errorf("the health check of %s is %q", kind, got)
		}
	}
}
