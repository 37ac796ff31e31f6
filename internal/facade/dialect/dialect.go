// Package dialect is what all dialects have in common: the order in which a request is checked, the document that it is
// checked against, and the way in which what went wrong becomes an answer.
package dialect

import (
	"context"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/enrol-dev/enrol/api/openapi"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// Dialect is an endpoint family of a platform.
type Dialect struct {
	// Name of the dialect, and of its document, whose operations are looked up by the patterns of the mux.
	Name string
	// Roots are the paths that are the dialect's: each for itself, and with all that is below when it ends with a slash.
	Roots []string
	// Operations by their id in the document: all of them.
	Operations map[string]Operation
	// Register puts the routes on a mux, each behind the middleware, with refuse for what cannot be read.
	Register func(mux *http.ServeMux, hooks Hooks)
	// Envelope is the status and the body of an error.
	Envelope func(e *fault.Error) (status int, body any)
	// Headers adds to those that every dialect sends with an error; nil for none.
	Headers func(e *fault.Error, header http.Header)
	// Fields are the dialect's names for what the domain finds wrong.
	Fields map[fault.Field]string
	// BadPath is what a path parameter against the document is: Invalid, or NotFound where the platform says so.
	BadPath fault.Kind
	// Credentials that the dialect takes; the zero value: a header alone.
	Credentials Credentials
	// UnknownMethod is what another method on a known path is: MethodNotAllowed, or NotFound where the platform says so.
	UnknownMethod fault.Kind
}

// Credentials are ways to say who calls.
type Credentials int

// The ways. A header beats a cookie.
const (
	// Header is the Authorization header.
	Header Credentials = iota
	// HeaderOrCookie is also the cookie of a browser's session.
	HeaderOrCookie
)

// Hooks are what a dialect's routes are registered with.
type Hooks struct {
	// Gate stands before each route.
	Gate func(http.Handler) http.Handler
	// BadRequest answers what the generated code cannot read, which the gate should have refused.
	BadRequest func(w http.ResponseWriter, r *http.Request, err error)
	// Refuse answers an error of a handler.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
}

// Operation is what is asked before the body of a request is looked at.
type Operation struct {
	// Organisation is the path parameter that names it; "" for routes about the caller.
	Organisation string
	// Ref reads that parameter.
	Ref func(value string) domain.Ref
	// Entry is who may come in.
	Entry Entry
	// Rights of which the caller must have one, with the entry ByRight.
	Rights []review.Right
	// OnePerson is true where the handler only adds or invites somebody: the domain then waits until the caches have what the
	// caller wrote about that person. Everywhere else they must have all that the caller wrote.
	OnePerson bool
	// Needed are query parameters that must be there although the document, as the platform publishes it, leaves them open.
	Needed []string
	// MaxBody is the limit in bytes; 0: the common one.
	MaxBody int64
	// MaxRows is how many rows a body that is a list may have; 0: as many as fit.
	MaxRows int
	// Values says what is wrong with a body beyond its document, where that goes into one answer with what is wrong by its
	// document, which it is given; nil where the handler says so.
	Values func(ctx context.Context, o *domain.Organisation, body any, wrong []fault.Detail) []fault.Detail
}

// Entry is a way for a caller to come to an organisation.
type Entry int

// The ways.
const (
	// ByRight: the caller may see the organisation, and has one of the rights.
	ByRight Entry = iota
	// ByMembership: the caller is a member, or may see the organisation.
	ByMembership
	// ByInvitation: the handler decides, of a caller who may have no right in the organisation yet.
	ByInvitation
)

// BySlug reads a slug from a path.
func BySlug(value string) domain.Ref { return domain.Ref{Slug: value} }

type sessionKey struct{}

// Session is what is known of a request once it has come through the gate.
type Session struct {
	Caller *identity.Caller
	// Organisation is nil for routes about the caller.
	Organisation *domain.Organisation
}

// SessionOf is the session of a request's context.
func SessionOf(ctx context.Context) Session {
	session, _ := ctx.Value(sessionKey{}).(Session)
	return session
}

// withSession is a context with a session.
func withSession(ctx context.Context, session Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, session)
}

// loadDocument reads a dialect's document, which is part of the program.
func loadDocument(d *Dialect) (*openapi3.T, error) {
	text, err := openapi.Document(d.Name)
	if err != nil {
		return nil, err
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("reading the document of %s: %w", d.Name, err)
	}
	return document, nil
}
