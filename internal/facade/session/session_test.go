package session

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/subject"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	if v := b.visitor(); v != nil {
		t.Fatalf("somebody is signed in before: %+v", v)
	}
	response := b.signIn()
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != "/organisations/acme" {
		t.Fatalf("got %d to %q", response.StatusCode, got)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the answer with the session may be kept: %q", got)
	}
	cookie := b.cookies[hostCookie]
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" ||
		cookie.MaxAge != int(maxAge/time.Second) {
		t.Errorf("the cookie is %v", cookie)
	}
	if len(b.cookies) != 1 {
		t.Errorf("what bound the sign-in to the browser is still there: %v", b.cookies)
	}
	v := b.visitor()
	want := &Visitor{
		Caller: &identity.Caller{Username: person, Name: person, Token: v.Caller.Token}, Trusted: true, Vouched: true,
		Email: person, EmailVerified: true, Issuer: f.URL, Subject: "jane-1",
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("visitor (-want +got):\n%s", diff)
	}
	if strings.Count(v.Caller.Token, ".") != 2 || f.sessions.IDToken(b.request(http.MethodGet, "/", nil)) != v.Caller.Token {
		t.Errorf("the token is %q", v.Caller.Token)
	}
	f.clock.SetTime(f.clock.Now().Add(maxAge))
	if v := b.visitor(); v != nil {
		t.Errorf("still signed in after %s: %+v", maxAge, v)
	}
}

// TestStranger is about who has signed in, but not with an issuer of the API server's.
func TestStranger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.takes = false
	b := f.browser()
	b.signIn()
	want := &Visitor{
		Caller: &identity.Caller{Name: person, VerifiedEmail: person}, Vouched: true, Email: person, EmailVerified: true, Issuer: f.URL,
		Subject: "jane-1",
	}
	if diff := cmp.Diff(want, b.visitor()); diff != "" {
		t.Errorf("visitor (-want +got):\n%s", diff)
	}
	f.fails = true
	if v, err := f.sessions.Visitor(b.request(http.MethodGet, "/", nil)); err == nil {
		t.Errorf("an API server that fails makes a visitor: %+v", v)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		do     func(b *browser)
	}{
		"SignOut": {"the session is dead for who has stolen it, too", func(b *browser) {
			if got := b.send(http.MethodPost, "/sign-out?return_to=/", http.Header{"Sec-Fetch-Site": {"same-origin"}}); got.StatusCode != http.StatusSeeOther {
				b.Errorf("signing out answers %d", got.StatusCode)
			}
		}},
		"SignInAgain": {"whoever signs in next, what was there before is over", func(b *browser) { b.signIn() }},
		"IssuerGone":  {"a provider that is none any more", func(b *browser) { b.sessions.providers[0].URL += "/other" }},
		"Expiry":      {"an hour is the most", func(b *browser) { b.clock.SetTime(b.clock.Now().Add(maxAge)) }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t).browser()
			b.signIn()
			stolen := b.copy()
			if stolen.visitor() == nil {
				t.Fatal("nobody is signed in")
			}
			tc.do(b)
			if v := stolen.visitor(); v != nil {
				t.Errorf("%s: still signed in: %+v", tc.reason, v)
			}
		})
	}
}

func TestSessionNeverOutlivesItsToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.change = func(said map[string]any) { said["exp"] = f.clock.Now().Add(10 * time.Minute).Unix() }
	b := f.browser()
	b.signIn()
	if got := b.cookies[hostCookie].MaxAge; got != 600 {
		t.Errorf("the cookie lasts %d seconds", got)
	}
	f.clock.SetTime(f.clock.Now().Add(10 * time.Minute))
	if v := b.visitor(); v != nil {
		t.Errorf("still signed in: %+v", v)
	}
}

// TestForeignCookies are values that were sealed for something else, or under another name.
func TestForeignCookies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn()
	sealed := b.cookies[hostCookie].Value
	begun := f.browser()
	begun.begin("/")
	for name, cookies := range map[string]map[string]string{
		"a sign-in under way as session": {hostCookie: begun.cookies["__Host-sign-in"].Value},
		"altered":                        {hostCookie: sealed[:40] + "A" + sealed[41:]},
		"cut":                            {hostCookie: sealed[:40]},
		"the name without the prefix":    {plainCookie: sealed},
		"empty":                          {hostCookie: ""},
	} {
		thief := f.browser()
		for cookie, value := range cookies {
			if value == sealed && cookie == hostCookie {
				t.Fatal("nothing was altered")
			}
			thief.cookies[cookie] = &http.Cookie{Name: cookie, Value: value}
		}
		if v := thief.visitor(); v != nil {
			t.Errorf("%s: signed in: %+v", name, v)
		}
	}
	api := f.browser()
	api.cookies[plainCookie] = &http.Cookie{Name: plainCookie, Value: sealed}
	if f.sessions.IDToken(api.request(http.MethodGet, "/", nil)) == "" {
		t.Error("the API does not take the session from the cookie without prefix")
	}
}

func TestReturnTo(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"/organisations/acme?tab=1": "/organisations/acme?tab=1", "/": "/", "/invitations?invitation=a&token=b": "/invitations?invitation=a&token=b",
		"": "/", "organisations": "/", "https://evil.example.com/": "/", "//evil.example.com": "/", `/\evil.example.com`: "/",
		`\\evil.example.com`: "/", "/\t/evil.example.com": "/", "/\n/evil.example.com": "/", "\t//evil.example.com": "/",
		"\u0020//evil.example.com": "/", "///evil.example.com": "/", "javascript:alert(1)": "/", "https:evil.example.com": "/",
		"http:///evil.example.com": "/", "https:/evil.example.com": "/", "@evil.example.com": "/", `/a\..\..\\evil.example.com`: "/",
		"/%zz": "/", "/\x00": "/", "/\u2028": "/", "/" + strings.Repeat("a", maxReturn): "/", "/sign-in?return_to=/": "/", "/sign-out": "/",
		"HTTPS://EVIL.example.com": "/", "data:text/html,x": "/", "/\u00a0//evil.example.com": "/", ".evil.example.com": "/",
	}
	f := newFixture(t)
	for returnTo, want := range cases {
		b := f.browser()
		if got := b.get(b.begin(returnTo)).Header.Get("Location"); got != want {
			t.Errorf("return_to=%q leads to %q, want %q", returnTo, got, want)
		}
	}
}

// TestHeadersDoNotMove: where the provider sends people back to is a setting, and nothing that a request says.
func TestHeadersDoNotMove(t *testing.T) {
	t.Parallel()
	b := newFixture(t).browser()
	response := b.send(http.MethodGet, "/sign-in", http.Header{
		"Host": {"evil.example.com"}, "X-Forwarded-Host": {"evil.example.com"}, "X-Forwarded-Proto": {"http"},
		"Forwarded": {"host=evil.example.com"}, "X-Original-Url": {"https://evil.example.com"},
	})
	u, err := url.Parse(response.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("redirect_uri"); got != publicURL+"/sign-in/callback" {
		t.Errorf("the provider sends people back to %q", got)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	now := func(f *fixture, d time.Duration) int64 { return f.clock.Now().Add(d).Unix() }
	cases := map[string]struct {
		reason string
		change func(f *fixture, said map[string]any)
		want   int
	}{
		"Nonce":       {"of another sign-in", func(_ *fixture, said map[string]any) { said["nonce"] = "other" }, http.StatusForbidden},
		"NoNonce":     {"of none", func(_ *fixture, said map[string]any) { delete(said, "nonce") }, http.StatusForbidden},
		"Audience":    {"for another application", func(_ *fixture, said map[string]any) { said["aud"] = "other" }, http.StatusForbidden},
		"Issuer":      {"of another provider", func(_ *fixture, said map[string]any) { said["iss"] = "https://evil.example.com" }, http.StatusForbidden},
		"Party":       {"issued to another application", func(_ *fixture, said map[string]any) { said["azp"] = "other" }, http.StatusForbidden},
		"PartyNumber": {"of another type", func(_ *fixture, said map[string]any) { said["azp"] = 1 }, http.StatusForbidden},
		"OwnParty":    {"issued to us", func(_ *fixture, said map[string]any) { said["azp"] = clientID }, http.StatusSeeOther},
		"Audiences":   {"for several, and not said whose", func(_ *fixture, said map[string]any) { said["aud"] = []string{clientID, "other"} }, http.StatusForbidden},
		"AudiencesOwn": {"for several, and ours", func(_ *fixture, said map[string]any) {
			said["aud"], said["azp"] = []string{clientID, "other"}, clientID
		}, http.StatusSeeOther},
		"Nobody":    {"an empty subject", func(_ *fixture, said map[string]any) { said["sub"] = "" }, http.StatusForbidden},
		"NoSubject": {"no subject", func(_ *fixture, said map[string]any) { delete(said, "sub") }, http.StatusForbidden},
		"Expired":   {"too late", func(f *fixture, said map[string]any) { said["exp"] = now(f, -time.Second) }, http.StatusForbidden},
		"NoExpiry":  {"for ever", func(_ *fixture, said map[string]any) { delete(said, "exp") }, http.StatusForbidden},
		"Slow": {"our clock is behind", func(f *fixture, said map[string]any) {
			said["iat"], said["nbf"] = now(f, 5*time.Minute), now(f, 5*time.Minute)
		}, http.StatusSeeOther},
		"Fast": {"our clock is ahead", func(f *fixture, said map[string]any) {
			said["iat"], said["exp"] = now(f, -5*time.Minute), now(f, time.Minute)
		}, http.StatusSeeOther},
		"Future": {"a clock is wrong", func(f *fixture, said map[string]any) { said["iat"] = now(f, 6*time.Minute) }, http.StatusForbidden},
		"NotYet": {"not yet", func(f *fixture, said map[string]any) { said["nbf"] = now(f, 6*time.Minute) }, http.StatusForbidden},
		"Big":    {"too many groups", func(_ *fixture, said map[string]any) { said["groups"] = many(400) }, http.StatusInternalServerError},
		"Groups": {"many groups", func(_ *fixture, said map[string]any) { said["groups"] = many(20) }, http.StatusSeeOther},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.change = func(said map[string]any) { tc.change(f, said) }
			b := f.browser()
			response := b.signIn()
			if response.StatusCode != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, response.StatusCode, tc.want)
			}
			if (b.visitor() != nil) != (tc.want == http.StatusSeeOther) {
				t.Errorf("%s: signed in as %+v", tc.reason, b.visitor())
			}
			checkPage(t, response)
		})
	}
}

// many are groups whose names do not shrink.
func many(n int) []string {
	groups := make([]string, n)
	for i := range groups {
		groups[i] = fmt.Sprintf("%08x-%04x-4a6f-9a1c-%012x", i*2654435761, i*40503&0xffff, i*11400714819323)
	}
	return groups
}

// checkPage wants what all pages have, and nothing that a person cannot use.
func checkPage(t *testing.T, response *answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", got)
	}
	for _, secret := range []string{"goroutine", "secret details", "oidc:", "127.0.0.1"} {
		if strings.Contains(response.Body, secret) {
			t.Errorf("the page says %q: %s", secret, response.Body)
		}
	}
}

//nolint:tparallel // As TestCallback.
func TestSignOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cases := map[string]struct {
		reason   string
		method   string
		header   http.Header
		returnTo string
		want     int
		location string
	}{
		"Own":          {"from a page of ours", http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}}, SignInAsAnother("/a"), http.StatusSeeOther, SignInAsAnother("/a")},
		"Origin":       {"by the older header", http.MethodPost, http.Header{"Origin": {publicURL}}, "/", http.StatusSeeOther, "/"},
		"ForeignGoal":  {"a foreign origin to go to", http.MethodPost, http.Header{"Origin": {publicURL}}, "//evil.example.com", http.StatusSeeOther, "/"},
		"CrossSite":    {"from elsewhere", http.MethodPost, http.Header{"Sec-Fetch-Site": {"cross-site"}}, "/", http.StatusForbidden, ""},
		"SameSite":     {"from a neighbour", http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-site"}}, "/", http.StatusForbidden, ""},
		"CrossOrigin":  {"from elsewhere, by the older header", http.MethodPost, http.Header{"Origin": {"https://evil.example.com"}}, "/", http.StatusForbidden, ""},
		"Null":         {"from nowhere", http.MethodPost, http.Header{"Origin": {"null"}}, "/", http.StatusForbidden, ""},
		"Hidden":       {"a page of ours that sends no referrer", http.MethodPost, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, "/", http.StatusSeeOther, "/"},
		"HiddenSite":   {"a page of elsewhere that hides itself", http.MethodPost, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}}, "/", http.StatusForbidden, ""},
		"HiddenOnly":   {"a sandbox, in a browser that says no more", http.MethodPost, http.Header{"Origin": {"null"}}, "/", http.StatusForbidden, ""},
		"Contradicted": {"the two disagree", http.MethodPost, http.Header{"Origin": {"https://evil.example.com"}, "Sec-Fetch-Site": {"same-origin"}}, "/", http.StatusForbidden, ""},
		"Neither":      {"no browser says nothing", http.MethodPost, nil, "/", http.StatusForbidden, ""},
		"Get":          {"a link", http.MethodGet, nil, "/", http.StatusMethodNotAllowed, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := f.browser()
			b.signIn()
			response := b.send(tc.method, "/sign-out?"+url.Values{"return_to": {tc.returnTo}}.Encode(), tc.header)
			if got := response.Header.Get("Location"); response.StatusCode != tc.want || got != tc.location {
				t.Errorf("%s: got %d to %q", tc.reason, response.StatusCode, got)
			}
			if (b.visitor() == nil) != (tc.want == http.StatusSeeOther) {
				t.Errorf("%s: signed in: %v", tc.reason, b.visitor() != nil)
			}
		})
	}
}

// TestAnotherAccount: a form that leads to sign-in must come to a page of this origin first.
func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	b := newFixture(t).browser()
	if got := b.get(SignInAsAnother("/")); got.StatusCode != http.StatusOK {
		t.Errorf("got %d", got.StatusCode)
	}
	host := strings.TrimPrefix(b.URL, "https://")
	u, err := url.Parse(b.get(SignInAsAnother("/") + "&issuer=" + url.QueryEscape(host)).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("prompt"); got != "select_account" {
		t.Errorf("the provider is asked for prompt %q", got)
	}
}

func TestNotSetUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.Issuers = nil })
	b := f.browser()
	if got := b.get("/sign-in"); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d", got.StatusCode)
	}
	if got := b.get("/sign-in/callback?state=a&code=b"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("the callback answers %d", got.StatusCode)
	}
	if v := b.visitor(); v != nil {
		t.Errorf("signed in as %+v", v)
	}
}

// TestLoopback: without TLS, browsers would not keep a cookie that must have it.
func TestLoopback(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.PublicURL = "http://127.0.0.1:8080" })
	if got := f.sessions.cookieName(); got != plainCookie {
		t.Errorf("the cookie is named %s", got)
	}
	if got := f.sessions.cookie(plainCookie, "x", time.Hour); got.Secure || !got.HttpOnly {
		t.Errorf("the cookie is %v", got)
	}
	for _, public := range []string{"http://enrol.example.com", "", "ftp://enrol.example.com", "https://a@enrol.example.com", "https://enrol.example.com?a"} {
		if _, err := New(Options{PublicURL: public, Issuers: f.sessions.Issuers}); err == nil {
			t.Errorf("%q is taken for the public URL", public)
		}
	}
}

func TestVisitor(t *testing.T) {
	t.Parallel()
	cluster := subject.Naming{UsernamePrefix: "corp:"}
	other := "other:"
	cases := map[string]struct {
		reason string
		change func(i *Issuer)
		said   claims
		want   Visitor
		caller identity.Caller
	}{
		"Verified": {"a JSON true", nil, claims{"email": "Jane@Example.com", "email_verified": true},
			Visitor{Email: person, EmailVerified: true, Vouched: true}, identity.Caller{Name: person, VerifiedEmail: person}},
		"Absent": {"nothing is said", nil, claims{"email": person}, Visitor{Email: person}, identity.Caller{Name: person}},
		"False":  {"no", nil, claims{"email": person, "email_verified": false}, Visitor{Email: person}, identity.Caller{Name: person}},
		"Text":   {"a text", nil, claims{"email": person, "email_verified": "true"}, Visitor{Email: person}, identity.Caller{Name: person}},
		"One":    {"a number", nil, claims{"email": person, "email_verified": 1.0}, Visitor{Email: person}, identity.Caller{Name: person}},
		"Null":   {"null", nil, claims{"email": person, "email_verified": nil}, Visitor{Email: person}, identity.Caller{Name: person}},
		"Spelt":  {"another claim", nil, claims{"email": person, "Email_Verified": true}, Visitor{Email: person}, identity.Caller{Name: person}},
		"Trusted": {"a provider that never says", func(i *Issuer) { i.TrustEmail = true }, claims{"email": person},
			Visitor{Email: person, EmailVerified: true, Vouched: true}, identity.Caller{Name: person, VerifiedEmail: person}},
		"TrustedFalse": {"a provider that says no", func(i *Issuer) { i.TrustEmail = true }, claims{"email": person, "email_verified": false},
			Visitor{Email: person}, identity.Caller{Name: person}},
		"TrustedNull": {"a provider that says null", func(i *Issuer) { i.TrustEmail = true }, claims{"email": person, "email_verified": nil},
			Visitor{Email: person}, identity.Caller{Name: person}},
		"NoEmail":   {"no address", nil, claims{"email_verified": true}, Visitor{}, identity.Caller{}},
		"Kelvin":    {"KELVIN SIGN", nil, claims{"email": "\u212aim@example.com", "email_verified": true}, Visitor{}, identity.Caller{}},
		"Dotless":   {"dotless i", nil, claims{"email": "k\u0131m@example.com", "email_verified": true}, Visitor{}, identity.Caller{}},
		"FullWidth": {"full-width letters in the domain", nil, claims{"email": "kim@\uff45xample.com", "email_verified": true}, Visitor{}, identity.Caller{}},
		"Cyrillic":  {"Cyrillic e in the domain", nil, claims{"email": "kim@\u0435xample.com", "email_verified": true}, Visitor{}, identity.Caller{}},
		"OwnDomain": {"a domain of the provider's", func(i *Issuer) { i.EmailDomains = []string{"example.com"} }, claims{"email": person, "email_verified": true},
			Visitor{Email: person, EmailVerified: true, Vouched: true}, identity.Caller{Name: person, VerifiedEmail: person}},
		"OtherDomain": {"a domain of somebody else's", func(i *Issuer) { i.EmailDomains = []string{"example.org"} }, claims{"email": person, "email_verified": true},
			Visitor{}, identity.Caller{}},
		"Subdomain": {"a subdomain is another domain", func(i *Issuer) { i.EmailDomains = []string{"com"} }, claims{"email": person, "email_verified": true},
			Visitor{}, identity.Caller{}},
		"Claim": {"another claim for usernames", func(i *Issuer) { i.UsernameClaim = "preferred_username" },
			claims{"email": person, "email_verified": true, "preferred_username": "jane"},
			Visitor{Email: person, EmailVerified: true, Vouched: true}, identity.Caller{Name: "jane", VerifiedEmail: person}},
		"ClaimAlone": {"a username is the provider's word, whatever the address is", func(i *Issuer) { i.UsernameClaim = "preferred_username" },
			claims{"email": person, "preferred_username": "jane"}, Visitor{Email: person, Vouched: true}, identity.Caller{Name: "jane"}},
		"NoClaim": {"without it, nobody", func(i *Issuer) { i.UsernameClaim = "preferred_username" }, claims{"email": person, "email_verified": true},
			Visitor{Email: person, EmailVerified: true}, identity.Caller{}},
		"Reserved": {"one of Kubernetes' own", func(i *Issuer) { i.UsernameClaim = "preferred_username" }, claims{"preferred_username": "system:admin"},
			Visitor{}, identity.Caller{}},
		"Prefix": {"a prefix that is not the cluster's", func(i *Issuer) { i.UsernamePrefix = &other }, claims{"email": person, "email_verified": true},
			Visitor{Email: person, EmailVerified: true}, identity.Caller{}},
		"Groups": {"Kubernetes' own groups are dropped", func(i *Issuer) { i.GroupsClaim = "groups" },
			claims{"groups": []any{"dev", "system:masters", "System:Masters", 7.0, "ops"}}, Visitor{Groups: []string{"dev", "ops"}}, identity.Caller{}},
		"Group": {"one group is a text with some providers", func(i *Issuer) { i.GroupsClaim = "groups" }, claims{"groups": "dev"},
			Visitor{Groups: []string{"dev"}}, identity.Caller{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := Issuer{URL: "https://idp.example.com", ClientID: clientID}
			if tc.change != nil {
				tc.change(&issuer)
			}
			if err := issuer.complete(cluster.UsernamePrefix); err != nil && name != "Subdomain" {
				t.Fatal(err)
			}
			want := tc.want
			want.Caller, want.Issuer = &tc.caller, issuer.URL
			if diff := cmp.Diff(&want, issuer.visitor(tc.said, cluster)); diff != "" {
				t.Errorf("%s\nvisitor (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	const one = "issuers:\n- url: https://idp.example.com\n  clientID: enrol\n"
	cases := map[string]struct {
		reason, text string
		trusted      []string
		want         string
	}{
		"One":         {"the least", one, nil, ""},
		"Trusted":     {"a flag may trust it", one, []string{"https://idp.example.com"}, ""},
		"TrustedGone": {"a flag trusts nobody we know", one, []string{"https://idp.example.com/"}, "no issuer"},
		"Unknown":     {"a field that does not exist", one + "  trustMail: true\n", nil, "unknown field"},
		"None":        {"no issuer", "issuers: []\n", nil, "at least one"},
		"Twice":       {"the same twice", one + "- url: https://idp.example.com\n  clientID: other\n", nil, "once"},
		"OneCallback": {"the same callback twice", one + "  callback: a\n- url: https://other.example.com\n  clientID: other\n  callback: a\n", nil, "callback must be there once"},
		"BadCallback": {"a callback is one part of a path", one + "  callback: ../a\n", nil, "callback must be of"},
		"Callback":    {"a callback of its own", one + "  callback: corp\n", nil, ""},
		"Plain":       {"credentials must not travel in clear", strings.Replace(one, "https", "http", 1), nil, "https"},
		"NoClient":    {"who are we", "issuers:\n- url: https://idp.example.com\n", nil, "clientID"},
		"NoOpenID":    {"no ID token without", one + "  scopes: [email]\n", nil, "openid"},
		"BadDomain":   {"no domain", one + "  emailDomains: ['*']\n", nil, "domain"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "sign-in.yaml")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			issuers, err := Load(file, tc.trusted)
			if err == nil {
				_, err = New(Options{PublicURL: publicURL, Issuers: issuers})
			}
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
			if len(tc.trusted) > 0 && err == nil && !issuers[0].TrustEmail {
				t.Errorf("%s: not trusted", tc.reason)
			}
		})
	}
}
