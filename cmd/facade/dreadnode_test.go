package main

import (
	"net/http"
	"strings"
	"testing"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// onDreadnode are the paths of an organisation.
type onDreadnode struct{ members, invitations string }

func newDreadnode(f *fixture) onDreadnode {
	base := "/api/v1/org/" + f.name
	return onDreadnode{members: base + "/members", invitations: base + "/invitations"}
}

func (onDreadnode) respond(invitation string) string {
	return "/api/v1/invitations/" + invitation + "/respond"
}

func (p onDreadnode) member(id string) string { return p.members + "/" + id }

func (p onDreadnode) invitation(id string) string { return p.invitations + "/" + id }

// routes are all of them, with requests that the owner may make.
func (p onDreadnode) routes(member, invitation string) []route {
	return []route{
		{http.MethodPost, p.invitations, `{"email": "new@example.org"}`},
		{http.MethodDelete, p.invitation(invitation), ""},
		{http.MethodGet, p.members, ""},
		{http.MethodPut, p.member(member), `{"role": "contributor"}`},
		{http.MethodDelete, p.member(member), ""},
		{http.MethodPost, p.respond(invitation), `{"accept": true}`},
	}
}

// TestDreadnode is what clients of the platform say and hear.
func TestDreadnode(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newDreadnode(f)
	f.later()
	c := newConversation(f, "dreadnode", "members")
	c.call(f.idOf("user/"+ada), "user ada")
	c.call(f.idOf("owner/"+ada), "membership of ada")
	c.call(f.idOf("user/"+joe), "user joe")
	first := read[map[string]any](t, c.say(ada, http.MethodPost, p.invitations, `{"email": "Joe@Example.com", "role": "contributor"}`, http.StatusOK))
	c.say(ada, http.MethodPost, p.invitations, `{"email": "joe@example.com"}`, http.StatusConflict)
	c.say(joe, http.MethodPost, p.respond(first["id"].(string)), `{"accept": true}`, http.StatusOK)
	// Repeating is safe for as long as the invitation is there; then it is answered already.
	f.until(http.StatusNotFound, joe, http.MethodPost, p.respond(first["id"].(string)), `{"accept": true}`)
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "joe@example.com"}`, http.StatusConflict)
	owner := read[map[string]any](t, c.say(ada, http.MethodPost, p.invitations, `{"email": "joe@example.com", "role": "owner", "send_email": false}`,
		http.StatusOK))
	c.say(ada, http.MethodDelete, p.invitation(owner["id"].(string)), "", http.StatusNoContent)
	c.say(ada, http.MethodDelete, p.invitation(owner["id"].(string)), "", http.StatusNotFound)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+joe)), `{"role": "reader", "allowed_model_ids": ["one"]}`, http.StatusOK)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+joe)), `{"role": "owner", "allowed_model_ids": null}`, http.StatusOK)
	f.until(http.StatusOK, joe, http.MethodPut, p.member(f.idOf("user/"+joe)), `{"role": "owner"}`)
	c.say(joe, http.MethodPut, p.member(f.idOf("owner/"+ada)), `{"role": "contributor"}`, http.StatusOK)
	c.say(joe, http.MethodPut, p.member(f.idOf("user/"+joe)), `{"role": "reader"}`, http.StatusConflict)
	c.say(joe, http.MethodDelete, p.member(f.idOf("user/"+joe)), "", http.StatusConflict)
	c.say(joe, http.MethodDelete, p.member(f.idOf("user/"+ada)), "", http.StatusOK)
	c.say(joe, http.MethodDelete, p.member(f.idOf("user/"+ada)), "", http.StatusNotFound)
	f.gone(ada)
}

// TestDreadnodeAnswers: an invitation is answered once, by whom it is for, in time.
func TestDreadnodeAnswers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newDreadnode(f)
	c := newConversation(f, "dreadnode", "answers")
	id := map[string]string{}
	for _, who := range []string{kim, joe, jane, maxim} {
		name := strings.TrimSuffix(who, "@example.com")
		id[who] = p.respond(f.invited(name, enrolv1alpha1.InvitationSpec{
			Email: enrolv1alpha1.Email(who), Roles: []enrolv1alpha1.RoleName{"viewer"},
		}))
	}
	f.expire("jane")
	c.say(eve, http.MethodPost, id[kim], `{"accept": false}`, http.StatusForbidden)
	c.say("kube-system/nobody", http.MethodPost, id[kim], `{"accept": true}`, http.StatusForbidden)
	c.say(kim, http.MethodPost, id[kim], `{"accept": false}`, http.StatusOK)
	c.say(kim, http.MethodPost, id[kim], `{"accept": false}`, http.StatusNotFound)
	c.say(kim, http.MethodPost, p.respond(f.uid()), `{"accept": true}`, http.StatusNotFound)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com", "send_email": false}`, http.StatusOK)
	f.until(http.StatusBadRequest, jane, http.MethodPost, id[jane], `{"accept": true}`)
	c.say(jane, http.MethodPost, id[jane], `{"accept": true}`, http.StatusBadRequest)
	c.say(jane, http.MethodPost, id[jane], `{"accept": false}`, http.StatusBadRequest)
	c.say(ada, http.MethodDelete, strings.Replace(strings.TrimSuffix(id[jane], "/respond"), "/api/v1/invitations", p.invitations, 1), "", http.StatusNoContent)
	c.say(joe, http.MethodPost, id[joe], `{"accept": true}`, http.StatusOK)
	// Whoever has become a member meanwhile keeps that membership, which is not to be waited for, although it gives nothing.
	f.member("max", enrolv1alpha1.MemberSpec{Username: maxim, Roles: []enrolv1alpha1.RoleName{"developer"}, Suspend: true})
	c.say(maxim, http.MethodPost, id[maxim], `{"accept": true}`, http.StatusOK)
	for _, body := range []string{`{}`, `{"accept": null}`, `{"accept": "yes"}`, `[]`, ` `, `{"accept": true, "accept": false}`} {
		c.say(joe, http.MethodPost, id[joe], body, http.StatusUnprocessableEntity)
	}
	c.say(joe, http.MethodPost, p.respond("one"), `{"accept": true}`, http.StatusUnprocessableEntity)
}

// TestDreadnodeRefusals has an answer for every way to get it wrong.
func TestDreadnodeRefusals(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newDreadnode(f)
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"admin"}})
	f.member("pending", enrolv1alpha1.MemberSpec{Email: "pending@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"}})
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	member := f.idOf("user/" + jane)
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	f.until(http.StatusUnprocessableEntity, joe, http.MethodPost, p.invitations, `{}`)
	c := newConversation(f, "dreadnode", "refusals")
	for _, body := range []string{
		`{}`, `{"email": null}`, `{"email": ""}`, `{"email": "bob"}`, `{"email": ["bob@example.org"], "role": 1, "send_email": "no"}`,
		`{"email": "bob@example.org", "role": "admin"}`, `[]`, `null`, `{`, `{"email": "bob@example.org"} {}`,
	} {
		c.say(ada, http.MethodPost, p.invitations, body, http.StatusUnprocessableEntity)
	}
	for _, body := range []string{`{}`, `{"role": "admin"}`, `{"role": "reader", "allowed_model_ids": "one"}`, `{"role": 1, "allowed_model_ids": [1]}`} {
		c.say(ada, http.MethodPut, p.member(member), body, http.StatusUnprocessableEntity)
	}
	c.say(ada, http.MethodPut, p.member(f.idOf("user/pending@example.org")), `{"role": "owner"}`, http.StatusUnprocessableEntity)
	c.say(ada, http.MethodPut, p.member("jane"), `{"role": "owner"}`, http.StatusUnprocessableEntity)
	c.say(ada, http.MethodDelete, p.member("jane"), "", http.StatusUnprocessableEntity)
	c.say(ada, http.MethodDelete, p.invitation("kim"), "", http.StatusUnprocessableEntity)
	for _, r := range []route{
		{http.MethodPut, p.member(f.uid()), `{"role": "owner"}`}, {http.MethodDelete, p.member(f.uid()), ""},
		{http.MethodDelete, p.invitation(f.uid()), ""}, {http.MethodGet, p.invitations, ""}, {http.MethodGet, p.members + "/", ""},
		{http.MethodGet, "/api/v1/org/" + f.name, ""}, {http.MethodGet, "/api/v1/invitations/" + invitation, ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusNotFound)
	}
	routes := p.routes(member, invitation)
	for _, r := range routes {
		if r.method != http.MethodGet {
			c.say(jane, r.method, r.path, r.body, http.StatusForbidden)
		}
	}
	c.say(joe, http.MethodPost, p.invitations, `{"email": "bob@example.org", "role": "owner"}`, http.StatusForbidden)
	c.say(joe, http.MethodPut, p.member(member), `{"role": "owner"}`, http.StatusForbidden)
	c.say(joe, http.MethodPut, p.member(f.uid()), `{"role": "owner"}`, http.StatusForbidden)
	c.say(joe, http.MethodDelete, p.member(f.idOf("user/"+ada)), "", http.StatusForbidden)
	c.hidden(routes[:len(routes)-1], f.name, "no-such")
	c.guarded(routes, statuses{http.StatusNotFound, http.StatusBadRequest, http.StatusBadRequest}, small)
}

// TestDreadnodePolicy: whom an organisation invites, and how often, is for it to say.
func TestDreadnodePolicy(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.Invitations.AllowedEmailDomains = []string{"example.com"}
		o.Spec.Invitations.MaxPer24Hours = new(int32(0))
	})
	p := newDreadnode(f)
	c := newConversation(f, "dreadnode", "policy")
	c.say(ada, http.MethodPost, p.invitations, `{"email": "bob@example.org", "send_email": false}`, http.StatusForbidden)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com"}`, http.StatusTooManyRequests)
	c.say(ada, http.MethodPost, p.invitations, `{"email": "kim@example.com", "send_email": false}`, http.StatusOK)
}

// TestDreadnodeKeptInGit: what Git keeps is changed there.
func TestDreadnodeKeptInGit(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		keptInGit(o)
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: joe, Email: joe})
	})
	p := newDreadnode(f)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.mark(m, keptInGit)
	kept := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"viewer"}},
		func(i *enrolv1alpha1.Invitation) { keptInGit(i) })
	owner := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"owner"}})
	f.until(http.StatusConflict, ada, http.MethodDelete, p.invitation(kept), "")
	f.until(http.StatusConflict, ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "contributor"}`)
	c := newConversation(f, "dreadnode", "git")
	c.say(ada, http.MethodPost, p.invitations, `{"email": "eve@example.com", "role": "owner"}`, http.StatusConflict)
	c.say(kim, http.MethodPost, p.respond(owner), `{"accept": true}`, http.StatusConflict)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+joe)), `{"role": "reader"}`, http.StatusConflict)
	c.say(ada, http.MethodDelete, p.member(f.idOf("user/"+joe)), "", http.StatusConflict)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "owner"}`, http.StatusConflict)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "contributor"}`, http.StatusConflict)
	c.say(ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "reader"}`, http.StatusOK)
	c.say(ada, http.MethodDelete, p.member(f.idOf("user/"+jane)), "", http.StatusConflict)
	c.say(ada, http.MethodDelete, p.invitation(kept), "", http.StatusConflict)
}

// TestDreadnodeInTrouble: an API server that cannot be asked is nobody's permission.
func TestDreadnodeInTrouble(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newDreadnode(f)
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	invitation := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	x := newTroubled(t)
	c := newConversation(f, "dreadnode", "trouble")
	c.call(f.idOf("user/"+jane), "user jane")
	c.inTrouble(x, p.routes(f.idOf("user/"+jane), invitation), []troubleStatus{
		{refusing, "refuses the facade's own account", http.StatusInternalServerError},
		{down, "is down", http.StatusBadGateway},
		{nonsense, "answers nonsense", http.StatusBadGateway},
		{failing, "fails", http.StatusBadGateway},
		{slow, "does not answer", http.StatusGatewayTimeout},
	})
	f.knows(x.replica)
	x.is(overtaken)
	c.sayTo(x.replica, ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "contributor"}`, http.StatusConflict)
	c.sayTo(x.replica, kim, http.MethodPost, p.respond(invitation), `{"accept": true}`, http.StatusConflict)
	x.is(none)
	c.sayTo(x.replica, ada, http.MethodPut, p.member(f.idOf("user/"+jane)), `{"role": "contributor"}`, http.StatusOK)
}
