package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/browsertest"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	accept  = "button[value=accept]"
	decline = "button[value=decline]"
	signIn  = "main a.button"
	// changeAccount and signOut both end a session; the first leads back to where it was.
	changeAccount = "main form[action='/sign-out'] button"
	signOut       = "header form[action='/sign-out'] button"
)

// TestTheWayIn is the whole of it, as a person takes it: the mail, the link, the identity provider, the answer, kubectl.
func TestTheWayIn(t *testing.T) {
	t.Parallel()
	f, elsewhere := newOrganisation(t), newOrganisation(t)
	f.invite(kim, "DEVELOPER")
	b := f.browse()
	page := b.open(f.mailedLink(kim)).Wants(http.StatusOK, "Join Night Works", ada, "Developer", "All projects")
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "frame-ancestors 'none'",
	} {
		if got := page.Headers.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if b.Has("script") || b.Has(accept) {
		t.Fatalf("there must be no script, and no answer without a sign-in: %s", page.HTML)
	}
	b.Click(signIn)
	b.signIn(kim).Wants(http.StatusOK, "Join Night Works", "You answer as "+kim)
	if f.can(kim, "create", "web") {
		t.Fatal("nothing must happen before the answer")
	}
	b.Click(accept).Wants(http.StatusOK, "You are a member of Night Works", "Developer", "All projects")
	f.eventually(func() error {
		if !f.can(kim, "create", "web") || !f.can(kim, "create", "data") {
			return errNotYet
		}
		return nil
	})
	if elsewhere.can(kim, "get", "web") {
		t.Error("another organisation's project must stay closed")
	}
	f.kubectl(kim)("create", "configmap", "hello", "--namespace", f.project("web"))
	if out, err := f.tryKubectl(kim, "get", "configmaps", "--namespace", elsewhere.project("web")); err == nil ||
		!strings.Contains(out, "Forbidden") {
		t.Errorf("kubectl elsewhere: got %v and %s, want it to be forbidden", err, out)
	}
	if out, err := f.tryKubectl(kim, "create", "configmap", "hello", "--namespace", f.home()); err == nil {
		t.Errorf("kubectl in the home namespace: got %s, want it to be forbidden", out)
	}
}

// invite invites somebody by HTTP, as ada.
func (f *fixture) invite(email, role string) {
	f.Helper()
	f.send(ada, http.MethodPost, "/organization/"+f.uid()+"/inviteMember", `{"email": "`+email+`", "role": "`+role+`"}`).
		want(f, http.StatusCreated)
	f.everywhere(newQovery(f).invitation(string(f.invitationTo(email).UID)))
}

// kubectl runs kubectl as a person, which must succeed.
func (f *fixture) kubectl(person string) func(args ...string) string {
	return func(args ...string) string {
		f.Helper()
		out, err := f.tryKubectl(person, args...)
		if err != nil {
			f.Fatalf("kubectl %v: %v: %s", args, err, out)
		}
		return out
	}
}

func (f *fixture) tryKubectl(person string, args ...string) (string, error) {
	f.Helper()
	content, err := environment.TokenKubeconfig(environment.URL(), person, tokenOf(f, person))
	if err != nil {
		f.Fatal(err)
	}
	kubeconfig := filepath.Join(f.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		f.Fatal(err)
	}
	return f.kubectlWith(kubeconfig, args...)
}

func (f *fixture) kubectlWith(kubeconfig string, args ...string) (string, error) {
	f.Helper()
	program, err := controlplane.Binary("kubectl")
	if err != nil {
		f.Fatal(err)
	}
	command := exec.CommandContext(f.Context(), program, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+f.TempDir())
	out, err := command.CombinedOutput()
	return string(out), err
}

// members are how many Members there are.
func (f *fixture) members() int {
	f.Helper()
	var members enrolv1alpha1.MemberList
	if err := f.admin.List(f.Context(), &members, client.InNamespace(f.home())); err != nil {
		f.Fatal(err)
	}
	return len(members.Items)
}

// opened is a tab with the invitation of somebody who has signed in.
func (f *fixture) opened(email string) *tab {
	f.Helper()
	b := f.browse()
	b.open(f.mailedLink(email)).Wants(http.StatusOK)
	b.Click(signIn)
	b.signIn(email).Wants(http.StatusOK)
	return b
}

func TestDeclining(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(jane, "DEVELOPER")
	b := f.opened(jane)
	b.Click(decline).Wants(http.StatusGone, "declined")
	if by := f.invitationTo(jane).Status.DeclinedBy; by == nil || string(by.Email) != jane {
		t.Errorf("the answer is %+v, want %s to have declined", by, jane)
	}
	b.open(f.mailedLink(jane)).Wants(http.StatusGone, "declined")
	if f.members() != 0 || f.can(jane, "get", "web") {
		t.Error("who declined must be no member")
	}
}

// TestTheWrongAccount: somebody else learns nothing from the link, and can change to the right account.
func TestTheWrongAccount(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(kim, "DEVELOPER")
	b := f.browse()
	b.open(f.mailedLink(kim))
	b.Click(signIn)
	b.signIn(joe).Wants(http.StatusForbidden, joe, "somebody else").Lacks(kim, "Night Works")
	if b.Has(accept) {
		t.Error("there must be nothing to press for somebody else")
	}
	b.Click(changeAccount).Wants(http.StatusOK, "sign in").Lacks(kim)
	b.Click(signIn)
	b.signIn(kim).Wants(http.StatusOK, "You answer as "+kim)
	b.Click(accept).Wants(http.StatusOK, "You are a member of Night Works")
	if f.members() != 1 {
		t.Errorf("there are %d Members, want 1", f.members())
	}
}

// TestTheLinkWithoutAToken: the address must be a verified one then.
func TestTheLinkWithoutAToken(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(eve, "VIEWER")
	link := "/invitations?inviteToken=" + string(f.invitationTo(eve).UID) + "&organization=" + f.uid()
	b := f.browse()
	b.open(link)
	b.signIn(joe).Wants(http.StatusForbidden).Lacks(eve, "Night Works")
	c := f.browse()
	c.open(link)
	c.signIn(eve).Wants(http.StatusOK, "Join Night Works")
	c.Click(accept).Wants(http.StatusOK, "You are a member of Night Works", "Viewer")
}

// TestFinished: one plain page for each way in which an invitation can be over, for who has its link; nothing for others.
func TestFinished(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		finish func(f *fixture, name string)
		// link is the one to open afterwards; nil: that of the mail.
		link func(f *fixture, email string) string
		text string
	}{
		"Expired": {
			reason: "Time has passed",
			finish: func(f *fixture, name string) { f.expire(name) },
			link:   (*fixture).linkNow,
			text:   "expired",
		},
		"Revoked": {
			reason: "The inviter took it back",
			finish: func(f *fixture, name string) { f.revoke(name) },
			text:   "withdrawn",
		},
		"Used": {
			reason: "Somebody accepted it",
			finish: func(f *fixture, _ string) {
				f.opened(kim).Click(accept).Wants(http.StatusOK)
			},
			text: "accepted",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
				o.Spec.Invitations.AcceptedRetentionSeconds = new(int64(3600))
			})
			f.invite(kim, "DEVELOPER")
			link := f.mailedLink(kim)
			tc.finish(f, f.invitationTo(kim).Name)
			if tc.link != nil {
				link = tc.link(f, kim)
			}
			b := f.browse()
			b.until(link, http.StatusGone).Wants(http.StatusGone, tc.text).Lacks(kim)
			if b.Has(accept) {
				t.Errorf("%s: there must be nothing to accept", tc.reason)
			}
			b.open("/sign-in?" + url.Values{"return_to": {strings.TrimPrefix(link, publicURL)}}.Encode())
			b.signIn(maxim).Wants(http.StatusForbidden).Lacks(kim, "Night Works")
		})
	}
}

// linkNow is the link that the mail would have, had it been sent with the expiry that the invitation has now: links die with a
// change of it, and no test waits until an invitation expires by itself.
func (f *fixture) linkNow(email string) string {
	f.Helper()
	i := f.invitationTo(email)
	ring, err := token.OpenKeys(operator.KeysFolder, time.Now).Ring()
	if err != nil {
		f.Fatal(err)
	}
	text, err := ring.Mint(token.Claims{
		Invitation: string(i.UID), SendNumber: i.Status.SendNumber, Expire: i.Status.ExpireTime.Time, Address: token.HashAddress(email),
	})
	if err != nil {
		f.Fatal(err)
	}
	return publicURL + "/invitations?" + url.Values{"invitation": {string(i.UID)}, "token": {text}}.Encode()
}

// until opens a URL until the answer has a status: the facade hears on its own of what others did.
func (t *tab) until(address string, status int) *browsertest.Page {
	t.Helper()
	var page *browsertest.Page
	t.eventually(func() error {
		if page = t.open(address); page.Status != status {
			return fmt.Errorf("want %d, got %s", status, page)
		}
		return nil
	})
	return page
}

// TestRevokedWhileThePageIsOpen: the answer comes too late, and the page says so.
func TestRevokedWhileThePageIsOpen(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(jane, "DEVELOPER")
	b := f.opened(jane)
	f.revoke(f.invitationTo(jane).Name)
	b.Click(accept).Wants(http.StatusGone, "withdrawn")
	if f.members() != 0 {
		t.Error("there must be no Member")
	}
}

// TestPressingTwice: two tabs, a double click and the way back make one Member, and pages that a person can live with.
func TestPressingTwice(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(joe, "DEVELOPER")
	first := f.opened(joe)
	second := first.another()
	second.open(f.mailedLink(joe)).Wants(http.StatusOK, "You answer as "+joe)
	first.Follow(chromedp.DoubleClick(chromedp.CSS(accept)))
	first.eventually(func() error {
		if page := first.Look(); !strings.Contains(page.Text, "You are a member of Night Works") {
			return fmt.Errorf("after a double click: %s", page)
		}
		return nil
	})
	second.Click(accept).Wants(http.StatusOK, "You are a member of Night Works")
	// The browser may show the earlier page again as it was, without asking for it; whoever asks hears how it stands.
	browsertest.Run(first.Tab, chromedp.Evaluate[any]("setTimeout(() => history.back())"))
	first.eventually(func() error {
		if page := first.Look(); !strings.HasPrefix(page.URL.Path, "/invitations") || strings.HasPrefix(page.URL.Path, "/invitations/") {
			return fmt.Errorf("going back: %s", page)
		}
		return nil
	})
	first.open(first.Look().URL.String()).Wants(http.StatusOK, "You are a member of Night Works")
	if f.members() != 1 {
		t.Errorf("there are %d Members, want 1", f.members())
	}
}

// TestTextsOfOthers: whatever people write is text.
func TestTextsOfOthers(t *testing.T) {
	t.Parallel()
	const hostile = `</title></blockquote><script>document.title="taken"</script><img src=x onerror="document.title='taken'">`
	const inviter = `<script>document.title="taken"</script>`
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.DisplayName = "<b>Night</b><script>1</script>"
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: inviter})
	})
	i := &enrolv1alpha1.Invitation{Spec: enrolv1alpha1.InvitationSpec{
		Email: kim, Message: hostile, InvitedBy: enrolv1alpha1.Inviter{Username: inviter},
	}}
	i.Name, i.Namespace = "kim", f.home()
	f.create(i)
	b := f.browse()
	check := func(page *browsertest.Page, texts ...string) {
		t.Helper()
		page.Wants(http.StatusOK, texts...)
		if b.Has("script") || b.Has("b") || b.Has("blockquote img") || strings.HasPrefix(page.Title, "taken") {
			t.Errorf("what others wrote is more than text: %s", page.HTML)
		}
	}
	check(b.open(f.mailedLink(kim)), "Join "+f.organisation.Spec.DisplayName, hostile, inviter)
	b.Click(signIn)
	check(b.signIn(kim), "Join "+f.organisation.Spec.DisplayName, hostile, inviter)
	check(b.Click(accept), "You are a member of "+f.organisation.Spec.DisplayName)
}

// TestMailScanner: who looks at links, and sends their forms without a session, changes nothing, however often.
func TestMailScanner(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(kim, "DEVELOPER")
	link, err := url.Parse(f.mailedLink(kim))
	if err != nil {
		t.Fatal(err)
	}
	before := f.invitationTo(kim)
	on := f.on(facades[0])
	for n := range 100 {
		method := []string{http.MethodGet, http.MethodHead}[n%2]
		on.do(method, link.RequestURI(), http.Header{}, http.NoBody).want(t, http.StatusOK)
	}
	for _, value := range []string{"accept", "decline"} {
		form := url.Values{"answer": {value}, "invitation": {link.Query().Get("invitation")}, "token": {link.Query().Get("token")}}
		for name, tc := range map[string]struct {
			header http.Header
			want   int
		}{
			"as a program":    {http.Header{}, http.StatusForbidden},
			"from elsewhere":  {http.Header{"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
			"like our page":   {http.Header{"Origin": {publicURL}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusSeeOther},
			"by link preview": {http.Header{"Origin": {"null"}}, http.StatusForbidden},
		} {
			tc.header.Set("Content-Type", "application/x-www-form-urlencoded")
			got := on.do(http.MethodPost, "/invitations", tc.header, strings.NewReader(form.Encode()))
			if got.status != tc.want {
				t.Errorf("%s %s: got %s, want status %d", value, name, got, tc.want)
			}
		}
	}
	if after := f.invitationTo(kim); after.Status.AcceptedBy != nil || after.Status.DeclinedBy != nil ||
		after.ResourceVersion != before.ResourceVersion {
		t.Errorf("something was changed: %+v", after.Status)
	}
}

// TestUnknownAndForged: nobody learns from the answer whether there is an invitation.
func TestUnknownAndForged(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(kim, "DEVELOPER")
	link, err := url.Parse(f.mailedLink(kim))
	if err != nil {
		t.Fatal(err)
	}
	uid, token := link.Query().Get("invitation"), link.Query().Get("token")
	bodies := map[string]string{}
	queries := map[string]url.Values{
		"unknown":      {"invitation": {"6b9ae8f4-0000-4000-8000-000000000000"}, "token": {token}},
		"another's":    {"invitation": {f.uid()}, "token": {token}},
		"cut off":      {"invitation": {uid}, "token": {token[:len(token)-5]}},
		"longer":       {"invitation": {uid}, "token": {token + "AAAA"}},
		"not a token":  {"invitation": {uid}, "token": {strings.Repeat("x", 3000)}},
		"no id at all": {"token": {token}},
		"a path":       {"invitation": {"../" + uid}, "token": {token}},
	}
	for at, letter := range []byte(token) {
		// Of the last letter, some bits mean nothing: a token that has them in another way is none either.
		altered := token[:at] + string(letter^1) + token[at+1:]
		queries[fmt.Sprintf("altered at %d", at)] = url.Values{"invitation": {uid}, "token": {altered}}
	}
	for name, query := range queries {
		got := f.on(facades[0]).do(http.MethodGet, "/invitations?"+query.Encode(), http.Header{}, http.NoBody)
		if got.status != http.StatusNotFound || !strings.Contains(string(got.body), "This invitation does not exist") {
			t.Errorf("%s: got %s, want status 404 and the page about it", name, got)
		}
		bodies[string(got.body)] += name + ", "
	}
	if len(bodies) != 1 {
		t.Errorf("the pages must be alike, but there are %d: %v", len(bodies), bodies)
	}
}

// BenchmarkDeadLinks shows whether the time of the answer tells what the answer does not: whether there is such an invitation.
func BenchmarkDeadLinks(b *testing.B) {
	f := newOrganisation(b)
	f.invite(kim, "DEVELOPER")
	link, err := url.Parse(f.mailedLink(kim))
	if err != nil {
		b.Fatal(err)
	}
	uid, token := link.Query().Get("invitation"), link.Query().Get("token")
	for name, query := range map[string]url.Values{
		"Forged":  {"invitation": {uid}, "token": {string(token[0]^1) + token[1:]}},
		"Unknown": {"invitation": {"6b9ae8f4-0000-4000-8000-000000000000"}, "token": {token}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f.on(facades[0]).do(http.MethodGet, "/invitations?"+query.Encode(), http.Header{}, http.NoBody).want(b, http.StatusNotFound)
			}
		})
	}
}

// TestSessions: a session holds on every replica, and not after its end.
func TestSessions(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	b := f.browse()
	b.open("/sign-in")
	b.signIn(ada).Wants(http.StatusOK, "Night Works")
	cookie := b.session()
	if !cookie.HTTPOnly || !cookie.Secure || cookie.SameSite != "Lax" || cookie.Path != "/" ||
		time.Until(time.Unix(int64(cookie.Expires), 0)) > time.Hour {
		t.Errorf("the cookie is %+v", cookie)
	}
	header := http.Header{"Cookie": {"__Host-session=" + cookie.Value}}
	path := "/organisations/" + f.organisation.Slug()
	for _, r := range facades {
		f.on(r).do(http.MethodGet, path, header, http.NoBody).want(t, http.StatusOK)
	}
	b.Click(signOut)
	f.on(facades[0]).do(http.MethodGet, path, header, http.NoBody).want(t, http.StatusSeeOther)
}
