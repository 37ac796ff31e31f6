package pages

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

var (
	forms   = regexp.MustCompile(`name="action" value="([a-z]+)">(?:<input type="hidden" name="id" value="([^"]*)">)?`)
	choices = regexp.MustCompile(`<option value="([^"]*)"`)
	chosen  = regexp.MustCompile(`<option value="([^"]*)" selected`)
)

// offered are the forms of a page: action and id.
func offered(page string) []string {
	found := []string{}
	for _, match := range forms.FindAllStringSubmatch(page, -1) {
		found = append(found, strings.TrimSpace(match[1]+" "+match[2]))
	}
	return found
}

func matches(pattern *regexp.Regexp, page string) (found []string) {
	for _, match := range pattern.FindAllStringSubmatch(page, -1) {
		found = append(found, match[1])
	}
	return found
}

// TestChanges: a form leads to one write with the visitor's own token, and back to the page by a code.
func TestChanges(t *testing.T) {
	t.Parallel()
	const members, invitations = "/apis/enrol.dev/v1alpha1/namespaces/org-acme/members", "/apis/enrol.dev/v1alpha1/namespaces/org-acme/invitations"
	cases := map[string]struct {
		reason          string
		who             string
		form            url.Values
		location, write string
	}{
		"Invite": {
			reason: "an address and a role", who: jane, form: url.Values{"action": {"invite"}, "email": {" Max@Example.com "}, "role": {"viewer"}, "scope": {"all"}},
			location: "/organisations/acme?done=invited", write: "POST " + invitations,
		},
		"Revoke": {
			reason: "the link is dead", who: jane, form: url.Values{"action": {"revoke"}, "id": {"kim"}},
			location: "/organisations/acme?done=revoked", write: "DELETE " + invitations + "/kim",
		},
		"Remove": {
			reason: "the access is gone", who: jane, form: url.Values{"action": {"remove"}, "id": {"joe"}},
			location: "/organisations/acme?done=removed", write: "DELETE " + members + "/joe",
		},
		"Leave": {
			reason: "whoever is gone cannot see the page any more", who: jane, form: url.Values{"action": {"remove"}, "id": {"jane"}},
			location: "/?done=left", write: "DELETE " + members + "/jane",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, acme())
			w := s.post(tc.who, tc.form)
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != tc.location {
				t.Fatalf("%s: got %d to %q, want %q:\n%s", tc.reason, w.Code, w.Header().Get("Location"), tc.location, w.Body)
			}
			if got, want := s.written(), "["+tc.write+" Bearer token-of-"+tc.who+"]"; got != want {
				t.Errorf("%s: wrote %s, want %s", tc.reason, got, want)
			}
		})
	}
}

// TestRemovalDespiteStrangers: whoever may bind in a namespace of their own can make RoleBindings there that look as if they were an
// organisation's, and name whom they like. A removal is done all the same; not while one of the organisation's own is there.
func TestRemovalDespiteStrangers(t *testing.T) {
	t.Parallel()
	controller := true
	owner := []metav1.OwnerReference{{APIVersion: "enrol.dev/v1alpha1", Kind: "Organisation", Name: "acme", UID: "acme", Controller: &controller}}
	for name, tc := range map[string]struct {
		reason, namespace string
		owners            []metav1.OwnerReference
		want              int
	}{
		"Elsewhere": {"labels alone say nothing", "elsewhere", nil, http.StatusSeeOther},
		"Former":    {"a namespace that was a project a moment ago", "former", owner, http.StatusGatewayTimeout},
		"Stripped":  {"in a project, somebody took the owner away", "web", nil, http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := acme()
			c.add("namespaces", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: "web", Labels: map[string]string{enrolv1alpha1.LabelOrganisation: "acme"},
			}})
			c.add("rolebindings", &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "enrol:acme:edit:0", Namespace: tc.namespace, OwnerReferences: tc.owners},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: joe}},
			})
			w := serve(t, c).post(jane, url.Values{"action": {"remove"}, "id": {"joe"}})
			if w.Code != tc.want {
				t.Errorf("%s: got %d, want %d:\n%s", tc.reason, w.Code, tc.want, w.Body)
			}
		})
	}
}

// TestRefusedChanges: nothing is written, and the page says why.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		who    string
		form   url.Values
		status int
		want   string
	}{
		"ViewerInvites":     {"no right to invitations", joe, url.Values{"action": {"invite"}, "email": {"a@b.example"}}, 403, "create on invitations"},
		"ViewerResends":     {"no right to invitations", joe, url.Values{"action": {"resend"}, "id": {"kim"}}, 403, "update on invitations"},
		"ViewerRevokes":     {"no right to invitations", joe, url.Values{"action": {"revoke"}, "id": {"kim"}}, 403, "delete on invitations"},
		"ViewerRemoves":     {"no right to members", joe, url.Values{"action": {"remove"}, "id": {"jane"}}, 403, "delete on members"},
		"AdminInvitesOwner": {"no grant on owner", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"owner"}, "scope": {"all"}}, 403, "organisationroles"},
		"AdminRevokesOwner": {"no grant on owner", jane, url.Values{"action": {"revoke"}, "id": {"late"}}, 403, "organisationroles"},
		"NoAddress":         {"said beside what was filled in", jane, url.Values{"action": {"invite"}, "email": {"nobody"}, "role": {"admin"}, "scope": {"all"}}, 422, "The address must have one @."},
		"UnknownRole":       {"a role of another organisation", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"boss"}, "scope": {"all"}}, 422, "The role is refused"},
		"NoProject":         {"some are to be chosen, and none is", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"viewer"}, "scope": {"some"}}, 422, "The choice must be between 1 and 256 projects."},
		"UnknownProject":    {"a namespace of somebody else", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"viewer"}, "scope": {"some"}, "project": {"data", "kube-system"}}, 422, "The choice must be projects of the organisation."},
		"EveryProject":      {"all has another name in the form", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"viewer"}, "scope": {"some"}, "project": {"*"}}, 422, "The choice must be projects of the organisation."},
		"NoScope":           {"what says nothing of projects is no word for all", jane, url.Values{"action": {"invite"}, "email": {"a@b.example"}, "role": {"viewer"}}, 422, "The choice must be between 1 and 256 projects."},
		"InvitedTwice":      {"one invitation per address", jane, url.Values{"action": {"invite"}, "email": {kim}, "scope": {"all"}}, 409, "an invitation for this address already"},
		"InvitedMember":     {"a member needs none", jane, url.Values{"action": {"invite"}, "email": {joe}, "scope": {"all"}}, 409, "a member already"},
		"RevokedTwice":      {"a double click", jane, url.Values{"action": {"revoke"}, "id": {"gone"}}, 404, "not there any more"},
		"NoAction":          {"not our form", jane, url.Values{}, 400, "cannot be read"},
		"UnknownAction":     {"not our form", jane, url.Values{"action": {"own"}}, 400, "cannot be read"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, acme())
			w := s.post(tc.who, tc.form)
			page := html.UnescapeString(w.Body.String())
			if w.Code != tc.status || !strings.Contains(page, tc.want) {
				t.Errorf("%s: got %d, want %d with %q:\n%s", tc.reason, w.Code, tc.status, tc.want, page)
			}
			if email := tc.form.Get("email"); tc.status == http.StatusUnprocessableEntity && !strings.Contains(page, `value="`+email+`"`) {
				t.Errorf("%s: the form has lost %q", tc.reason, email)
			}
			if got := s.written(); got != "[]" {
				t.Errorf("%s: wrote %s", tc.reason, got)
			}
		})
	}
}

// TestFormsFromElsewhere: what a page of another site sends changes nothing, and neither does what says nothing of itself.
func TestFormsFromElsewhere(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		headers map[string]string
		want    int
	}{
		"SameOrigin":   {"a form of the page", map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusSeeOther},
		"OldBrowser":   {"a browser that only knows Origin", map[string]string{"Origin": "https://example.com"}, http.StatusSeeOther},
		"PublicOrigin": {"a proxy has changed the Host", map[string]string{"Origin": "https://enrol.example.com"}, http.StatusSeeOther},
		"CrossSite":    {"a form of another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		"SameSite":     {"a neighbour is another site too", map[string]string{"Sec-Fetch-Site": "same-site"}, http.StatusForbidden},
		"OtherOrigin":  {"an old browser, a form of another site", map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		"NullOrigin":   {"a form out of a sandbox", map[string]string{"Origin": "null"}, http.StatusForbidden},
		"Nothing":      {"no browser", nil, http.StatusForbidden},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, acme())
			r := request("/organisations/acme", url.Values{"action": {"remove"}, "id": {"joe"}})
			r.Header.Del("Sec-Fetch-Site")
			for name, value := range tc.headers {
				r.Header.Set(name, value)
			}
			w := s.send(r, jane)
			if w.Code != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, w.Code, tc.want)
			}
			if wrote := s.written() != "[]"; wrote != (tc.want == http.StatusSeeOther) {
				t.Errorf("%s: wrote %s", tc.reason, s.written())
			}
		})
	}
}

// TestCodes: an address chooses among texts of the page, and brings none of its own.
func TestCodes(t *testing.T) {
	t.Parallel()
	s := serve(t, acme())
	cases := map[string]struct{ reason, target, want string }{
		"Invited": {"a known code", "/organisations/acme?done=invited", "the mail is on its way"},
		"Resent":  {"a known code", "/organisations/acme?done=resent", "sent again"},
		"Revoked": {"a known code", "/organisations/acme?done=revoked", "was revoked"},
		"Removed": {"a known code", "/organisations/acme?done=removed", "was removed"},
		"Left":    {"a known code", "/?done=left", "have left"},
		"Text":    {"anybody can make such an address", "/organisations/acme?done=Call+this+number", ""},
		"None":    {"nothing was done", "/organisations/acme", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := s.get(ada, tc.target).Body.String()
			if note := strings.Contains(page, `role="status"`); note != (tc.want != "") || !strings.Contains(page, tc.want) {
				t.Errorf("%s: want the note %q:\n%s", tc.reason, tc.want, page)
			}
			if strings.Contains(page, "Call this number") {
				t.Errorf("%s: a text of the address is shown", tc.reason)
			}
		})
	}
}

// TestUnknownAndUnreadable: nobody learns which organisations there are.
func TestUnknownAndUnreadable(t *testing.T) {
	t.Parallel()
	s := serve(t, acme())
	for _, who := range []string{kim, "?" + ada} {
		for _, ask := range []func(target string) *httptest.ResponseRecorder{
			func(target string) *httptest.ResponseRecorder { return s.get(who, target) },
			func(target string) *httptest.ResponseRecorder {
				return s.send(request(target, url.Values{"action": {"remove"}, "id": {"joe"}}), who)
			},
		} {
			there, nowhere := ask("/organisations/acme"), ask("/organisations/nowhere")
			if there.Code != http.StatusNotFound || nowhere.Code != http.StatusNotFound {
				t.Errorf("%s: got %d and %d", who, there.Code, nowhere.Code)
			}
			if diff := cmp.Diff(nowhere.Body.String(), there.Body.String()); diff != "" {
				t.Errorf("%s: the pages differ (-unknown +unreadable):\n%s", who, diff)
			}
			if diff := cmp.Diff(nowhere.Header(), there.Header()); diff != "" {
				t.Errorf("%s: the headers differ (-unknown +unreadable):\n%s", who, diff)
			}
		}
	}
	if got := s.written(); got != "[]" {
		t.Errorf("wrote %s", got)
	}
}

// TestSignInFirst: whoever has not signed in is sent there, and back to the page.
func TestSignInFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, acme())
	for name, w := range map[string]*httptest.ResponseRecorder{
		"GET":  s.get("", "/organisations/acme"),
		"POST": s.post("", url.Values{"action": {"remove"}, "id": {"joe"}}),
	} {
		if got, want := w.Header().Get("Location"), "/sign-in?return_to=%2Forganisations%2Facme"; w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: got %d to %q, want %q", name, w.Code, got, want)
		}
	}
	if w := s.get("", "/"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `href="/sign-in?return_to=%2F"`) {
		t.Errorf("the first page does not say where to sign in: %d:\n%s", w.Code, w.Body)
	}
	if got := s.written(); got != "[]" {
		t.Errorf("wrote %s", got)
	}
}

// TestHome: organisations and invitations of the visitor; of one whom the API server does not know, invitations alone.
func TestHome(t *testing.T) {
	t.Parallel()
	c := acme()
	c.invitation("ada", start.Add(time.Hour), enrolv1alpha1.InvitationSpec{Email: ada})
	s := serve(t, c)
	const organisation, invitation = `href="/organisations/acme"`, `href="/invitations?inviteToken=`
	cases := map[string]struct {
		reason, who               string
		organisation, invitations bool
	}{
		"Member":  {"sees the organisation", joe, true, false},
		"Invited": {"sees the invitation", kim, false, true},
		"Both":    {"an owner may be invited all the same", ada, true, true},
		"Foreign": {"a name of another issuer proves nothing but the address", "?" + ada, false, true},
		"Late":    {"an expired invitation is nothing to answer", "late@example.com", false, false},
		"Off":     {"a suspended member sees no page of the organisation", "off@example.com", false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := s.get(tc.who, "/").Body.String()
			if got := strings.Contains(page, organisation); got != tc.organisation {
				t.Errorf("%s: organisation %t:\n%s", tc.reason, got, page)
			}
			if got := strings.Contains(page, invitation); got != tc.invitations {
				t.Errorf("%s: invitations %t:\n%s", tc.reason, got, page)
			}
		})
	}
}

// TestAcceptedIsForThePerson: what somebody has is shown to whoever is known to be that person. The page's address holds no secret.
func TestAcceptedIsForThePerson(t *testing.T) {
	t.Parallel()
	c := acme()
	made := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{
		Name: "made", Namespace: "org-acme", Annotations: map[string]string{enrolv1alpha1.AnnotationInvitation: "1f"},
	}}
	made.Spec.Username = kim
	c.add("members", made)
	s := serve(t, c)
	for name, tc := range map[string]struct {
		reason, who, target string
		status              int
		shown               bool
	}{
		"Member":     {"the API server knows the person", joe, "/invitations/accepted?organisation=acme", http.StatusOK, true},
		"Verified":   {"the identity provider does", "?" + joe, "/invitations/accepted?organisation=acme", http.StatusOK, true},
		"Unverified": {"anybody can put any address into an account", "!" + joe, "/invitations/accepted?organisation=acme", http.StatusNotFound, false},
		"Owner":      {"an owner's as well", "!" + ada, "/invitations/accepted?organisation=acme", http.StatusNotFound, false},
		"Finished":   {"an invitation that is gone leads there", kim, "/invitations?invitation=1f", http.StatusSeeOther, false},
		"Claimed":    {"but nobody who only says to be the person", "!" + kim, "/invitations?invitation=1f", http.StatusOK, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := s.get(tc.who, tc.target)
			page := w.Body.String() + w.Header().Get("Location")
			if w.Code != tc.status || strings.Contains(page, "Acme Ltd") != tc.shown {
				t.Errorf("%s: got %d, want %d:\n%s", tc.reason, w.Code, tc.status, page)
			}
		})
	}
}

// TestThousandsOfMembersOfOnePerson: whoever may make Members can make many for one person, which must not keep the facade busy, least
// of all for a batch that nobody waits for any more.
func TestThousandsOfMembersOfOnePerson(t *testing.T) {
	t.Parallel()
	const many, longest = 30_000, 2 * time.Second // With each Member compared to each it is 6 s.
	c := acme()
	for i := range many {
		c.member(fmt.Sprintf("m%d", i), enrolv1alpha1.MemberSpec{
			Username: maxim, Email: enrolv1alpha1.Email(fmt.Sprintf("max-%d@example.com", i)),
		})
	}
	d := serve(t, c).pages.Domain
	o, err := d.Find(domain.Ref{Slug: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if details := d.Check(o, domain.Addition{Username: maxim}); len(details) > 0 || time.Since(begun) > longest {
		t.Errorf("looking for a person took %s, and found wrong: %v", time.Since(begun), details)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	nobody := func(int) bool { return false }
	if details := d.CheckAll(ended, o, make([]domain.Addition, 2), nobody); len(details) > 0 {
		t.Errorf("rows to add were looked at for nobody: %v", details)
	}
	if details := d.CheckRemovals(ended, o, make([]domain.Removal, 2), nobody); len(details) > 0 {
		t.Errorf("rows to remove were looked at for nobody: %v", details)
	}
}

// TestHeadersAndMethods: pages are kept by nobody and framed by nobody, and only POST changes something.
func TestHeadersAndMethods(t *testing.T) {
	t.Parallel()
	s := serve(t, acme())
	for _, w := range []*httptest.ResponseRecorder{
		s.get(ada, "/"), s.get(ada, "/organisations/acme"), s.get(ada, "/organisations/nowhere"), s.get("", "/organisations/acme"),
	} {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		r := request("/organisations/acme?action=remove&id=joe", url.Values{"action": {"remove"}, "id": {"joe"}})
		r.Method = method
		w := s.send(r, ada)
		if reads := method == http.MethodGet || method == http.MethodHead; reads != (w.Code == http.StatusOK) {
			t.Errorf("%s: got %d", method, w.Code)
		}
	}
	// A form's values come from its body: an address cannot do anything.
	if w := s.send(request("/organisations/acme?action=remove&id=joe", url.Values{}), ada); w.Code != http.StatusBadRequest {
		t.Errorf("values in the address: got %d", w.Code)
	}
	if got := s.written(); got != "[]" {
		t.Errorf("wrote %s", got)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		err    *fault.Error
		status int
		text   string
	}{
		"Resend": {
			"a minute apart", &fault.Error{Kind: fault.RateLimited, Text: "resends must be a minute apart", RetryAfter: 40 * time.Second},
			http.StatusTooManyRequests, "Resends must be a minute apart. Please try again in a minute.",
		},
		"Quota": {
			"as long as it takes", &fault.Error{Kind: fault.RateLimited, Text: "too many", RetryAfter: 25 * time.Minute},
			http.StatusTooManyRequests, "Too many. Please try again in 25 minutes.",
		},
		"Never": {
			"not a time to wait for", &fault.Error{Kind: fault.RateLimited, Text: "sent as often as it may be: make a new one", RetryAfter: 24 * time.Hour},
			http.StatusTooManyRequests, "Sent as often as it may be: make a new one.",
		},
		"Busy":        {"the API server's limit has a page of its own", &fault.Error{Kind: fault.RateLimited}, 0, ""},
		"Unavailable": {"nothing that the visitor can mend", &fault.Error{Kind: fault.Unavailable, Text: "secret"}, 0, ""},
		"Internal":    {"nothing that the visitor can mend", &fault.Error{Kind: fault.Internal, Text: "secret"}, 0, ""},
		"SignIn":      {"the session has ended", &fault.Error{Kind: fault.Unauthenticated}, 0, ""},
		"Waiting":     {"the operator is slow", fault.New(fault.Timeout, "not yet"), http.StatusGatewayTimeout, "Not yet. Please look again in a moment."},
		"Timeout":     {"the API server is slow", &fault.Error{Kind: fault.Timeout}, 0, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := refusal(tc.err)
			if status != tc.status || text != tc.text {
				t.Errorf("%s: got %d %q, want %d %q", tc.reason, status, text, tc.status, tc.text)
			}
		})
	}
}
