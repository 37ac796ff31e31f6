package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
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
	f.sees(jane, me, `"developer"`)
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
	// Between two roles, a person has none for a moment.
	f.until(http.StatusForbidden, jane, http.MethodPost, members, `{"username": "eve@example.com"}`)
	c.say(jane, http.MethodPost, members, `{"username": "eve@example.com"}`, http.StatusForbidden)
	f.member("max", enrolv1alpha1.MemberSpec{Username: maxim, Roles: []enrolv1alpha1.RoleName{"admin"}})
	f.until(http.StatusBadRequest, maxim, http.MethodPost, members, `{}`)
	c.say(maxim, http.MethodPost, members, `{"username": "eve@example.com", "kubernetesRole": "cluster-admin"}`, http.StatusForbidden)
	c.say(eve, http.MethodPost, members, `{"username": "eve@example.com"}`, http.StatusNotFound)
	c.say(ada, http.MethodPost, "/api/v1/organisations/no-such/members", `{"username": "eve@example.com"}`, http.StatusNotFound)
	c.credentials(http.MethodGet, me)
}

// TestAvisiMemberships: what a caller belongs to, page by page.
func TestAvisiMemberships(t *testing.T) {
	t.Parallel()
	const person, memberships = "p9@example.com", "/api/v1/memberships"
	f := newOrganisation(t, withOperations)
	c := newConversation(f, "avisi", "memberships")
	c.say(person, http.MethodGet, memberships, "", http.StatusOK)
	f.member("p9", enrolv1alpha1.MemberSpec{
		Username: person, Roles: []enrolv1alpha1.RoleName{"viewer", "operations"}, KubernetesRole: new(enrolv1alpha1.KubernetesRoleView),
	})
	other := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.DisplayName, o.Spec.Slug = "Day Works", "a-"+f.name
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: person, Email: person})
	})
	c.call(other.uid(), "other organisation")
	f.shows(person, memberships, `"totalElements":2`)
	for _, query := range []string{"", "?page=0&size=1&page%zz=1", "?page=1", "?page=2147483647"} {
		c.say(person, http.MethodGet, memberships+query, "", http.StatusOK)
	}
	c.say(f.home()+"/nobody", http.MethodGet, memberships, "", http.StatusOK)
	// Whatever runs next begins without any.
	for _, o := range []*enrolv1alpha1.Organisation{f.organisation, other.organisation} {
		if err := f.platform.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAvisiNewcomer: an added person is no invited one, and has what the organisation gives to newcomers.
func TestAvisiNewcomer(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.DefaultRole = "billing-admin"
		o.Spec.Invitations.AllowedEmailDomains = []string{"example.com"}
	})
	members := "/api/v1/organisations/" + f.name + "/members"
	c := newConversation(f, "avisi", "newcomer")
	c.say(ada, http.MethodPost, members, `{"username": "", "email": "Bob@Example.ORG", "role": null, "another": {}}`, http.StatusOK)
	c.say(ada, http.MethodPost, members, `{"username": "bob", "email": "bob@example.org", "kubernetesRole": "edit"}`, http.StatusOK)
	c.say(ada, http.MethodPost, members, `{"username": "robert", "email": "bob@example.org"}`, http.StatusBadRequest)
	m := &enrolv1alpha1.Member{}
	if err := f.admin.Get(t.Context(), client.ObjectKey{Namespace: f.home(), Name: naming.Member("bob@example.org")}, m); err != nil {
		t.Fatal(err)
	}
	want := enrolv1alpha1.MemberSpec{
		Username: "bob", Email: "bob@example.org", Roles: []enrolv1alpha1.RoleName{"billing-admin"},
		KubernetesRole: new(enrolv1alpha1.KubernetesRoleEdit), Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		InvitedBy: &enrolv1alpha1.Inviter{Username: ada, Email: ada},
	}
	if diff := cmp.Diff(want, m.Spec); diff != "" {
		t.Errorf("the Member is another one (-want +got):\n%s", diff)
	}
	var invitations enrolv1alpha1.InvitationList
	if err := f.admin.List(t.Context(), &invitations, client.InNamespace(f.home())); err != nil {
		t.Fatal(err)
	}
	if len(invitations.Items) > 0 {
		t.Errorf("somebody was invited: %+v", invitations.Items)
	}
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
		`{"username": "system:admin", "email": "jane", "role": "boss"}`, `{"role": "boss"}`,
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
	c.say(ada, http.MethodGet, members, "", http.StatusMethodNotAllowed)
	c.say(ada, http.MethodDelete, members+"/jane@example.com", "", http.StatusNotFound)
	c.say(ada, http.MethodPost, "/api/v1/organisations/"+f.name+"/environments/web/members", `{}`, http.StatusNotFound)
	c.hidden([]route{{http.MethodPost, members, `{}`}, {http.MethodGet, me, ""}}, f.name, "no-such")
}

// TestAvisiKeptInGit: what Git keeps is changed there.
func TestAvisiKeptInGit(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.mark(m, keptInGit)
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
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	x := newTroubled(t)
	members, me := "/api/v1/organisations/"+f.name+"/members", "/api/v1/organisations/"+f.name+"/me"
	const change = `{"username": "jane@example.com", "role": "developer"}`
	c := newConversation(f, "avisi", "trouble")
	c.inTrouble(x, []route{{http.MethodPost, members, change}, {http.MethodGet, me, ""}, {http.MethodGet, "/api/v1/memberships", ""}}, []troubleStatus{
		{refusing, "refuses the facade's own account", http.StatusInternalServerError},
		{down, "is down", http.StatusInternalServerError},
		{nonsense, "answers nonsense", http.StatusInternalServerError},
		{failing, "fails", http.StatusInternalServerError},
		{slow, "does not answer", http.StatusInternalServerError},
		{busy, "is busy", http.StatusTooManyRequests},
	})
	f.eventually(func() error {
		if got := f.on(x.replica).get(jane, me); got.status != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	x.is(overtaken)
	c.sayTo(x.replica, ada, http.MethodPost, members, change, http.StatusInternalServerError)
	x.is(none)
	c.sayTo(x.replica, jane, http.MethodGet, me, "", http.StatusOK)
	c.sayTo(x.replica, ada, http.MethodPost, members, change, http.StatusOK)
}
