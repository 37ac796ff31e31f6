// Package identityprovider runs an OpenID Connect provider on loopback, with people made up for it, and gets their
// tokens as a script would. It is for `make run` and for tests: the provider is bin/tools/idp, a child of this process.
package identityprovider

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/process"
)

const (
	// Audience is whom tokens are for that the API server accepts: the client of the provider that Enrol is.
	Audience = "enrol"
	// OtherAudience is another client of the provider. Its tokens are as genuine, but not meant for Enrol.
	OtherAudience = "another-application"

	// defaultTokenLifetime is how long ID tokens are valid unless Options say otherwise.
	defaultTokenLifetime = 24 * time.Hour

	issuerPath    = "/dex"
	startTimeout  = 3 * time.Minute
	probeInterval = 50 * time.Millisecond
	stopGrace     = 10 * time.Second
)

//go:embed authentication.yaml
var authentication string

var authenticationTemplate = template.Must(template.New("authentication.yaml").Parse(authentication))

// Person is somebody with an account at the provider.
type Person struct {
	// Email is what the person logs in with. Tokens have it as it stands here.
	Email string `json:"email"`
	// Password of the account; an empty one is the same as at the last start, or drawn.
	Password string `json:"password"`
	// Groups that the tokens name.
	Groups []string `json:"groups,omitempty"`
	// Unverified is for somebody whose address nobody has checked; the tokens say so.
	Unverified bool `json:"unverified,omitempty"`
}

// Options say who is there and where the provider answers.
type Options struct {
	// Dir is the folder of a control plane, started or not: its authority issues the provider's certificate, and the
	// provider's files are in idp below it. Passwords and secrets of an earlier start there are used again.
	Dir string
	// Port on 127.0.0.1; 0 takes a free one.
	Port int
	// People with an account.
	People []Person
	// RedirectURIs are where the provider may send people back to who sign in to Enrol with a browser.
	RedirectURIs []string
	// TokenLifetime is how long ID tokens are valid; 0: a day.
	TokenLifetime time.Duration
}

// Provider is a provider that runs, or that another process runs.
type Provider struct {
	dir      string
	caFile   string
	accounts accounts
	client   *http.Client
	process  *process.Process
}

// Start starts the provider and returns when it answers.
func Start(ctx context.Context, options Options) (*Provider, error) {
	binary, err := binary()
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Open(options.Dir)
	if err != nil {
		return nil, err
	}
	port, err := controlplane.FreePort(ctx, "the identity provider", options.Port)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	p := &Provider{dir: filepath.Join(options.Dir, folder), caFile: plane.CAFile()}
	if p.client, err = trusting(plane.CAFile()); err != nil {
		return nil, err
	}
	if err := p.enrol(ctx, "https://"+address+issuerPath, options); err != nil {
		return nil, err
	}
	if err := p.writeAuthentication(plane.CAFile()); err != nil {
		return nil, err
	}
	certFile, keyFile, err := plane.ServingFiles("idp")
	if err != nil {
		return nil, err
	}
	lifetime := options.TokenLifetime
	if lifetime == 0 {
		lifetime = defaultTokenLifetime
	}
	p.process, err = process.Start("the identity provider", filepath.Join(options.Dir, "logs", "idp.log"), binary,
		"--listen-address="+address, "--path="+issuerPath, "--tls-cert-file="+certFile, "--tls-key-file="+keyFile,
		"--directory="+p.file(directoryName), "--token-lifetime="+lifetime.String())
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func binary() (string, error) {
	root, err := controlplane.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "tools", "idp")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for the identity provider (`make bin/tools/idp` builds it): %w", err)
	}
	return path, nil
}

// Stop ends the provider. What it has issued stays valid for who has its keys already.
func (p *Provider) Stop() { p.process.Stop(stopGrace) }

// Process is the running program; nil for a provider of another process.
func (p *Provider) Process() *process.Process { return p.process }

// Issuer is the URL that the provider is known by: it ends in /dex, without a slash after it.
func (p *Provider) Issuer() string { return p.accounts.Issuer }

// CAFile has the certificate of the authority that the provider's own is from.
func (p *Provider) CAFile() string { return p.caFile }

// ClientSecret is what Enrol, which is client Audience, proves by that it is itself.
func (p *Provider) ClientSecret() string { return p.accounts.Secrets[Audience] }

// People are all who have an account, with their passwords.
func (p *Provider) People() []Person { return p.accounts.People }

// AuthenticationConfigFile is the file with what the API server must be told to accept the people's tokens, for
// controlplane.Options. Users are named by their address in lower case, which must be verified; it is in the extra field
// enrol.dev/verified-email as well.
func (p *Provider) AuthenticationConfigFile() string { return p.file(authenticationName) }

func (p *Provider) file(name string) string { return filepath.Join(p.dir, name) }

func (p *Provider) writeAuthentication(caFile string) error {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	var content bytes.Buffer
	err = authenticationTemplate.Execute(&content, struct{ Issuer, Audience, CA string }{p.Issuer(), Audience, string(ca)})
	if err != nil {
		return fmt.Errorf("writing the API server's authentication configuration: %w", err)
	}
	return os.WriteFile(p.AuthenticationConfigFile(), content.Bytes(), 0o600)
}

// await returns when the provider tells what it can, which is what the API server asks for first.
func (p *Provider) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		last := p.discover(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.process.Done():
			return p.process.Err()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", p.process.Name, ctx.Err(), last)
		case <-time.After(probeInterval):
		}
	}
}

func (p *Provider) discover(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer()+"/.well-known/openid-configuration",
		http.NoBody)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, response.Status)
	}
	return nil
}

// password is what nobody guesses, and what can be typed.
func password() string { return strings.ToLower(rand.Text()) }
