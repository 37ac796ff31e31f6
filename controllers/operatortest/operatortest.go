// Package operatortest runs all controllers within a test program, with nothing but the operator's own rights, and with the
// mail server that they send through.
package operatortest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

// Operator is a running operator.
type Operator struct {
	// Post is the mail server that it sends through.
	Post *mailbox.Server
	// KeysFolder is the mount of the Secret that links are made with.
	KeysFolder string

	folder string
	cancel context.CancelFunc
	ended  chan error
}

// Options of an operator.
type Options struct {
	// PublicURL is where the links in mails lead.
	PublicURL string
	// KeysFolder is for the mount of the Secret that links are made with, and stays; "": one of the operator's own, which goes
	// with it.
	KeysFolder string
	// Behave is what the mail server does; nil: what a good one does.
	Behave func(stage mailbox.Stage, recipient string) mailbox.Behaviour
}

// Start starts an operator. Call Stop at the end.
func Start(environment *testenv.Environment, options Options) (*Operator, error) {
	ctx, cancel := context.WithCancel(context.Background())
	folder, err := os.MkdirTemp("", "enrol-operator-")
	if err != nil {
		cancel()
		return nil, err
	}
	o := &Operator{
		KeysFolder: cmp.Or(options.KeysFolder, filepath.Join(folder, "keys")), folder: folder, cancel: cancel, ended: make(chan error, 1),
	}
	if err := o.start(ctx, environment, options); err != nil {
		return nil, errors.Join(err, o.clean())
	}
	return o, nil
}

func (o *Operator) start(ctx context.Context, environment *testenv.Environment, options Options) error {
	settings, err := o.settings(ctx, environment, options)
	if err != nil {
		return err
	}
	account, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.OperatorServiceAccount)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(account, ctrl.Options{
		Scheme:  testenv.Scheme,
		Cache:   controllers.CacheOptions(testenv.SystemNamespace),
		Client:  controllers.ClientOptions(),
		Metrics: server.Options{BindAddress: "0"},
		// One may follow another.
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, settings); err != nil {
		return err
	}
	go func() { o.ended <- mgr.Start(ctx) }()
	return nil
}

// settings starts what the operator needs beside the control plane: a mail server with TLS and a password, and what a
// kubelet would do for the Secret with the keys.
func (o *Operator) settings(
	ctx context.Context, environment *testenv.Environment, options Options,
) (controllers.Options, error) {
	const username, password = "enrol", "correct horse"
	certificate, err := environment.ServingCertificate("mail")
	if err != nil {
		return controllers.Options{}, err
	}
	if o.Post, err = mailbox.Start(ctx, mailbox.Options{
		TLS: mailbox.TLS(certificate), Username: username, Password: password, Behave: options.Behave,
	}); err != nil {
		return controllers.Options{}, err
	}
	for name, content := range map[string]string{"username": username, "password": password} {
		if err := os.WriteFile(filepath.Join(o.folder, name), []byte(content+"\n"), 0o600); err != nil {
			return controllers.Options{}, err
		}
	}
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: o.Post.Address(), Encryption: mail.StartTLS, Credentials: o.folder, CAFile: environment.CAFile(),
		// Longer than a mail takes on a busy machine: one that was given up may be there twice.
		SendTimeout: 15 * time.Second,
	})
	if err != nil {
		return controllers.Options{}, err
	}
	go func() {
		err := environment.MountSecret(ctx, testenv.SystemNamespace, installed.KeySecret, o.KeysFolder)
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	links, err := invitation.NewLinks(options.PublicURL)
	const parallel = 8
	return controllers.Options{
		Naming:    subject.Naming{EmailIsUsername: true},
		Namespace: testenv.SystemNamespace,
		Links:     links,
		Keys:      token.OpenKeys(o.KeysFolder, time.Now),
		Mail: controllers.Mail{
			Transport: transport, From: mail.Address{Name: "Enrol", Address: "enrol@example.com"}, Parallel: parallel,
		},
		Clock: clock.RealClock{},
	}, err
}

// Stop ends it, and says how it ended if that was not well.
func (o *Operator) Stop() error {
	o.cancel()
	err := <-o.ended
	if err != nil {
		err = fmt.Errorf("the operator ended: %w", err)
	}
	return errors.Join(err, o.clean())
}

func (o *Operator) clean() error {
	o.cancel()
	if o.Post != nil {
		o.Post.Close()
	}
	return os.RemoveAll(o.folder)
}
