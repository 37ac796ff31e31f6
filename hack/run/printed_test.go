package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// checkPrinted runs the commands of the README and of the quick start as they are printed, in this session, and compares what
// they print.
func (s *sessionUnderTest) checkPrinted(t *testing.T) {
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	folder := s.checkout(t)
	for _, page := range []struct{ path, from, to string }{
		{"README.md", "### A first session", "### Kim's way in"},
		{"docs/quick-start.md", "in another terminal", "## On a cluster of your own"},
	} {
		source, err := os.ReadFile(filepath.Join(root, page.path))
		if err != nil {
			t.Fatal(err)
		}
		_, text, begins := strings.Cut(string(source), page.from)
		text, _, ends := strings.Cut(text, page.to)
		steps := stepsOf(text)
		if !begins || !ends || len(steps) == 0 {
			t.Fatalf("%s has no commands from %q to %q", page.path, page.from, page.to)
		}
		var script strings.Builder
		for i, step := range steps {
			fmt.Fprintf(&script, "echo '=== %d'\n%s", i, step.commands)
		}
		// The machine of a test has more to do than that of a reader.
		patient := strings.NewReplacer("; sleep 1\n", "; sleep 5\n", " wait --for=", " wait --timeout=3m --for=").Replace(script.String())
		command := exec.CommandContext(t.Context(), "sh", "-c", patient)
		command.Dir = folder
		// The commands fail where the page shows that, and the last one need not tell.
		out, _ := command.CombinedOutput()
		got := strings.Split(string(out), "=== ")[1:]
		for i, step := range steps {
			if i >= len(got) {
				t.Fatalf("%s: the commands end after %d blocks:\n%s", page.path, len(got), out)
			}
			_, printed, _ := strings.Cut(got[i], "\n")
			if diff := cmp.Diff(lasting(step.output), lasting(printed)); diff != "" {
				t.Errorf("%s:\n%s(-page +printed):\n%s", page.path, step.commands, diff)
			}
		}
	}
}

// checkout is a folder in which the commands find what they find in that of the repository.
func (s *sessionUnderTest) checkout(t *testing.T) string {
	t.Helper()
	kubectl, err := controlplane.Binary("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"run": s.dir, "k8s": filepath.Dir(kubectl)} {
		if err := os.Symlink(target, filepath.Join(folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"PROJECT": "",
		// As the repository's, but for this session's program and folder.
		"Makefile": fmt.Sprintf("kubeconfig token:\n\t@exec '%s' $@ --dir '%s' -- '$(USER)'\n", s.binary, s.dir),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// step is a block of commands, and what they print.
type step struct{ commands, output string }

// stepsOf are the blocks of commands in a text. A block without a language that follows is what they print.
func stepsOf(text string) []step {
	fences := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	var steps []step
	for _, match := range fences.FindAllStringSubmatch(text, -1) {
		switch {
		case match[1] == "sh":
			steps = append(steps, step{commands: match[2]})
		case match[1] == "" && len(steps) > 0:
			steps[len(steps)-1].output = match[2]
		}
	}
	return steps
}

// passing is what is different each time.
var passing = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`),
	regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z)?`),
	regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`),
	regexp.MustCompile(`token=[\w-]+`),
	regexp.MustCompile(`127\.0\.0\.1:[0-9]+`),
	regexp.MustCompile(`\b([0-9]+m)?[0-9]+s\b`),
}

// lasting are the lines of a text without what is different each time, and without the widths of columns.
func lasting(text string) []string {
	for _, pattern := range passing {
		text = pattern.ReplaceAllString(text, "...")
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return lines
}
