package identityprovider

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/util/cert"
)

const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 1 << 20
)

// trusting is a client that takes an authority's certificates and nobody else's.
func trusting(caFile string) (*http.Client, error) {
	roots, err := cert.NewPool(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authority of the identity provider: %w", err)
	}
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			ForceAttemptHTTP2: true,
		},
	}, nil
}

// Knows says whether somebody has an account.
func (p *Provider) Knows(email string) bool {
	_, ok := p.accounts.person(email)
	return ok
}

// Token logs somebody in and returns the ID token, which is for Enrol.
func (p *Provider) Token(ctx context.Context, email string) (string, error) {
	return p.TokenFor(ctx, Audience, email)
}

// TokenFor is Token for one of the provider's clients: Audience or OtherAudience.
func (p *Provider) TokenFor(ctx context.Context, audience, email string) (string, error) {
	return p.login(ctx, p.Issuer()+"/token", audience, email)
}

// ExpiredToken is a token for Enrol that was genuine until an hour ago.
func (p *Provider) ExpiredToken(ctx context.Context, email string) (string, error) {
	return p.login(ctx, strings.TrimSuffix(p.Issuer(), issuerPath)+"/expired/token", Audience, email)
}

func (p *Provider) login(ctx context.Context, endpoint, audience, email string) (string, error) {
	person, ok := p.accounts.person(email)
	if !ok {
		return "", fmt.Errorf("%s has no account at the identity provider", email)
	}
	form := url.Values{
		"grant_type": {"password"},
		"scope":      {"openid email profile groups"},
		"username":   {person.Email},
		"password":   {person.Password},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(audience, p.accounts.Secrets[audience])
	response, err := p.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("logging %s in: %w", email, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("logging %s in: %w", email, err)
	}
	var answer struct {
		IDToken string `json:"id_token"` //nolint:tagliatelle // OpenID Connect's spelling.
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("logging %s in: the identity provider answers %s: %s", email, response.Status, content)
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return "", fmt.Errorf("logging %s in: %w", email, err)
	}
	return answer.IDToken, nil
}
