package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// onLlamacloud are the paths and ids of an organisation.
type onLlamacloud struct {
	*fixture

	users, roles string
	// web and data are the ids of the projects.
	web, data string
}

func newLlamacloud(f *fixture) *onLlamacloud {
	f.Helper()
	p := &onLlamacloud{fixture: f}
	base := "/api/v1/organizations/" + f.uid()
	p.users, p.roles = base+"/users", base+"/roles"
	for name, id := range map[string]*string{"web": &p.web, "data": &p.data} {
		var namespace corev1.Namespace
		if err := f.admin.Get(f.Context(), client.ObjectKey{Name: f.project(name)}, &namespace); err != nil {
			f.Fatal(err)
		}
		*id = string(namespace.UID)
	}
	return p
}

// conversation begins one in which ids that a client can know have names.
func (p *onLlamacloud) conversation(name string) *conversation {
	p.Helper()
	c := newConversation(p.fixture, "llamacloud", name)
	c.call(p.web, "project web")
	c.call(p.data, "project data")
	c.call(p.idOf("owner/"+ada), "membership of ada")
	for _, role := range []string{"owner", "admin", "developer", "billing-admin", "viewer"} {
		c.call(p.role(role), "role "+role)
	}
	return c
}

func (p *onLlamacloud) role(name string) string { return p.idOf("role/" + name) }

func (p *onLlamacloud) user(name string) string { return p.users + "/" + url.PathEscape(name) }

func (p *onLlamacloud) assignment(user, role string) string {
	return fmt.Sprintf(`{"user_id": %q, "organization_id": %q, "role_id": %q}`, user, p.uid(), p.role(role))
}

// within are the routes of an organisation, with requests that the owner may make.
func (p *onLlamacloud) within() []route {
	return []route{
		{http.MethodPut, p.users, `[{"email": "new@example.org", "project_ids": null}]`},
		{http.MethodGet, p.users, ""},
		{http.MethodDelete, p.user(jane), `["` + p.data + `"]`},
		{http.MethodPut, p.users + "/remove", `[{"user_id": "jane@example.com", "project_id_list": ["` + p.data + `"]}]`},
		{http.MethodPut, p.users + "/roles", p.assignment(jane, "developer")},
		{http.MethodGet, p.users + "/roles", ""},
		{http.MethodGet, p.roles, ""},
		{http.MethodGet, p.user(jane) + "/projects", ""},
		{http.MethodPut, p.user(jane) + "/projects?project_id=" + p.data, ""},
		{http.MethodDelete, p.user(jane) + "/projects/" + p.data, ""},
	}
}

// own are the routes about the caller.
func (*onLlamacloud) own(invite string) []route {
	return []route{
		{http.MethodGet, "/api/v2/invites", ""},
		{http.MethodPost, "/api/v2/invites/" + invite + "/accept", ""},
		{http.MethodDelete, "/api/v2/invites/" + invite, ""},
		{http.MethodGet, "/api/v2/organizations", ""},
	}
}

// TestLlamacloud is what clients of the platform say and hear.
func TestLlamacloud(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t))
	p.later()
	c := p.conversation("users")
	c.say(ada, http.MethodGet, p.roles, "", http.StatusOK)
	p.send(ada, http.MethodGet, strings.Replace(p.roles, p.uid(), strings.ToUpper(p.uid()), 1), "").want(t, http.StatusOK)
	c.say(ada, http.MethodPut, p.users, `[]`, http.StatusOK)
	add := `[{"email": "Joe@Example.com", "project_ids": null, "role_id": "` + p.role("admin") + `"},
 {"user_id": "jane@example.com", "project_ids": ["` + p.data + `", "` + p.web + `", "` + p.data + `"]},
 {"email": "joe@example.com", "project_ids": null, "role_id": "` + strings.ToUpper(p.role("admin")) + `"}]`
	first := c.say(ada, http.MethodPut, p.users, add, http.StatusOK)
	if second := p.send(ada, http.MethodPut, p.users, add); string(second.body) != string(first.body) {
		t.Errorf("the same again: got %s, want what came first: %s", second, first)
	}
	p.sees(jane, p.users+"/roles", p.data)
	c.say(jane, http.MethodGet, p.users+"/roles", "", http.StatusOK)
	c.say(jane, http.MethodGet, p.users+"/roles?project_id="+p.web, "", http.StatusOK)
	c.say(jane, http.MethodGet, p.users+"/roles?project_id="+p.uid(), "", http.StatusOK)
	c.say(ada, http.MethodGet, p.user(jane)+"/projects", "", http.StatusOK)
	c.say(ada, http.MethodDelete, p.user(jane)+"/projects/"+p.data, "", http.StatusOK)
	c.say(ada, http.MethodGet, p.user(jane)+"/projects", "", http.StatusOK)
	p.sees(jane, p.users+"/roles?project_id="+p.data, "null\n")
	c.say(jane, http.MethodGet, p.users+"/roles?project_id="+p.data, "", http.StatusOK)
	c.say(ada, http.MethodPut, p.user(jane)+"/projects?project_id="+p.data, "", http.StatusOK)
	c.say(ada, http.MethodDelete, p.user(jane), `["`+p.web+`"]`, http.StatusNoContent)
	c.say(ada, http.MethodDelete, p.user(jane), `[]`, http.StatusNoContent)
	c.say(ada, http.MethodGet, p.user(jane)+"/projects", "", http.StatusOK)
	c.say(ada, http.MethodPut, p.users, `[{"user_id": "jane@example.com", "project_ids": []}]`, http.StatusOK)
	c.say(ada, http.MethodGet, p.user(jane)+"/projects", "", http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/roles", p.assignment(jane, "billing-admin"), http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/roles", p.assignment(jane, "owner"), http.StatusOK)
	c.say(ada, http.MethodPut, p.users, `[{"email": "jane@example.com", "project_ids": null, "role_id": "`+p.role("viewer")+`"}]`, http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/roles", p.assignment(jane, "viewer"), http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/roles", p.assignment(ada, "viewer"), http.StatusConflict)
	c.say(ada, http.MethodDelete, p.user(jane), "", http.StatusNoContent)
	c.say(ada, http.MethodDelete, p.user(jane), `null`, http.StatusNotFound)
	c.say(ada, http.MethodDelete, p.user(ada), "", http.StatusConflict)
	p.gone(jane)
}

// TestLlamacloudPeople: people have usernames, addresses or both, and are shown with an address in any case.
func TestLlamacloudPeople(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.Roles = []enrolv1alpha1.Role{{Name: "releaser", BasedOn: "developer"}}
	}))
	p.later()
	c := p.conversation("people")
	c.say(ada, http.MethodPut, p.users, `[{"user_id": "robot/one", "project_ids": null, "role_id": "`+p.role("releaser")+`"}]`, http.StatusOK)
	p.later()
	c.say(ada, http.MethodPut, p.users, `[{"email": "bob@example.org", "project_ids": null}]`, http.StatusOK)
	c.say(ada, http.MethodGet, p.users, "", http.StatusOK)
	if all := read[[]any](t, p.send(ada, http.MethodGet, p.user("robot/one")+"/projects", "")); len(all) != 2 {
		t.Errorf("got %v, want both projects", all)
	}
	p.shown("robot/one")
	c.say(ada, http.MethodPut, p.users+"/roles", p.assignment("bob@example.org", "admin"), http.StatusOK)
	c.say(ada, http.MethodPut, p.users, `[{"user_id": "bob", "email": "bob@example.org", "project_ids": null}]`, http.StatusOK)
	c.say(ada, http.MethodDelete, p.user("bob@example.org"), "", http.StatusNotFound)
	c.say(ada, http.MethodPut, p.users+"/remove", `[{"user_id": "robot/one", "project_id_list": ["`+p.web+`"]}, {"user_id": "nobody"},
 {"email": "bob@example.org", "project_id_list": []}]`, http.StatusNoContent)
	c.say(ada, http.MethodGet, p.user("robot/one")+"/projects", "", http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/remove", `[{"user_id": "bob", "project_id_list": ["`+p.web+`"]},
 {"email": "bob@example.org", "project_id_list": ["`+p.data+`"]}]`, http.StatusNoContent)
	c.say(ada, http.MethodGet, p.user("bob")+"/projects", "", http.StatusOK)
	c.say(ada, http.MethodPut, p.users+"/remove", `[{"user_id": "robot/one", "project_id_list": null}, {"email": "bob@example.org"}]`,
		http.StatusNoContent)
	c.say(ada, http.MethodGet, p.users, "", http.StatusOK)
}

// shown has a user without an address added once more with the one that lists show, which nothing keeps, and removed by it.
func (p *onLlamacloud) shown(username string) {
	p.Helper()
	mail := p.idOf("user/"+username) + "@users.noreply.enrol.example.com"
	p.send(ada, http.MethodPut, p.users, `[{"email": "`+mail+`", "project_ids": null}]`).want(p, http.StatusOK)
	p.send(ada, http.MethodPut, p.users, `[{"user_id": "bob", "email": "`+mail+`", "project_ids": null}]`).want(p, http.StatusUnprocessableEntity)
	const other = "robot/two"
	mail = p.idOf("user/"+other) + "@users.noreply.enrol.example.com"
	p.send(ada, http.MethodPut, p.users, `[{"user_id": "`+other+`", "email": "`+mail+`", "project_ids": []}]`).want(p, http.StatusOK)
	var members enrolv1alpha1.MemberList
	if err := p.admin.List(p.Context(), &members, client.InNamespace(p.home())); err != nil {
		p.Fatal(err)
	}
	for _, m := range members.Items {
		if strings.Contains(string(m.Spec.Email), "noreply") {
			p.Errorf("%s has kept %s", m.Name, m.Spec.Email)
		}
	}
	p.send(ada, http.MethodPut, p.users+"/remove", `[{"email": "`+mail+`"}]`).want(p, http.StatusNoContent)
	p.send(ada, http.MethodGet, p.user(other)+"/projects", "").want(p, http.StatusNotFound)
}

// TestLlamacloudInvites: an invitation is answered once, by whom it is for, in time.
func TestLlamacloudInvites(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t))
	invites := map[string]string{}
	// They list what they have anywhere, and so are in no other test.
	for _, who := range []string{"p14@example.com", "p10@example.com", "p11@example.com"} {
		name, _, _ := strings.Cut(who, "@")
		invites[who] = "/api/v2/invites/" + p.invited(name, enrolv1alpha1.InvitationSpec{
			Email: enrolv1alpha1.Email(who), Roles: []enrolv1alpha1.RoleName{"viewer", "developer"},
		})
	}
	p.expire("p11")
	p.until(http.StatusNotFound, "p11@example.com", http.MethodDelete, invites["p11@example.com"], "")
	c := p.conversation("invites")
	c.say("p14@example.com", http.MethodGet, "/api/v2/organizations", "", http.StatusOK)
	c.say("p14@example.com", http.MethodGet, "/api/v2/invites", "", http.StatusOK)
	c.say(eve, http.MethodPost, invites["p14@example.com"]+"/accept", "", http.StatusForbidden)
	c.say(eve, http.MethodDelete, invites["p14@example.com"], "", http.StatusForbidden)
	c.say("p14@example.com", http.MethodPost, invites["p14@example.com"]+"/accept", `what is sent does not matter`, http.StatusOK)
	p.until(http.StatusNotFound, "p14@example.com", http.MethodPost, invites["p14@example.com"]+"/accept", "")
	c.say("p14@example.com", http.MethodPost, invites["p14@example.com"]+"/accept", "", http.StatusNotFound)
	p.eventually(func() error {
		if !p.can("p14@example.com", "create", "web") {
			return errNotYet
		}
		return nil
	})
	p.sees("p14@example.com", "/api/v2/organizations", p.uid())
	c.say("p14@example.com", http.MethodGet, "/api/v2/invites", "", http.StatusOK)
	c.say("p14@example.com", http.MethodGet, "/api/v2/organizations?page_size=1000", "", http.StatusOK)
	c.say("p10@example.com", http.MethodDelete, invites["p10@example.com"], "", http.StatusNoContent)
	c.say("p10@example.com", http.MethodDelete, invites["p10@example.com"], "", http.StatusNotFound)
	c.say("p11@example.com", http.MethodPost, invites["p11@example.com"]+"/accept", "", http.StatusNotFound)
	c.say("p11@example.com", http.MethodGet, "/api/v2/invites", "", http.StatusOK)
	c.say("p11@example.com", http.MethodPost, "/api/v2/invites/one/accept", "", http.StatusNotFound)
	c.say("p11@example.com", http.MethodDelete, "/api/v2/invites/"+p.uid(), "", http.StatusNotFound)
}

// TestLlamacloudPages: whoever follows the tokens sees everything once.
func TestLlamacloudPages(t *testing.T) {
	t.Parallel()
	// In no other test: the pages are of all organisations.
	const who = "p12@example.com"
	p := newLlamacloud(newOrganisation(t))
	another := newOrganisation(t)
	for _, f := range []*fixture{p.fixture, another} {
		f.member("p12", enrolv1alpha1.MemberSpec{Username: who, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	}
	for i, f := range []*fixture{p.fixture, another} {
		f.until(http.StatusOK, who, http.MethodGet, "/api/v1/organizations/"+f.uid()+"/users", "")
		p.Logf("%d: %s", i, f.uid())
	}
	type page struct {
		Items []struct{ ID string }
		Next  *string `json:"next_page_token"`
	}
	all := read[page](t, p.send(who, http.MethodGet, "/api/v2/organizations", "").want(t, http.StatusOK))
	if len(all.Items) != 2 || all.Next != nil {
		t.Fatalf("got %+v, want both organisations", all)
	}
	first := read[page](t, p.send(who, http.MethodGet, "/api/v2/organizations?page_size=1", "").want(t, http.StatusOK))
	if len(first.Items) != 1 || first.Next == nil || first.Items[0] != all.Items[0] {
		t.Fatalf("got %+v, want the first of %+v and a token", first, all)
	}
	second := read[page](t, p.send(who, http.MethodGet, "/api/v2/organizations?page_size=1&page_token="+*first.Next, "").want(t, http.StatusOK))
	if len(second.Items) != 1 || second.Next != nil || second.Items[0] != all.Items[1] {
		t.Errorf("got %+v, want the second of %+v and no token", second, all)
	}
}

// TestLlamacloudRefusals has an answer for every way to get it wrong.
func TestLlamacloudRefusals(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t))
	everywhere := enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}
	p.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: everywhere})
	p.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"admin"}, Projects: everywhere})
	p.member("kay", enrolv1alpha1.MemberSpec{Email: "kay@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: everywhere})
	invite := p.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	p.until(http.StatusOK, jane, http.MethodGet, p.users, "")
	p.until(http.StatusUnprocessableEntity, joe, http.MethodPut, p.users, `{}`)
	c := p.conversation("refusals")
	for _, r := range p.invalid() {
		c.say(ada, r.method, r.path, r.body, http.StatusUnprocessableEntity)
	}
	for _, r := range []route{
		{http.MethodDelete, p.user("nobody"), ""}, {http.MethodDelete, p.user("nobody"), `[]`},
		// A Kelvin sign, which is a small k to Unicode.
		{http.MethodDelete, p.user("\u212aay@example.org"), ""},
		{http.MethodDelete, p.user(jane), `["` + p.uid() + `"]`},
		{http.MethodPut, p.users + "/remove", `[{"user_id": "jane@example.com", "project_id_list": ["` + p.uid() + `"]}]`},
		{http.MethodPut, p.users + "/roles", p.assignment("nobody", "viewer")}, {http.MethodGet, p.user("nobody") + "/projects", ""},
		{http.MethodPut, p.user("nobody") + "/projects?project_id=" + p.web, ""}, {http.MethodDelete, p.user("nobody") + "/projects/" + p.web, ""},
		{http.MethodDelete, p.user(jane) + "/projects/" + p.uid(), ""}, {http.MethodGet, p.users + "/", ""},
		{http.MethodGet, strings.TrimSuffix(p.users, "/users"), ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusNotFound)
	}
	for _, r := range p.within() {
		if r.method != http.MethodGet {
			c.say(jane, r.method, r.path, r.body, http.StatusForbidden)
		}
	}
	c.say(joe, http.MethodPut, p.users, `[{"email": "new@example.org", "project_ids": null},
 {"user_id": "new", "project_ids": null, "role_id": "`+p.role("owner")+`"}]`, http.StatusForbidden)
	c.say(joe, http.MethodPut, p.users+"/roles", p.assignment(jane, "owner"), http.StatusForbidden)
	c.say(joe, http.MethodPut, p.users+"/roles", p.assignment("nobody", "owner"), http.StatusForbidden)
	c.say(joe, http.MethodDelete, p.user(ada), "", http.StatusForbidden)
	c.hidden(p.within(), p.uid(), p.idOf("unknown"))
	c.guarded(append(p.within(), p.own(invite)...), statuses{http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge},
		func(r route) int {
			if r.path == p.users || r.path == p.users+"/remove" {
				return 1 << 20
			}
			return small(r)
		})
	for _, path := range []string{p.users, p.users + "/remove"} {
		c.sayWith(facades[0], http.Header{"Authorization": {"Bearer " + tokenOf(t, ada)}}, http.MethodPut, path, "",
			http.StatusUnprocessableEntity)
		p.send(ada, http.MethodPut, path, "["+strings.Repeat("{},", 1000)+"{}]").want(t, http.StatusRequestEntityTooLarge)
		p.send(ada, http.MethodPut, path, "["+strings.Repeat("{},", 999)+"{}]").want(t, http.StatusUnprocessableEntity)
	}
}

// invalid are requests with something wrong in them.
func (p *onLlamacloud) invalid() []route {
	var routes []route
	for _, body := range []string{
		` `, `{`, `[{"user_id": "a", "user_id": "b", "project_ids": null}]`, `[] []`, `null`, `{}`, `"jane"`,
		`[1, {"user_id": "jane", "project_ids": null}, []]`,
		`[{"user_id": "fine", "project_ids": null}, {"email": "bob@example.org"}, {"user_id": "x", "project_ids": null, "role_id": "` + p.uid() + `"},
 {"project_ids": []}, {"user_id": null, "email": null, "project_ids": null, "role_id": null}]`,
		`[{"user_id": 1, "email": true, "project_ids": {}, "role_id": "viewer"}, {"email": "bob", "project_ids": ["` + p.uid() + `", "` + p.web + `", "web", 1]}]`,
		`[{"email": "bob", "role_id": "` + p.uid() + `"}, {"user_id": 1, "email": "bob", "project_ids": null}, {"user_id": [], "project_ids": []}]`,
		`[{"user_id": "system:admin", "email": "", "project_ids": ["` + p.web + `", "` + p.uid() + `"]}]`, `[{"user_id": "", "project_ids": null}]`,
		`[{"user_id": "jane@example.com", "email": "ada@example.com", "project_ids": null}]`,
		`[{"user_id": "bob", "project_ids": null}, {"user_id": "bob", "project_ids": null}, {"user_id": "bob", "project_ids": []}]`,
		`[{"email": "bob@example.org", "project_ids": null, "role_id": "` + p.role("owner") + `"}]`,
	} {
		routes = append(routes, route{http.MethodPut, p.users, body})
	}
	for _, body := range []string{
		`{}`, `[{}]`, `[{"user_id": 1, "project_id_list": "all"}, {"email": null, "project_id_list": []}, {"user_id": "jane", "project_id_list": ["web"]}]`,
		`[{"user_id": "jane@example.com", "email": "ada@example.com"}]`,
	} {
		routes = append(routes, route{http.MethodPut, p.users + "/remove", body})
	}
	for _, body := range []string{
		`{}`, `{"user_id": "jane@example.com", "organization_id": "` + p.web + `", "role_id": "` + p.web + `"}`,
		`{"user_id": 1, "organization_id": "acme", "role_id": null}`, `[]`,
	} {
		routes = append(routes, route{http.MethodPut, p.users + "/roles", body})
	}
	routes = append(routes,
		route{http.MethodDelete, p.user(jane), `{}`}, route{http.MethodDelete, p.user(jane), `["web", 1]`},
		route{http.MethodPut, p.user(jane) + "/projects", ""}, route{http.MethodPut, p.user(jane) + "/projects?project_id=web", ""},
		route{http.MethodPut, p.user(jane) + "/projects?project_id=" + p.uid(), ""},
		route{http.MethodDelete, p.user(jane) + "/projects/web", ""}, route{http.MethodGet, p.users + "/roles?project_id=web", ""},
	)
	for _, list := range []string{"/api/v2/invites", "/api/v2/organizations"} {
		for _, query := range []string{"page_size=0", "page_size=1001", "page_size=ten", "page_token=bogus"} {
			routes = append(routes, route{http.MethodGet, list + "?" + query, ""})
		}
	}
	for _, r := range p.within() {
		routes = append(routes, route{r.method, strings.Replace(r.path, p.uid(), "acme", 1), r.body})
	}
	return routes
}

// TestLlamacloudKeptInGit: what Git keeps is changed there.
func TestLlamacloudKeptInGit(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t, func(o *enrolv1alpha1.Organisation) { keptInGit(o) }))
	m := p.member("jane", enrolv1alpha1.MemberSpec{
		Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: enrolv1alpha1.Projects{enrolv1alpha1.Project(p.project("data"))},
	})
	p.mark(m, keptInGit)
	p.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"admin"}})
	owner := "/api/v2/invites/" + p.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"owner"}})
	p.until(http.StatusConflict, ada, http.MethodPut, p.users+"/roles", p.assignment(jane, "developer"))
	c := p.conversation("git")
	for _, r := range []route{
		{http.MethodPut, p.users, `[{"user_id": "jane@example.com", "project_ids": null}]`},
		{http.MethodPut, p.users, `[{"user_id": "bob", "project_ids": null, "role_id": "` + p.role("owner") + `"}]`},
		{http.MethodDelete, p.user(jane), ""}, {http.MethodDelete, p.user(jane), `["` + p.data + `"]`},
		{http.MethodPut, p.users + "/remove", `[{"user_id": "jane@example.com"}]`},
		{http.MethodPut, p.users + "/remove", `[{"user_id": "jane@example.com", "project_id_list": ["` + p.data + `"]}]`},
		{http.MethodPut, p.users + "/roles", p.assignment(jane, "developer")}, {http.MethodPut, p.users + "/roles", p.assignment(jane, "owner")},
		{http.MethodPut, p.user(jane) + "/projects?project_id=" + p.web, ""}, {http.MethodDelete, p.user(jane) + "/projects/" + p.data, ""},
	} {
		c.say(ada, r.method, r.path, r.body, http.StatusConflict)
	}
	c.say(kim, http.MethodPost, owner+"/accept", "", http.StatusConflict)
	// What is in the way of others is nobody's business who may not, whichever row comes first.
	p.until(http.StatusForbidden, joe, http.MethodPut, p.users+"/roles", p.assignment("nobody", "owner"))
	c.say(joe, http.MethodPut, p.users, `[{"user_id": "jane@example.com", "project_ids": null},
 {"user_id": "bob", "project_ids": null, "role_id": "`+p.role("owner")+`"}]`, http.StatusForbidden)
	c.say(joe, http.MethodPut, p.users+"/remove", `[{"user_id": "jane@example.com"}, {"user_id": "ada@example.com"}]`, http.StatusForbidden)
	c.say(ada, http.MethodPut, p.users, `[{"user_id": "jane@example.com", "project_ids": ["`+p.data+`"]}]`, http.StatusOK)
	c.say(ada, http.MethodPut, p.user(jane)+"/projects?project_id="+p.data, "", http.StatusOK)
}

// TestLlamacloudInTrouble: an API server that cannot be asked is nobody's permission.
func TestLlamacloudInTrouble(t *testing.T) {
	t.Parallel()
	p := newLlamacloud(newOrganisation(t))
	p.member("jane", enrolv1alpha1.MemberSpec{
		Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
	})
	invite := p.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	x := newTroubled(t)
	c := p.conversation("trouble")
	c.inTrouble(x, append(p.within(), p.own(invite)...), []troubleStatus{
		{refusing, "refuses the facade's own account", http.StatusInternalServerError},
		{down, "is down", http.StatusInternalServerError},
		{nonsense, "answers nonsense", http.StatusInternalServerError},
		{slow, "does not answer", http.StatusInternalServerError},
	})
	p.knows(x.replica)
	x.is(overtaken)
	fmt.Fprint(&c.text, "=== Somebody else is faster.\n\n")
	c.sayTo(x.replica, ada, http.MethodPut, p.users+"/roles", p.assignment(jane, "developer"), http.StatusConflict)
	c.sayTo(x.replica, ada, http.MethodDelete, p.user(jane)+"/projects/"+p.data, "", http.StatusConflict)
	c.sayTo(x.replica, kim, http.MethodDelete, "/api/v2/invites/"+invite, "", http.StatusConflict)
	x.is(none)
	c.sayTo(x.replica, kim, http.MethodDelete, "/api/v2/invites/"+invite, "", http.StatusNoContent)
}
