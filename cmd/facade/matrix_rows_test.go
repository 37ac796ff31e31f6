package main

import (
	"strconv"
	"strings"
)

// row is a request that every caller makes.
type row struct {
	dialect string
	// request is the method and the path of the dialect's document, with a query where one is needed.
	request, what string
	on            target
	body          string
	// want are the statuses that the contract says, in the order of callers.
	want string
	// apart is the organisation that the row is tried in, where the dialect's common one would not do.
	apart string
	// owners is true where spec.owners may change though nobody is an owner before.
	owners bool
	// besides is who changes as well as the person whom the request is about.
	besides string
}

func (r *row) method() string {
	method, _, _ := strings.Cut(r.request, " ")
	return method
}

func (r *row) statuses() []int {
	var statuses []int
	for field := range strings.FieldsSeq(r.want) {
		// What is no number is no status either, and fails as one.
		status, _ := strconv.Atoi(field)
		statuses = append(statuses, status)
	}
	return statuses
}

// organisation is the name of the one that the row is tried in. Where owners come and go there are no invitations, on each of which
// the operator would note every change; and two take what would be more than 64 owners for one.
func (r *row) organisation() string {
	switch {
	case r.apart != "":
		return r.apart
	case !r.owners && r.on != anOwner || r.on >= anInvitation || r.dialect == "avisi":
		return r.dialect
	case r.dialect == "dreadnode" || r.dialect == "qovery":
		return "owners of two"
	}
	return "owners of two others"
}

// dialects have a table each. Base is what most paths of one begin with.
var dialects = []struct{ name, base string }{
	{"avisi", "/api/v1/organisations/{organisationSlug}"},
	{"llamacloud", "/api/v1/organizations/{organization_id}"},
	{"dreadnode", "/api/v1/org/{org}"},
	{"qovery", "/organization/{organizationId}"},
	{"versori", "/api/organisations/v1/organisations/{organisation_id}"},
}

const (
	introduction = `# Who may do what over HTTP

Every route of the [facade](facade.md), asked by every kind of caller. Where it matters what a request asks for, or whom it is
about, there is a row for each. The facade holds no list of who may do what: it asks the API server, which has the ClusterRoles
of [organisation_roles.yaml](../config/rbac/organisation_roles.yaml) and the admission policies, and so the tables follow from
those. Whoever binds other ClusterRoles gets other tables.

They are no promise on paper: ` + "`go test ./cmd/facade -run TestAccessMatrix`" + ` sends each request to a running facade before a real
API server, with the operator at work, and compares the answers with what is written here. It also looks that whoever was
refused has changed nothing.

| | caller |
| --- | --- |
`
	reading = `
A status below 300 is the success of that route. 401: no valid token. 404: the caller may not see the organisation and cannot
tell it from one that is not there, or has no membership to show. 403: the caller may see it but not do that; for somebody
else's invitation, whoever asks. 409: allowed, but the last owner cannot be taken out.

Who gives or takes a role, a Kubernetes role or a group needs the right to it: an admin neither makes nor touches owners,
members with ` + "`cluster-admin`" + `, members of groups and holders of an organisation's own roles.
`
)

// The routes of the dialects.
const (
	addMember, me, memberships = "POST /api/v1/organisations/{organisationSlug}/members",
		"GET /api/v1/organisations/{organisationSlug}/me", "GET /api/v1/memberships"

	users   = "/api/v1/organizations/{organization_id}/users"
	invites = "/api/v2/invites"

	org = "/api/v1/org/{org}"

	organization = "/organization/{organizationId}"

	organisations = "/api/organisations/v1/organisations"
	organisation  = organisations + "/{organisation_id}"
)

// matrix is what the contracts say. The columns are those of callers:
//
//	Own Adm Dev Bil Vie Cus  Pla Rea Acc  Non Str Inv  –
var matrix = []row{
	// Adding needs create on members, changing update, and both need grant on what is given and taken.
	{
		dialect: "avisi", request: addMember, what: "add a viewer", on: newcomer,
		body: `{"username": "{person}", "role": "viewer"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "add an admin", on: newcomer,
		body: `{"username": "{person}", "role": "admin"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "give edit", on: newcomer,
		body: `{"username": "{person}", "role": "viewer", "kubernetesRole": "edit"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "give cluster-admin", on: newcomer,
		body: `{"username": "{person}", "role": "viewer", "kubernetesRole": "cluster-admin"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "change a viewer's role", on: aViewer,
		body: `{"username": "{person}", "role": "developer"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "change an admin's role", on: anAdmin,
		body: `{"username": "{person}", "role": "viewer"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "take cluster-admin", on: aClusterAdmin,
		body: `{"username": "{person}", "kubernetesRole": ""}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "take an own role", on: aLead,
		body: `{"username": "{person}", "role": "viewer"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "change the role of a member of a group", on: aTeammate,
		body: `{"username": "{person}", "role": "developer"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "avisi", request: addMember, what: "store a role for an owner, who stays one", on: anOwner,
		body: `{"username": "{person}", "role": "viewer"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		// A membership of the caller is all that it takes, and nothing makes up for none.
		dialect: "avisi", request: me, what: "own membership", on: nothing,
		want: "200 200 200 200 200 200  404 404 404  404 404 404  401",
	}, {
		dialect: "avisi", request: memberships, what: "own memberships", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  200 200 200  401",
	},

	{
		dialect: "llamacloud", request: "PUT " + users, what: "add a viewer", on: newcomer,
		body: `[{"user_id": "{person}", "project_ids": null, "role_id": "{viewer}"}]`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users, what: "add an admin", on: newcomer,
		body: `[{"user_id": "{person}", "project_ids": null, "role_id": "{admin}"}]`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users, what: "add an owner", on: newcomer, owners: true,
		body: `[{"user_id": "{person}", "project_ids": null, "role_id": "{owner}"}]`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users, what: "give an own role", on: newcomer,
		body: `[{"user_id": "{person}", "project_ids": null, "role_id": "{lead}"}]`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users, what: "change a viewer's projects", on: aViewer,
		body: `[{"user_id": "{person}", "project_ids": ["{project_id}"]}]`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users, what: "change a cluster-admin's projects", on: aClusterAdmin,
		body: `[{"user_id": "{person}", "project_ids": ["{project_id}"]}]`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "GET " + users, what: "list members", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{member_user_id}", what: "remove a viewer", on: aViewer,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{member_user_id}", what: "remove an admin", on: anAdmin,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{member_user_id}", what: "remove an owner", on: anOwner,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{member_user_id}", what: "remove the last owner",
		on: theOwner, apart: "last owner",
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{member_user_id}", what: "take a project from a viewer",
		on: aViewer, body: `["{project_id}"]`,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/remove", what: "remove a viewer", on: aViewer,
		body: `[{"user_id": "{person}"}]`,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/remove", what: "remove an owner", on: anOwner,
		body: `[{"user_id": "{person}"}]`,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/remove", what: "take a project from a viewer", on: aViewer,
		body: `[{"user_id": "{person}", "project_id_list": ["{project_id}"]}]`,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/roles", what: "change a viewer's role", on: aViewer,
		body: `{"user_id": "{person}", "organization_id": "{organization_id}", "role_id": "{developer}"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/roles", what: "make an owner", on: aViewer, owners: true,
		body: `{"user_id": "{person}", "organization_id": "{organization_id}", "role_id": "{owner}"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/roles", what: "make a viewer of an owner", on: anOwner,
		body: `{"user_id": "{person}", "organization_id": "{organization_id}", "role_id": "{viewer}"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		// The answer is null for who may look, and is no member.
		dialect: "llamacloud", request: "GET " + users + "/roles", what: "own role", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "GET /api/v1/organizations/{organization_id}/roles", what: "list roles", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "GET " + users + "/{user_id}/projects", what: "list a member's projects", on: aViewer,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "PUT " + users + "/{user_id}/projects?project_id={project_id}",
		what: "give a project to a viewer", on: aGuest,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + users + "/{user_id}/projects/{project_id}",
		what: "take a project from a viewer", on: aViewer,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "llamacloud", request: "GET " + invites, what: "own invitations", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  200 200 200  401",
	}, {
		dialect: "llamacloud", request: "POST " + invites + "/{invite_id}/accept", what: "accept", on: anInvitation,
		want: "403 403 403 403 403 403  403 403 403  403 403 200  401",
	}, {
		dialect: "llamacloud", request: "POST " + invites + "/{invite_id}/accept", what: "accept to be an owner",
		on: anOwnership, owners: true,
		want: "403 403 403 403 403 403  403 403 403  403 403 200  401",
	}, {
		dialect: "llamacloud", request: "DELETE " + invites + "/{invite_id}", what: "decline", on: anInvitation,
		want: "403 403 403 403 403 403  403 403 403  403 403 204  401",
	}, {
		dialect: "llamacloud", request: "GET /api/v2/organizations", what: "own organisations", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  200 200 200  401",
	},

	{
		dialect: "dreadnode", request: "POST " + org + "/invitations", what: "invite a reader", on: newcomer,
		body: `{"email": "{person}", "role": "reader"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "POST " + org + "/invitations", what: "invite a contributor", on: newcomer,
		body: `{"email": "{person}", "role": "contributor"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "POST " + org + "/invitations", what: "invite an owner", on: newcomer,
		body: `{"email": "{person}", "role": "owner"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/invitations/{invitation_id}", what: "cancel an invitation",
		on:   anInvitation,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/invitations/{invitation_id}", what: "cancel one to be an owner",
		on:   anOwnership,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "POST /api/v1/invitations/{invitation_id}/respond", what: "accept",
		on: anInvitation, body: `{"accept": true}`,
		want: "403 403 403 403 403 403  403 403 403  403 403 200  401",
	}, {
		dialect: "dreadnode", request: "POST /api/v1/invitations/{invitation_id}/respond", what: "accept to be an owner",
		on: anOwnership, body: `{"accept": true}`, owners: true,
		want: "403 403 403 403 403 403  403 403 403  403 403 200  401",
	}, {
		dialect: "dreadnode", request: "POST /api/v1/invitations/{invitation_id}/respond", what: "decline",
		on: anInvitation, body: `{"accept": false}`,
		want: "403 403 403 403 403 403  403 403 403  403 403 200  401",
	}, {
		dialect: "dreadnode", request: "GET " + org + "/members", what: "list members", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "PUT " + org + "/members/{user_id}", what: "make a contributor", on: aViewer,
		body: `{"role": "contributor"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "PUT " + org + "/members/{user_id}", what: "make an owner", on: aViewer, owners: true,
		body: `{"role": "owner"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "PUT " + org + "/members/{user_id}", what: "make a reader of an admin", on: anAdmin,
		body: `{"role": "reader"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "PUT " + org + "/members/{user_id}", what: "make a reader of an owner", on: anOwner,
		body: `{"role": "reader"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "PUT " + org + "/members/{user_id}", what: "make a reader of the last owner",
		on: theOwner, apart: "last owner", body: `{"role": "reader"}`,
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/members/{user_id}", what: "remove a reader", on: aViewer,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/members/{user_id}", what: "remove an admin", on: anAdmin,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/members/{user_id}", what: "remove an owner", on: anOwner,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "dreadnode", request: "DELETE " + org + "/members/{user_id}", what: "remove the last owner",
		on: theOwner, apart: "last owner",
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	},

	{
		dialect: "qovery", request: "POST " + organization + "/inviteMember", what: "invite a viewer", on: newcomer,
		body: `{"email": "{person}", "role": "VIEWER"}`,
		want: "201 201 403 403 403 403  201 403 201  404 404 404  401",
	}, {
		dialect: "qovery", request: "POST " + organization + "/inviteMember", what: "invite an admin", on: newcomer,
		body: `{"email": "{person}", "role": "ADMIN"}`,
		want: "201 201 403 403 403 403  201 403 201  404 404 404  401",
	}, {
		dialect: "qovery", request: "POST " + organization + "/inviteMember", what: "invite an owner", on: newcomer,
		body: `{"email": "{person}", "role": "OWNER"}`,
		want: "201 403 403 403 403 403  201 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "POST " + organization + "/inviteMember", what: "invite to an own role", on: newcomer,
		body: `{"email": "{person}", "role_id": "{lead}"}`,
		want: "201 403 403 403 403 403  201 403 403  404 404 404  401",
	}, {
		// Only who may list invitations sees any, but for the one invited.
		dialect: "qovery", request: "GET " + organization + "/inviteMember", what: "list invitations", on: nothing,
		want: "200 200 403 403 403 403  200 200 200  404 404 404  401",
	}, {
		dialect: "qovery", request: "GET " + organization + "/inviteMember/{inviteId}", what: "read an invitation",
		on:   anInvitation,
		want: "200 200 403 403 403 403  200 200 200  404 404 200  401",
	}, {
		dialect: "qovery", request: "POST " + organization + "/inviteMember/{inviteId}", what: "accept", on: anInvitation,
		want: "403 403 403 403 403 403  403 403 403  403 403 201  401",
	}, {
		dialect: "qovery", request: "POST " + organization + "/inviteMember/{inviteId}", what: "accept to be an owner",
		on: anOwnership, owners: true,
		want: "403 403 403 403 403 403  403 403 403  403 403 201  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/inviteMember/{inviteId}", what: "delete an invitation",
		on:   anInvitation,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/inviteMember/{inviteId}", what: "delete one to be an owner",
		on:   anOwnership,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "GET " + organization + "/member", what: "list members", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "qovery", request: "PUT " + organization + "/member", what: "make an admin", on: aViewer,
		body: `{"user_id": "{member_id}", "role_id": "{admin}"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "qovery", request: "PUT " + organization + "/member", what: "make an owner", on: aViewer, owners: true,
		body: `{"user_id": "{member_id}", "role_id": "{owner}"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "PUT " + organization + "/member", what: "make a viewer of an admin", on: anAdmin,
		body: `{"user_id": "{member_id}", "role_id": "{viewer}"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "qovery", request: "PUT " + organization + "/member", what: "make a viewer of an owner", on: anOwner,
		body: `{"user_id": "{member_id}", "role_id": "{viewer}"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "PUT " + organization + "/member", what: "make a viewer of the last owner",
		on: theOwner, apart: "last owner", body: `{"user_id": "{member_id}", "role_id": "{viewer}"}`,
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/member", what: "remove a viewer", on: aViewer,
		body: `{"user_id": "{member_id}"}`,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/member", what: "remove an admin", on: anAdmin,
		body: `{"user_id": "{member_id}"}`,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/member", what: "remove an owner", on: anOwner,
		body: `{"user_id": "{member_id}"}`,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "DELETE " + organization + "/member", what: "remove the last owner",
		on: theOwner, apart: "last owner", body: `{"user_id": "{member_id}"}`,
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	}, {
		// An owner leaves; the platform team, which owns nothing, adds an owner.
		dialect: "qovery", request: "POST " + organization + "/transferOwnership", what: "transfer the ownership", on: aViewer,
		body: `{"user_id": "{member_id}"}`, owners: true, apart: "transfer", besides: ada,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "qovery", request: "GET " + organization + "/availableRole", what: "list roles", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	},

	{
		dialect: "versori", request: "POST " + organisation + "/invitations", what: "invite a viewer", on: newcomer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "join_organisation", "roles": ["viewer"]}`,
		want: "201 201 403 403 403 403  201 403 201  404 404 404  401",
	}, {
		dialect: "versori", request: "POST " + organisation + "/invitations", what: "invite an admin", on: newcomer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "join_organisation", "roles": ["admin"]}`,
		want: "201 201 403 403 403 403  201 403 201  404 404 404  401",
	}, {
		dialect: "versori", request: "POST " + organisation + "/invitations", what: "invite an owner", on: newcomer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "join_organisation", "roles": ["owner"]}`,
		want: "201 403 403 403 403 403  201 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "POST " + organisation + "/invitations", what: "invite to an own role", on: newcomer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "join_organisation", "roles": ["lead"]}`,
		want: "201 403 403 403 403 403  201 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "POST " + organisation + "/invitations", what: "invite to take over", on: newcomer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "transfer_ownership"}`,
		want: "201 403 403 403 403 403  201 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "GET " + organisation + "/invitations", what: "list invitations", on: nothing,
		want: "200 200 403 403 403 403  200 200 200  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/invitations/{invitation_id}", what: "delete an invitation",
		on:   anInvitation,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/invitations/{invitation_id}", what: "delete one to take over",
		on:   aTransfer,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "PUT " + organisation + "/invitations/{invitation_id}/accept", what: "accept",
		on:   anInvitation,
		want: "403 403 403 403 403 403  403 403 403  403 403 204  401",
	}, {
		dialect: "versori", request: "PUT " + organisation + "/invitations/{invitation_id}/accept", what: "accept to take over",
		on: aTransfer, owners: true, apart: "takeover", besides: ada,
		want: "403 403 403 403 403 403  403 403 403  403 403 204  401",
	}, {
		dialect: "versori", request: "PUT " + organisation + "/invitations/{invitation_id}/resend", what: "send again",
		on:   anInvitation,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "join_organisation"}`,
		want: "200 200 403 403 403 403  200 403 200  404 404 404  401",
	}, {
		dialect: "versori", request: "PUT " + organisation + "/invitations/{invitation_id}/resend", what: "send one to take over again",
		on:   aTransfer,
		body: `{"email": "{person}", "url": "{link}", "authUrl": "{link}", "inviteType": "transfer_ownership"}`,
		want: "200 403 403 403 403 403  200 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "GET " + organisation + "/members", what: "list members", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "versori", request: "GET " + organisation + "/members/{member_id}", what: "read a member", on: aViewer,
		want: "200 200 200 200 200 200  200 200 200  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove a viewer", on: aViewer,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove an admin", on: anAdmin,
		want: "204 204 403 403 403 403  204 403 204  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove a cluster-admin",
		on:   aClusterAdmin,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove a member of a group",
		on:   aTeammate,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove an owner", on: anOwner,
		want: "204 403 403 403 403 403  204 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "DELETE " + organisation + "/members/{member_id}", what: "remove the last owner",
		on: theOwner, apart: "last owner",
		want: "409 403 403 403 403 403  409 403 403  404 404 404  401",
	}, {
		dialect: "versori", request: "GET " + organisations, what: "own organisations", on: nothing,
		want: "200 200 200 200 200 200  200 200 200  200 200 200  401",
	},
}
