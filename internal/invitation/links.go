package invitation

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// Names of what a link carries in its query.
const (
	// QueryInvitation is the UID of the Invitation.
	QueryInvitation = "invitation"
	// QueryToken is the token.
	QueryToken = "token"
)

// Links says where the links in mails may lead to.
type Links struct {
	// Public is where people reach Enrol; nil: nowhere.
	Public *url.URL
}

// NewLinks reads the --public-url. An empty one is fine: then every Invitation needs a link of its own.
func NewLinks(public string) (Links, error) {
	if public == "" {
		return Links{}, nil
	}
	u, err := parseLink(public)
	if err != nil {
		return Links{}, err
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return Links{}, errors.New("must have no query and no fragment")
	}
	return Links{Public: u}, nil
}

// Check says why a link of the Invitation must not be sent; nil when all may.
func (l Links) Check(spec *enrolv1alpha1.InvitationSpec, policy *enrolv1alpha1.InvitationPolicy) error {
	_, _, err := l.parse(spec, policy)
	return err
}

// Mailed are the links of the mail: the one to accept, which holds the token, and the one to sign in, or "".
func (l Links) Mailed(
	i *enrolv1alpha1.Invitation, policy *enrolv1alpha1.InvitationPolicy, token string,
) (accept, signIn string, err error) {
	acceptURL, signInURL, err := l.parse(&i.Spec, policy)
	if err != nil {
		return "", "", err
	}
	u := *acceptURL
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += url.Values{QueryInvitation: {string(i.UID)}, QueryToken: {token}}.Encode()
	if signInURL != nil {
		signIn = signInURL.String()
	}
	return u.String(), signIn, nil
}

func (l Links) parse(
	spec *enrolv1alpha1.InvitationSpec, policy *enrolv1alpha1.InvitationPolicy,
) (accept, signIn *url.URL, err error) {
	switch {
	case spec.AcceptURL != "":
		if accept, err = l.allowed(spec.AcceptURL, policy); err != nil {
			return nil, nil, fmt.Errorf("acceptURL %w", err)
		}
	case l.Public != nil:
		accept = l.Public.JoinPath("invitations")
	case spec.Mails():
		return nil, nil, errors.New("acceptURL must be given, as the operator has no --public-url")
	}
	if spec.SignInURL != "" {
		if signIn, err = l.allowed(spec.SignInURL, policy); err != nil {
			return nil, nil, fmt.Errorf("signInURL %w", err)
		}
	}
	return accept, signIn, nil
}

// allowed reads a link and compares its origin with those allowed, as a whole: scheme, host and port.
func (l Links) allowed(link string, policy *enrolv1alpha1.InvitationPolicy) (*url.URL, error) {
	u, err := parseLink(link)
	if err != nil {
		return nil, err
	}
	wanted := origin(u)
	if l.Public != nil && wanted == origin(l.Public) {
		return u, nil
	}
	if slices.ContainsFunc(policy.AllowedLinkOrigins, func(allowed string) bool {
		a, err := parseLink(allowed)
		return err == nil && wanted == origin(a)
	}) {
		return u, nil
	}
	return nil, fmt.Errorf("must lead to an origin of the Organisation's allowedLinkOrigins, or of the operator's "+
		"--public-url, and not to %s", wanted)
}

// parseLink reads a link that says the same to everybody who may read it: a mail client, a browser and a server behind
// a proxy differ in what they make of the rest.
func parseLink(link string) (*url.URL, error) {
	for i := range len(link) {
		if link[i] <= ' ' || link[i] > '~' || link[i] == '\\' {
			return nil, errors.New("must be printable ASCII without spaces and backslashes")
		}
	}
	u, err := url.Parse(link)
	if err != nil {
		return nil, errors.New("must be a URL")
	}
	path := strings.ToLower(u.EscapedPath())
	switch {
	case u.Scheme != "https" && u.Scheme != "http", !strings.HasPrefix(link, u.Scheme+"://"):
		return nil, errors.New("must start with https:// or http://")
	case u.User != nil:
		return nil, errors.New("must not have a user before the host")
	case u.Hostname() == "" || strings.ContainsAny(u.Host, "%@"):
		return nil, errors.New("must have a host")
	case strings.Contains(path, "//") || strings.Contains(path, "%2f") || strings.Contains(path, "%5c"):
		return nil, errors.New("must not have empty or encoded segments in its path")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || query.Has(QueryInvitation) || query.Has(QueryToken) {
		return nil, fmt.Errorf("must have a query without %s and %s, which are added", QueryInvitation, QueryToken)
	}
	return u, nil
}

// origin is scheme, host and port, with the port that the scheme implies.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// CheckDomain says why an address must not be invited; nil when it may. Subdomains of an allowed domain are others.
func CheckDomain(email enrolv1alpha1.Email, policy *enrolv1alpha1.InvitationPolicy) error {
	_, domain, _ := strings.Cut(string(email), "@")
	if len(policy.AllowedEmailDomains) == 0 || slices.Contains(policy.AllowedEmailDomains, domain) {
		return nil
	}
	return fmt.Errorf("the Organisation's allowedEmailDomains must have %s for it to be invited", domain)
}
