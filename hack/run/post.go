package main

import (
	"context"
	"crypto/rand"
	"os"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/mailbox"
)

const mailUser = "enrol"

// startPost starts a mail server whose mailbox is a folder, and makes the credentials that the operator has for it.
func (s *session) startPost(ctx context.Context) error {
	certificate, err := s.plane.ServingCertificate("mail")
	if err != nil {
		return err
	}
	for _, name := range []string{"mail", "credentials"} {
		if err := os.MkdirAll(s.folder.file(name), 0o700); err != nil {
			return err
		}
	}
	password := rand.Text()
	for name, content := range map[string]string{"credentials/username": mailUser, "credentials/password": password} {
		if _, err := s.folder.write(name, []byte(content)); err != nil {
			return err
		}
	}
	s.post, err = mailbox.Start(ctx, mailbox.Options{
		Address: loopback(s.mailPort), Folder: s.folder.file("mail"), Forgetful: true,
		TLS: mailbox.TLS(certificate), Username: mailUser, Password: password,
	})
	return err
}

// mountKeys does what a kubelet does for the operator's Pod: the Secret with the keys for links becomes files.
func (s *session) mountKeys(ctx context.Context, failed context.CancelCauseFunc) {
	go func() {
		if err := s.plane.MountSecret(ctx, installed.Namespace, installed.KeySecret, s.folder.file("keys")); err != nil {
			failed(err)
		}
	}()
}

// operatorMail are the operator's flags for that.
func (s *session) operatorMail() []string {
	return []string{
		"--token-keys=" + s.folder.file("keys"),
		"--public-url=" + s.publicURL(),
		"--mail-transport=smtp", "--mail-from=Enrol <enrol@example.com>",
		"--smtp-address=" + s.post.Address(), "--smtp-encryption=starttls",
		"--smtp-credentials=" + s.folder.file("credentials"), "--smtp-ca-file=" + s.plane.CAFile(),
	}
}
