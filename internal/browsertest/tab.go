package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/enrol-dev/enrol/internal/identityprovider"
)

// patience is how long a page may take: a browser beside a control plane on two cores is slow at times.
const patience = time.Minute

// Tab is a tab of somebody's browser. What goes wrong in it ends the test.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // The tab is reached through it alone.
}

func open(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *Tab { //nolint:revive // The test first.
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1000, 800)); err != nil {
		t.Fatal(err)
	}
	return &Tab{t: t, ctx: ctx}
}

// Another opens a second tab of the same browser, in a window of its own: a tab behind another takes no clicks.
func (t *Tab) Another() *Tab {
	t.t.Helper()
	return open(t.t, t.ctx, chromedp.WithNewWindow(true))
}

// Open goes to a URL.
func (t *Tab) Open(address string) *Page {
	t.t.Helper()
	return t.Follow(chromedp.Navigate(address))
}

// Click clicks what a CSS selector finds, and waits for the page that it leads to.
func (t *Tab) Click(selector string) *Page {
	t.t.Helper()
	return t.Follow(chromedp.Click(chromedp.CSS(selector)))
}

// Follow does what leads to another page.
func (t *Tab) Follow(steps ...chromedp.Action[chromedp.Void]) *Page {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		t.t.Fatalf("%v; the tab shows %s", err, t.Look())
	}
	page := t.Look()
	page.Status, page.Headers = int(response.Status), http.Header{}
	for name, value := range response.Headers {
		page.Headers.Set(name, strings.Trim(fmt.Sprint(value), "[]"))
	}
	return page
}

// Look is what the tab shows, whatever led to it: its status is 0.
func (t *Tab) Look() *Page {
	t.t.Helper()
	page := &Page{t: t.t}
	var err error
	if page.URL, err = url.Parse(Run(t, chromedp.Location())); err != nil {
		t.t.Fatal(err)
	}
	page.Title = Run(t, chromedp.Title())
	page.Text = Run(t, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	page.HTML = Run(t, chromedp.Evaluate[string]("document.documentElement ? document.documentElement.outerHTML : ''"))
	return page
}

// Run runs an action that has a result.
func Run[T any](t *Tab, action chromedp.Action[T]) T {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.t.Fatal(err)
	}
	return value
}

// Do runs actions that have no result.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.t.Fatalf("%v; the tab shows %s", err, t.Look())
	}
}

// Has says whether a CSS selector finds something.
func (t *Tab) Has(selector string) bool {
	t.t.Helper()
	return Run(t, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q) !== null", selector)))
}

// SignIn fills in the page of an identity provider, which the tab shows, with a person's address and password.
func (t *Tab) SignIn(provider *identityprovider.Provider, email string) *Page {
	t.t.Helper()
	if page := t.Look(); !strings.HasPrefix(page.URL.String(), provider.Issuer()) {
		t.t.Fatalf("this is not the identity provider: %s", page)
	}
	for _, person := range provider.People() {
		if person.Email == email {
			t.Do(
				chromedp.SetValue(chromedp.CSS("#login"), email),
				chromedp.SendKeys(chromedp.CSS("#password"), person.Password),
			)
			return t.Click("#submit-login")
		}
	}
	t.t.Fatalf("%s has no account", email)
	return nil
}

// Cookie is a cookie that the browser keeps for a URL.
func (t *Tab) Cookie(address, name string) *network.Cookie {
	t.t.Helper()
	all := Run(t, func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{address}})
	})
	for _, cookie := range all.Cookies {
		if cookie.Name == name {
			return cookie
		}
	}
	t.t.Fatalf("there is no cookie %s", name)
	return nil
}

// Picture keeps what the tab shows, whole, as a file in PNG.
func (t *Tab) Picture(path string) {
	t.t.Helper()
	const best, most = 100, 300_000
	content := Run(t, chromedp.FullScreenshot(best))
	if len(content) > most {
		t.t.Errorf("%s has %d bytes, which is much for a document", path, len(content))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.t.Fatal(err)
	}
}

// Page is a page as a person sees it.
type Page struct {
	t testing.TB

	Status  int
	URL     *url.URL
	Headers http.Header
	Title   string
	// Text is what can be read, HTML what it is made of.
	Text, HTML string
}

func (p *Page) String() string {
	return fmt.Sprintf("%s: %d %q\n%s", p.URL, p.Status, p.Title, p.Text)
}

// Wants checks the status, and that texts are there.
func (p *Page) Wants(status int, texts ...string) *Page {
	p.t.Helper()
	if p.Status != status {
		p.t.Fatalf("the status must be %d, but got %s", status, p)
	}
	for _, text := range texts {
		if !strings.Contains(p.Text, text) {
			p.t.Fatalf("must say %q, but got %s", text, p)
		}
	}
	return p
}

// Lacks wants texts not to be there, seen or unseen.
func (p *Page) Lacks(texts ...string) *Page {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(strings.ToLower(p.HTML), strings.ToLower(text)) {
			p.t.Fatalf("must not say %q, but got %s", text, p.HTML)
		}
	}
	return p
}
