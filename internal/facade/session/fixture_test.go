package session

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	publicURL = "https://enrol.example.com"
	clientID  = "enrol"
	person    = "jane@example.com"
)

// idp is a provider that says whatever a test wants.
type idp struct {
	testing.TB

	*httptest.Server

	clock *clocktesting.FakePassiveClock

	mu     sync.Mutex
	key    *ecdsa.PrivateKey
	keyID  string
	down   bool
	broken bool
	// endless has the provider answer as much as is read, and sent is how much that was.
	endless bool
	sent    int
	// forge has tokens signed with another key.
	forge bool
	// change changes the claims of the next tokens.
	change func(claims map[string]any)
	asked  map[string]url.Values
}

func newIDP(t testing.TB, clock *clocktesting.FakePassiveClock) *idp {
	t.Helper()
	p := &idp{TB: t, clock: clock, asked: map[string]url.Values{}}
	p.rotate("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if p.endless {
			p.pour(w)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// pour answers with blanks, which JSON may begin with.
func (p *idp) pour(w http.ResponseWriter) {
	const most = 64 << 20
	for blanks := bytes.Repeat([]byte(" "), 64<<10); p.sent < most; {
		n, err := w.Write(blanks)
		if p.sent += n; err != nil {
			return
		}
	}
}

// set changes something while requests may be under way.
func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *idp) rotate(id string) {
	p.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.Fatal(err)
	}
	p.key, p.keyID = key, id
}

func (p *idp) discovery(w http.ResponseWriter, _ *http.Request) {
	p.write(w, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (p *idp) keys(w http.ResponseWriter, _ *http.Request) {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		p.Error(err)
	}
	p.write(w, map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": p.keyID, "x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
}

// token redeems a code, once, for who has the verifier.
func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("code")
	asked, ok := p.asked[code]
	delete(p.asked, code)
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if p.broken || !ok || asked.Get("code_challenge") != encode(sum[:]) || id != clientID || secret != "swordfish" ||
		r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"secret details"}`))
		return
	}
	p.write(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.sign(asked.Get("nonce"))})
}

func (p *idp) sign(nonce string) string {
	now := p.clock.Now()
	said := map[string]any{
		"iss": p.URL, "aud": clientID, "sub": "jane-1", "nonce": nonce, "email": "Jane@Example.com", "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(2 * time.Hour).Unix(),
	}
	if p.change != nil {
		p.change(said)
	}
	header, err := json.Marshal(map[string]any{"alg": "ES256", "kid": p.keyID, "typ": "JWT"})
	if err != nil {
		p.Error(err)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		p.Error(err)
	}
	signed := encode(header) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	key := p.key
	if p.forge {
		p.rotate(p.keyID)
		key, p.key = p.key, key
	}
	x, y, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		p.Error(err)
	}
	return signed + "." + encode(append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...))
}

func (p *idp) write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		p.Error(err)
	}
}

// authorize is what a person does at the provider: it is where the browser is sent back to.
func (p *idp) authorize(location string) (callback string) {
	p.Helper()
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, p.URL+"/authorize?") {
		p.Fatalf("sent to %q, which is not the provider", location)
	}
	asked := u.Query()
	if asked.Get("code_challenge_method") != "S256" || asked.Get("response_type") != "code" || asked.Get("nonce") == "" {
		p.Fatalf("asked for %v", asked)
	}
	code := rand.Text()
	p.set(func() { p.asked[code] = asked })
	return strings.TrimPrefix(asked.Get("redirect_uri"), publicURL) + "?" + url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode()
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// fixture is a facade's sign-in with a provider and an API server.
type fixture struct {
	*idp

	sessions *Sessions
	mux      *http.ServeMux
	// takes is whether the API server takes tokens; fails: whether it answers at all.
	takes, fails bool
}

func newFixture(t testing.TB, changes ...func(o *Options)) *fixture {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second))
	f := &fixture{idp: newIDP(t, clock), mux: http.NewServeMux(), takes: true}
	folder := t.TempDir()
	caFile, secretFile := filepath.Join(folder, "ca"), filepath.Join(folder, "secret")
	for name, content := range map[string][]byte{
		filepath.Join(folder, token.Current): token.NewKey(),
		caFile:                               pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}),
		secretFile:                           []byte("swordfish\n"),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{
		PublicURL: publicURL, Keys: token.OpenKeys(folder, clock.Now), Clock: clock, Log: testr.New(t.(*testing.T)),
		Issuers:  []Issuer{{URL: f.URL, ClientID: clientID, ClientSecretFile: secretFile, CAFile: caFile}},
		Reviewer: f.reviewer(),
	}
	for _, change := range changes {
		change(&o)
	}
	var err error
	if f.sessions, err = New(o); err != nil {
		t.Fatal(err)
	}
	f.sessions.Register(f.mux, func(next http.Handler) http.Handler { return next })
	return f
}

// reviewer asks an API server that takes the provider's tokens, or none.
func (f *fixture) reviewer() *identity.Reviewer {
	f.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.fails {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			f.Error(err)
		}
		review.Status.Authenticated = f.takes
		if f.takes {
			review.Status.User.Username = person
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		f.write(w, review)
	}))
	f.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		f.Fatal(err)
	}
	return identity.NewReviewer(clients.AuthenticationV1().TokenReviews(), subject.Naming{EmailIsUsername: true}, f.clock)
}

// browser keeps cookies, as far as they matter here.
type browser struct {
	*fixture

	cookies map[string]*http.Cookie
}

func (f *fixture) browser() *browser { return &browser{fixture: f, cookies: map[string]*http.Cookie{}} }

// copy is a browser with the same cookies, as of who has stolen them.
func (b *browser) copy() *browser {
	return &browser{fixture: b.fixture, cookies: maps.Clone(b.cookies)}
}

func (b *browser) request(method, target string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, publicURL+target, http.NoBody)
	maps.Copy(r.Header, header)
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	for _, cookie := range b.cookies {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return r
}

func (b *browser) send(method, target string, header http.Header) *answer {
	b.Helper()
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, b.request(method, target, header))
	for _, cookie := range (&http.Response{Header: w.Header()}).Cookies() {
		if cookie.MaxAge < 0 {
			delete(b.cookies, cookie.Name)
			continue
		}
		b.cookies[cookie.Name] = cookie
	}
	return &answer{StatusCode: w.Code, Header: w.Header(), Body: w.Body.String()}
}

// answer is what came back.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       string
}

func (b *browser) get(target string) *answer {
	b.Helper()
	return b.send(http.MethodGet, target, nil)
}

// begin asks to sign in, and is where the provider sends the browser back to.
func (b *browser) begin(returnTo string) (callback string) {
	b.Helper()
	response := b.get(SignIn(returnTo))
	if response.StatusCode != http.StatusFound {
		b.Fatalf("sign-in answers %d", response.StatusCode)
	}
	return b.authorize(response.Header.Get("Location"))
}

// signIn goes the whole way.
func (b *browser) signIn() *answer {
	b.Helper()
	return b.get(b.begin("/organisations/acme"))
}

func (b *browser) visitor() *Visitor {
	b.Helper()
	v, err := b.sessions.Visitor(b.request(http.MethodGet, "/", nil))
	if err != nil {
		b.Fatal(err)
	}
	return v
}
