package controllers_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/enrol-dev/enrol/controllers/operatortest"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

const publicURL = "https://enrol.example.com"

var (
	environment *testenv.Environment
	// post is the mail server that the operator sends through.
	post *mailbox.Server
	// keys are what links are made with, as the facade sees them.
	keys *token.Keys
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run starts a control plane, a mail server and, with nothing but its own ServiceAccount's rights, the operator.
func run(m *testing.M) int {
	return testenv.RunWith(m, &environment, func() (stop func() error, err error) {
		if err := environment.BindPlatformTeam(platform); err != nil {
			return nil, err
		}
		operator, err := operatortest.Start(environment, operatortest.Options{PublicURL: publicURL, Behave: byRecipient})
		if err != nil {
			return nil, err
		}
		post, keys = operator.Post, token.OpenKeys(operator.KeysFolder, time.Now)
		return operator.Stop, nil
	})
}

// byRecipient lets an address say what becomes of its mails: those to refused@... are refused, and so on.
func byRecipient(stage mailbox.Stage, recipient string) mailbox.Behaviour {
	name, _, _ := strings.Cut(recipient, "@")
	switch {
	case name == "refused" && stage == mailbox.To:
		return mailbox.Refuse
	case name == "deferred" && stage == mailbox.To:
		return mailbox.Defer
	case name == "hanging" && stage == mailbox.To:
		return mailbox.Hang
	case name == "dropped" && stage == mailbox.Taken:
		return mailbox.Drop
	}
	return mailbox.Proceed
}
