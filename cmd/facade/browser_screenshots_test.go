package main

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/browsertest"
)

// looks are the ways in which people see a page.
var looks = map[string]struct {
	width, height int64
	scheme        string
}{
	"light": {width: 900, height: 600, scheme: "light"},
	"dark":  {width: 900, height: 600, scheme: "dark"},
	"phone": {width: 390, height: 700, scheme: "light"},
}

// pictures keeps what the tab shows in every look.
func (t *tab) pictures(name string) {
	t.Helper()
	for look, how := range looks {
		t.Do(chromedp.EmulateViewport(how.width, how.height), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: how.scheme}}, //nolint:misspell // CSS spells it so.
			})
			return chromedp.Void{}, err
		})
		wide := browsertest.Run(t.Tab, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
		if wide {
			t.Errorf("%s, %s: the page is wider than the window", name, look)
		}
		t.picture(name + "-" + look)
	}
}

// TestScreenshots takes the pictures of the documentation: the pages that people see, in light, in dark and on a phone.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.memberIs(jane, enrolv1alpha1.RoleAdmin)
	f.memberIs(joe, enrolv1alpha1.RoleViewer)
	f.invite("p5@example.com", "ADMIN")
	f.invite(kim, "DEVELOPER")
	b := f.browse()
	b.open(f.mailedLink(kim)).Wants(http.StatusOK)
	b.pictures("before-sign-in")
	b.Click(signIn)
	b.signIn(joe).Wants(http.StatusForbidden)
	b.pictures("another-account")
	b.Click(changeAccount)
	b.Click(signIn)
	b.signIn(kim).Wants(http.StatusOK)
	b.pictures("invitation")

	owner, page := f.membersOf(ada)
	page.Wants(http.StatusOK)
	owner.pictures("members")

	b.Click(accept).Wants(http.StatusOK)
	b.pictures("accepted")
	b.open("/invitations?invitation=unknown&token=forged").Wants(http.StatusNotFound)
	b.pictures("unknown")
}
