package session

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestProviderInTrouble(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	f.set(func() { f.down = true })
	wantRetry := func(when string, response *answer) {
		t.Helper()
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d", when, response.StatusCode)
		}
		checkPage(t, response)
	}
	wantRetry("down from the start", b.get("/sign-in"))
	f.set(func() { f.down = false })
	f.clock.SetTime(f.clock.Now().Add(2 * retryAfter))
	callback := b.begin("/")
	f.set(func() { f.broken = true })
	wantRetry("the token endpoint fails", b.get(callback))
	f.set(func() { f.broken = false })
	callback = b.begin("/")
	f.set(func() { f.down = true })
	wantRetry("down in between", b.get(callback))
	f.set(func() { f.down = false })
	if got := b.signIn(); got.StatusCode != http.StatusSeeOther {
		t.Errorf("up again: got %d", got.StatusCode)
	}
	f.set(func() { f.rotate("second") })
	if got := f.browser().signIn(); got.StatusCode != http.StatusSeeOther {
		t.Errorf("with a new key: got %d", got.StatusCode)
	}
}

// TestForgedToken is signed with a key that the provider does not have.
func TestForgedToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set(func() { f.forge = true })
	b := f.browser()
	if got := b.signIn(); got.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", got.StatusCode)
	}
	if v := b.visitor(); v != nil {
		t.Errorf("signed in as %+v", v)
	}
}

//nolint:tparallel // The rows share a provider, and are over in no time.
func TestCallback(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	begin := func() (*browser, string) {
		b := f.browser()
		return b, b.begin("/")
	}
	cases := map[string]struct {
		reason string
		do     func() *answer
		want   int
	}{
		"OtherBrowser": {"a link from somebody else's sign-in", func() *answer { _, callback := begin(); return f.browser().get(callback) }, http.StatusBadRequest},
		"Replayed":     {"a sign-in ends once", func() *answer { b, callback := begin(); b.get(callback); return b.get(callback) }, http.StatusBadRequest},
		"Stolen":       {"a code is good once, for who has the cookie as well", func() *answer { b, callback := begin(); c := b.copy(); b.get(callback); return c.get(callback) }, http.StatusServiceUnavailable},
		"NoState":      {"without state", func() *answer { b, callback := begin(); return b.get(strings.Split(callback, "&state")[0]) }, http.StatusBadRequest},
		"Denied":       {"the person changed their mind", func() *answer { b, callback := begin(); return b.get(callback + "&error=access_denied") }, http.StatusBadRequest},
		"OtherIssuer": {"the answer of another provider", func() *answer {
			b, callback := begin()
			return b.get(callback + "&iss=https://evil.example.com")
		}, http.StatusBadRequest},
		"OwnIssuer": {"the answer of the provider that was asked", func() *answer {
			b, callback := begin()
			return b.get(callback + "&iss=" + url.QueryEscape(f.URL))
		}, http.StatusSeeOther},
		"Head": {"a look changes nothing", func() *answer { b, callback := begin(); return b.send(http.MethodHead, callback, nil) }, http.StatusMethodNotAllowed},
		"Post": {"another method", func() *answer { b, callback := begin(); return b.send(http.MethodPost, callback, nil) }, http.StatusMethodNotAllowed},
		"Late": {"too long at the provider", func() *answer {
			other := newFixture(t).browser()
			callback := other.begin("/")
			other.clock.SetTime(other.clock.Now().Add(attemptAge))
			return other.get(callback)
		}, http.StatusBadRequest},
		"TwoTabs": {"the first of two tabs", func() *answer { b, callback := begin(); b.begin("/other"); return b.get(callback) }, http.StatusSeeOther},
		"AfterHead": {"a look at the link does not use it up", func() *answer {
			b, callback := begin()
			b.send(http.MethodHead, callback, nil)
			return b.get(callback)
		}, http.StatusSeeOther},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.do(); got.StatusCode != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, got.StatusCode, tc.want)
			}
		})
	}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		second := o.Issuers[0]
		second.Name, second.URL = `<script>alert("hi")</script>`, "https://idp.example.com"
		o.Issuers = append(o.Issuers, second)
	})
	b := f.browser()
	response := b.get(SignIn("/organisations/acme"))
	if response.StatusCode != http.StatusOK || strings.Contains(response.Body, "<script") || strings.Count(response.Body, `class="button"`) != 2 {
		t.Errorf("got %d: %s", response.StatusCode, response.Body)
	}
	host := strings.TrimPrefix(f.URL, "https://")
	b.get(b.authorize(b.get(SignIn("/organisations/acme") + "&issuer=" + url.QueryEscape(host)).Header.Get("Location")))
	if b.visitor() == nil {
		t.Error("nobody is signed in")
	}
}

// TestMixUp: of two providers, one has a person who wants to sign in with it sign in with the other. What that answers must not be sent
// to the first, which could redeem it: it knows the challenge, and would be told the verifier.
func TestMixUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) {
		other := o.Issuers[0]
		o.Issuers[0].Callback = "corp"
		other.Name, other.URL, other.Callback = "other", "https://other.example.com", "other"
		o.Issuers = append(o.Issuers, other)
	})
	host := url.QueryEscape(strings.TrimPrefix(f.URL, "https://"))
	b := f.browser()
	callback := b.authorize(b.get(SignIn("/") + "&issuer=" + host).Header.Get("Location"))
	if !strings.HasPrefix(callback, "/sign-in/callback/corp?") {
		t.Fatalf("sent back to %s", callback)
	}
	for _, elsewhere := range []string{"/other", "", "/unknown"} {
		thief := b.copy()
		if got := thief.get(strings.Replace(callback, "/corp", elsewhere, 1)); got.StatusCode != http.StatusBadRequest || thief.visitor() != nil {
			t.Errorf("an answer at %q is taken for one of the provider: %d", elsewhere, got.StatusCode)
		}
	}
	if got := b.send(http.MethodHead, callback, nil); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD answers %d", got.StatusCode)
	}
	if got := b.get(callback); got.StatusCode != http.StatusSeeOther || b.visitor() == nil {
		t.Errorf("got %d, and nobody is signed in", got.StatusCode)
	}
}

// TestEndlessAnswer: a provider that does not stop must not use up the memory.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.set(func() { f.endless = true })
	if got := f.browser().get(SignIn("/")); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d", got.StatusCode)
	}
	const buffered = 16 << 20
	f.set(func() {
		if f.sent > buffered {
			t.Errorf("read %d bytes", f.sent)
		}
	})
}
