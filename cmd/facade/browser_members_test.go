package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/browsertest"
)

// What stands on the members page.
const (
	inviteForm = "form:has(input[name=action][value=invite])"
	removing   = "input[name=action][value=remove]"
	revoking   = "input[name=action][value=revoke]"
)

func (f *fixture) memberIs(person string, role enrolv1alpha1.RoleName) {
	f.Helper()
	name, _, _ := strings.Cut(person, "@")
	f.member(name, enrolv1alpha1.MemberSpec{
		Username: enrolv1alpha1.Username(person), Roles: []enrolv1alpha1.RoleName{role}, Projects: enrolv1alpha1.Projects{"*"},
	})
	f.eventually(func() error {
		if !f.can(person, "get", "web") {
			return errNotYet
		}
		return nil
	})
	f.until(http.StatusOK, person, http.MethodGet, newQovery(f).members, "")
}

// membersOf is a tab with the members page, as somebody sees it.
func (f *fixture) membersOf(person string) (*tab, *browsertest.Page) {
	f.Helper()
	b := f.browse()
	b.open("/organisations/" + f.organisation.Slug())
	return b, b.signIn(person)
}

// TestMembersPage: everybody sees what they may do, and what they may not is refused all the same.
func TestMembersPage(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.memberIs(jane, enrolv1alpha1.RoleAdmin)
	f.memberIs(joe, enrolv1alpha1.RoleViewer)
	f.invite(kim, "VIEWER")
	f.mailedLink(kim)

	viewer, page := f.membersOf(joe)
	page.Wants(http.StatusOK, "Night Works", jane, joe, ada).Lacks(kim)
	if viewer.Has(inviteForm) || viewer.Has(revoking) || viewer.Has("tr[data-member='"+jane+"'] "+removing) {
		t.Errorf("a viewer must have no buttons about others: %s", page.HTML)
	}
	_, page = f.membersOf(eve)
	page.Wants(http.StatusNotFound).Lacks("Night Works", jane, kim)

	admin, page := f.membersOf(jane)
	page.Wants(http.StatusOK, "Night Works", kim)
	if !admin.Has(inviteForm) || !admin.Has("tr[data-invitation='"+kim+"'] "+revoking) || !admin.Has("tr[data-member='"+joe+"'] "+removing) {
		t.Fatalf("an admin must be able to invite, revoke and remove: %s", page.HTML)
	}
	if admin.Has("tr[data-member='"+ada+"'] "+removing) || admin.Has("option[value=owner]") {
		t.Errorf("an admin must not touch owners: %s", page.HTML)
	}
	admin.Do(chromedp.SetValue(chromedp.CSS("#email"), "p3@example.com"), chromedp.SetValue(chromedp.CSS("#role"), "developer"))
	admin.Click(inviteForm+" button").Wants(http.StatusOK, "p3@example.com")
	f.mailedLink("p3@example.com")

	owner, page := f.membersOf(ada)
	page.Wants(http.StatusOK, "p3@example.com", kim)
	if !owner.Has("option[value=owner]") {
		t.Errorf("an owner must be able to invite owners: %s", page.HTML)
	}
	owner.press("tr[data-invitation='"+kim+"']", revoking).Wants(http.StatusOK).Lacks(kim)
	owner.press("tr[data-member='"+joe+"']", removing).Wants(http.StatusOK)
	if owner.Has("tr[data-member='" + joe + "']") {
		t.Error("who was removed is there still")
	}
	f.gone(joe)
	// That somebody may look is remembered for a few seconds.
	viewer.until("/organisations/"+f.organisation.Slug(), http.StatusNotFound).Wants(http.StatusNotFound).Lacks("Night Works")
}

// press opens what asks for confirmation in a row, and confirms.
func (t *tab) press(row, action string) *browsertest.Page {
	t.Helper()
	details := row + " details:has(" + action + ")"
	t.Do(chromedp.Click(chromedp.CSS(details + " summary")))
	return t.Click(details + " button")
}

// TestButtonsThatAreNotShown: what the page does not offer is refused when it is sent.
func TestButtonsThatAreNotShown(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.memberIs(joe, enrolv1alpha1.RoleViewer)
	f.memberIs(maxim, enrolv1alpha1.RoleDeveloper)
	f.invite(kim, "VIEWER")
	f.mailedLink(kim)
	b, page := f.membersOf(joe)
	page.Wants(http.StatusOK)
	cookie := "__Host-session=" + b.session().Value
	other := f.memberNamed("max")
	for name, form := range map[string]url.Values{
		"invite": {"action": {"invite"}, "email": {"p4@example.com"}, "role": {"viewer"}},
		"revoke": {"action": {"revoke"}, "id": {string(f.invitationTo(kim).UID)}},
		"resend": {"action": {"resend"}, "id": {string(f.invitationTo(kim).UID)}},
		"remove": {"action": {"remove"}, "id": {string(other.UID)}},
	} {
		for site, want := range map[string]int{"same-origin": http.StatusForbidden, "cross-site": http.StatusForbidden} {
			header := http.Header{"Cookie": {cookie}, "Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {site}}
			got := f.on(facades[0]).do(http.MethodPost, "/organisations/"+f.organisation.Slug(), header, strings.NewReader(form.Encode()))
			if got.status != want && got.status != http.StatusNotFound {
				t.Errorf("%s, %s: got %s, want status %d or 404", name, site, got, want)
			}
		}
	}
	if f.members() != 2 || f.invitationTo(kim).Spec.Revoked {
		t.Error("something was changed")
	}
}
