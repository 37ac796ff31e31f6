package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// block is a command in a document with what it prints. A comment before it says whose terminal it is.
var block = regexp.MustCompile("(?:<!-- as (\\S+) -->\n)?```sh\n([^`]*)```\n\n```\n([^`]*)```\n")

// The commands in the documents print what the documents say, from the first to the last, with the samples applied.
// It looks at the whole installation, and so runs before those that run side by side.
func TestDocuments(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := environment.Kubectl("apply", "-k", filepath.Join(root, "config", "samples")); err != nil {
		t.Fatal(err)
	}
	o := &organisation{T: t, name: "acme", admin: environment.AdminClient(t)}
	o.lease(time.Now())
	testenv.Eventually(t, func() error {
		if got := as(t, admin).run("check", "acme"); got.code != 0 {
			return fmt.Errorf("the samples do not settle: %s%s", got.out, got.problems)
		}
		found := &enrolv1alpha1.Organisation{}
		err := o.admin.Get(t.Context(), client.ObjectKey{Name: o.name}, found)
		const bindings = 8
		if c := meta.FindStatusCondition(found.Status.Conditions, enrolv1alpha1.ConditionReady); err == nil &&
			(c == nil || found.Status.Bindings != bindings || found.Status.Invitations != 1) {
			err = fmt.Errorf("the samples do not settle: %+v", found.Status)
		}
		return err
	})
	for _, name := range []string{"kubectl.md", "migration.md"} {
		s, file := newShell(t), filepath.Join(root, "docs", name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := block.ReplaceAllStringFunc(string(text), func(example string) string {
			parts := block.FindStringSubmatch(example)
			who := admin
			if parts[1] != "" {
				who = parts[1]
			}
			printed, _ := s.run(as(t, who), "sh", "-c", strings.ReplaceAll(parts[2], "\\\n", ""))
			return strings.Replace(example, "```\n\n```\n"+parts[3], "```\n\n```\n"+settled(printed), 1)
		})
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(text), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}
