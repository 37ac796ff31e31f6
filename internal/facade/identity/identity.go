// Package identity tells who calls: the API server says so, of the token that the caller sent.
package identity

import (
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Caller is who calls, as the API server knows them.
type Caller struct {
	// Username, UID, Groups and Extra are the API server's answer, prefixes included.
	Username, UID string
	Groups        []string
	Extra         map[string]authorizationv1.ExtraValue
	// Token is what the caller sent, for writes on the caller's behalf. It must not be logged.
	Token string
	// Name is the username as Members and owners have it, without the API server's prefix; "" for a caller who can be
	// no member, such as a ServiceAccount.
	Name string
	// VerifiedEmail is the address that the identity provider vouches for, in lower case; "" for none.
	VerifiedEmail string
}

// newCaller reads what the API server says about a token.
func newCaller(token string, info *userInfo, naming subject.Naming) *Caller {
	c := &Caller{Username: info.Username, UID: info.UID, Groups: info.Groups, Token: token}
	if len(info.Extra) > 0 {
		c.Extra = make(map[string]authorizationv1.ExtraValue, len(info.Extra))
		for key, values := range info.Extra {
			c.Extra[key] = authorizationv1.ExtraValue(values)
		}
	}
	if name, ok := strings.CutPrefix(info.Username, naming.UsernamePrefix); ok {
		if _, err := naming.User(name); err == nil {
			c.Name = name
		}
	}
	// Several addresses would leave open which one is meant. One that is not ASCII is another than it looks like.
	if values := info.Extra[enrolv1alpha1.ExtraVerifiedEmail]; len(values) == 1 && c.Name != "" {
		if email, err := address.Parse(values[0]); err == nil && string(email) == address.Lower(values[0]) {
			c.VerifiedEmail = string(email)
		}
	}
	return c
}

// Inviter is the caller as Invitations and Members name who asked for them. The policy on inviters lets an address stand
// there only when it is verified, or is the username itself.
func (c *Caller) Inviter() enrolv1alpha1.Inviter {
	inviter := enrolv1alpha1.Inviter{Username: c.Username, Email: enrolv1alpha1.Email(c.VerifiedEmail)}
	if inviter.Email == "" {
		if email, err := address.Parse(c.Username); err == nil && string(email) == c.Username {
			inviter.Email = email
		}
	}
	return inviter
}

// RecordableGroups are the caller's groups as far as an Inviter can name them. The API server adds its own to everybody.
func (c *Caller) RecordableGroups() []string {
	const most = 32
	var groups []string
	for _, group := range c.Groups {
		if group == "system:authenticated" || len(groups) == most || slices.Contains(groups, group) {
			continue
		}
		if subject.IsPrintable(group) && len(group) <= subject.MaxLength {
			groups = append(groups, group)
		}
	}
	return groups
}
