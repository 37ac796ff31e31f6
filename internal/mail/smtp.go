package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Encryption of the connection to a mail server. There is none without.
type Encryption string

// The ways to encrypt.
const (
	// StartTLS begins in clear and says nothing until it is encrypted; usual at port 587.
	StartTLS Encryption = "starttls"
	// ImplicitTLS is encrypted from the first byte; usual at port 465.
	ImplicitTLS Encryption = "implicit"
)

// SMTPOptions say how to reach a mail server.
type SMTPOptions struct {
	// Address is host:port; the host is also the name that the certificate must have.
	Address    string
	Encryption Encryption
	// Auth is the mechanism to authenticate by (PLAIN, LOGIN, SCRAM-SHA-1, SCRAM-SHA-256 ...); "" for the best that the
	// server offers.
	Auth string
	// Credentials is a folder with the files username and password, read for each connection; "": no authentication.
	Credentials string
	// CAFile has the certificates to trust, read for each connection; "": those of the system.
	CAFile string
	// Connections is how many there are at most; 0: 8.
	Connections int
	// DialTimeout bounds the way to an authenticated connection (0: 10 s), SendTimeout one mail (0: 30 s), and after
	// IdleTimeout an unused connection is closed (0: 30 s).
	DialTimeout, SendTimeout, IdleTimeout time.Duration
}

const (
	defaultConnections = 8
	defaultDialTimeout = 10 * time.Second
	defaultSendTimeout = 30 * time.Second
	defaultIdleTimeout = 30 * time.Second

	// maxCredential bounds what is read of a file with a name or a password, in bytes.
	maxCredential = 1024
)

// SMTP hands mails over to a mail server. It is safe for concurrent use.
type SMTP struct {
	options SMTPOptions
	host    string
	port    int
	pool    *pool
}

// NewSMTP prepares to talk to a mail server. It does not connect yet.
func NewSMTP(options SMTPOptions) (*SMTP, error) {
	host, portText, err := net.SplitHostPort(options.Address)
	if err != nil {
		return nil, fmt.Errorf("the address of the mail server must be host:port: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 1 || port > 65535 || host == "" {
		return nil, fmt.Errorf("the address of the mail server must be host:port, not %q", options.Address)
	}
	if options.Encryption != StartTLS && options.Encryption != ImplicitTLS {
		return nil, fmt.Errorf("the encryption must be %s or %s, not %q", StartTLS, ImplicitTLS, options.Encryption)
	}
	if options.Connections <= 0 {
		options.Connections = defaultConnections
	}
	for _, setting := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&options.DialTimeout, defaultDialTimeout},
		{&options.SendTimeout, defaultSendTimeout},
		{&options.IdleTimeout, defaultIdleTimeout},
	} {
		if *setting.value <= 0 {
			*setting.value = setting.otherwise
		}
	}
	s := &SMTP{options: options, host: host, port: port}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	s.pool = newPool(options.Connections, options.IdleTimeout)
	return s, nil
}

// Close closes the connections that are not in use.
func (s *SMTP) Close() { s.pool.close() }

// Send hands a mail over.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	message, err := m.message()
	if err != nil {
		return err
	}
	if err := s.pool.acquire(ctx); err != nil {
		return &Error{Deferred, fmt.Errorf("waiting for a connection: %w", err)}
	}
	defer s.pool.release()
	for {
		c, reused := s.pool.take()
		if c == nil {
			if c, err = s.dial(ctx); err != nil {
				return &Error{kindOfDial(err), fmt.Errorf("connecting to the mail server: %w", err)}
			}
		}
		err := c.send(ctx, message, s.options.SendTimeout)
		if err == nil {
			s.pool.put(c)
			return nil
		}
		var refused *gomail.SendError
		isSend := errors.As(err, &refused)
		if isSend && refused.Reason == gomail.ErrConnCheck && reused {
			// The server closed it while nobody used it. Nothing was sent.
			c.close()
			continue
		}
		if isSend && refused.ErrorCode() != 0 && refused.Reason != gomail.ErrConnCheck {
			// A clear answer: the connection is as good as before.
			s.pool.put(c)
		} else {
			c.close()
		}
		return &Error{kindOfSend(refused), errors.New(textOf(err))}
	}
}

// connection is one that is encrypted and authenticated.
type connection struct {
	client *gomail.Client
	smtp   *smtp.Client
	raw    net.Conn
	// idle since then.
	idle time.Time
}

func (c *connection) close() { _ = c.raw.Close() }

// send hands one mail over, and cuts the connection should the context end before.
func (c *connection) send(ctx context.Context, m *gomail.Msg, timeout time.Duration) error {
	defer context.AfterFunc(ctx, c.close)()
	if err := c.smtp.UpdateDeadline(timeout); err != nil {
		return &gomail.SendError{Reason: gomail.ErrConnCheck}
	}
	return c.client.SendWithSMTPClient(c.smtp, m)
}

func (s *SMTP) dial(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.DialTimeout)
	defer cancel()
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	c := &connection{client: client}
	dialer := net.Dialer{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dialer.DialContext(ctx, network, address)
		c.raw = raw
		if err != nil || s.options.Encryption == StartTLS {
			return raw, err
		}
		config, err := s.tls()
		if err != nil {
			return nil, err
		}
		encrypted := tls.Client(raw, config)
		return encrypted, encrypted.HandshakeContext(ctx)
	}
	if err := gomail.WithDialContextFunc(dial)(client); err != nil {
		return nil, err
	}
	// The library bounds each step, and forgets the connection when one fails.
	stop := context.AfterFunc(ctx, func() {
		if c.raw != nil {
			c.close()
		}
	})
	c.smtp, err = client.DialToSMTPClientWithContext(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if c.raw != nil {
			c.close()
		}
		return nil, err
	}
	return c, nil
}

// client is the library's, set up with what the files say now.
func (s *SMTP) client() (*gomail.Client, error) {
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.options.SendTimeout), gomail.WithTLSConfig(config),
		gomail.WithoutRset(), gomail.WithoutSMTPUTF8(),
	}
	if s.options.Encryption == ImplicitTLS {
		options = append(options, gomail.WithSSL())
	} else {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.options.Credentials != "" {
		username, err := s.credential("username")
		if err != nil {
			return nil, err
		}
		password, err := s.credential("password")
		if err != nil {
			return nil, err
		}
		// The library's own discovery does not know of the encryption of a connection that somebody else dialled.
		mechanism := gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1,
			gomail.SMTPAuthPlain, gomail.SMTPAuthLogin)
		if s.options.Auth != "" {
			mechanism = gomail.WithSMTPAuth(gomail.SMTPAuthType(strings.ToUpper(s.options.Auth)))
		}
		options = append(options, mechanism, gomail.WithUsername(username), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, &Error{Unusable, err}
	}
	return client, nil
}

func (s *SMTP) tls() (*tls.Config, error) {
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.options.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(s.options.CAFile)
	if err != nil {
		return nil, &Error{Unusable, fmt.Errorf("reading the certificates to trust: %w", err)}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Unusable, fmt.Errorf("there is no certificate in %s", s.options.CAFile)}
	}
	return config, nil
}

// credential reads a file of the folder; an editor's newline at its end does not count.
func (s *SMTP) credential(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(s.options.Credentials, name))
	if err != nil {
		return "", &Error{Unusable, fmt.Errorf("reading the credentials: %w", err)}
	}
	content = bytes.TrimRight(content, "\r\n")
	if len(content) == 0 || len(content) > maxCredential {
		return "", &Error{Unusable, fmt.Errorf("the %s of the mail server must have 1 to %d bytes", name, maxCredential)}
	}
	return string(content), nil
}

// kindOfDial is what an error on the way to an authenticated connection means: none has a mail sent.
func kindOfDial(err error) Kind {
	var (
		failure     *Error
		answer      *textproto.Error
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
		network     net.Error
	)
	const permanent = 500
	switch {
	case errors.As(err, &failure):
		return failure.Kind
	case errors.As(err, &answer):
		if answer.Code >= permanent {
			return Unusable
		}
		return Deferred
	case errors.As(err, &certificate), errors.As(err, &noTLS):
		return Unusable
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		isCut(err):
		return Deferred
	default:
		// The library's own words for what a server does not offer: TLS, or a way to authenticate.
		return Unusable
	}
}

// kindOfSend is what an error of a mail means.
func kindOfSend(err *gomail.SendError) Kind {
	const permanent, notAuthenticated = 500, 530
	switch {
	case err == nil || err.Reason == gomail.ErrConnCheck:
		return Deferred
	case err.ErrorCode() == notAuthenticated:
		return Unusable
	case err.ErrorCode() >= permanent:
		return Refused
	case err.ErrorCode() != 0:
		return Deferred
	case err.Reason == gomail.ErrSMTPDataClose:
		// Between the end of the mail and the answer.
		return Unconfirmed
	default:
		// The end of the mail was not sent.
		return Deferred
	}
}

// textOf is the library's text without the recipient, whom everybody knows, and the Message-ID.
func textOf(err error) string {
	text, _, _ := strings.Cut(err.Error(), ", affected ")
	return text
}
