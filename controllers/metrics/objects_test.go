package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// TestReasons finds the reasons that the API has and metrics do not.
func TestReasons(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, known := reasons[value]; !known {
			t.Errorf("metrics know no reason %s", value)
		}
		found++
		return false
	})
	if found < 30 {
		t.Errorf("found only %d reasons", found)
	}
}

func TestSaidBy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason    string
		condition metav1.Condition
		want      said
	}{
		"Ours": {
			"what Enrol writes is told",
			metav1.Condition{Type: enrolv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: enrolv1alpha1.ReasonGranted},
			said{"Ready", "True", "Granted"},
		},
		"Foreign": {
			"whoever may write a status must not fill Prometheus, nor put names into it",
			metav1.Condition{Type: "jane", Status: "kim", Reason: "ada"}, said{other, other, other},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, saidBy(&test.condition), cmp.AllowUnexported(said{})); diff != "" {
				t.Errorf("%s: %s", test.reason, diff)
			}
		})
	}
}
