// Package mailbox is a mail server for trying things out, for tests and for measuring: real SMTP with TLS and a password,
// and every mail that it takes can be read. It sends nothing on, and is not made for the open.
package mailbox

import (
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/enrol-dev/enrol/internal/mail"
)

// Stage is a point in the handing over of a mail.
type Stage string

// The stages, in their order.
const (
	// Connected is before anything is said.
	Connected Stage = "connected"
	// From is when the sender was named, To the recipient.
	From Stage = "from"
	To   Stage = "to"
	// Data is when the whole mail has arrived and nothing was answered yet, and Taken when it is stored, too.
	Data  Stage = "data"
	Taken Stage = "taken"
)

// Behaviour is what the server does at a stage.
type Behaviour int

const (
	// Proceed is what a good server does.
	Proceed Behaviour = iota
	// Refuse answers 550.
	Refuse
	// Defer answers 451.
	Defer
	// Hang answers nothing until the server is closed, or the client has gone.
	Hang
	// Drop cuts the connection.
	Drop
)

// Options of a server.
type Options struct {
	// Address to listen at; "" for any free port of the loopback interface.
	Address string
	// Folder for the mails, one .eml file each; "": they are kept in memory only.
	Folder string
	// Forgetful keeps nothing in memory.
	Forgetful bool
	// TLS has the certificate; nil: the server cannot encrypt, and takes no password then.
	TLS *tls.Config
	// Implicit encrypts from the first byte; else STARTTLS is offered.
	Implicit bool
	// Username and Password that a client must give; "": none needed.
	Username, Password string
	// Mechanisms to offer; nil: PLAIN and LOGIN.
	Mechanisms []string
	// Behave says what to do at a stage, with the recipient once there is one. Nil: always Proceed.
	Behave func(stage Stage, recipient string) Behaviour
}

// Mail is one that was taken.
type Mail struct {
	From    string
	To      []string
	Content []byte
	Time    time.Time
}

// Counts are what happened so far.
type Counts struct {
	// Connections in all, and the most of them at a time.
	Connections, Parallel int
	// Named are the senders that were named, Authenticated the times that a password was right and Refused wrong.
	Named, Authenticated, Refused int
	// Taken mails.
	Taken int
}

// Server takes mails.
type Server struct {
	options  Options
	server   *smtp.Server
	listener net.Listener
	closing  chan struct{}
	served   chan error

	mu     sync.Mutex
	mails  []Mail
	counts Counts
	// connected are the connections that are open.
	connected map[*smtp.Conn]struct{}
}

const (
	maxMail = 1 << 20
	timeout = time.Minute
)

// Start starts a server. The context is for the starting only; call Close at the end.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	if options.Mechanisms == nil {
		options.Mechanisms = []string{sasl.Plain, sasl.Login}
	}
	s := &Server{
		options: options, closing: make(chan struct{}), served: make(chan error, 1),
		connected: map[*smtp.Conn]struct{}{},
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("starting the mail server: %w", err)
	}
	s.listener = listener
	s.server = smtp.NewServer(smtp.BackendFunc(s.session))
	s.server.Domain = "localhost"
	s.server.MaxRecipients = 10
	s.server.MaxMessageBytes = maxMail
	s.server.ReadTimeout, s.server.WriteTimeout = timeout, timeout
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	if options.Implicit {
		listener = tls.NewListener(listener, options.TLS)
	} else {
		s.server.TLSConfig = options.TLS
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// TLS is a configuration with that certificate.
func TLS(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
}

// Hangup cuts all connections; new ones are welcome.
func (s *Server) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connected {
		_ = c.Conn().Close()
	}
}

// Address is host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close ends the server and all of its connections.
func (s *Server) Close() {
	close(s.closing)
	// It says that it is closed, both times.
	_ = s.server.Close()
	// One that was not served yet would be, for ever.
	_ = s.listener.Close()
	<-s.served //nolint:errcheck // As above.
}

// Mails are those that were taken so far, in their order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// MailsTo are those for that recipient.
func (s *Server) MailsTo(recipient string) []Mail {
	return slices.DeleteFunc(s.Mails(), func(m Mail) bool { return !slices.Contains(m.To, recipient) })
}

// Counts are what happened so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// session is one connection.
type session struct {
	*Server
	connection    *smtp.Conn
	authenticated bool
	from          string
	to            []string
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	s.mu.Lock()
	if s.options.Implicit || !encrypted {
		// STARTTLS begins another session of the same connection.
		s.counts.Connections++
	}
	s.connected[c] = struct{}{}
	s.counts.Parallel = max(s.counts.Parallel, len(s.connected))
	s.mu.Unlock()
	one := &session{Server: s, connection: c}
	return one, one.behave(Connected)
}

// Reset begins another mail.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout is the end of the connection.
func (s *session) Logout() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connected, s.connection)
	return nil
}

// AuthMechanisms are offered once the connection is encrypted.
func (s *session) AuthMechanisms() []string {
	if s.options.Username == "" {
		return nil
	}
	return s.options.Mechanisms
}

// Auth begins an authentication.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(s.AuthMechanisms(), mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if mechanism == sasl.Login {
		return &login{check: s.check}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error { return s.check(username, password) }), nil
}

// login is the server's side of LOGIN: it asks for the one, then for the other.
type login struct {
	check          func(username, password string) error
	asked, hasName bool
	username       string
}

// Next takes an answer and asks for what is missing still.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case !l.asked && response == nil:
		l.asked = true
		return []byte("Username:"), false, nil
	case !l.hasName:
		l.hasName, l.username = true, string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(l.username, string(response))
	}
}

func (s *session) check(username, password string) error {
	right := subtle.ConstantTimeCompare([]byte(username), []byte(s.options.Username)) &
		subtle.ConstantTimeCompare([]byte(password), []byte(s.options.Password))
	s.mu.Lock()
	defer s.mu.Unlock()
	if right != 1 {
		s.counts.Refused++
		return smtp.ErrAuthFailed
	}
	s.counts.Authenticated++
	s.authenticated = true
	return nil
}

// Mail names the sender.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	s.counts.Named++
	s.mu.Unlock()
	if s.options.Username != "" && !s.authenticated {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return s.behave(From)
}

// Rcpt names a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.behave(To)
}

// Data takes the mail itself.
func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.behave(Data); err != nil {
		return err
	}
	if err := s.keep(Mail{From: s.from, To: slices.Clone(s.to), Content: content, Time: time.Now()}); err != nil {
		return err
	}
	return s.behave(Taken)
}

func (s *Server) keep(m Mail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Taken++
	if !s.options.Forgetful {
		s.mails = append(s.mails, m)
	}
	if s.options.Folder == "" {
		return nil
	}
	content := bytes.ReplaceAll(m.Content, []byte("\r\n"), []byte("\n"))
	return mail.WriteFile(s.options.Folder, content)
}

var errDropped = errors.New("dropped")

func (s *session) behave(stage Stage) error {
	if s.options.Behave == nil {
		return nil
	}
	recipient := ""
	if len(s.to) > 0 {
		recipient = s.to[len(s.to)-1]
	}
	switch s.options.Behave(stage, recipient) {
	case Proceed:
		return nil
	case Refuse:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not here"}
	case Defer:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "not now"}
	case Hang:
		<-s.closing
		return errDropped
	case Drop:
		_ = s.connection.Conn().Close()
		return errDropped
	}
	return nil
}
