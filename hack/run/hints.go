package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// writeEnv writes what scripts need, as shell assignments.
func (s *session) writeEnv() error {
	kubectl, err := controlplane.Binary("kubectl")
	if err != nil {
		return err
	}
	_, err = s.folder.write(envName, []byte(
		assignment("KUBECONFIG", s.admin)+
			assignment("ENROL_PLATFORM_KUBECONFIG", s.platform)+
			assignment("ENROL_KUBECTL", kubectl)+
			assignment("ENROL_RUN_DIR", s.folder.path)+
			assignment("ENROL_OPERATOR_LOG", s.operator.LogFile)+
			assignment("ENROL_FACADE_LOG", s.facade.LogFile)+
			assignment("ENROL_URL", s.publicURL())+
			assignment("ENROL_ISSUER", s.people.Issuer())+
			assignment("CA_FILE", s.plane.CAFile())+
			assignment("MAILBOX", s.folder.file("mail"))))
	return err
}

// hints are what to try, to copy into another terminal.
func (s *session) hints() string {
	kubectl, _ := controlplane.Binary("kubectl")
	return fmt.Sprintf(`
Kubernetes answers at %[1]s, Enrol at %[7]s.
Logs are in %[2]s, mails in %[6]s. Try, in another terminal, in this folder:

  export PATH=%[3]s:%[11]s:$PATH KUBECONFIG=%[4]s
  kubectl get organisations
  kubectl -n org-%[5]s get members
  kubectl enrol tree %[5]s                                        # who has access where

  make -s kubeconfig USER=jane@example.com > bin/jane.kubeconfig
  kubectl --kubeconfig bin/jane.kubeconfig -n acme-web create configmap hello     # she may
  kubectl --kubeconfig bin/jane.kubeconfig -n default get pods                    # she may not

  kubectl -n org-%[5]s get invitations
  cat %[6]s/*.eml                                                 # what kim@example.com got

People sign in at %[7]s, where they are sent on to %[8]s, with these passwords, which are in
%[9]s as well:

%[10]s
Ctrl-C ends it all; RUN_KEEP=1 make run starts with the same data again.
`, s.plane.URL(), s.folder.file("logs"), filepath.Dir(kubectl), s.platform, organisation, s.folder.file("mail"),
		s.publicURL(), s.people.Issuer(), s.folder.file(passwordsName), indented(s.passwords()), filepath.Join(s.root, "bin"))
}

func indented(lines string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}
