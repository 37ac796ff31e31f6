package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

var errNotYet = errors.New("not yet")

// TestAvisi is what clients of the platform say and hear.
func TestAvisi(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	members, me := "/api/v1/organisations/"+f.name+"/members", "/api/v1/organisations/"+f.name+"/me"
	c := newConversation(f, "avisi", "members")
	c.say(ada, http.MethodPost, members, `{"username": "jane@example.com", "role": "developer"}`, http.StatusOK)
	f.eventually(func() error {
		if !f.can(jane, "create", "web") {
			return errNotYet
		}
		return nil
	})
	c.say(jane, http.MethodGet, me, "", http.StatusOK)
	c.say(ada, http.MethodPost, members, `{"username": "jane@example.com", "role": "developer"}`, http.StatusOK)
	c.say(ada, http.MethodPost, members, `{"email": "jane@example.com", "role": "viewer", "kubernetesRole": ""}`, http.StatusOK)
	f.sees(jane, me, `"viewer"`)
	c.say(jane, http.MethodGet, me, "", http.StatusOK)
	c.say(ada, http.MethodPost, members, `{"email": "Joe@Example.com"}`, http.StatusOK)
	f.sees(joe, me, joe)
	c.say(joe, http.MethodGet, me, "", http.StatusOK)
	c.say(ada, http.MethodGet, me, "", http.StatusOK)
	c.say(eve, http.MethodGet, me, "", http.StatusNotFound)
	c.say(jane, http.MethodPost, members, `{"username": "eve@example.com"}`, http.StatusForbidden)
	c.say(eve, http.MethodPost, members, `{"username": "eve@example.com"}`, http.StatusNotFound)
	c.say(ada, http.MethodPost, "/api/v1/organisations/no-such/members", `{"username": "eve@example.com"}`, http.StatusNotFound)
}

// TestAvisiRefusals has an answer for every way to get it wrong.
func TestAvisiRefusals(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	members, me := "/api/v1/organisations/"+f.name+"/members", "/api/v1/organisations/"+f.name+"/me"
	c := newConversation(f, "avisi", "refusals")
	for _, body := range []string{
		`{}`, `{"username": ""}`, `{"role": "developer"}`, `{"username": "jane@example.com", "role": ""}`,
		`{"username": ["jane@example.com"], "role": 1, "kubernetesRole": "root"}`, `{"email": "jane"}`, `[]`, `null`, `"jane"`, `{`,
		`{"username": "jane", "username": "joe"}`, `{"username": "jane"} {}`, `{"username": "system:admin"}`,
		`{"username": "` + strings.Repeat("x", 256) + `"}`, `{"username": "jane@example.com", "email": "ada@example.com"}`,
	} {
		c.say(ada, http.MethodPost, members, body, http.StatusBadRequest)
	}
	c.say(ada, http.MethodGet, "/api/v1/organisations/UPPER/me", "", http.StatusBadRequest)
	c.say(ada, http.MethodGet, "/api/v1/memberships?page=-1", "", http.StatusBadRequest)
	c.say(ada, http.MethodGet, "/api/v1/memberships?page=one", "", http.StatusBadRequest)
	for _, path := range []string{members, me, "/api/v1/memberships"} {
		method := http.MethodGet
		if path == members {
			method = http.MethodPost
		}
		c.say("", method, path, "", http.StatusUnauthorized)
		c.say(ada, http.MethodDelete, path, "", http.StatusMethodNotAllowed)
		behindProxy := http.Header{"X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"203.0.113.7"}}
		c.sayWith(plain, behindProxy, method, path, "", http.StatusUpgradeRequired)
		caller := f.home() + "/" + map[string]string{members: "members", me: "me"}[path] + "x"
		f.on(limited).send(caller, method, path, `{"username": "max@example.com"}`)
		c.sayTo(limited, caller, method, path, `{"username": "max@example.com"}`, http.StatusTooManyRequests)
	}
	token := "Bearer " + tokenOf(t, ada)
	json := http.Header{"Authorization": {token}, "Content-Type": {"application/json"}}
	c.sayWith(facades[0], http.Header{"Authorization": {token}, "Content-Type": {"text/plain"}}, http.MethodPost, members, `{}`,
		http.StatusUnsupportedMediaType)
	c.sayWith(facades[0], json, http.MethodPost, members, `{"username": "`+strings.Repeat("x", 64<<10)+`"}`,
		http.StatusRequestEntityTooLarge)
	c.say(ada, http.MethodGet, "/api/v1/organisations/"+f.name+"/members/", "", http.StatusNotFound)
	c.say(ada, http.MethodGet, "/api/v1/organisations/"+f.name, "", http.StatusNotFound)
}

// TestAvisiKeptInGit: what Git keeps is changed there.
func TestAvisiKeptInGit(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	m.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "acme"}
	if err := f.platform.Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	members := "/api/v1/organisations/" + f.name + "/members"
	f.eventually(func() error {
		if got := f.send(ada, http.MethodPost, members, `{"username": "jane@example.com", "role": "viewer"}`); got.status != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	c := newConversation(f, "avisi", "git")
	c.say(ada, http.MethodPost, members, `{"username": "jane@example.com", "role": "developer"}`, http.StatusConflict)
}

// TestAvisiInTrouble: an API server that cannot be asked is nobody's permission.
func TestAvisiInTrouble(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	x := newTroubled(t)
	c := newConversation(f, "avisi", "trouble")
	for _, what := range []trouble{down, nonsense, failing} {
		x.is(what)
		c.sayTo(x.replica, ada, http.MethodGet, "/api/v1/organisations/"+f.name+"/me", "", http.StatusInternalServerError)
		x.is(none)
	}
	c.sayTo(x.replica, ada, http.MethodGet, "/api/v1/organisations/"+f.name+"/me", "", http.StatusOK)
}
