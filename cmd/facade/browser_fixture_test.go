package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// browserPatience is how long a page may take: a browser beside a control plane on two cores is slow at times.
const browserPatience = time.Minute

// startBrowser starts the browser that the tests share: the first one that needs it waits for it.
var startBrowser = sync.OnceValues(func() (*browser, error) {
	program, err := chromium()
	if err != nil {
		return nil, err
	}
	address := strings.TrimPrefix(facades[0].url, "https://")
	// People come by the public URL, as they do in the mail: the browser is told where that is, and by which keys it knows the
	// facade and the identity provider, as it has not heard of their authority.
	var keys []string
	for _, server := range []string{address, strings.TrimSuffix(strings.TrimPrefix(environment.People.Issuer(), "https://"), "/dex")} {
		key, err := keyOf(server)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	b := &browser{}
	if b.folder, err = os.MkdirTemp("", "enrol-browser-"); err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(b.folder),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP "+strings.TrimPrefix(publicURL, "https://")+":443 "+address+", MAP * 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b.ctx, b.end = ctx, func() { cancel(); end() }
	if err := chromedp.Do(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), b.stop())
	}
	theBrowser = b
	return b, nil
})

// theBrowser is the one that runs, if any does.
var theBrowser *browser

type browser struct {
	folder string
	ctx    context.Context //nolint:containedctx // The browser is reached through it alone.
	end    func()
}

func (b *browser) stop() error {
	if b == nil {
		return nil
	}
	b.end()
	return os.RemoveAll(b.folder)
}

func chromium() (string, error) {
	for _, name := range []string{os.Getenv("ENROL_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium for the browser tests: hack/chromium.sh installs it on Debian, or says what is missing")
}

// keyOf is the digest of a server's key, once its certificate was found to be from the tests' own authority.
func keyOf(address string) (string, error) {
	client, err := trusting(environment.CAFile())
	if err != nil {
		return "", err
	}
	config := client.Transport.(*http.Transport).TLSClientConfig
	connection, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", fmt.Errorf("looking at the certificate of %s: %w", address, err)
	}
	digest := sha256.Sum256(connection.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(digest[:]), connection.Close()
}

// tab is a tab of somebody's browser.
type tab struct {
	*fixture

	ctx context.Context //nolint:containedctx // The tab is reached through it alone.
}

// browse opens a browser of somebody's own, with no cookies in it.
func (f *fixture) browse() *tab {
	f.Helper()
	b, err := startBrowser()
	if err != nil {
		f.Fatal(err)
	}
	return f.tab(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithNewWindow(true))
}

// another opens a second tab of the same browser, in a window of its own: a tab behind another takes no clicks.
func (t *tab) another() *tab {
	t.Helper()
	return t.tab(t.ctx, chromedp.WithNewWindow(true))
}

func (f *fixture) tab(parent context.Context, options ...chromedp.ContextOption) *tab {
	f.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	f.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1000, 800)); err != nil {
		f.Fatal(err)
	}
	return &tab{fixture: f, ctx: ctx}
}

// shown is a page as a person sees it.
type shown struct {
	testing.TB

	status    int
	url       *url.URL
	headers   http.Header
	title     string
	text      string
	technical string
}

func (s *shown) String() string {
	return fmt.Sprintf("%s: %d %q\n%s", s.url, s.status, s.title, s.text)
}

// open goes to a URL, or to a path of the facade.
func (t *tab) open(address string) *shown {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = publicURL + address
	}
	return t.follow(chromedp.Navigate(address))
}

// click clicks what a CSS selector finds, and waits for the page that it leads to.
func (t *tab) click(selector string) *shown {
	t.Helper()
	return t.follow(chromedp.Click(chromedp.CSS(selector)))
}

// follow does what leads to another page.
func (t *tab) follow(steps ...chromedp.Action[chromedp.Void]) *shown {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, browserPatience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		t.Fatalf("%v; the tab shows %s", err, t.look())
	}
	page := t.look()
	page.status, page.headers = int(response.Status), http.Header{}
	for name, value := range response.Headers {
		page.headers.Set(name, strings.Trim(fmt.Sprint(value), "[]"))
	}
	return page
}

// look is what the tab shows, whatever led to it: its status is 0.
func (t *tab) look() *shown {
	t.Helper()
	page := &shown{TB: t}
	var err error
	if page.url, err = url.Parse(run1(t, chromedp.Location())); err != nil {
		t.Fatal(err)
	}
	page.title = run1(t, chromedp.Title())
	page.text = run1(t, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	page.technical = run1(t, chromedp.Evaluate[string]("document.documentElement ? document.documentElement.outerHTML : ''"))
	return page
}

// run1 runs an action that has a result.
func run1[T any](t *tab, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, browserPatience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// do runs actions that have no result.
func (t *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%v; the tab shows %s", err, t.look())
	}
}

// has says whether a CSS selector finds something.
func (t *tab) has(selector string) bool {
	t.Helper()
	return run1(t, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) !== null", selector)))
}

// signIn fills in the page of the identity provider, which the tab shows, with a person's address and password.
func (t *tab) signIn(email string) *shown {
	t.Helper()
	if page := t.look(); !strings.HasPrefix(page.url.String(), environment.People.Issuer()) {
		t.Fatalf("this is not the identity provider: %s", page)
	}
	t.do(
		chromedp.SendKeys(chromedp.CSS("#login"), email),
		chromedp.SendKeys(chromedp.CSS("#password"), personNamed(t, email).Password),
	)
	return t.click("#submit-login")
}

func personNamed(t testing.TB, email string) identityprovider.Person {
	t.Helper()
	for _, person := range environment.People.People() {
		if person.Email == email {
			return person
		}
	}
	t.Fatalf("%s has no account", email)
	return identityprovider.Person{}
}

// wants checks the status, and that texts are there.
func (s *shown) wants(status int, texts ...string) *shown {
	s.Helper()
	if s.status != status {
		s.Fatalf("the status must be %d, but got %s", status, s)
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			s.Fatalf("must say %q, but got %s", text, s)
		}
	}
	return s
}

// lacks wants texts not to be there, seen or unseen.
func (s *shown) lacks(texts ...string) *shown {
	s.Helper()
	for _, text := range texts {
		if strings.Contains(strings.ToLower(s.technical), strings.ToLower(text)) {
			s.Fatalf("must not say %q, but got %s", text, s.technical)
		}
	}
	return s
}

var linkInMail = regexp.MustCompile(regexp.QuoteMeta(publicURL) + `/invitations\?\S+`)

// mailedLink waits for the mail about an invitation to an address, and is the link in the last one. The operator has written down
// by then that the mail is on its way, so that it changes nothing any more by itself.
func (f *fixture) mailedLink(email string) string {
	f.Helper()
	link := ""
	f.eventually(func() error {
		i := f.invitationTo(email)
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
	const best = 100
	content := run1(t, chromedp.FullScreenshot(best))
	folder := filepath.Join("..", "..", "bin", "test")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	const most = 300_000
	if len(content) > most {
		t.Errorf("%s has %d bytes, which is much for a document", name, len(content))
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// signInConfig is what the facade is told about the identity provider.
func signInConfig(folder string) (string, error) {
	secret := filepath.Join(folder, "client-secret")
	if err := os.WriteFile(secret, []byte(environment.People.ClientSecret()+"\n"), 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "sign-in.yaml")
	content := fmt.Sprintf("issuers:\n- name: Example Works\n  url: %s\n  clientID: %s\n  clientSecretFile: %s\n  caFile: %s\n",
		environment.People.Issuer(), identityprovider.Audience, secret, environment.CAFile())
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// cookie is a cookie that the browser keeps for the facade.
func (t *tab) cookie(name string) *network.Cookie {
	t.Helper()
	all := run1(t, func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{publicURL}})
	})
	for _, cookie := range all.Cookies {
		if cookie.Name == name {
			return cookie
		}
	}
	t.Fatalf("there is no cookie %s", name)
	return nil
}

// signInArguments tell a facade how people sign in. The operator's folder keeps what is needed for it.
func signInArguments() ([]string, error) {
	config, err := signInConfig(mounts)
	return []string{"--token-keys=" + operator.KeysFolder, "--sign-in-config=" + config}, err
}
