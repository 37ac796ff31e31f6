package session

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/enrol-dev/enrol/internal/address"
)

// Issuer is an identity provider that people sign in with.
type Issuer struct {
	// Name for people, who choose by it where there are several; empty: the host of the URL.
	Name string `json:"name,omitempty"`
	// URL as the tokens name it.
	URL string `json:"url"`
	// ClientID that Enrol has at the provider. The API server must take tokens for it, if people are to do more here than
	// answer invitations.
	ClientID string `json:"clientID"`
	// ClientSecretFile is read whenever somebody signs in; empty: a public client, which PKCE alone protects.
	ClientSecretFile string `json:"clientSecretFile,omitempty"`
	// CAFile has the authorities that the provider's certificate may be of, in PEM; empty: those of the system.
	CAFile string `json:"caFile,omitempty"`
	// Callback is the last part of where the provider sends people back to, <public URL>/sign-in/callback/<callback>; empty: the
	// address without it. Where each issuer has one of its own, none gets to see what another has answered (RFC 9700, 4.4.2).
	Callback string `json:"callback,omitempty"`
	// Scopes to ask for; empty: openid, email and profile. Some providers tell groups only if asked for them.
	Scopes []string `json:"scopes,omitempty"`
	// AccountPrompt is how the provider is asked to let people choose another account; empty: select_account.
	AccountPrompt string `json:"accountPrompt,omitempty"`
	// EmailDomains are those of the addresses that the provider may speak for; empty: all.
	EmailDomains []string `json:"emailDomains,omitempty"`
	// TrustEmail takes addresses for verified where the provider does not say whether they are. Whoever can put any address
	// into an account there can then answer any invitation.
	TrustEmail bool `json:"trustEmail,omitempty"`
	// UsernameClaim is the claim that the API server takes usernames from; empty: email.
	UsernameClaim string `json:"usernameClaim,omitempty"`
	// UsernamePrefix is what the API server puts in front of usernames from this provider; nil: what it puts in front of all.
	UsernamePrefix *string `json:"usernamePrefix,omitempty"`
	// GroupsClaim is the claim with the groups; empty: none.
	GroupsClaim string `json:"groupsClaim,omitempty"`
}

const (
	claimEmail    = "email"
	defaultPrompt = "select_account"
)

// configuration is what the file says.
type configuration struct {
	Issuers []Issuer `json:"issuers"`
}

// Load reads the providers from a YAML file, and trusts the addresses of those that are named by their URL.
func Load(file string, trusted []string) ([]Issuer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the identity providers: %w", err)
	}
	var c configuration
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return nil, fmt.Errorf("reading the identity providers of %s: %w", file, err)
	}
	if len(c.Issuers) == 0 {
		return nil, fmt.Errorf("%s must name at least one issuer", file)
	}
	for _, url := range trusted {
		at := slices.IndexFunc(c.Issuers, func(i Issuer) bool { return i.URL == url })
		if at < 0 {
			return nil, fmt.Errorf("%s has no issuer %q whose addresses to trust", file, url)
		}
		c.Issuers[at].TrustEmail = true
	}
	return c.Issuers, nil
}

// completed checks the providers and fills in what was left out.
func completed(given []Issuer, usernamePrefix string) ([]Issuer, error) {
	issuers := slices.Clone(given)
	names, urls, callbacks := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for n := range issuers {
		i := &issuers[n]
		if err := i.complete(usernamePrefix); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", i.URL, err)
		}
		if names[i.Name] || urls[i.URL] {
			return nil, fmt.Errorf("issuer %q: name and url must be there once", i.URL)
		}
		if i.Callback != "" && callbacks[i.Callback] {
			return nil, fmt.Errorf("issuer %q: callback must be there once", i.URL)
		}
		names[i.Name], urls[i.URL], callbacks[i.Callback] = true, true, true
	}
	return issuers, nil
}

func (i *Issuer) complete(usernamePrefix string) error {
	u, err := origin(i.URL)
	if err != nil {
		return fmt.Errorf("url %w", err)
	}
	if i.ClientID == "" {
		return errors.New("clientID must be given")
	}
	if i.Name == "" {
		i.Name = u.Host
	}
	if i.Callback != "" && len(validation.IsDNS1123Label(i.Callback)) > 0 {
		return fmt.Errorf("callback must be of lower case letters, digits and '-', not %q", i.Callback)
	}
	if len(i.Scopes) == 0 {
		i.Scopes = []string{"openid", "email", "profile"}
	}
	if !slices.Contains(i.Scopes, "openid") {
		return errors.New("scopes must have openid")
	}
	if i.AccountPrompt == "" {
		i.AccountPrompt = defaultPrompt
	}
	if i.UsernameClaim == "" {
		i.UsernameClaim = claimEmail
	}
	if i.UsernamePrefix == nil {
		i.UsernamePrefix = &usernamePrefix
	}
	i.EmailDomains = slices.Clone(i.EmailDomains)
	for n, domain := range i.EmailDomains {
		email, err := address.Parse("x@" + domain)
		if err != nil {
			return fmt.Errorf("emailDomains: %q is no domain: %w", domain, err)
		}
		_, i.EmailDomains[n], _ = strings.Cut(string(email), "@")
	}
	return nil
}

// origin reads a URL over which credentials may travel: https, or http that does not leave this machine.
func origin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("must be a URL")
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be a URL with a host, and without user, query and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("must be https, except on this machine")
	}
	return u, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
