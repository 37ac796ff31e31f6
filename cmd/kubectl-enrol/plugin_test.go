package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// folder holds the plugin as it is installed, with its completion. TestMain makes and removes it.
var folder string

// install builds the plugin, once.
var install = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-ldflags=-X main.version=v1.2.3", "-o", folder, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the plugin: %w: %s", err, out)
	}
	script, err := os.ReadFile("kubectl_complete-enrol")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "kubectl_complete-enrol"), script, 0o700)
})

// shell is a terminal with kubectl and the plugin on the PATH.
type shell struct {
	*testing.T

	directory string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	return &shell{T: t, directory: t.TempDir()}
}

// run runs a program as a person, and returns what it printed and ended with.
func (s *shell) run(who *person, name string, args ...string) (string, int) {
	s.Helper()
	kubectl, err := controlplane.Binary("kubectl")
	if err != nil {
		s.Fatal(err)
	}
	path := folder + ":" + filepath.Dir(kubectl) + ":" + os.Getenv("PATH")
	if name == "kubectl" {
		name = kubectl
	}
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = s.directory
	command.Env = append(os.Environ(), "PATH="+path, "KUBECONFIG="+who.kubeconfig, "HOME="+s.directory)
	out, err := command.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		s.Fatal(err)
	}
	return string(out), 0
}

// kubectl itself finds the plugin and its completion, and the program ends with what a script expects.
func TestAsAPlugin(t *testing.T) {
	t.Parallel()
	newOrganisation(t, "plugin")
	s := newShell(t)
	boss, viewer := as(t, admin), as(t, joe)
	cases := map[string]struct {
		reason string
		who    *person
		args   []string
		want   string
		code   int
	}{
		"Version":   {"A release says which it is", boss, []string{"enrol", "--version"}, "v1.2.3\n", 0},
		"Status":    {"kubectl finds it", boss, []string{"enrol", "status", "plugin", "-o", "name"}, "organisation.enrol.dev/plugin\n", 0},
		"As":        {"--as is kubectl's", boss, []string{"enrol", "members", "plugin", "--as=" + eve}, `User "eve@example.com" cannot list`, 1},
		"Namespace": {"-n says which", viewer, []string{"enrol", "members", "-n", "org-plugin", "-o", "name"}, "member.enrol.dev/jane\nmember.enrol.dev/joe\n", 0},
		"Context":   {"--context is kubectl's", boss, []string{"enrol", "status", "--context=none"}, `context "none" does not exist`, 1},
		"Server":    {"Who cannot be reached is named", boss, []string{"enrol", "status", "--server=https://127.0.0.1:1"}, "cannot be reached", 1},
		"Organisations": {
			"Organisations are completed", boss, []string{"__complete", "enrol", "members", "plug"}, "plugin\n:4\n", 0,
		},
		"Known": {
			"Whoever may list none gets those of the kubeconfig's namespaces", viewer,
			[]string{"__complete", "enrol", "members", "--namespace=plugin-web", "plug"}, "plugin\n:4\n", 0,
		},
		"People": {
			"People are completed", viewer, []string{"__complete", "enrol", "why", "--namespace=org-plugin", "ja"}, "jane@example.com\n:4\n", 0,
		},
		"Unknown": {
			"A mistake in typing is said, and what may have been meant", boss, []string{"enrol", "statsu"},
			"unknown command \"statsu\" for \"kubectl enrol\"\n\nDid you mean this?\n  status\n", 1,
		},
		"Flag": {
			"A flag that there is not is named, with where to look", boss, []string{"enrol", "status", "--wet"},
			"error: unknown flag: --wet\nSee 'kubectl enrol status --help' for usage.\n", 1,
		},
		"Arguments": {
			"What a command takes is said", boss, []string{"enrol", "resend"},
			"error: 0 arguments do not fit: kubectl enrol resend NAME|EMAIL [flags]\nSee 'kubectl enrol resend --help' for usage.\n", 1,
		},
	}
	for name, tc := range cases {
		got, code := s.run(tc.who, "kubectl", tc.args...)
		if !strings.Contains(got, tc.want) || code != tc.code {
			t.Errorf("%s: %s: ended with %d, want %d, and printed %q, want %q", name, tc.reason, code, tc.code, got, tc.want)
		}
	}
}
