package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clientsVariable asks for TestPublishedClients, which needs node and npm and installs the clients.
const clientsVariable = "ENROL_TEST_CLIENTS"

// TestPublishedClients lets clients that the platforms publish talk to the facade with their own methods. Their stories are in
// hack/clients/npm, and check what the clients made of the answers; what came of it in the cluster is checked here.
func TestPublishedClients(t *testing.T) {
	t.Parallel()
	if os.Getenv(clientsVariable) == "" {
		t.Skip(clientsVariable + " is not set: docs/clients.md says how to run this")
	}
	folder := installClients(t)
	for name, tc := range map[string]struct {
		reason string
		before func(f *fixture)
		after  func(f *fixture) error
	}{
		"qovery": {
			reason: "The guest was invited, became the owner and removed the one who was.",
			after: func(f *fixture) error {
				if !f.can(jane, "delete", "web") || f.can(ada, "get", "web") {
					return fmt.Errorf("%s should have the rights of %s, who should have none", jane, ada)
				}
				return nil
			},
		},
		"llamacloud": {
			reason: "The guest ended as an admin of every project; what else was added was removed.",
			after: func(f *fixture) error {
				if !f.can(jane, "create", "web") || !f.can(jane, "create", "data") || !f.can(ada, "delete", "web") {
					return fmt.Errorf("%s should have the rights of an admin everywhere", jane)
				}
				if got := f.bound("build-robot"); got != 0 {
					return fmt.Errorf("%d bindings name a user who was removed", got)
				}
				return nil
			},
		},
		"llamacloud-invites": {
			reason: "The guest accepted an invitation to be a developer.",
			before: func(f *fixture) {
				f.send(ada, http.MethodPost, "/organization/"+f.uid()+"/inviteMember", `{"email": "`+jane+`", "role": "DEVELOPER"}`).
					want(f, http.StatusCreated)
			},
			after: func(f *fixture) error {
				if !f.can(jane, "create", "web") {
					return fmt.Errorf("%s should have the rights of a developer", jane)
				}
				return nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOrganisation(t)
			if tc.before != nil {
				tc.before(f)
			}
			tell(f, folder, name)
			f.eventually(func() error {
				if err := tc.after(f); err != nil {
					return fmt.Errorf("%s But: %w", tc.reason, err)
				}
				return nil
			})
		})
	}
}

// installClients installs the clients in a folder of the test's own, as the lock file says.
func installClients(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "hack", "clients", "npm"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("installing the clients: %v\n%s", err, out)
	}
	return folder
}

// tell runs a story: ada owns the organisation, jane is the guest, and eve the stranger.
func tell(f *fixture, folder, story string) {
	f.Helper()
	program := exec.CommandContext(f.Context(), "node", story+".mjs")
	program.Dir = folder
	program.Env = append(os.Environ(),
		"FACADE_URL="+facades[0].url, "NODE_EXTRA_CA_CERTS="+environment.CAFile(), "ORGANIZATION_ID="+f.uid())
	for name, person := range map[string]string{"OWNER": ada, "GUEST": jane, "STRANGER": eve} {
		program.Env = append(program.Env, name+"_EMAIL="+person, name+"_TOKEN="+tokenOf(f, person))
	}
	out, err := program.CombinedOutput()
	f.Log(strings.TrimSpace(string(out)))
	if err != nil {
		f.Fatalf("the story of %s: %v", story, err)
	}
}
