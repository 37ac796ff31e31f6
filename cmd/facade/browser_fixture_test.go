package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/browsertest"
	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// severalURL is where the facade answers that people sign in to by several identity providers.
const severalURL = "https://several.example.com"

// What several's identity providers are called.
const worksName, otherName, slowName = "Example Works", "Other Works", "Slow Works"

// startBrowser starts the browser that the tests share: the first one that needs it waits for it.
var startBrowser = sync.OnceValues(func() (_ *browsertest.Browser, err error) {
	hosts := map[string]string{}
	var servers []browsertest.Server
	trust := func(address, caFile string) string {
		address = strings.TrimPrefix(address, "https://")
		servers = append(servers, browsertest.Server{Address: address, CAFile: caFile})
		return address
	}
	// People come by the public URL, as they do in the mail: the browser is told where that is.
	for public, r := range map[string]*replica{publicURL: facades[0], severalURL: several} {
		hosts[strings.TrimPrefix(public, "https://")] = trust(r.url, environment.CAFile())
	}
	for _, provider := range []*identityprovider.Provider{environment.People, elsewhere, narrow} {
		trust(strings.TrimSuffix(provider.Issuer(), "/dex"), provider.CAFile())
	}
	theBrowser, err = browsertest.Start(browsertest.Options{Hosts: hosts, Servers: servers})
	return theBrowser, err
})

// theBrowser is the one that runs, if any does.
var theBrowser *browsertest.Browser

// tab is a tab of somebody's browser.
type tab struct {
	*fixture
	*browsertest.Tab
}

// browse opens a browser of somebody's own, with no cookies in it.
func (f *fixture) browse() *tab {
	f.Helper()
	b, err := startBrowser()
	if err != nil {
		f.Fatal(err)
	}
	return &tab{fixture: f, Tab: b.Tab(f)}
}

// another opens a second tab of the same browser.
func (t *tab) another() *tab {
	t.Helper()
	return &tab{fixture: t.fixture, Tab: t.Another()}
}

// open goes to a URL, or to a path of the facade.
func (t *tab) open(address string) *browsertest.Page {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = publicURL + address
	}
	return t.Open(address)
}

// signIn signs a person in, at the identity provider that the API server knows.
func (t *tab) signIn(email string) *browsertest.Page {
	t.Helper()
	return t.SignIn(environment.People, email)
}

var linkInMail = regexp.MustCompile(regexp.QuoteMeta(publicURL) + `/invitations\?\S+`)

// mailedLink waits for the mail about an invitation to an address, and is the link in the last one. The operator has written down
// by then that the mail is on its way, so that it changes nothing any more by itself; and all replicas know an open invitation.
func (f *fixture) mailedLink(email string) string {
	f.Helper()
	link := ""
	var i *enrolv1alpha1.Invitation
	f.eventually(func() error {
		i = f.invitationTo(email)
		if i.Status.Mail == nil || i.Status.Mail.HandedOverTime == nil {
			return fmt.Errorf("the mail of invitation %s is not handed over: %+v", i.UID, i.Status)
		}
		uid := string(i.UID)
		for _, mail := range operator.Post.MailsTo(email) {
			if found := linkInMail.FindString(string(mail.Content)); strings.Contains(found, "invitation="+uid) {
				link = found
			}
		}
		if link == "" {
			return fmt.Errorf("there is no mail to %s about invitation %s", email, uid)
		}
		return nil
	})
	if i.Status.AcceptedBy == nil && i.Status.DeclinedBy == nil {
		f.everywhere(newQovery(f).invitation(string(i.UID)))
	}
	return link
}

// invitationTo is the youngest invitation to an address, which must be there.
func (f *fixture) invitationTo(email string) *enrolv1alpha1.Invitation {
	f.Helper()
	var all enrolv1alpha1.InvitationList
	if err := f.admin.List(f.Context(), &all, client.InNamespace(f.home())); err != nil {
		f.Fatal(err)
	}
	var found *enrolv1alpha1.Invitation
	for i := range all.Items {
		one := &all.Items[i]
		if string(one.Spec.Email) == email && (found == nil || found.CreationTimestamp.Before(&one.CreationTimestamp)) {
			found = one
		}
	}
	if found == nil {
		f.Fatalf("%s is not invited", email)
	}
	return found
}

// picture keeps what the tab shows, whole, as a file.
func (t *tab) picture(name string) {
	t.Helper()
	t.Picture(filepath.Join("..", "..", "bin", "test", name+".png"))
}

// signInArguments tell a facade how people sign in, with one identity provider or several. The operator's folder keeps what is
// needed for it.
func signInArguments(name string, issuers ...map[string]any) ([]string, error) {
	for _, issuer := range issuers {
		issuer["clientID"] = identityprovider.Audience
	}
	// JSON is YAML.
	content, err := json.Marshal(map[string]any{"issuers": issuers})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(mounts, name+".yaml")
	return []string{"--token-keys=" + operator.KeysFolder, "--sign-in-config=" + path}, os.WriteFile(path, content, 0o600)
}

// signIns tell facades how people sign in: by the identity provider that the API server knows, or by that and two others.
func signIns() (one, some []string, err error) {
	issuers := map[string]map[string]any{}
	for name, provider := range map[string]struct {
		into   **identityprovider.Provider
		people []identityprovider.Person
	}{
		worksName: {into: &environment.People},
		otherName: {&elsewhere, append(lookAlikes(), identityprovider.Person{Email: eve, Unverified: true})},
		slowName:  {&narrow, []identityprovider.Person{{Email: kim}, {Email: "kim@narrow.example"}}},
	} {
		if provider.people != nil {
			*provider.into, err = identityprovider.Start(context.Background(), identityprovider.Options{
				Dir: filepath.Join(mounts, name), People: provider.people, RedirectURIs: []string{severalURL + "/sign-in/callback"},
			})
		}
		if err == nil {
			issuers[name], err = issuer(name, *provider.into)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	issuers[slowName]["emailDomains"] = []string{"narrow.example"}
	if one, err = signInArguments("one", issuers[worksName]); err != nil {
		return nil, nil, err
	}
	some, err = signInArguments("several", issuers[worksName], issuers[otherName], issuers[slowName])
	return one, append(some, "--public-url="+severalURL, "--cluster-server="+environment.URL(), "--cluster-ca-file="+environment.CAFile()), err
}

// lookAlikes have addresses that look like kim's, or become it where letters are folded as Unicode folds them.
func lookAlikes() (people []identityprovider.Person) {
	for _, email := range []string{
		"\u212aim@example.com",           // KELVIN SIGN
		"k\u0131m@example.com",           // dotless i
		"k\u0456m@example.com",           // Cyrillic i
		"\uff4b\uff49\uff4d@example.com", // full-width
		"ki\u0307m@example.com",          // combining dot above
		"kim@ex\u0430mple.com",           // Cyrillic a
		"kim@example.com\u200b",          // zero width space
	} {
		people = append(people, identityprovider.Person{Email: email})
	}
	return people
}

// issuer is what a facade is told of an identity provider.
func issuer(name string, provider *identityprovider.Provider) (map[string]any, error) {
	secret := filepath.Join(mounts, name+".secret")
	return map[string]any{
		"name": name, "url": provider.Issuer(), "clientSecretFile": secret, "caFile": provider.CAFile(),
	}, os.WriteFile(secret, []byte(provider.ClientSecret()+"\n"), 0o600)
}

// session is the cookie of a session that the browser keeps for the facade.
func (t *tab) session() *network.Cookie {
	t.Helper()
	return t.Cookie(publicURL, "__Host-session")
}
