package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/mailbox"
)

const password = "correct horse"

// certificate is self-signed, for that host, and the file with it.
func certificate(t *testing.T, host string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func start(t *testing.T, options mailbox.Options) *mailbox.Server {
	t.Helper()
	server, err := mailbox.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// credentials is a folder with that password.
func credentials(t *testing.T, folder, password string) string {
	t.Helper()
	for name, content := range map[string]string{"username": "enrol", "password": password + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func message(to string) *mail.Message {
	return &mail.Message{
		From: mail.Address{Name: "Enrol", Address: "enrol@example.com"}, To: to, MessageID: "1@example.com",
		Date: time.Now(), Content: mail.Content{Subject: "s", Text: "t\n", HTML: "<p>t</p>"},
	}
}

// TestSend goes through what a mail server may do, and what becomes of the mail then.
func TestSend(t *testing.T) {
	t.Parallel()
	const ok = mail.Kind(-1)
	good, ca := certificate(t, "127.0.0.1")
	other, otherCA := certificate(t, "mail.example.com")
	at := func(stage mailbox.Stage, what mailbox.Behaviour) func(*mailbox.Options, *mail.SMTPOptions) {
		return func(s *mailbox.Options, _ *mail.SMTPOptions) {
			s.Behave = func(now mailbox.Stage, _ string) mailbox.Behaviour {
				if now == stage {
					return what
				}
				return mailbox.Proceed
			}
		}
	}
	cases := map[string]struct {
		reason string
		change func(*mailbox.Options, *mail.SMTPOptions)
		want   mail.Kind
		// says is what the error says, and taken how many mails arrived.
		says  string
		taken int
		// silent is true where the server must not have heard of a sender or a password.
		silent bool
	}{
		"StartTLS": {"as it should be", nil, ok, "", 1, false},
		"Implicit": {"encrypted from the start", func(s *mailbox.Options, c *mail.SMTPOptions) {
			s.Implicit, c.Encryption = true, mail.ImplicitTLS
		}, ok, "", 1, false},
		"Login": {"with LOGIN", func(s *mailbox.Options, c *mail.SMTPOptions) {
			s.Mechanisms, c.Auth = []string{"LOGIN"}, "login"
		}, ok, "", 1, false},
		"Discovered":    {"with what there is", func(s *mailbox.Options, _ *mail.SMTPOptions) { s.Mechanisms = []string{"LOGIN"} }, ok, "", 1, false},
		"NoAuth":        {"a server that asks for no password", func(s *mailbox.Options, c *mail.SMTPOptions) { s.Username, c.Credentials = "", "" }, ok, "", 1, false},
		"RefuseFrom":    {"the sender is not welcome", at(mailbox.From, mailbox.Refuse), mail.Refused, "550", 0, false},
		"RefuseTo":      {"nor the recipient", at(mailbox.To, mailbox.Refuse), mail.Refused, "not here", 0, false},
		"RefuseData":    {"nor what the mail says", at(mailbox.Data, mailbox.Refuse), mail.Refused, "550", 0, false},
		"DeferFrom":     {"not now", at(mailbox.From, mailbox.Defer), mail.Deferred, "451", 0, false},
		"DeferTo":       {"not now", at(mailbox.To, mailbox.Defer), mail.Deferred, "not now", 0, false},
		"DeferData":     {"a clear answer after the data is one", at(mailbox.Data, mailbox.Defer), mail.Deferred, "451", 0, false},
		"DropConnect":   {"cut at once", at(mailbox.Connected, mailbox.Drop), mail.Deferred, "", 0, true},
		"DropTo":        {"cut before the data", at(mailbox.To, mailbox.Drop), mail.Deferred, "", 0, false},
		"DropData":      {"cut after the data: who knows", at(mailbox.Data, mailbox.Drop), mail.Unconfirmed, "", 0, false},
		"DropTaken":     {"cut after the data, with the mail taken", at(mailbox.Taken, mailbox.Drop), mail.Unconfirmed, "", 1, false},
		"HangConnect":   {"no greeting", at(mailbox.Connected, mailbox.Hang), mail.Deferred, "", 0, true},
		"HangTo":        {"silence before the data", at(mailbox.To, mailbox.Hang), mail.Deferred, "", 0, false},
		"HangTaken":     {"silence after the data: who knows", at(mailbox.Taken, mailbox.Hang), mail.Unconfirmed, "", 1, false},
		"NotTrusted":    {"signed by nobody we know", func(_ *mailbox.Options, c *mail.SMTPOptions) { c.CAFile = otherCA }, mail.Unusable, "certificate", 0, true},
		"OtherHost":     {"the certificate of another host", func(s *mailbox.Options, c *mail.SMTPOptions) { s.TLS, c.CAFile = mailbox.TLS(other), otherCA }, mail.Unusable, "certificate", 0, true},
		"NoTLS":         {"nothing is sent in clear", func(s *mailbox.Options, _ *mail.SMTPOptions) { s.TLS = nil }, mail.Unusable, "STARTTLS", 0, true},
		"ClearImplicit": {"nor to who does not even begin with it", func(_ *mailbox.Options, c *mail.SMTPOptions) { c.Encryption = mail.ImplicitTLS }, mail.Unusable, "TLS", 0, true},
		"WrongPassword": {"the password is wrong", func(s *mailbox.Options, _ *mail.SMTPOptions) { s.Password = "other" }, mail.Unusable, "535", 0, false},
		"NoMechanism":   {"a mechanism that there is not", func(_ *mailbox.Options, c *mail.SMTPOptions) { c.Auth = "SCRAM-SHA-256" }, mail.Unusable, "SCRAM", 0, false},
		"NotListening":  {"nobody is there", func(_ *mailbox.Options, c *mail.SMTPOptions) { c.Address = "127.0.0.1:1" }, mail.Deferred, "refused", 0, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mailbox.Options{TLS: mailbox.TLS(good), Username: "enrol", Password: password}
			options := mail.SMTPOptions{
				Encryption: mail.StartTLS, Credentials: credentials(t, t.TempDir(), password), CAFile: ca,
				DialTimeout: 10 * time.Second, SendTimeout: 10 * time.Second,
			}
			if tc.change != nil {
				tc.change(&server, &options)
			}
			running := start(t, server)
			if options.Address == "" {
				options.Address = running.Address()
			}
			transport, err := mail.NewSMTP(options)
			if err != nil {
				t.Fatal(err)
			}
			defer transport.Close()
			err = transport.Send(t.Context(), message("jane@example.com"))
			if got := kind(err); got != tc.want {
				t.Errorf("%s: got kind %d (%v), want %d", tc.reason, got, err, tc.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), password) || strings.ContainsAny(err.Error(), "\r\n")) {
				t.Errorf("%s: the error is %q, want it to say %q", tc.reason, err, tc.says)
			}
			counts := running.Counts()
			if counts.Taken != tc.taken {
				t.Errorf("%s: %d mails were taken, want %d", tc.reason, counts.Taken, tc.taken)
			}
			if tc.silent && counts.Named+counts.Authenticated+counts.Refused > 0 {
				t.Errorf("%s: the server was told something: %+v", tc.reason, counts)
			}
		})
	}
}

func kind(err error) mail.Kind {
	if failure, ok := errors.AsType[*mail.Error](err); ok {
		return failure.Kind
	}
	return -1
}

// TestConnections: they are used again, never more than allowed, and one that the server closed costs no mail.
func TestConnections(t *testing.T) {
	t.Parallel()
	good, ca := certificate(t, "127.0.0.1")
	folder := credentials(t, t.TempDir(), password)
	server := start(t, mailbox.Options{TLS: mailbox.TLS(good), Username: "enrol", Password: password})
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: server.Address(), Encryption: mail.StartTLS, Credentials: folder, CAFile: ca, Connections: 4,
		IdleTimeout: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	var group sync.WaitGroup
	for k := range 100 {
		group.Go(func() {
			if err := transport.Send(t.Context(), message(fmt.Sprintf("j%d@example.com", k))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if counts := server.Counts(); counts.Taken != 100 || counts.Parallel > 4 || counts.Connections > 8 {
		t.Errorf("100 mails over 4 connections: %+v", counts)
	}
	// A new password is used by the next connection, and unused connections are closed.
	credentials(t, folder, "wrong")
	deadline := time.Now().Add(time.Minute)
	for transport.Send(t.Context(), message("late@example.com")) == nil {
		if time.Now().After(deadline) {
			t.Fatal("an unused connection is never closed")
		}
		<-time.After(4 * time.Second)
	}
}

// TestServerClosesIdle: the server may close a connection that nobody uses; the next mail gets another.
func TestServerClosesIdle(t *testing.T) {
	t.Parallel()
	good, ca := certificate(t, "127.0.0.1")
	first := start(t, mailbox.Options{TLS: mailbox.TLS(good), Username: "enrol", Password: password})
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: first.Address(), Encryption: mail.StartTLS, CAFile: ca, Credentials: credentials(t, t.TempDir(), password),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	if err := transport.Send(t.Context(), message("a@example.com")); err != nil {
		t.Fatal(err)
	}
	address := first.Address()
	first.Hangup()
	if err := transport.Send(t.Context(), message("b@example.com")); err != nil {
		t.Errorf("after the server at %s hung up: %v", address, err)
	}
	if counts := first.Counts(); counts.Taken != 2 || counts.Connections != 2 {
		t.Errorf("want two mails over two connections: %+v", counts)
	}
}

// TestCancelled: whoever gives up gets an answer at once, even while the server is silent.
func TestCancelled(t *testing.T) {
	t.Parallel()
	good, ca := certificate(t, "127.0.0.1")
	server := start(t, mailbox.Options{
		TLS: mailbox.TLS(good), Username: "enrol", Password: password,
		Behave: func(stage mailbox.Stage, _ string) mailbox.Behaviour {
			if stage == mailbox.To {
				return mailbox.Hang
			}
			return mailbox.Proceed
		},
	})
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: server.Address(), Encryption: mail.StartTLS, CAFile: ca, Credentials: credentials(t, t.TempDir(), password),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := transport.Send(ctx, message("a@example.com")); kind(err) != mail.Deferred {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
