package session

import (
	"slices"
	"strings"

	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/subject"
)

// claims are those of an ID token. They are a map because encoding/json takes other spellings of a name for a field of a
// struct, and a provider may let people choose what they call a claim of their own.
type claims map[string]any

func (c claims) text(name string) string {
	text, _ := c[name].(string)
	return text
}

// visitor is who the claims say it is, as far as the provider may be believed. The API server has not been asked.
func (i *Issuer) visitor(c claims, naming subject.Naming) *Visitor {
	v := &Visitor{Issuer: i.URL, Subject: c.text("sub"), Email: i.email(c), Groups: i.groups(c, naming)}
	v.EmailVerified = v.Email != "" && i.verified(c)
	v.Caller = &identity.Caller{Name: i.username(c, v.Email, naming)}
	v.Vouched = v.Caller.Name != "" && (v.EmailVerified || i.UsernameClaim != claimEmail)
	if v.EmailVerified && v.Caller.Name != "" {
		v.Caller.VerifiedEmail = v.Email
	}
	return v
}

// email is the address in lower case, if the provider may speak for it. One that is not ASCII is another than it looks like.
func (i *Issuer) email(c claims) string {
	text := c.text(claimEmail)
	email, err := address.Parse(text)
	if err != nil || string(email) != address.Lower(text) {
		return ""
	}
	_, domain, _ := strings.Cut(string(email), "@")
	if len(i.EmailDomains) > 0 && !slices.Contains(i.EmailDomains, domain) {
		return ""
	}
	return string(email)
}

// verified is a JSON true, and where the claim is not there at all, what the configuration says.
func (i *Issuer) verified(c claims) bool {
	said, ok := c["email_verified"]
	if !ok {
		return i.TrustEmail
	}
	return said == true
}

// username is what Members and owners have, which is without the prefix that the API server puts in front; "" for none.
func (i *Issuer) username(c claims, email string, naming subject.Naming) string {
	name := email
	if i.UsernameClaim != claimEmail {
		name = c.text(i.UsernameClaim)
	}
	if name == "" {
		return ""
	}
	// A provider with another prefix than the cluster's names nobody that Members could name.
	name, ok := strings.CutPrefix(*i.UsernamePrefix+name, naming.UsernamePrefix)
	if !ok {
		return ""
	}
	if _, err := naming.User(name); err != nil {
		return ""
	}
	return name
}

// groups are those that the token names, without any that are Kubernetes' own.
func (i *Issuer) groups(c claims, naming subject.Naming) []string {
	if i.GroupsClaim == "" {
		return nil
	}
	given, _ := c[i.GroupsClaim].([]any)
	if one := c.text(i.GroupsClaim); one != "" {
		given = []any{one}
	}
	var groups []string
	for _, value := range given {
		name, _ := value.(string)
		if _, err := naming.Group(name); err == nil {
			groups = append(groups, name)
		}
	}
	return groups
}
