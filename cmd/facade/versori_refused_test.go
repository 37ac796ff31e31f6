package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
)

var versoriStatuses = statuses{http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge}

// TestVersoriRefusals has an answer for every way to get it wrong.
func TestVersoriRefusals(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations)
	p := newVersori(f)
	member := string(f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}}).UID)
	f.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"admin"}})
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	owner := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"owner"}})
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	f.until(http.StatusBadRequest, joe, http.MethodPost, p.invitations, `{}`)
	f.shows(ada, p.invitations, maxim)
	c := p.newConversation("refusals")
	c.call(ulidOf(invitation), "invitation")
	c.call(invitation, "invitation as a UUID")
	for _, body := range versoriBad(p) {
		c.say(ada, http.MethodPost, p.invitations, body, http.StatusBadRequest)
	}
	for _, body := range []string{`{}`, `[]`, `{`, `{"email": 1, "url": 2, "authUrl": 3, "inviteType": 4}`} {
		c.say(ada, http.MethodPut, p.resend(invitation), body, http.StatusBadRequest)
	}
	for _, r := range []route{
		{http.MethodDelete, p.invitation(ulidOf(unknownID)), ""}, {http.MethodDelete, p.invitation("one"), ""},
		{http.MethodDelete, p.invitation(ulidOf(f.uid())), ""}, {http.MethodPut, p.accept("8" + strings.Repeat("0", 25)), ""},
		{http.MethodPut, p.accept(strings.Repeat("U", 26)), ""}, {http.MethodPut, p.resend("one"), p.join(kim, "")},
		{http.MethodPut, p.accept("urn:uuid:" + invitation), ""}, {http.MethodGet, p.member("jane"), ""}, {http.MethodGet, p.members + "/", ""},
		{http.MethodGet, p.base, ""}, {http.MethodGet, p.base + "/groups", ""}, {http.MethodGet, p.all + "/" + f.name + "/members", ""},
		{http.MethodGet, "/api/organisations/v1/", ""}, {http.MethodPost, p.invitation(invitation) + "/decline", ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusNotFound)
	}
	routes := p.routes(member, invitation)
	for _, r := range routes {
		if r.method != http.MethodGet || r.path == p.invitations {
			c.say(jane, r.method, r.path, r.body, http.StatusForbidden)
		}
	}
	for _, r := range []route{
		{http.MethodPost, p.invitations, p.join("bob@example.org", `["owner"]`)},
		{http.MethodPost, p.invitations, p.join("bob@example.org", `["viewer", "operations"]`)},
		{http.MethodPost, p.invitations, p.invite("bob@example.org", "transfer_ownership", "")},
		{http.MethodDelete, p.invitation(ulidOf(owner)), ""}, {http.MethodPut, p.resend(ulidOf(owner)), p.join(maxim, "")},
		{http.MethodDelete, p.member(f.idOf("owner/" + ada)), ""},
	} {
		c.say(joe, r.method, r.path, r.body, http.StatusForbidden)
	}
	c.hidden(routes[:len(routes)-1], ulidOf(f.uid()), ulidOf(unknownID))
	c.say(eve, http.MethodPut, strings.Replace(p.accept(invitation), ulidOf(f.uid()), ulidOf(unknownID), 1), "", http.StatusNotFound)
	c.guarded(routes, versoriStatuses, small)
}

// versoriBad are bodies that invite nobody.
func versoriBad(p onVersori) []string {
	good := p.join("bob@example.org", "")
	bodies := []string{
		`{}`, `[]`, `null`, `{`, good + good, `{"email": null, "url": null, "authUrl": null, "inviteType": null}`,
		`{"email": ["bob@example.org"], "url": 1, "authUrl": {}, "inviteType": false, "roles": "viewer"}`,
		p.join("bob", ""), p.join("", ""), p.invite("bob@example.org", "Join", ""), p.invite("bob@example.org", "", ""),
		p.join("bob@example.org", `["viewer", 1]`), p.join("bob@example.org", `["nobody"]`), p.join("bob@example.org", `[""]`),
		strings.Replace(good, `"email"`, `"url": "`+publicURL+`", "email"`, 1),
	}
	for _, link := range []string{
		"", "accept", "/accept", "http://enrol.example.com/accept", "https://enrol.example.net/accept", "https://enrol.example.com:8443/",
		"https://ada@enrol.example.com/", "javascript:alert(1)", publicURL + "/" + strings.Repeat("x", 2048-len(publicURL)),
	} {
		bodies = append(bodies, strings.Replace(good, publicURL+"/accept", link, 1))
	}
	return append(bodies, strings.Replace(good, publicURL+"/sign-up", "https://enrol.example.net/sign-up", 1))
}

// TestVersoriPolicy: whom an organisation invites, as what, and how often, is for it to say.
func TestVersoriPolicy(t *testing.T) {
	t.Parallel()
	roles := []string{"viewer"}
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.Invitations.AllowedEmailDomains = []string{"example.com"}
		o.Spec.Invitations.MaxPer24Hours = new(int32(1))
		o.Spec.Invitations.ValidForSeconds = new(int64(3600))
		for i := range 8 {
			name := fmt.Sprintf("own-%d", i)
			roles = append(roles, name)
			o.Spec.Roles = append(o.Spec.Roles, enrolv1alpha1.Role{Name: enrolv1alpha1.RoleName(name), BasedOn: "developer"})
		}
	})
	p := newVersori(f)
	c := p.newConversation("policy")
	list := func(names ...string) string { return `["` + strings.Join(names, `", "`) + `"]` }
	c.say(ada, http.MethodPost, p.invitations, p.join("bob@sub.example.com", ""), http.StatusForbidden)
	c.say(ada, http.MethodPost, p.invitations, p.join(kim, list(roles...)), http.StatusBadRequest)
	twice := slices.Concat(roles[:8], roles[:8])
	made := read[versoriInvitation](t, c.say(ada, http.MethodPost, p.invitations, p.join(kim, list(twice...)), http.StatusCreated))
	if lives := made.ExpiresAt.Sub(made.CreatedAt); lives != time.Hour {
		t.Errorf("it lives for %s, want an hour", lives)
	}
	f.sent(naming.Invitation(kim, 1), 1)
	f.counted(1)
	c.say(ada, http.MethodPost, p.invitations, p.join(joe, ""), http.StatusTooManyRequests)
	f.shows(ada, p.invitations, f.sentLongAgo(naming.Invitation(kim, 1)))
	got := c.say(ada, http.MethodPut, p.resend(made.ID), p.join(kim, ""), http.StatusTooManyRequests)
	// A mail counts until 24 hours after the end of its hour.
	if after := retryAfter(c, got); after < 24*time.Hour-time.Minute || after > 25*time.Hour {
		t.Errorf("come back after %s, want 24 to 25 hours", after)
	}
	f.change(func(o *enrolv1alpha1.Organisation) { o.Spec.Invitations.AllowedEmailDomains = []string{"example.org"} })
	f.until(http.StatusForbidden, ada, http.MethodPost, p.invitations, p.join(joe, ""))
	c.say(ada, http.MethodPut, p.resend(made.ID), p.join(kim, ""), http.StatusForbidden)
	c.say(kim, http.MethodPut, p.accept(made.ID), "", http.StatusForbidden)
}

// TestVersoriKeptInGit: what Git keeps is changed there.
func TestVersoriKeptInGit(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		annotatedInGit(o)
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: joe, Email: joe})
	})
	p := newVersori(f)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.mark(m, annotatedInGit)
	f.member("eve", enrolv1alpha1.MemberSpec{Username: eve, Roles: []enrolv1alpha1.RoleName{"admin"}})
	kept := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"viewer"}},
		func(i *enrolv1alpha1.Invitation) { annotatedInGit(i) })
	owner := f.invited("kim", enrolv1alpha1.InvitationSpec{
		Email: kim, Type: enrolv1alpha1.InvitationTransferOwnership, InvitedBy: enrolv1alpha1.Inviter{Username: ada, Email: ada},
	})
	f.until(http.StatusConflict, ada, http.MethodDelete, p.invitation(kept), "")
	f.until(http.StatusConflict, ada, http.MethodDelete, p.member(string(m.UID)), "")
	f.until(http.StatusBadRequest, eve, http.MethodPost, p.invitations, `{}`)
	f.shows(ada, p.invitations, kim)
	c := p.newConversation("git")
	for _, r := range []route{
		{http.MethodPost, p.invitations, p.join("bob@example.org", `["owner"]`)},
		{http.MethodPost, p.invitations, p.invite("bob@example.org", "transfer_ownership", "")},
		{http.MethodPut, p.resend(kept), p.join(maxim, "")}, {http.MethodDelete, p.invitation(kept), ""},
		{http.MethodPut, p.resend(owner), p.invite(kim, "transfer_ownership", "")},
		{http.MethodDelete, p.member(f.idOf("owner/" + joe)), ""}, {http.MethodDelete, p.member(string(m.UID)), ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusConflict)
	}
	c.say(kim, http.MethodPut, p.accept(owner), "", http.StatusConflict)
	c.say(eve, http.MethodPost, p.invitations, p.join("bob@example.org", `["owner"]`), http.StatusForbidden)
	c.say(ada, http.MethodPost, p.invitations, p.join("bob@example.org", ""), http.StatusCreated)
	c.say(maxim, http.MethodPut, p.accept(kept), "", http.StatusNoContent)
}

// TestVersoriInTrouble: an API server that cannot be asked is nobody's permission.
func TestVersoriInTrouble(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	member := string(f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}}).UID)
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	x := newTroubled(t)
	c := p.newConversation("trouble")
	c.call(invitation, "invitation")
	c.call(ulidOf(invitation), "invitation as a ULID")
	c.call(member, "membership of jane")
	c.inTrouble(x, append(p.routes(member, invitation), route{http.MethodGet, p.all, ""}), []troubleStatus{
		{refusing, "refuses the facade's own account", http.StatusInternalServerError},
		{down, "is down", http.StatusInternalServerError},
		{nonsense, "answers nonsense", http.StatusInternalServerError},
		{failing, "fails", http.StatusInternalServerError},
		{slow, "does not answer", http.StatusInternalServerError},
		{busy, "is busy", http.StatusTooManyRequests},
	})
	f.knows(x.replica)
	expire := f.sentLongAgo("kim")
	f.eventually(func() error {
		if got := f.on(x.replica).get(ada, p.invitations); !strings.Contains(string(got.body), expire) {
			return fmt.Errorf("got %s, want %s in it", got, expire)
		}
		return nil
	})
	x.is(overtaken)
	c.sayTo(x.replica, ada, http.MethodPut, p.resend(invitation), p.join(kim, ""), http.StatusConflict)
	c.sayTo(x.replica, kim, http.MethodPut, p.accept(invitation), "", http.StatusConflict)
	x.is(none)
	c.sayTo(x.replica, kim, http.MethodPut, p.accept(invitation), "", http.StatusNoContent)
}

// TestVersoriInDeepTrouble: whose the token is was known, and then something failed.
func TestVersoriInDeepTrouble(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	c := p.newConversation("deep-trouble")
	for _, where := range []struct {
		only string
		what trouble
	}{
		{"subjectaccessreviews", down}, {"subjectaccessreviews", nonsense}, {"subjectaccessreviews", busy},
		{"/invitations", refusing}, {"/invitations", nonsense}, {"/invitations", busy},
	} {
		x := newTroubled(t)
		x.only = where.only
		f.knows(x.replica)
		x.is(where.what)
		status := http.StatusInternalServerError
		switch where.what {
		case busy:
			status = http.StatusTooManyRequests
		case refusing:
			// It is the caller's token that was refused.
			status = http.StatusForbidden
		default:
		}
		fmt.Fprintf(&c.text, "=== There is trouble with %s.\n\n", where.only)
		c.sayTo(x.replica, ada, http.MethodPost, p.invitations, p.join("new@example.org", ""), status)
		x.is(none)
		c.sayTo(x.replica, ada, http.MethodGet, p.invitations, "", http.StatusOK)
	}
}
