package pages

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/session"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/subject"
)

const public = "https://enrol.example.com"

func newPages(t *testing.T) *Pages {
	t.Helper()
	p, err := New(Options{PublicURL: public, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shown is a page as a browser gets it.
func shown(p *Pages, visitor *session.Visitor, a *answer) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	secure(recorder.Header())
	p.write(recorder, httptest.NewRequest(http.MethodGet, "/", nil), visitor, a)
	return recorder
}

func visitorNamed(email string) *session.Visitor {
	return &session.Visitor{Caller: &identity.Caller{Name: email}, Email: email, EmailVerified: true, Vouched: true}
}

const script = `<script>alert(1)</script>`

func openingOf(title, inviter, message string) *domain.Opening {
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "6f0c"}}
	o.Spec.DisplayName = title
	o.Spec.Roles = []enrolv1alpha1.Role{{Name: "boss", DisplayName: "Viewer of " + title, BasedOn: enrolv1alpha1.RoleAdmin}}
	return &domain.Opening{
		Organisation: domain.NewOrganisation(o, subject.Naming{}), Inviter: inviter, Message: message,
		Roles:          []enrolv1alpha1.RoleName{"boss", enrolv1alpha1.RoleDeveloper},
		KubernetesRole: enrolv1alpha1.KubernetesRoleEdit, Projects: enrolv1alpha1.Projects{"web", "api"},
		Groups: []enrolv1alpha1.GroupName{"platform"}, Expire: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
	}
}

func TestInvitationPage(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	letter := letter{invitation: "1f", token: "tok", organisation: "6f0c"}
	cases := map[string]struct {
		reason        string
		visitor       *session.Visitor
		opening       *domain.Opening
		want, wantNot []string
	}{
		"Nobody": {
			reason: "Who has the token sees what it is about, and has to sign in to answer", opening: openingOf("Acme", "ada@example.com", "Welcome!"),
			want: []string{
				"<h1>Join Acme</h1>", "ada@example.com", "<blockquote>Welcome!</blockquote>", "web and api", "8 March 2026, 12:00 UTC",
				"/sign-in?return_to=%2Finvitations%3Finvitation%3D1f%26organization%3D6f0c%26token%3Dtok", "platform",
			},
			wantNot: []string{"<form", "kim@example.com"},
		},
		"Kim": {
			reason: "Who has signed in can answer", visitor: visitorNamed("kim@example.com"), opening: openingOf("Acme", "ada@example.com", ""),
			want: []string{
				`value="accept">Accept<`, `value="decline" class="second">Decline<`, `name="token" value="tok"`, `name="invitation" value="1f"`,
				`method="post" action="/invitations"`, "kim@example.com",
			},
			wantNot: []string{"<blockquote>", "/sign-in"},
		},
		"WhatItAllows": {
			reason: "A friendly name does not hide what a role allows", opening: openingOf("Acme", "ada@example.com", ""),
			want: []string{"Viewer of Acme", "Invites and removes people", "Run and change what is there"},
		},
		"Script": {
			reason: "What others wrote is text", opening: openingOf("Acme "+script, script, script), visitor: visitorNamed(script),
			want: []string{"&lt;script&gt;"}, wantNot: []string{"<script"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := shown(p, tc.visitor, p.waiting(tc.visitor, letter, tc.opening))
			if got.Code != http.StatusOK {
				t.Errorf("%s: got status %d", tc.reason, got.Code)
			}
			text := got.Body.String()
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: must contain %q:\n%s", tc.reason, want, text)
				}
			}
			for _, not := range tc.wantNot {
				if strings.Contains(text, not) {
					t.Errorf("%s: must not contain %q:\n%s", tc.reason, not, text)
				}
			}
		})
	}
}

func TestClosedPages(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	cases := map[string]struct {
		reason string
		answer *answer
		status int
		want   string
	}{
		"Expired":  {"It says until when", closed(nil, standing(domain.Expired)), http.StatusGone, "8 March 2026"},
		"Revoked":  {"", closed(nil, standing(domain.Revoked)), http.StatusGone, "withdrawn"},
		"Declined": {"", closed(nil, standing(domain.Declined)), http.StatusGone, "declined"},
		"Used":     {"", closed(nil, standing(domain.Used)), http.StatusGone, "accepted"},
		"Replaced": {"", closed(nil, standing(domain.Replaced)), http.StatusGone, "newer mail"},
		"Gone":     {"Nothing is known of the organisation", closed(nil, &domain.Opening{Standing: domain.Gone}), http.StatusGone, "finished"},
		"Unknown":  {"", unknown(), http.StatusNotFound, "does not exist"},
		"Foreign": {"It offers another account", foreign(visitorNamed("eve@example.com"), letter{invitation: "1f"}), http.StatusForbidden,
			"Use another account"},
		"SignIn": {"", signInFirst(letter{invitation: "1f"}), http.StatusOK, "/sign-in?return_to="},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := shown(p, nil, tc.answer)
			if got.Code != tc.status || !strings.Contains(got.Body.String(), tc.want) {
				t.Errorf("%s: got %d, want %d, and %q in\n%s", tc.reason, got.Code, tc.status, tc.want, got.Body)
			}
			checkShape(t, got)
		})
	}
}

func standing(s domain.Standing) *domain.Opening {
	opening := openingOf("Acme", "ada@example.com", "")
	opening.Standing = s
	return opening
}

// checkShape looks at what every page must have: for the browser, for a screen reader, and not to run anything.
func checkShape(t *testing.T, got *httptest.ResponseRecorder) {
	t.Helper()
	want := map[string]string{
		"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Type": "text/html; charset=utf-8",
	}
	for name, value := range want {
		if diff := cmp.Diff(value, got.Header().Get(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	text := got.Body.String()
	for _, must := range []string{`<html lang="en">`, `<main id="content">`, `name="viewport"`, "<title>"} {
		if strings.Count(text, must) != 1 {
			t.Errorf("must have %s once:\n%s", must, text)
		}
	}
	if strings.Count(text, "<h1>") != 1 {
		t.Errorf("must have one heading:\n%s", text)
	}
	for _, not := range []string{"<script", " style=", " onclick=", "<style", "javascript:"} {
		if strings.Contains(text, not) {
			t.Errorf("must not have %q:\n%s", not, text)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	cases := map[string]struct {
		reason       string
		site, origin string
		ok           bool
	}{
		"Page":          {"Browsers hide the origin, as the pages ask them to", "same-origin", "null", true},
		"PageAndOrigin": {"Or they do not", "same-origin", public, true},
		"Older":         {"A browser that only knows Origin", "", public, true},
		"Public":        {"Behind a proxy the host is another", "same-origin", public, true},
		"Nothing":       {"No browser sends neither", "", "", false},
		"Elsewhere":     {"Another site", "cross-site", "https://evil.example", false},
		"Sibling":       {"Another host of the same site", "same-site", "https://evil.example.com", false},
		"OlderAway":     {"Another site in an older browser", "", "https://evil.example", false},
		"Hidden":        {"Another site that hides itself from an older browser", "", "null", false},
		"HiddenAway":    {"Another site that hides itself", "cross-site", "null", false},
		"Contradiction": {"Both must agree", "same-origin", "https://evil.example", false},
		"Port":          {"Another port is another origin", "", public + ":8443", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "http://inner.svc/invitations", nil)
			for header, value := range map[string]string{"Sec-Fetch-Site": tc.site, "Origin": tc.origin} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
			if err := p.checkOrigin(r); (err == nil) != tc.ok {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, query string
		want          letter
		path          string
	}{
		"Mailed": {"The link of the mail", "invitation=1f&token=tok", letter{invitation: "1f", token: "tok"}, "/invitations?invitation=1f&token=tok"},
		"Locator": {"The locator becomes the same, without a token", "inviteToken=1f&organization=6f",
			letter{invitation: "1f", organisation: "6f"}, "/invitations?invitation=1f&organization=6f"},
		"Odd": {"What is odd stays within its value", "invitation=%26token%3Dx&token=%22%3E%0d%0a",
			letter{invitation: "&token=x", token: "\">\r\n"}, "/invitations?invitation=%26token%3Dx&token=%22%3E%0D%0A"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := url.ParseQuery(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			got := letterOf(values)
			if got != tc.want || got.path() != tc.path {
				t.Errorf("%s: got %+v and %s", tc.reason, got, got.path())
			}
		})
	}
}

// nobody is a Finder that never finds anybody.
type nobody struct{}

func (nobody) Visitor(*http.Request) (*session.Visitor, error) { return nil, nil }

// TestTrouble asks a facade that has not seen the cluster yet.
func TestTrouble(t *testing.T) {
	t.Parallel()
	objects, err := store.New(&rest.Config{Host: "http://127.0.0.1:1"}, subject.Naming{}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{
		Domain: domain.New(domain.Options{Store: objects, Clock: clock.RealClock{}}), Sessions: nobody{}, Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	p.Register(mux)
	get := func(method, path string) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), method, path, nil))
		return recorder
	}
	got := get(http.MethodGet, "/invitations?invitation=1f&token=tok")
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" ||
		!strings.Contains(got.Body.String(), `href="/invitations?invitation=1f&amp;token=tok"`) {
		t.Errorf("must be a page that offers to try again: %d\n%s", got.Code, got.Body)
	}
	checkShape(t, got)
	if got := get(http.MethodHead, "/invitations"); got.Body.Len() > 0 {
		t.Errorf("HEAD must have no body: %s", got.Body)
	}
	if got := get(http.MethodPut, "/invitations"); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT must not be allowed: %d", got.Code)
	}
	if got := get(http.MethodGet, "/assets/enrol.css"); got.Code != http.StatusOK || got.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("the style sheet must be served: %d", got.Code)
	}
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	known := Cluster{Server: "https://k8s.example.com:6443", CA: []byte("PEM"), Issuer: "https://dex.example.com", ClientID: "kubectl"}
	got := known.kubeconfig("web: {x}")
	for _, want := range []string{
		"server: https://k8s.example.com:6443", "certificate-authority-data: UEVN", "--oidc-issuer-url=https://dex.example.com",
		"--oidc-client-id=kubectl", "namespace: 'web: {x}'",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("must contain %q:\n%s", want, got)
		}
	}
	known.Issuer = ""
	if got := known.kubeconfig("web"); got != "" {
		t.Errorf("without an issuer there is none: %s", got)
	}
}
