package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/enrol-dev/enrol/controllers"
	invitations "github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/subject"
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	folder, err := os.MkdirTemp("", "enrol-controllers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	return testenv.RunWith(m, &environment, func() (stop func() error, err error) {
		if err := environment.BindPlatformTeam(platform); err != nil {
			return nil, err
		}
		options, err := operatorOptions(ctx, folder)
		if err != nil {
			return nil, err
		}
		config, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.OperatorServiceAccount)
		if err != nil {
			return nil, err
		}
		mgr, err := ctrl.NewManager(config, ctrl.Options{
			Scheme:  testenv.Scheme,
			Cache:   controllers.CacheOptions(testenv.SystemNamespace),
			Client:  controllers.ClientOptions(),
			Metrics: server.Options{BindAddress: "0"},
		})
		if err != nil {
			return nil, err
		}
		if err := controllers.Setup(ctx, mgr, options); err != nil {
			return nil, err
		}
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(ctx) }()
		return func() error {
			cancel()
			post.Close()
			if err := <-ended; err != nil {
				return fmt.Errorf("the operator ended: %w", err)
			}
			return nil
		}, nil
	})
}

// operatorOptions starts what the operator needs beside the control plane: a mail server with TLS and a password, and
// what a kubelet would do for the Secret with the keys.
func operatorOptions(ctx context.Context, folder string) (controllers.Options, error) {
	const username, password = "enrol", "correct horse"
	certificate, err := environment.ServingCertificate("mail")
	if err != nil {
		return controllers.Options{}, err
	}
	if post, err = mailbox.Start(ctx, mailbox.Options{
		TLS: mailbox.TLS(certificate), Username: username, Password: password, Behave: byRecipient,
	}); err != nil {
		return controllers.Options{}, err
	}
	for name, content := range map[string]string{"username": username, "password": password} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content+"\n"), 0o600); err != nil {
			return controllers.Options{}, err
		}
	}
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: post.Address(), Encryption: mail.StartTLS, Credentials: folder, CAFile: environment.CAFile(),
		SendTimeout: 2 * time.Second,
	})
	if err != nil {
		return controllers.Options{}, err
	}
	mounted := filepath.Join(folder, "keys")
	go func() {
		err := environment.MountSecret(ctx, testenv.SystemNamespace, "enrol-token-keys", mounted)
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	keys = token.OpenKeys(mounted, time.Now)
	links, err := invitations.NewLinks(publicURL)
	const parallel = 8
	return controllers.Options{
		Naming:    subject.Naming{EmailIsUsername: true},
		Namespace: testenv.SystemNamespace,
		Links:     links,
		Keys:      token.OpenKeys(mounted, time.Now),
		Mail: controllers.Mail{
			Transport: transport, From: mail.Address{Name: "Enrol", Address: "enrol@example.com"}, Parallel: parallel,
		},
		Clock: clock.RealClock{},
	}, err
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
