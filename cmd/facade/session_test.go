package main

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/enrol-dev/enrol/internal/facade/session"
)

// sessionOf signs a person in at the identity provider, as a browser does, and is the session's cookie.
func sessionOf(t testing.TB, r *replica, person string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: r.client.Transport, Jar: jar, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	begun := caller{TB: t, replica: r}.do(http.MethodGet, session.SignIn("/"), http.Header{}, http.NoBody).want(t, http.StatusFound)
	form := open(t, browser, http.MethodGet, begun.header.Get("Location"), nil) //nolint:bodyclose // It is closed already.
	//nolint:bodyclose // As above.
	done := open(t, browser, http.MethodPost, form.Request.URL.String(), url.Values{"login": {person}, "password": {passwordOf(t, person)}})
	back := done.Header.Get("Location")
	if !strings.HasPrefix(back, publicURL+"/sign-in/callback?") {
		t.Fatalf("the identity provider answers %s and leads to %q", done.Status, back)
	}
	ended := caller{TB: t, replica: r}.do(http.MethodGet, strings.TrimPrefix(back, publicURL), http.Header{
		"Cookie": {pairs(t, begun.header)},
	}, http.NoBody).want(t, http.StatusSeeOther)
	_, value, _ := strings.Cut(pairs(t, ended.header), "__Host-session=")
	return value
}

// pairs are the cookies that an answer sets, as a browser sends them.
func pairs(t testing.TB, header http.Header) string {
	t.Helper()
	var all []string
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		if cookie.MaxAge > 0 {
			all = append(all, cookie.Name+"="+cookie.Value)
		}
	}
	if len(all) != 1 {
		t.Fatalf("the answer must set one cookie, but sets %v", header["Set-Cookie"])
	}
	return all[0]
}

func open(t testing.TB, browser *http.Client, method, target string, form url.Values) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

func passwordOf(t testing.TB, person string) string {
	t.Helper()
	for _, known := range environment.People.People() {
		if known.Email == person {
			return known.Password
		}
	}
	t.Fatalf("%s has no account", person)
	return ""
}

// TestSessionCookie: the session of a browser is a credential in one dialect, and in no other.
func TestSessionCookie(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	sealed := sessionOf(t, facades[0], ada)
	users := "/api/v1/organizations/" + f.uid() + "/users"
	add := func(email string) string { return fmt.Sprintf(`[{"email":%q,"project_ids":null}]`, email) }
	cases := map[string]struct {
		reason             string
		method, path, body string
		header             http.Header
		want               int
	}{
		"Read":        {"the cookie of sign-in", http.MethodGet, users, "", http.Header{"Cookie": {"__Host-session=" + sealed}}, http.StatusOK},
		"PlainName":   {"the name that clients know", http.MethodGet, users, "", http.Header{"Cookie": {"session=" + sealed}}, http.StatusOK},
		"ReadAcross":  {"a browser keeps answers from pages of elsewhere", http.MethodGet, users, "", http.Header{"Cookie": {"session=" + sealed}, "Origin": {"https://evil.example.com"}}, http.StatusOK},
		"Altered":     {"another value", http.MethodGet, users, "", http.Header{"Cookie": {"__Host-session=A" + sealed}}, http.StatusUnauthorized},
		"HeaderFirst": {"a header beats the cookie", http.MethodGet, users, "", http.Header{"Cookie": {"session=" + sealed}, "Authorization": {"Bearer nonsense"}}, http.StatusUnauthorized},
		"EmptyHeader": {"even an empty one", http.MethodGet, users, "", http.Header{"Cookie": {"session=" + sealed}, "Authorization": {""}}, http.StatusUnauthorized},
		"Write":       {"from a page of ours", http.MethodPut, users, add("w1@example.com"), http.Header{"Cookie": {"__Host-session=" + sealed}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusOK},
		"WriteAlone":  {"from no browser", http.MethodPut, users, add("w2@example.com"), http.Header{"Cookie": {"session=" + sealed}}, http.StatusOK},
		"WriteSite":   {"from elsewhere", http.MethodPut, users, add("w3@example.com"), http.Header{"Cookie": {"session=" + sealed}, "Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		"WriteOrigin": {"from elsewhere, by the older header", http.MethodPut, users, add("w4@example.com"), http.Header{"Cookie": {"session=" + sealed}, "Origin": {"https://evil.example.com"}}, http.StatusForbidden},
		"WriteBoth": {"one of the two says elsewhere", http.MethodPut, users, add("w5@example.com"), http.Header{
			"Cookie": {"session=" + sealed}, "Origin": {"https://evil.example.com"}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusForbidden},
		"Avisi":     {"another dialect", http.MethodGet, "/api/v1/memberships", "", http.Header{"Cookie": {"__Host-session=" + sealed}}, http.StatusUnauthorized},
		"Dreadnode": {"another dialect", http.MethodGet, "/api/v1/org/" + f.name + "/members", "", http.Header{"Cookie": {"session=" + sealed}}, http.StatusUnauthorized},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.body != "" {
				tc.header.Set("Content-Type", "application/json")
			}
			got := f.on(facades[0]).do(tc.method, tc.path, tc.header, strings.NewReader(tc.body))
			if got.status != tc.want {
				t.Errorf("%s: got %s, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

// TestMemberSinceTheLastCall: who calls before and right after being made a member is recognised by the verified address at once,
// although the API server is not asked anew whose token it is.
func TestMemberSinceTheLastCall(t *testing.T) {
	t.Parallel()
	const person = "p8@example.com"
	f := newOrganisation(t)
	me := "/api/v1/organisations/" + f.organisation.Slug() + "/me"
	f.send(person, http.MethodGet, me, "").want(t, http.StatusNotFound)
	f.send(ada, http.MethodPost, "/api/v1/organisations/"+f.organisation.Slug()+"/members", `{"email": "`+person+`"}`).want(t, http.StatusOK)
	f.until(http.StatusOK, person, http.MethodGet, me, "")
	got := f.send(person, http.MethodGet, me, "").want(t, http.StatusOK)
	if !strings.Contains(string(got.body), `"username":"`+person+`"`) {
		t.Errorf("must be known by name, but got %s", got)
	}
}
