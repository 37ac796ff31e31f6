// Package session signs people in with the company's identity provider, and knows who has done so in a browser.
package session

import (
	"net/http"
	"net/url"

	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// Visitor is somebody who has signed in with a browser.
type Visitor struct {
	// Caller is the person as the API server knows them. Where it does not take the ID token, it has the name and the
	// verified address by the issuer's mapping and no Token: such a visitor can only look at and answer invitations.
	Caller *identity.Caller
	// Trusted is true where the API server takes the ID token.
	Trusted bool
	// Vouched is true where Caller.Name is somebody's word: the API server's, or the identity provider's. It is false where the name
	// is an address that nobody has verified, which anybody may have put into an account: it answers an invitation together with
	// the token of its mail, and shows nothing of what somebody of that name has.
	Vouched bool
	// Email is the address in the ID token in lower case, verified or not; "" for none.
	Email string
	// EmailVerified is true only where the identity provider says so, or is trusted to have looked.
	EmailVerified bool
	// Issuer and Subject of the ID token.
	Issuer, Subject string
	// Groups that the ID token names, without Kubernetes' own. What groups may do is for the API server to say, which knows them
	// by Caller.
	Groups []string
}

// SignIn is where a visitor signs in, to come back to a path of this origin afterwards.
func SignIn(returnTo string) string {
	return "/sign-in?" + url.Values{"return_to": {returnTo}}.Encode()
}

// Finder finds out who is signed in. It is what pages need of sessions.
type Finder interface {
	// Visitor is who is signed in, nil for nobody. An error is an identity provider or an API server that does not answer.
	Visitor(r *http.Request) (*Visitor, error)
}
