// Package mail writes the mails of Enrol and hands them over to a mail server. What people wrote is data in it: no name
// and no message makes a header, a recipient or a line that looks like Enrol's own.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Address is a mailbox with the name that people see.
type Address = mail.Address

// ParseAddress reads an address such as 'Enrol <enrol@example.com>'.
func ParseAddress(text string) (Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return Address{}, fmt.Errorf("reading the address %q: %w", text, err)
	}
	if plain(a.Name) != a.Name || !isMailbox(a.Address) {
		return Address{}, fmt.Errorf("reading the address %q: must be printable, and its mailbox ASCII with a domain", text)
	}
	return *a, nil
}

// Domain is the part of an address behind the @.
func Domain(a Address) string { return a.Address[strings.LastIndexByte(a.Address, '@')+1:] }

// isMailbox tells whether a text is one mailbox and nothing but.
func isMailbox(address string) bool {
	for i := range len(address) {
		if address[i] <= ' ' || address[i] > '~' {
			return false
		}
	}
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && !strings.ContainsAny(address, `,;:<>()[]\"`)
}

// Content is what a mail says.
type Content struct {
	Subject, Text, HTML string
}

// Message is a mail.
type Message struct {
	From Address
	// To is the mailbox of the one recipient.
	To string
	// MessageID without angle brackets. It is the same for each attempt to hand the mail over, so that a second copy is
	// known for one.
	MessageID string
	// Date of the attempt.
	Date time.Time
	Content
}

// Transport hands mails over. Its errors are of type Error.
type Transport interface {
	Send(ctx context.Context, m *Message) error
}

// Kind says what an error means for the mail.
type Kind int

const (
	// Deferred is not handed over, and worth trying again.
	Deferred Kind = iota
	// Refused is what the mail server will never take.
	Refused
	// Unconfirmed is what the mail server has and may have taken; it did not say.
	Unconfirmed
	// Unusable is a mail server that nothing can be sent through until somebody changes something.
	Unusable
)

// Error is why a mail was not handed over, or may not have been.
type Error struct {
	Kind Kind
	Err  error
}

// maxError bounds what an error says, in bytes: much of it is the mail server's.
const maxError = 300

// Error is one printable line.
func (f *Error) Error() string {
	text := plain(f.Err.Error())
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}

func (f *Error) Unwrap() error { return f.Err }

// message is the mail as it is sent: text and HTML, one recipient, and no header but those that are named here.
func (m *Message) message() (*gomail.Msg, error) {
	if !isMailbox(m.To) || !isMailbox(m.From.Address) || !isMailbox(m.MessageID) {
		return nil, &Error{Refused, errors.New("sender, recipient and Message-ID must be one mailbox each")}
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := m.From
	out.FromMailAddress(&from)
	out.ToMailAddress(&mail.Address{Address: m.To})
	out.Subject(plain(m.Subject))
	out.SetMessageIDWithValue(m.MessageID)
	out.SetDateWithValue(m.Date)
	// RFC 3834: nobody's holiday notice shall answer it.
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	if isReadable(m.Text) {
		// The link stays in one piece for whoever looks at the mail as it is. (The library encodes what it calls 7bit.)
		out.SetBodyString(gomail.TypeTextPlain, m.Text, gomail.WithPartEncoding(gomail.NoEncoding))
	} else {
		out.SetBodyString(gomail.TypeTextPlain, m.Text)
	}
	out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return out, nil
}

// isReadable tells whether a text can go through every mail server as it is: ASCII, in lines of at most 998 characters
// (RFC 5322, section 2.1.1).
func isReadable(text string) bool {
	const longest = 998
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > longest {
			return false
		}
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' || (r < ' ' && r != '\n') })
}

// plain is a text in one line, without what is not shown or changes how the rest is shown.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || (r >= 0x7f && r <= 0x9f) || r == '\u2028' || r == '\u2029':
			return ' '
		case (r >= '\u200e' && r <= '\u200f') || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069'),
			r == '\ufeff':
			// Marks that turn the direction of writing.
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
