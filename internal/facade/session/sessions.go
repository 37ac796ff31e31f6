package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/layout"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

// Options are what Sessions are made of.
type Options struct {
	// PublicURL is where browsers reach the facade. Nothing that a request says counts for that.
	PublicURL string
	// Issuers that people may sign in with; none: nobody signs in.
	Issuers []Issuer
	// Keys that seal cookies; nil without Issuers.
	Keys     *token.Keys
	Reviewer *identity.Reviewer
	// Recognise is told who has signed in, where the API server takes the ID token; nil: nobody is. That it fails keeps nobody out.
	Recognise func(ctx context.Context, caller *identity.Caller) error
	Naming    subject.Naming
	Clock     clock.PassiveClock
	Log       logr.Logger
}

// Sessions sign people in, and know who has. They are kept in cookies, and only those that were ended are kept here, in this
// replica. It is safe for concurrent use.
type Sessions struct {
	Options

	page      *layout.Page
	providers []*provider
	// secure is whether browsers come by TLS, which cookies with the prefix __Host- must have.
	secure bool
	ended  denied
}

// New makes Sessions.
func New(o Options) (*Sessions, error) {
	told, err := layout.Read(templates, "templates/page.html", nil)
	if err != nil {
		return nil, err
	}
	s := &Sessions{Options: o, page: told, ended: denied{until: map[[idSize]byte]time.Time{}}}
	if len(o.Issuers) == 0 {
		return s, nil
	}
	public, err := origin(o.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("to sign in, the public URL %w", err)
	}
	s.secure = public.Scheme == "https"
	if s.Issuers, err = completed(o.Issuers, o.Naming.UsernamePrefix); err != nil {
		return nil, err
	}
	for _, i := range s.Issuers {
		p, err := newProvider(i, public.JoinPath(i.callbackPath()).String(), o.Clock)
		if err != nil {
			return nil, err
		}
		s.providers = append(s.providers, p)
	}
	return s, nil
}

const (
	// hostCookie is for https, where nobody else's page or subdomain can set it; plainCookie for this machine.
	hostCookie  = "__Host-session"
	plainCookie = "session"
)

func (s *Sessions) cookieName() string {
	if s.secure {
		return hostCookie
	}
	return plainCookie
}

// Visitor is who is signed in, nil for nobody. An error is an API server that does not answer.
func (s *Sessions) Visitor(r *http.Request) (*Visitor, error) {
	c := s.read(r, s.cookieName())
	if c == nil {
		return nil, nil
	}
	p := s.provider(c.issuer)
	said, err := c.claims()
	if err != nil {
		return nil, err
	}
	v := p.visitor(said, s.Naming)
	caller, err := s.Reviewer.Caller(r.Context(), c.idToken)
	switch {
	case err == nil:
		v.Caller, v.Trusted, v.Vouched = caller, true, true
	case !errors.Is(err, identity.ErrRefused):
		return nil, err
	}
	return v, nil
}

// IDToken is the ID token of who is signed in, "" for nobody. It is for the API, whose cookie may have the name without prefix
// as well.
func (s *Sessions) IDToken(r *http.Request) string {
	for _, name := range []string{hostCookie, plainCookie} {
		if c := s.read(r, name); c != nil {
			return c.idToken
		}
	}
	return ""
}

// read is the session in a cookie; nil for none that counts.
func (s *Sessions) read(r *http.Request, name string) *content {
	cookie, err := r.Cookie(name)
	if err != nil || len(s.providers) == 0 {
		return nil
	}
	packed, err := s.open(sessionPurpose, cookie.Value)
	if err != nil {
		return nil
	}
	c, err := unpack(packed)
	if err != nil || !s.Clock.Now().Before(c.expire) || s.ended.has(c.id) || s.provider(c.issuer) == nil {
		return nil
	}
	return c
}

func (s *Sessions) provider(issuer string) *provider {
	for _, p := range s.providers {
		if p.URL == issuer {
			return p
		}
	}
	return nil
}

func (s *Sessions) open(purpose, sealed string) ([]byte, error) {
	ring, err := s.Keys.Ring()
	if err != nil {
		return nil, err
	}
	return ring.Open(purpose, sealed)
}

func (s *Sessions) seal(purpose string, value []byte) (string, error) {
	ring, err := s.Keys.Ring()
	if err != nil {
		return "", err
	}
	return ring.Seal(purpose, value)
}

// errTooBig says that an ID token does not fit into a cookie.
var errTooBig = errors.New("the ID token is too big for a cookie")

// start is the cookie of a new session.
func (s *Sessions) start(p *provider, idToken string, expiry time.Time) (*http.Cookie, error) {
	c := &content{issuer: p.URL, idToken: idToken, expire: s.Clock.Now().Add(maxAge)}
	_, _ = rand.Read(c.id[:]) // It never fails: the program ends if there is no randomness.
	if expiry.Before(c.expire) {
		c.expire = expiry
	}
	packed, err := c.pack()
	if err != nil {
		return nil, err
	}
	sealed, err := s.seal(sessionPurpose, packed)
	if err != nil {
		return nil, err
	}
	cookie := s.cookie(s.cookieName(), sealed, c.expire.Sub(s.Clock.Now()))
	if size := len(cookie.String()); size > maxCookie {
		return nil, fmt.Errorf("%w: %d bytes of %d", errTooBig, size, maxCookie)
	}
	return cookie, nil
}

// end makes sure that a session is over before its time.
func (s *Sessions) end(r *http.Request) {
	if c := s.read(r, s.cookieName()); c != nil {
		s.ended.add(c.id, c.expire, s.Clock.Now())
	}
}

// cookie is one that is read by this program only; an empty one goes away.
func (s *Sessions) cookie(name, value string, age time.Duration) *http.Cookie {
	seconds := int(age / time.Second)
	if value == "" || seconds < 1 {
		seconds = -1
	}
	return &http.Cookie{ //nolint:gosec // Secure wherever there is TLS; without, browsers would not send it back.
		Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// denied are the sessions that were ended before their time.
type denied struct {
	mu    sync.Mutex
	until map[[idSize]byte]time.Time
}

func (d *denied) add(id [idSize]byte, until, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for old, until := range d.until {
		if !now.Before(until) {
			delete(d.until, old)
		}
	}
	d.until[id] = until
}

func (d *denied) has(id [idSize]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.until[id]
	return ok
}

// SameOrigin says why a request that changes something must not be answered: it comes from a page of another origin. One that
// does not say where it comes from is from no browser, which is for the caller to judge.
func SameOrigin(r *http.Request) error {
	var protection http.CrossOriginProtection
	if err := protection.Check(r); err != nil {
		return err
	}
	// Browsers hide the origin on pages that send no referrer, as ours do, and say only that it is the same.
	if r.Header.Get("Origin") == "null" && r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil
	}
	// Either of the two headers counts, also where the other says that all is well.
	alone := r.Clone(context.WithoutCancel(r.Context()))
	alone.Header.Del("Sec-Fetch-Site")
	return protection.Check(alone)
}

// fromPage is SameOrigin for what only a page of ours may ask: a request that does not say where it comes from is refused too.
func fromPage(r *http.Request) error {
	if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return errors.New("the request does not say where it comes from")
	}
	return SameOrigin(r)
}

const maxReturn = 1024

// local is a path of this origin to go on to, or "/" for whatever is none, or could be read as another origin.
func local(path string) string {
	u, err := url.Parse(path)
	odd := func(r rune) bool { return r <= ' ' || r == '\\' || r > '~' }
	if err != nil || len(path) > maxReturn || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsFunc(path, odd) || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	return path
}
