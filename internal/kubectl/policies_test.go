package kubectl

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A policy that is added must be checked as well.
func TestPoliciesAreThoseThatAreInstalled(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "policy", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	header := regexp.MustCompile(`(?m)^kind: ValidatingAdmissionPolicy\nmetadata:\n(?:  #.*\n)*  name: (\S+)$`)
	var installed []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range header.FindAllStringSubmatch(string(content), -1) {
			installed = append(installed, found[1])
		}
	}
	slices.Sort(installed)
	if diff := cmp.Diff(installed, slices.Sorted(slices.Values(policies))); diff != "" {
		t.Errorf("policies (-installed +checked):\n%s", diff)
	}
}
