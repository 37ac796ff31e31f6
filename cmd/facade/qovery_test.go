package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
)

// unknownID is nothing's.
const unknownID = "00000000-0000-4000-8000-000000000000"

// onQovery are the paths of an organisation.
type onQovery struct {
	*fixture

	base, invitations, members, transfer, roles string
}

func newQovery(f *fixture) onQovery {
	base := "/organization/" + f.uid()
	return onQovery{
		fixture: f, base: base, invitations: base + "/inviteMember", members: base + "/member",
		transfer: base + "/transferOwnership", roles: base + "/availableRole",
	}
}

func (p onQovery) invitation(id string) string { return p.invitations + "/" + id }

// change is the body that gives somebody a role.
func (p onQovery) change(who, role string) string {
	return `{"user_id": "` + who + `", "role_id": "` + p.idOf("role/"+role) + `"}`
}

// person is the body that names somebody.
func (onQovery) person(who string) string { return `{"user_id": "` + who + `"}` }

// routes are all of them, with requests that the owner may make.
func (p onQovery) routes(member, invitation string) []route {
	return []route{
		{http.MethodGet, p.invitations, ""},
		{http.MethodPost, p.invitations, `{"email": "new@example.org"}`},
		{http.MethodGet, p.invitation(invitation), ""},
		{http.MethodDelete, p.invitation(invitation), ""},
		{http.MethodGet, p.members, ""},
		{http.MethodPut, p.members, p.change(member, "developer")},
		{http.MethodDelete, p.members, p.person(member)},
		{http.MethodPost, p.transfer, p.person(member)},
		{http.MethodGet, p.roles, ""},
		{http.MethodPost, p.invitation(invitation), ""},
	}
}

// newConversation begins one in which roles have their names.
func (p onQovery) newConversation(name string) *conversation {
	c := newConversation(p.fixture, "qovery", name)
	for _, role := range []string{"owner", "admin", "developer", "billing-admin", "viewer", "operations"} {
		c.call(p.idOf("role/"+role), "role "+role)
	}
	c.call(p.idOf("owner/"+ada), "membership of ada")
	return c
}

// withOperations gives an organisation a role of its own.
func withOperations(o *enrolv1alpha1.Organisation) {
	o.Spec.Roles = append(o.Spec.Roles, enrolv1alpha1.Role{Name: "operations", BasedOn: "developer"})
}

// idIn is the id of what an answer says was made.
func idIn(c *conversation, got *answer) string {
	c.Helper()
	return read[struct {
		ID string `json:"id"`
	}](c, got).ID
}

// TestQoveryInvitations: from the invitation to the member.
func TestQoveryInvitations(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations, func(o *enrolv1alpha1.Organisation) {
		o.Spec.LogoURL = "https://example.com/logo.png"
		o.Spec.DefaultRole = "developer"
	})
	p := newQovery(f)
	f.later()
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	f.later()
	c := p.newConversation("invitations")
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	id := idIn(c, c.say(ada, http.MethodPost, p.invitations, `{"email": "Kim@Example.com", "role": "DEVELOPER"}`, http.StatusCreated))
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.COM"}`, http.StatusConflict)
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	c.say(ada, http.MethodGet, p.invitation(id), "", http.StatusOK)
	c.say(ada, http.MethodGet, p.invitation(strings.ToUpper(id)), "", http.StatusOK)
	c.say(kim, http.MethodGet, p.invitation(id), "", http.StatusOK)
	c.say(jane, http.MethodGet, p.invitation(id), "", http.StatusForbidden)
	c.say(eve, http.MethodGet, p.invitation(id), "", http.StatusNotFound)
	c.say(eve, http.MethodPost, p.invitation(id), "", http.StatusForbidden)
	c.say(f.home()+"/nobody", http.MethodPost, p.invitation(id), "", http.StatusForbidden)
	c.say(kim, http.MethodPost, p.invitation(unknownID), "", http.StatusNotFound)
	c.say(kim, http.MethodPost, p.invitation(id), `what is sent does not matter`, http.StatusCreated)
	c.say(kim, http.MethodPost, p.invitation(id), "", http.StatusNotFound)
	f.shows(ada, p.members, kim)
	f.until(http.StatusForbidden, kim, http.MethodGet, p.invitation(id), "")
	c.say(kim, http.MethodGet, p.invitation(id), "", http.StatusForbidden)
	c.say(ada, http.MethodGet, p.invitation(id), "", http.StatusNotFound)
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	c.say(kim, http.MethodGet, p.members, "", http.StatusOK)
	f.eventually(func() error {
		if !f.can(kim, "create", "web") {
			return errNotYet
		}
		return nil
	})
}

// TestQoveryInvites: to which role, and to whom.
func TestQoveryInvites(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations, func(o *enrolv1alpha1.Organisation) { o.Spec.DefaultRole = "billing-admin" })
	p := newQovery(f)
	f.later()
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.later()
	f.member("pending", enrolv1alpha1.MemberSpec{Email: "pending@example.org", Suspend: true})
	f.shows(ada, p.members, "pending@example.org")
	c := p.newConversation("invites")
	for _, body := range []string{
		`{"email": "one@example.org"}`,
		`{"email": "two@example.org", "role": null, "role_id": null}`,
		`{"email": "three@example.org", "role": "ADMIN", "another": ["field"]}`,
		`{"email": "four@example.org", "role": "VIEWER", "role_id": "` + f.idOf("role/operations") + `"}`,
		`{"email": "five@example.org", "role_id": "` + strings.ToUpper(f.idOf("role/billing-admin")) + `"}`,
		`{"email": "six@example.org", "role": "OWNER"}`,
		`{"email": "Seven@Bücher.example"}`,
	} {
		c.say(ada, http.MethodPost, p.invitations, body, http.StatusCreated)
		f.later()
	}
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	// Who is a member is not invited again, but to ownership.
	c.say(ada, http.MethodPost, p.invitations, `{"email": "jane@example.com"}`, http.StatusConflict)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "pending@example.org"}`, http.StatusConflict)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "ada@example.com", "role": "OWNER"}`, http.StatusConflict)
	id := idIn(c, c.say(ada, http.MethodPost, p.invitations, `{"email": "jane@example.com", "role": "OWNER"}`, http.StatusCreated))
	f.until(http.StatusOK, jane, http.MethodGet, p.invitation(id), "")
	c.say(jane, http.MethodGet, p.invitation(id), "", http.StatusOK)
	// A new role for whoever is invited is a new invitation.
	c.say(ada, http.MethodDelete, p.invitation(id), "", http.StatusNoContent)
	c.say(ada, http.MethodDelete, p.invitation(id), "", http.StatusNotFound)
	c.say(jane, http.MethodPost, p.invitation(id), "", http.StatusNotFound)
	id = idIn(c, c.say(ada, http.MethodPost, p.invitations, `{"email": "jane@example.com", "role_id": "`+f.idOf("role/owner")+`"}`,
		http.StatusCreated))
	f.until(http.StatusOK, jane, http.MethodGet, p.invitation(id), "")
	c.say(jane, http.MethodPost, p.invitation(id), "", http.StatusCreated)
	f.shows(ada, f.versoriMember(string(m.UID)), `"name":"owner"`)
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
}

// TestQoveryAnswers: an invitation is answered once, by whom it is for, in time.
func TestQoveryAnswers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newQovery(f)
	c := p.newConversation("answers")
	id := idIn(c, c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com"}`, http.StatusCreated))
	f.sent(naming.Invitation(kim, 1), 1)
	f.expire(naming.Invitation(kim, 1))
	f.shows(ada, p.invitations, "EXPIRED")
	c.say(kim, http.MethodGet, p.invitation(id), "", http.StatusOK)
	c.say(eve, http.MethodPost, p.invitation(id), "", http.StatusForbidden)
	got := c.say(kim, http.MethodPost, p.invitation(id), "", http.StatusBadRequest)
	if strings.Contains(strings.ToLower(string(got.body)), "exist") {
		t.Errorf("readers take this for a 404: %s", got)
	}
	f.later()
	// An expired one does not block, and stays in the list.
	second := idIn(c, c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com"}`, http.StatusCreated))
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	c.say(ada, http.MethodDelete, p.invitation(id), "", http.StatusNoContent)
	c.say(kim, http.MethodPost, p.invitation(id), "", http.StatusNotFound)
	// What was declined, is revoked or is another organisation's is not there.
	c.say(kim, http.MethodPost, p.invitation(second), "", http.StatusCreated)
	declined := f.invited("declined", enrolv1alpha1.InvitationSpec{Email: joe, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.until(http.StatusNoContent, joe, http.MethodDelete, "/api/v2/invites/"+declined, "")
	revoked := f.invited("revoked", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.until(http.StatusOK, maxim, http.MethodGet, p.invitation(revoked), "")
	f.revoke("revoked")
	f.until(http.StatusNotFound, maxim, http.MethodGet, p.invitation(revoked), "")
	other := newOrganisation(t)
	foreign := other.invited("foreign", enrolv1alpha1.InvitationSpec{Email: joe, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.until(http.StatusOK, joe, http.MethodGet, newQovery(other).invitation(foreign), "")
	for _, absent := range []struct{ id, name, invitee string }{
		{declined, "declined", joe}, {revoked, "revoked", maxim}, {foreign, "of another organisation", joe},
	} {
		c.call(absent.id, absent.name)
		c.say(absent.invitee, http.MethodGet, p.invitation(absent.id), "", http.StatusNotFound)
		c.say(absent.invitee, http.MethodPost, p.invitation(absent.id), "", http.StatusNotFound)
		c.say(ada, http.MethodGet, p.invitation(absent.id), "", http.StatusNotFound)
		c.say(ada, http.MethodDelete, p.invitation(absent.id), "", http.StatusNotFound)
	}
	f.hides(ada, p.invitations, kim)
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
}

// TestQoveryMembers: who is in an organisation, and as what.
func TestQoveryMembers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations)
	p := newQovery(f)
	c := p.newConversation("members")
	f.later()
	roles := func(names ...enrolv1alpha1.RoleName) []enrolv1alpha1.RoleName { return names }
	for _, m := range []struct {
		name string
		spec enrolv1alpha1.MemberSpec
	}{
		{"jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: roles("viewer", "operations")}},
		{"bob", enrolv1alpha1.MemberSpec{Username: "bob", Roles: roles("billing-admin")}},
		{"carol", enrolv1alpha1.MemberSpec{Username: "carol", Email: "carol@example.org", Roles: roles("admin")}},
		{"carol-too", enrolv1alpha1.MemberSpec{Username: "carol", Roles: roles("viewer")}},
		{"pending", enrolv1alpha1.MemberSpec{Email: "pending@example.org", Roles: roles("developer")}},
		{"suspended", enrolv1alpha1.MemberSpec{Username: "dave", Suspend: true}},
		{"expired", enrolv1alpha1.MemberSpec{Username: "erin", ExpireTime: &metav1.Time{Time: time.Now().Add(-time.Hour)}}},
		{"group", enrolv1alpha1.MemberSpec{Group: "team"}},
	} {
		c.call(string(f.member(m.name, m.spec).UID), "membership of "+m.name)
		f.later()
	}
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
	c.say(jane, http.MethodGet, p.members, "", http.StatusOK)
	c.say(jane, http.MethodGet, p.roles, "", http.StatusOK)
	for _, change := range []struct {
		who, role string
		status    int
	}{
		{"bob", "operations", http.StatusOK},
		{"bob", "operations", http.StatusOK},
		{"carol", "viewer", http.StatusOK},
		{"dave", "billing-admin", http.StatusOK},
		{jane, "owner", http.StatusOK},
		{jane, "owner", http.StatusOK},
		{"erin", "viewer", http.StatusNotFound},
		{"team", "viewer", http.StatusNotFound},
		{"pending@example.org", "viewer", http.StatusNotFound},
		{f.idOf("owner/" + ada), "owner", http.StatusOK},
	} {
		c.say(ada, http.MethodPut, p.members, p.change(change.who, change.role), change.status)
	}
	pending := string(f.memberNamed("pending").UID)
	c.say(ada, http.MethodPut, p.members, p.change(strings.ToUpper(pending), "viewer"), http.StatusOK)
	c.say(ada, http.MethodPut, p.members, p.change(pending, "owner"), http.StatusBadRequest)
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
	// An owner who gets another role is no owner any more.
	c.say(ada, http.MethodPut, p.members, p.change(jane, "developer"), http.StatusOK)
	c.say(ada, http.MethodPut, p.members, p.change(ada, "admin"), http.StatusConflict)
	c.say(ada, http.MethodDelete, p.members, p.person(ada), http.StatusConflict)
	for _, who := range []string{"bob", "carol", pending, "dave"} {
		c.say(ada, http.MethodDelete, p.members, p.person(who), http.StatusNoContent)
		c.say(ada, http.MethodDelete, p.members, p.person(who), http.StatusNotFound)
	}
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
}

// TestQoveryOwnership goes from hand to hand.
func TestQoveryOwnership(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newQovery(f)
	c := p.newConversation("ownership")
	f.later()
	c.call(string(f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}}).UID), "membership of jane")
	f.later()
	pending := string(f.member("pending", enrolv1alpha1.MemberSpec{Email: "pending@example.org"}).UID)
	c.call(pending, "membership of pending")
	f.shows(ada, p.members, "pending@example.org")
	f.later()
	c.say(ada, http.MethodPost, p.transfer, p.person(ada), http.StatusNoContent)
	c.say(ada, http.MethodPost, p.transfer, p.person(pending), http.StatusBadRequest)
	c.say(ada, http.MethodPost, p.transfer, p.person("nobody"), http.StatusNotFound)
	c.say(ada, http.MethodPost, p.transfer, p.person(unknownID), http.StatusNotFound)
	c.say(ada, http.MethodPost, p.transfer, p.person(jane), http.StatusNoContent)
	c.call(string(f.memberNamed(naming.Member(ada)).UID), "new membership of ada")
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
	// Who was the owner is an admin, and no admin gives or takes an ownership.
	f.until(http.StatusForbidden, ada, http.MethodPost, p.transfer, p.person("nobody"))
	c.say(ada, http.MethodPost, p.transfer, p.person(ada), http.StatusForbidden)
	c.say(ada, http.MethodPost, p.transfer, p.person("nobody"), http.StatusForbidden)
	f.until(http.StatusNoContent, jane, http.MethodPost, p.transfer, p.person(jane))
	c.say(jane, http.MethodPost, p.transfer, p.person(ada), http.StatusNoContent)
	c.say(jane, http.MethodGet, p.members, "", http.StatusOK)
	// Who may, and is no owner, takes nobody's place.
	f.bindOwner(kim)
	f.until(http.StatusOK, kim, http.MethodGet, p.members, "")
	c.say(kim, http.MethodPost, p.transfer, p.person(jane), http.StatusNoContent)
	c.say(kim, http.MethodGet, p.members, "", http.StatusOK)
	f.until(http.StatusNoContent, ada, http.MethodPost, p.transfer, p.person(ada))
	c.say(ada, http.MethodDelete, p.members, p.person(ada), http.StatusNoContent)
	f.until(http.StatusNoContent, jane, http.MethodPost, p.transfer, p.person(jane))
	f.hides(jane, p.members, ada)
	c.say(jane, http.MethodGet, p.members, "", http.StatusOK)
}

// TestQoveryRefusals has an answer for every way to get it wrong.
func TestQoveryRefusals(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newQovery(f)
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"admin"}})
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	owner := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"owner"}})
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	f.until(http.StatusBadRequest, joe, http.MethodPost, p.invitations, `{}`)
	f.shows(ada, p.invitations, maxim)
	c := p.newConversation("refusals")
	for _, body := range []string{
		`{}`, `{"email": null}`, `{"email": ""}`, `{"email": "bob"}`, `{"email": ["bob@example.org"], "role": 1, "role_id": true}`,
		`{"email": "bob@example.org", "role": "viewer"}`, `{"email": "bob@example.org", "role_id": "viewer"}`,
		`{"email": "bob@example.org", "role": "ROOT", "role_id": "` + f.idOf("role/viewer") + `"}`,
		`{"email": "bob@example.org", "role_id": "` + unknownID + `"}`, `[]`, `null`, `{`, `{"email": "bob@example.org"} {}`,
		`{"email": "bob@example.org", "email": "eve@example.org"}`, `{"email": "bob@[192.0.2.1]"}`,
	} {
		c.say(ada, http.MethodPost, p.invitations, body, http.StatusBadRequest)
	}
	for _, body := range []string{
		`{}`, `{"user_id": null, "role_id": null}`, `{"user_id": 1, "role_id": 2}`, `{"user_id": "jane@example.com", "role_id": "viewer"}`,
		p.change(jane, "unknown"), p.change("nobody", "unknown"), `[]`,
	} {
		c.say(ada, http.MethodPut, p.members, body, http.StatusBadRequest)
	}
	for _, body := range []string{`{}`, `{"user_id": null}`, `{"user_id": ["jane@example.com"]}`, `"jane@example.com"`} {
		c.say(ada, http.MethodDelete, p.members, body, http.StatusBadRequest)
		c.say(ada, http.MethodPost, p.transfer, body, http.StatusBadRequest)
	}
	for _, r := range []route{
		{http.MethodPut, p.members, p.change("nobody", "viewer")}, {http.MethodPut, p.members, p.change("", "viewer")},
		{http.MethodDelete, p.members, p.person(unknownID)}, {http.MethodPost, p.transfer, p.person("")},
		{http.MethodGet, p.invitation(unknownID), ""}, {http.MethodDelete, p.invitation(f.uid()), ""},
		{http.MethodPost, p.invitation("one"), ""}, {http.MethodGet, p.invitation("one"), ""}, {http.MethodDelete, p.invitation("{" + invitation + "}"), ""},
		{http.MethodGet, p.members + "/", ""}, {http.MethodGet, p.base, ""}, {http.MethodGet, "/organization/" + f.name + "/member", ""},
		{http.MethodGet, p.base + "/Member", ""}, {http.MethodGet, p.base + "/customRole", ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusNotFound)
	}
	routes := p.routes(jane, invitation)
	for _, r := range routes {
		if r.path != p.members && r.path != p.roles || r.method != http.MethodGet {
			c.say(jane, r.method, r.path, r.body, http.StatusForbidden)
		}
	}
	for _, r := range []route{
		{http.MethodPost, p.invitations, `{"email": "bob@example.org", "role": "OWNER"}`}, {http.MethodDelete, p.invitation(owner), ""},
		{http.MethodPut, p.members, p.change(jane, "owner")}, {http.MethodPut, p.members, p.change(ada, "viewer")},
		{http.MethodPut, p.members, p.change("nobody", "owner")},
		{http.MethodDelete, p.members, p.person(ada)}, {http.MethodPost, p.transfer, p.person(jane)},
	} {
		c.say(joe, r.method, r.path, r.body, http.StatusForbidden)
	}
	c.hidden(routes[:len(routes)-1], f.uid(), unknownID)
	c.say(eve, http.MethodPost, strings.Replace(p.invitation(invitation), f.uid(), unknownID, 1), "", http.StatusNotFound)
	c.guarded(routes, statuses{http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge}, small)
	c.credentials(http.MethodGet, p.roles)
}

// TestQoveryPolicy: whom an organisation invites, and how often, is for it to say.
func TestQoveryPolicy(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.Invitations.AllowedEmailDomains = []string{"example.com"}
		o.Spec.Invitations.MaxPer24Hours = new(int32(1))
	})
	p := newQovery(f)
	c := p.newConversation("policy")
	c.say(ada, http.MethodPost, p.invitations, `{"email": "bob@sub.example.com"}`, http.StatusForbidden)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com"}`, http.StatusCreated)
	f.sent(naming.Invitation(kim, 1), 1)
	f.counted(1)
	got := c.say(ada, http.MethodPost, p.invitations, `{"email": "joe@example.com"}`, http.StatusTooManyRequests)
	// A mail counts until 24 hours after the end of its hour.
	if after := retryAfter(c, got); after < 24*time.Hour-time.Minute || after > 25*time.Hour {
		t.Errorf("come back after %s, want 24 to 25 hours", after)
	}
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com"}`, http.StatusConflict)
	// What is not allowed any more when it is accepted is not accepted.
	f.change(func(o *enrolv1alpha1.Organisation) { o.Spec.Invitations.AllowedEmailDomains = []string{"example.org"} })
	id := f.invitationNamed(naming.Invitation(kim, 1)).UID
	c.say(kim, http.MethodPost, p.invitation(string(id)), "", http.StatusForbidden)
}

// TestQoveryKeptInGit: what Git keeps is changed there.
func TestQoveryKeptInGit(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		annotatedInGit(o)
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: joe, Email: joe})
	})
	p := newQovery(f)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.mark(m, annotatedInGit)
	f.member("eve", enrolv1alpha1.MemberSpec{Username: eve, Roles: []enrolv1alpha1.RoleName{"admin"}})
	kept := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"viewer"}},
		func(i *enrolv1alpha1.Invitation) { annotatedInGit(i) })
	owner := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"owner"}})
	f.until(http.StatusConflict, ada, http.MethodDelete, p.invitation(kept), "")
	f.until(http.StatusConflict, ada, http.MethodPut, p.members, p.change(jane, "developer"))
	f.until(http.StatusBadRequest, eve, http.MethodPost, p.invitations, `{}`)
	f.shows(ada, p.invitations, kim)
	c := p.newConversation("git")
	for _, r := range []route{
		{http.MethodPost, p.invitations, `{"email": "bob@example.org", "role": "OWNER"}`}, {http.MethodPost, p.transfer, p.person(eve)},
		{http.MethodPut, p.members, p.change(joe, "viewer")}, {http.MethodPut, p.members, p.change(eve, "owner")},
		{http.MethodDelete, p.members, p.person(joe)}, {http.MethodDelete, p.members, p.person(jane)},
		{http.MethodPut, p.members, p.change(jane, "developer")}, {http.MethodDelete, p.invitation(kept), ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusConflict)
	}
	c.say(kim, http.MethodPost, p.invitation(owner), "", http.StatusConflict)
	// What changes nothing is nobody's business, and neither is Git that of whoever may not.
	c.say(ada, http.MethodPut, p.members, p.change(jane, "viewer"), http.StatusOK)
	c.say(ada, http.MethodPost, p.transfer, p.person(ada), http.StatusNoContent)
	c.say(eve, http.MethodPost, p.transfer, p.person(jane), http.StatusForbidden)
	c.say(eve, http.MethodPut, p.members, p.change(jane, "owner"), http.StatusForbidden)
	c.say(ada, http.MethodPut, p.members, p.change(eve, "developer"), http.StatusOK)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "bob@example.org"}`, http.StatusCreated)
	c.say(maxim, http.MethodPost, p.invitation(kept), "", http.StatusCreated)
}

// TestQoveryInTrouble: an API server that cannot be asked is nobody's permission.
func TestQoveryInTrouble(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newQovery(f)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	x := newTroubled(t)
	c := p.newConversation("trouble")
	c.call(invitation, "invitation")
	c.call(string(m.UID), "membership of jane")
	c.inTrouble(x, p.routes(jane, invitation), []troubleStatus{
		{refusing, "refuses the facade's own account", http.StatusInternalServerError},
		{down, "is down", http.StatusInternalServerError},
		{nonsense, "answers nonsense", http.StatusInternalServerError},
		{failing, "fails", http.StatusInternalServerError},
		{slow, "does not answer", http.StatusInternalServerError},
		{busy, "is busy", http.StatusTooManyRequests},
	})
	f.knows(x.replica)
	x.is(overtaken)
	c.sayTo(x.replica, ada, http.MethodPut, p.members, p.change(jane, "developer"), http.StatusConflict)
	c.sayTo(x.replica, ada, http.MethodPost, p.transfer, p.person(jane), http.StatusConflict)
	c.sayTo(x.replica, kim, http.MethodPost, p.invitation(invitation), "", http.StatusConflict)
	x.is(none)
	for _, r := range p.routes(jane, invitation)[:6] {
		if r.method == http.MethodDelete {
			continue
		}
		status := http.StatusOK
		if r.method == http.MethodPost {
			status = http.StatusCreated
		}
		c.sayTo(x.replica, ada, r.method, r.path, r.body, status)
	}
}
