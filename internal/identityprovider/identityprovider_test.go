package identityprovider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// The world that the tests share: a provider, an issuer that signs whatever it is told, and an API server that trusts
// both alike.
var (
	provider *Provider
	forger   *issuer
	plane    *controlplane.ControlPlane
)

func TestMain(m *testing.M) {
	code, err := runInWorld(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test environment:", err)
		code = 1
	}
	os.Exit(code)
}

func runInWorld(m *testing.M) (code int, err error) {
	ctx, dir := context.Background(), ""
	if dir, err = os.MkdirTemp("", "enrol-test-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	provider, err = Start(ctx, Options{Dir: dir, People: []Person{
		{Email: "ada@example.com"},
		{Email: "Kim.O'Neill@Example.COM", Groups: []string{"web", "on-call"}},
		{Email: "eve@example.com", Unverified: true},
	}})
	if err != nil {
		return 0, err
	}
	defer provider.Stop()
	if forger, err = startIssuer(dir); err != nil {
		return 0, err
	}
	defer forger.server.Close()
	config, err := trustBoth(dir)
	if err != nil {
		return 0, err
	}
	plane, err = controlplane.Start(ctx, controlplane.Options{Dir: dir, UnsafeNoFsync: true, AuthenticationConfig: config})
	if err != nil {
		return 0, err
	}
	defer plane.Stop()
	for _, token := range []func() (string, error){
		func() (string, error) { return provider.Token(ctx, "ada@example.com") },
		func() (string, error) { return forger.sign(claims(nil)) },
	} {
		text, err := token()
		if err != nil {
			return 0, err
		}
		if err := plane.AwaitToken(ctx, text); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// trustBoth writes a configuration with the entry of the provider and the same for the forger.
func trustBoth(dir string) (string, error) {
	forged := &Provider{dir: filepath.Join(dir, "forger"), accounts: accounts{Issuer: forger.url}}
	if err := os.Mkdir(forged.dir, 0o700); err != nil {
		return "", err
	}
	if err := forged.writeAuthentication(forger.caFile); err != nil {
		return "", err
	}
	genuine, err := os.ReadFile(provider.AuthenticationConfigFile())
	if err != nil {
		return "", err
	}
	more, err := os.ReadFile(forged.AuthenticationConfigFile())
	if err != nil {
		return "", err
	}
	_, entry, _ := strings.Cut(string(more), "\njwt:\n")
	file := filepath.Join(dir, "both.yaml")
	return file, os.WriteFile(file, append(genuine, entry...), 0o600)
}

// who is how the API server sees the bearer of a token, nil if it does not know the bearer.
func who(t *testing.T, config *rest.Config) *authenticationv1.UserInfo {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(),
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if apierrors.IsUnauthorized(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	user := review.Status.UserInfo
	// Which credential it was is not what these tests are about.
	delete(user.Extra, "authentication.kubernetes.io/credential-id")
	return &user
}

func verified(email string) map[string]authenticationv1.ExtraValue {
	return map[string]authenticationv1.ExtraValue{"enrol.dev/verified-email": {email}}
}

func TestTokensOfPeople(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		token  func(context.Context) (string, error)
		want   *authenticationv1.UserInfo
	}{
		"Person": {
			reason: "A person is named by the address, which counts as verified",
			token:  func(ctx context.Context) (string, error) { return provider.Token(ctx, "ada@example.com") },
			want: &authenticationv1.UserInfo{
				Username: "ada@example.com", Groups: []string{"system:authenticated"}, Extra: verified("ada@example.com"),
			},
		},
		"MixedCase": {
			reason: "One person must not be two users, however the provider spells the address; groups come from the token",
			token:  func(ctx context.Context) (string, error) { return provider.Token(ctx, "kim.o'neill@example.com") },
			want: &authenticationv1.UserInfo{
				Username: "kim.o'neill@example.com", Groups: []string{"web", "on-call", "system:authenticated"},
				Extra: verified("kim.o'neill@example.com"),
			},
		},
		"Unverified": {
			reason: "Anybody can claim to have an address",
			token:  func(ctx context.Context) (string, error) { return provider.Token(ctx, "eve@example.com") },
		},
		"OtherAudience": {
			reason: "A token that another application got must not open Enrol",
			token: func(ctx context.Context) (string, error) {
				return provider.TokenFor(ctx, OtherAudience, "ada@example.com")
			},
		},
		"Expired": {
			reason: "A token ends",
			token:  func(ctx context.Context) (string, error) { return provider.ExpiredToken(ctx, "ada@example.com") },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := tc.token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, who(t, plane.TokenConfig(token))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// claims of a token that is fine, but for changes; a nil takes a claim away.
func claims(changes map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": forger.url, "aud": Audience, "sub": "1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "ada@example.com", "email_verified": true,
	}
	for name, value := range changes {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// TestConfiguration is about providers that say other things than ours: the same configuration stands in the
// documentation.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	ada := &authenticationv1.UserInfo{
		Username: "ada@example.com", Groups: []string{"system:authenticated"}, Extra: verified("ada@example.com"),
	}
	cases := map[string]struct {
		reason  string
		changes map[string]any
		want    *authenticationv1.UserInfo
	}{
		"Fine":             {reason: "What the others differ from is accepted", want: ada},
		"NotVerified":      {reason: "Said to be unverified", changes: map[string]any{"email_verified": false}},
		"Silent":           {reason: "Not said to be verified", changes: map[string]any{"email_verified": nil}},
		"String":           {reason: "A string is not true", changes: map[string]any{"email_verified": "true"}},
		"Number":           {reason: "A number is not true", changes: map[string]any{"email_verified": 1}},
		"List":             {reason: "A list is not true", changes: map[string]any{"email_verified": []any{true}}},
		"NoAddress":        {reason: "Nobody is nobody", changes: map[string]any{"email": nil}},
		"EmptyAddress":     {reason: "An empty username would be anybody's", changes: map[string]any{"email": ""}},
		"AddressList":      {reason: "Two addresses are not one", changes: map[string]any{"email": []any{"ada@example.com"}}},
		"AnotherAudience":  {reason: "For somebody else", changes: map[string]any{"aud": OtherAudience}},
		"AnotherIssuer":    {reason: "An issuer speaks for itself", changes: map[string]any{"iss": provider.Issuer()}},
		"NotYet":           {reason: "From the future", changes: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}},
		"NoExpiry":         {reason: "A token must end", changes: map[string]any{"exp": nil}},
		"UpperCaseAddress": {reason: "One person is one user", changes: map[string]any{"email": "ADA@example.com"}, want: ada},
		"GroupsInTheToken": {
			reason:  "Groups are taken over as they are",
			changes: map[string]any{"groups": []any{"web"}},
			want: &authenticationv1.UserInfo{
				Username: ada.Username, Groups: []string{"web", "system:authenticated"}, Extra: ada.Extra,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := forger.sign(claims(tc.changes))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, who(t, plane.TokenConfig(token))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestOtherCredentialsGoOnWorking(t *testing.T) {
	t.Parallel()
	token, err := plane.ServiceAccountToken(t.Context(), "default", "default", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := plane.Config("jane@example.com", "web")
	if err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]*rest.Config{
		"system:serviceaccount:default:default": plane.TokenConfig(token),
		"jane@example.com":                      certificate,
	} {
		user := who(t, config)
		if user == nil || user.Username != want {
			t.Errorf("the API server sees %v, want %s", user, want)
			continue
		}
		if _, ok := user.Extra["enrol.dev/verified-email"]; ok {
			t.Errorf("%s must have no verified address: no issuer said so", want)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(provider.dir)
	other, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := other.Token(t.Context(), "ADA@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if user := who(t, plane.TokenConfig(token)); user == nil || user.Username != "ada@example.com" {
		t.Errorf("the API server sees %v, want ada@example.com", user)
	}
	if other.Knows("stranger@example.com") {
		t.Error("must know nobody who has no account")
	}
	if _, err := other.Token(t.Context(), "stranger@example.com"); err == nil {
		t.Error("who has no account must have no token")
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without a provider: got %v, want fs.ErrNotExist", err)
	}
}

func TestSecondStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	people := []Person{{Email: "ada@example.com"}, {Email: "jane@example.com", Password: "chosen"}}
	first := start(t, Options{Dir: dir, People: people})
	first.Stop()
	second := start(t, Options{Dir: dir, People: append(people, Person{Email: "joe@example.com"})})
	if diff := cmp.Diff(first.People(), second.People()[:2]); diff != "" {
		t.Errorf("passwords must be kept (-first +second):\n%s", diff)
	}
	if got := second.People()[1].Password; got != "chosen" {
		t.Errorf("jane's password is %q, want the one that was given", got)
	}
	if first.ClientSecret() == "" || first.ClientSecret() != second.ClientSecret() {
		t.Errorf("the client's secret must be kept, but was %q and is %q", first.ClientSecret(), second.ClientSecret())
	}
	if _, err := second.Token(t.Context(), "joe@example.com"); err != nil {
		t.Errorf("a new person must have an account: %v", err)
	}
	for _, name := range []string{accountsName, directoryName} {
		info, err := os.Stat(second.file(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is for others to read: %s", name, info.Mode())
		}
	}
}

func start(t *testing.T, options Options) *Provider {
	t.Helper()
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func TestAWrongPassword(t *testing.T) {
	t.Parallel()
	wrong := *provider
	wrong.accounts.People = []Person{{Email: "ada@example.com", Password: "guessed"}}
	if token, err := wrong.Token(t.Context(), "ada@example.com"); err == nil {
		t.Errorf("must not log in, but got %s", token)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Start(t.Context(), Options{Dir: dir, People: []Person{
		{Email: "ada@example.com", Password: strings.Repeat("long", 100)},
	}}); err == nil || !strings.Contains(err.Error(), "ada@example.com") {
		t.Errorf("must name whose password is no good, got: %v", err)
	}
}
