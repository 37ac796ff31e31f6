package session

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
)

const (
	providerTimeout = 10 * time.Second
	// skew is how far the clocks of this machine and of a provider may be apart.
	skew = 5 * time.Minute
	// maxAnswer is how many bytes of an answer of a provider are read.
	maxAnswer = 1 << 20
	// retryAfter is how long a provider that did not answer is left alone.
	retryAfter = time.Second
)

// errUnreachable says that a provider did not answer, or not as it should: sense may come of trying again.
var errUnreachable = errors.New("the identity provider cannot be reached")

// provider is an Issuer that is asked.
type provider struct {
	Issuer

	callback string
	client   *http.Client
	clock    clock.PassiveClock

	// turn is held by who changes what follows; a channel, because a request may be over before it is its turn.
	turn   chan struct{}
	found  *oidc.Provider
	failed time.Time
	err    error
}

// callbackPath is where the provider sends people back to.
func (i *Issuer) callbackPath() string { return path.Join(callbackPath, i.Callback) }

func newProvider(i Issuer, callback string, clock clock.PassiveClock) (*provider, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.CAFile != "" {
		roots, err := cert.NewPool(i.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities of issuer %q: %w", i.URL, err)
		}
		config.RootCAs = roots
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	return &provider{
		Issuer: i, callback: callback, clock: clock, turn: make(chan struct{}, 1),
		client: &http.Client{Timeout: providerTimeout, Transport: bounded{transport}},
	}, nil
}

// bounded reads no more of an answer than maxAnswer: a provider may send without end.
type bounded struct{ next http.RoundTripper }

// RoundTrip makes a request.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// discover asks the provider what it can do until it has said so once: it may be down when this program starts.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errUnreachable, ctx.Err())
	}
	if p.found != nil {
		return p.found, nil
	}
	now := p.clock.Now()
	if p.err != nil && now.Sub(p.failed).Abs() < retryAfter {
		return nil, p.err
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.URL)
	if err != nil {
		// That one visitor has gone away says nothing to the next.
		if ctx.Err() == nil {
			p.err, p.failed = fmt.Errorf("%w: %w", errUnreachable, err), now
		}
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	p.found, p.err = found, nil
	return found, nil
}

func (p *provider) oauth(found *oidc.Provider) (*oauth2.Config, error) {
	config := &oauth2.Config{
		ClientID: p.ClientID, Endpoint: found.Endpoint(), RedirectURL: p.callback, Scopes: p.Scopes,
	}
	if p.ClientSecretFile != "" {
		secret, err := os.ReadFile(p.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client secret: %w", err)
		}
		config.ClientSecret = strings.TrimSpace(string(secret))
	}
	return config, nil
}

// begin is where the browser goes to sign in.
func (p *provider) begin(ctx context.Context, a *attempt, options ...oauth2.AuthCodeOption) (string, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	config, err := p.oauth(found)
	if err != nil {
		return "", err
	}
	return config.AuthCodeURL(a.State, append(options, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))...), nil
}

// finish redeems the code for an ID token and checks the token.
func (p *provider) finish(ctx context.Context, a *attempt, code string) (raw string, token *oidc.IDToken, err error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), providerTimeout)
	defer cancel()
	found, err := p.discover(ctx)
	if err != nil {
		return "", nil, err
	}
	config, err := p.oauth(found)
	if err != nil {
		return "", nil, err
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return "", nil, fmt.Errorf("%w: redeeming the code: %w", errUnreachable, scrubbed(err))
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return "", nil, errors.New("the provider sent no ID token")
	}
	token, err = found.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, Now: p.clock.Now}).Verify(ctx, raw)
	if err != nil {
		if strings.Contains(err.Error(), "fetching keys") {
			return "", nil, fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return "", nil, err
	}
	return raw, token, p.check(token, a)
}

// scrubbed keeps the provider's answer, which may repeat the code or more, out of logs.
func scrubbed(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("the provider answers %s, error %q", refused.Response.Status, refused.ErrorCode)
	}
	return err
}

// check is what go-oidc leaves to its callers (OpenID Connect Core 1.0, 3.1.3.7).
func (p *provider) check(token *oidc.IDToken, a *attempt) error {
	var all claims
	if err := token.Claims(&all); err != nil {
		return fmt.Errorf("reading the claims: %w", err)
	}
	party, given := all["azp"]
	switch {
	case a.Nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(a.Nonce)) != 1:
		return errors.New("the ID token is for another sign-in")
	case token.Subject == "":
		return errors.New("the ID token names nobody")
	case given && party != p.ClientID, !given && len(token.Audience) > 1:
		return errors.New("the ID token was issued to somebody else")
	case token.IssuedAt.After(p.clock.Now().Add(skew)):
		return errors.New("the ID token is from the future")
	}
	return nil
}
