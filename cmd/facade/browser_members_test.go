package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
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
	f.sees(person, "/api/v1/organisations/"+f.name+"/me", "")
}

// membersOf is a tab with the members page, as somebody sees it.
func (f *fixture) membersOf(person string) (*tab, *shown) {
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
	page.wants(http.StatusOK, "Night Works", jane, joe, ada).lacks(kim)
	if viewer.has(inviteForm) || viewer.has(revoking) || viewer.has("tr[data-member='"+jane+"'] "+removing) {
		t.Errorf("a viewer must have no buttons about others: %s", page.technical)
	}
	_, page = f.membersOf(eve)
	page.wants(http.StatusNotFound).lacks("Night Works", jane, kim)

	admin, page := f.membersOf(jane)
	page.wants(http.StatusOK, "Night Works", kim)
	if !admin.has(inviteForm) || !admin.has("tr[data-invitation='"+kim+"'] "+revoking) || !admin.has("tr[data-member='"+joe+"'] "+removing) {
		t.Fatalf("an admin must be able to invite, revoke and remove: %s", page.technical)
	}
	if admin.has("tr[data-member='"+ada+"'] "+removing) || admin.has("option[value=owner]") {
		t.Errorf("an admin must not touch owners: %s", page.technical)
	}
	admin.do(chromedp.SetValue(chromedp.CSS("#email"), "p3@example.com"), chromedp.SetValue(chromedp.CSS("#role"), "developer"))
	admin.click(inviteForm+" button").wants(http.StatusOK, "p3@example.com")
	f.mailedLink("p3@example.com")

	owner, page := f.membersOf(ada)
	page.wants(http.StatusOK, "p3@example.com", kim)
	if !owner.has("option[value=owner]") {
		t.Errorf("an owner must be able to invite owners: %s", page.technical)
	}
	owner.press("tr[data-invitation='"+kim+"']", revoking).wants(http.StatusOK).lacks(kim)
	owner.press("tr[data-member='"+joe+"']", removing).wants(http.StatusOK)
	if owner.has("tr[data-member='"+joe+"']") || f.can(joe, "get", "web") {
		t.Error("who was removed is there still")
	}
	viewer.open("/organisations/" + f.organisation.Slug()).wants(http.StatusNotFound).lacks("Night Works")
}

// press opens what asks for confirmation in a row, and confirms.
func (t *tab) press(row, action string) *shown {
	t.Helper()
	details := row + " details:has(" + action + ")"
	t.do(chromedp.Click(chromedp.CSS(details + " summary")))
	return t.click(details + " button")
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
	page.wants(http.StatusOK)
	cookie := "__Host-session=" + b.cookie("__Host-session").Value
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
