package identityprovider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

const (
	folder             = "idp"
	accountsName       = "accounts.json"
	directoryName      = "directory.json"
	authenticationName = "authentication.yaml"

	// hashCost is the least that Dex takes; the passwords are drawn, and the accounts last as long as a session.
	hashCost = bcrypt.DefaultCost
)

// accounts are what a script needs to log in as anybody.
type accounts struct {
	Issuer string `json:"issuer"`
	// Secrets of the clients, by id.
	Secrets map[string]string `json:"secrets"`
	People  []Person          `json:"people"`
}

// directory is the same for the provider, in Dex's own terms and without passwords.
type directory struct {
	People  []account     `json:"people"`
	Clients []application `json:"clients"`
}

type account struct {
	Email         string   `json:"email"`
	Hash          []byte   `json:"hash"`
	Username      string   `json:"username"`
	UserID        string   `json:"userID"`
	EmailVerified bool     `json:"emailVerified"`
	Groups        []string `json:"groups"`
}

type application struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Secret       string   `json:"secret"`
	RedirectURIs []string `json:"redirectURIs"` //nolint:tagliatelle // Dex's spelling.
}

// Open gives access to the provider that another process has started in a control plane's folder, for its tokens. The
// error is fs.ErrNotExist where there is none.
func Open(dir string) (*Provider, error) {
	p := &Provider{dir: filepath.Join(dir, folder)}
	if err := p.load(); err != nil {
		return nil, err
	}
	// Opened after that: opening the authority of a folder makes one where there is none.
	plane, err := controlplane.Open(dir)
	if err != nil {
		return nil, err
	}
	p.caFile = plane.CAFile()
	p.client, err = trusting(p.caFile)
	return p, err
}

func (p *Provider) load() error {
	content, err := os.ReadFile(p.file(accountsName))
	if err != nil {
		return fmt.Errorf("reading the identity provider's accounts: %w", err)
	}
	if err := json.Unmarshal(content, &p.accounts); err != nil {
		return fmt.Errorf("reading the identity provider's accounts: %w", err)
	}
	return nil
}

// enrol makes everybody's account, and writes all down: for Open and the next start, and for the provider.
func (p *Provider) enrol(ctx context.Context, issuer string, options Options) error {
	if err := p.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	earlier := p.accounts
	p.accounts = accounts{Issuer: issuer, Secrets: map[string]string{}}
	for _, id := range []string{Audience, OtherAudience} {
		p.accounts.Secrets[id] = cmp.Or(earlier.Secrets[id], password())
	}
	for _, person := range options.People {
		known, _ := earlier.person(person.Email)
		person.Password = cmp.Or(person.Password, known.Password, password())
		p.accounts.People = append(p.accounts.People, person)
	}
	all, err := p.accounts.directory(ctx, options.RedirectURIs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	for name, content := range map[string]any{accountsName: p.accounts, directoryName: all} {
		encoded, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(p.file(name), encoded, 0o600); err != nil {
			return fmt.Errorf("writing the identity provider's accounts: %w", err)
		}
	}
	return nil
}

func (a accounts) person(email string) (Person, bool) {
	for _, person := range a.People {
		if strings.EqualFold(person.Email, email) {
			return person, true
		}
	}
	return Person{}, false
}

func (a accounts) directory(ctx context.Context, redirectURIs []string) (directory, error) {
	all := directory{
		People: make([]account, len(a.People)),
		Clients: []application{
			{ID: Audience, Name: "Enrol", Secret: a.Secrets[Audience], RedirectURIs: redirectURIs},
			{ID: OtherAudience, Name: "Another application", Secret: a.Secrets[OtherAudience]},
		},
	}
	// A hash takes as long as it is meant to.
	group, _ := errgroup.WithContext(ctx)
	for i, person := range a.People {
		group.Go(func() error {
			hash, err := bcrypt.GenerateFromPassword([]byte(person.Password), hashCost)
			if err != nil {
				return fmt.Errorf("hashing the password of %s: %w", person.Email, err)
			}
			name, _, _ := strings.Cut(person.Email, "@")
			all.People[i] = account{
				Email: person.Email, Hash: hash, Username: name, UserID: strings.ToLower(person.Email),
				EmailVerified: !person.Unverified, Groups: person.Groups,
			}
			return nil
		})
	}
	return all, group.Wait()
}
