// Package fault says what went wrong with a request, before any dialect puts it into words of its own.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what a dialect's table of causes turns into a status.
type Kind int

// The causes. Whatever is not one of ours is Internal.
const (
	// Internal is a fault of the facade, its own account included.
	Internal Kind = iota
	// Invalid is a body, path or query that is wrong; Details say where.
	Invalid
	// Unauthenticated is a request without a credential that counts.
	Unauthenticated
	// Forbidden is what the caller may not do.
	Forbidden
	// NotFound is an organisation that is not there or not for the caller to see, an id in it, or a route.
	NotFound
	// MethodNotAllowed is a route that knows other methods.
	MethodNotAllowed
	// TooLarge is a body above the limit.
	TooLarge
	// UnsupportedMedia is a body of another media type than JSON.
	UnsupportedMedia
	// AlreadyInvited is an address with a pending invitation.
	AlreadyInvited
	// AlreadyMember is an address of somebody who is a member.
	AlreadyMember
	// Expired is an answer to an invitation that came too late.
	Expired
	// Conflict is a rule about owners, a thing kept in Git, or a race that was lost for good.
	Conflict
	// LostUpdate is a change that others overtook as often as it was tried.
	LostUpdate
	// NeedsTLS is a request in clear where that is not allowed.
	NeedsTLS
	// RateLimited is one request too many; RetryAfter says when to come back.
	RateLimited
	// Unavailable is an API server that cannot be reached, or talks nonsense.
	Unavailable
	// Timeout is an API server, or what it was waited for, that took too long.
	Timeout
)

// Field is what the domain calls a value that a dialect has a name of its own for.
type Field string

// The values that the domain can find wrong.
const (
	Username       Field = "username"
	Email          Field = "email"
	Role           Field = "role"
	KubernetesRole Field = "kubernetesRole"
	Project        Field = "project"
	AcceptURL      Field = "acceptURL"
	SignInURL      Field = "signInURL"
	Type           Field = "type"
)

// Place is where in a request a value stands.
type Place string

// The places.
const (
	Body  Place = "body"
	Path  Place = "path"
	Query Place = "query"
)

// Reason is what is wrong with a value, in a way that machines can tell.
type Reason int

// The reasons.
const (
	// BadValue is a value of the right type that does not do.
	BadValue Reason = iota
	// Missing is a value that must be there.
	Missing
	// NotJSON is text that is no JSON value, or more than one, or has a key twice; the path ends with the offset in bytes.
	NotJSON
	// NotString, NotBoolean, NotInteger, NotList and NotObject are values of another type.
	NotString
	NotBoolean
	NotInteger
	NotList
	NotObject
	// NotUUID is a text that is no UUID.
	NotUUID
	// NotListed is a value that is none of those listed.
	NotListed
)

// Detail is one thing that is wrong.
type Detail struct {
	In Place
	// Path leads to the value: names and indexes, and a Field in the place of a name that only the dialect knows.
	Path   []any
	Reason Reason
	// Text is for people.
	Text string
}

// Error is what went wrong.
type Error struct {
	Kind Kind
	// Text is for people; "" leaves the dialect's own.
	Text    string
	Details []Detail
	// RetryAfter is when to come back, with RateLimited.
	RetryAfter time.Duration
	// Allow are the methods that a route knows, with MethodNotAllowed.
	Allow string
	cause error
}

func (e *Error) Error() string {
	text := e.Text
	if text == "" && len(e.Details) > 0 {
		text = fmt.Sprintf("%v: %s", e.Details[0].Path, e.Details[0].Text)
	}
	if e.cause == nil {
		return text
	}
	if text == "" {
		return e.cause.Error()
	}
	return text + ": " + e.cause.Error()
}

func (e *Error) Unwrap() error { return e.cause }

// New is an Error of a kind.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// Wrap is an Error of a kind with a cause that is for logs only.
func Wrap(kind Kind, cause error) *Error { return &Error{Kind: kind, cause: cause} }

// Bad is an Invalid about one value of the body.
func Bad(field Field, text string) *Error {
	return &Error{Kind: Invalid, Details: []Detail{{In: Body, Path: []any{field}, Text: text}}}
}

// In puts the index of a row in front of the paths of an error about values of the body; any other stays as it is.
func In(row int, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind != Invalid {
		return err
	}
	moved := *e
	moved.Details = make([]Detail, 0, len(e.Details))
	for _, d := range e.Details {
		d.Path = append([]any{row}, d.Path...)
		moved.Details = append(moved.Details, d)
	}
	return &moved
}

// As is the Error that an error is or wraps; Internal with it as the cause for any other.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(Internal, err)
}
