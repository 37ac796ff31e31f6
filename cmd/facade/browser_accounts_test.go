package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/enrol-dev/enrol/internal/browsertest"
	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// byWay leads to the same page of the facade where people choose how to sign in.
func byWay(link string) string { return severalURL + strings.TrimPrefix(link, publicURL) }

// signInBy chooses an identity provider on the page that asks for one, and signs in there.
func (t *tab) signInBy(name string, provider *identityprovider.Provider, email string) *browsertest.Page {
	t.Helper()
	t.Click(fmt.Sprintf("main a[href*='issuer=%s']", strings.ReplaceAll(name, " ", "+")))
	return t.SignIn(provider, email)
}

// TestOtherAddresses: what only looks like the invited address opens nothing and is told nothing, with the mailed link or without.
func TestOtherAddresses(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(kim, "DEVELOPER")
	mailed := byWay(f.mailedLink(kim))
	located := severalURL + "/invitations?inviteToken=" + string(f.invitationTo(kim).UID) + "&organization=" + f.uid()
	for _, person := range lookAlikes() {
		b := f.browse()
		b.Open(located).Wants(http.StatusOK, worksName, otherName, slowName)
		check := func(page *browsertest.Page) {
			t.Helper()
			page.Wants(http.StatusForbidden, "somebody else")
			// The visitor's own address may be there, letter by letter.
			if strings.Contains(page.HTML, kim) || strings.Contains(page.HTML, "Night Works") || b.Has(accept) {
				t.Errorf("%+q must be told nothing, but is told %s", person.Email, page.HTML)
			}
		}
		check(b.signInBy(otherName, elsewhere, person.Email))
		check(b.Open(mailed))
	}
	if i := f.invitationTo(kim); i.Status.AcceptedBy != nil || f.members() != 0 {
		t.Errorf("somebody else has accepted: %+v", i.Status.AcceptedBy)
	}
}

// TestUnverifiedAddress: without the mailed token there must be a verified address; with it, any provider's word for it will do, for
// accepting, and not for a look at what somebody of that name has.
func TestUnverifiedAddress(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite(eve, "VIEWER")
	mailed := byWay(f.mailedLink(eve))
	b := f.browse()
	b.Open(severalURL + "/invitations?inviteToken=" + string(f.invitationTo(eve).UID) + "&organization=" + f.uid())
	b.signInBy(otherName, elsewhere, eve).Wants(http.StatusForbidden, "somebody else").Lacks("Night Works")
	b.Open(mailed).Wants(http.StatusOK, "Join Night Works", "You answer as "+eve)
	b.Click(accept).Wants(http.StatusOK, "You have accepted", "once your identity provider has verified your address").
		Lacks("You are a member", "Viewer")
	f.eventually(func() error {
		if !f.can(eve, "get", "web") {
			return errNotYet
		}
		return nil
	})
}

// TestProviderAtAStandstill: there is a plain page with a way to try again, and once the provider goes on, so does everything, within
// what the provider may speak for. No other test uses it.
func TestProviderAtAStandstill(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	b := f.browse()
	b.Open(severalURL+"/sign-in").Wants(http.StatusOK, slowName)
	stopped := narrow.Process().PID()
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	proceed := func() { _ = syscall.Kill(stopped, syscall.SIGCONT) }
	defer proceed()
	again := severalURL + "/sign-in?issuer=" + strings.ReplaceAll(slowName, " ", "+")
	b.Open(again).Wants(http.StatusServiceUnavailable, "Sign-in does not work just now", "try again").
		Lacks("goroutine", ".go:", "context deadline")
	if !b.Has("main a[href^='/sign-in']") {
		t.Errorf("there must be a way to try again: %s", b.Look().HTML)
	}
	proceed()
	f.eventually(func() error {
		if page := b.Open(again); !strings.HasPrefix(page.URL.String(), narrow.Issuer()) {
			return fmt.Errorf("the provider goes on, but there is %s", page)
		}
		return nil
	})
	b.SignIn(narrow, "kim@narrow.example").Wants(http.StatusOK, "kim@narrow.example")

	// It may speak for that domain, and for no other: kim's own address counts for nothing if this provider says it.
	f.invite(kim, "DEVELOPER")
	c := f.browse()
	c.Open(byWay(f.mailedLink(kim))).Wants(http.StatusOK, "Join Night Works")
	c.Click(signIn)
	c.signInBy(slowName, narrow, kim).Wants(http.StatusForbidden, "somebody else").Lacks("Night Works", kim)
}

var kubeconfigOnPage = regexp.MustCompile(`(?s)apiVersion: v1\n.*?\nusers:\n.*?provideClusterInfo: false\n`)

// TestKubeconfigAfterAccepting: what the page gives new members is a configuration for this cluster, in which they sign in as
// themselves, and it holds no secret.
func TestKubeconfigAfterAccepting(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	b, page := f.membersOf(ada)
	page.Wants(http.StatusOK, "Night Works")
	project := f.project("web")
	b.Do(chromedp.SetValue(chromedp.CSS("#email"), maxim), chromedp.SetValue(chromedp.CSS("#role"), "developer"),
		chromedp.Click(chromedp.CSS("input[value=some]")), chromedp.Click(chromedp.CSS("input[value="+project+"]")))
	b.Click(inviteForm+" button").Wants(http.StatusOK, maxim)

	c := f.browse()
	c.Open(byWay(f.mailedLink(maxim))).Wants(http.StatusOK, "Join Night Works", project).Lacks(f.project("data"), "All projects")
	c.Click(signIn)
	c.signInBy(worksName, environment.People, maxim).Wants(http.StatusOK, "You answer as "+maxim)
	page = c.Click(accept).Wants(http.StatusOK, "You are a member of Night Works", project, "kubectl --namespace "+project)
	found := kubeconfigOnPage.FindString(page.Text)
	config, err := clientcmd.Load([]byte(found))
	if err != nil || found == "" {
		t.Fatalf("there is no kubeconfig that can be read (%v): %s", err, page)
	}
	if user := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]; user.Token != "" || user.Exec == nil ||
		!strings.Contains(strings.Join(user.Exec.Args, " "), environment.People.Issuer()) {
		t.Errorf("people must sign in at %s, and share no token: %s", environment.People.Issuer(), found)
	}
	// The plugin that signs people in at the terminal is not here; the rest is used as it stands.
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(found), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, allowed := range map[string]bool{project: true, f.project("data"): false} {
		f.eventually(func() error {
			out, err := f.kubectlWith(path, "--token="+tokenOf(t, maxim), "auth", "can-i", "create", "configmaps", "--namespace="+name)
			if (err == nil) != allowed {
				return fmt.Errorf("kubectl in %s: %w: %s", name, err, out)
			}
			return nil
		})
	}
	if out, err := f.kubectlWith(path, "--token="+tokenOf(t, maxim), "get", "configmaps"); err != nil {
		t.Errorf("kubectl in the namespace of the configuration: %v: %s", err, out)
	}
}
