package main

import (
	"bytes"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

// TestForeign uses ids of another organisation, of which the caller is an owner as well, on every route that takes one. They
// are ids of nothing there.
func TestForeign(t *testing.T) {
	t.Parallel()
	here, there := newTargeted(t), newTargeted(t)
	watched := newWatched(t)
	beforeHere, beforeThere := here.settled(), there.settled()
	sent := 0
	for _, dialect := range served(t) {
		for _, o := range operations(t, dialect) {
			for _, row := range slices.Concat(here.foreignPaths(o, there), here.foreignBodies(o, there)) {
				here.refuse(watched, row, nil)
				sent++
			}
		}
	}
	// Whom a batch does not find it leaves out, and nobody has a role in a project of another organisation.
	for _, row := range here.foreignAndFine(there) {
		a, err := watched.sendAsIs(t, row)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(row.want, a.status) || len(a.body) > 0 && string(bytes.TrimSpace(a.body)) != "null" {
			t.Errorf("%s: got %d %s", row.name, a.status, a.body)
		}
		sent++
	}
	t.Logf("%d requests had an id of another organisation", sent)
	const fewest = 50
	if sent < fewest {
		t.Errorf("only %d requests had an id of another organisation", sent)
	}
	if diff := cmp.Diff(beforeHere, here.versions()); diff != "" {
		t.Errorf("the organisation itself changed: -before, +after:\n%s", diff)
	}
	if diff := cmp.Diff(beforeThere, there.versions()); diff != "" {
		t.Errorf("the other organisation changed: -before, +after:\n%s", diff)
	}
}

// asULID is an id in the other text that one of the dialects reads.
func asULID(id string) string { return ulid.ULID(uuid.MustParse(id)).String() }

// derived is an id that is made from the organisation's and a name.
func (x *targeted) derived(name string) string {
	return uuid.NewSHA1(uuid.MustParse(x.uid()), []byte(name)).String()
}

// foreignPaths are requests with a path parameter of another organisation.
func (x *targeted) foreignPaths(o *operation, there *targeted) []refusal {
	ids := map[string]string{}
	for _, p := range o.parameters {
		if p.In != openapi3.ParameterInPath {
			continue
		}
		switch p.Name {
		case "invitation_id", "inviteId":
			ids[p.Name+" of an invitation"] = string(there.invitation.UID)
		case "project_id":
			ids[p.Name] = there.projects["web"]
		case "user_id", "member_id", "member_user_id":
			ids[p.Name+" of a member"], ids[p.Name+" of a pending member"] = string(there.member.UID), string(there.pending.UID)
			ids[p.Name+" of an owner"], ids[p.Name+" of a user"] = there.derived("owner/"+joe), there.derived("user/"+jane)
			ids[p.Name+" of the organisation"], ids[p.Name+" of an invitation"] = there.uid(), string(there.invitation.UID)
		}
	}
	if o.OperationID == "respondToInvitation" {
		// It names no organisation, so that there is no other one.
		return nil
	}
	var rows []refusal
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		parameter, _, _ := strings.Cut(name, " ")
		texts := []string{ids[name], strings.ToUpper(ids[name])}
		if o.dialect == versoriDialect {
			texts = append(texts, asULID(ids[name]), strings.ToLower(asULID(ids[name])))
		}
		for _, person := range []string{ada, kim} {
			if person == kim && !slices.Contains(answersOwn, o.String()) && o.OperationID != "readInvitation" {
				continue
			}
			for _, text := range texts {
				row := x.row(o, person, "the "+name+" of another organisation, as "+person, http.StatusNotFound)
				row.target = x.fill(o.dialect, strings.Replace(o.path, "{"+parameter+"}", text, 1)) + requiredQuery(x, o)
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// foreignBodies are requests with a body, or a query, that names what is another organisation's.
func (x *targeted) foreignBodies(o *operation, there *targeted) []refusal {
	const notFound = http.StatusNotFound
	wrong := invalid(o.dialect)
	named := func(fields ...string) string {
		pairs := make([]string, 0, len(fields)/2)
		for i := 0; i < len(fields); i += 2 {
			pairs = append(pairs, `"`+fields[i]+`": "`+fields[i+1]+`"`)
		}
		return "{" + strings.Join(pairs, ", ") + "}"
	}
	list := func(project string) string { return `["` + project + `"]` }
	viewer, theirs, foreign := x.role("viewer"), there.role("viewer"), string(there.member.UID)
	type body struct {
		what, text string
		want       int
	}
	of := map[string][]body{
		"qovery/inviteMember": {{"a role", named("email", "new@example.org", "role_id", theirs), wrong}},
		"qovery/changeMemberRole": {
			{"a member", named("user_id", foreign, "role_id", viewer), notFound},
			{"a role", named("user_id", jane, "role_id", theirs), wrong},
			{"an owner", named("user_id", there.derived("owner/"+joe), "role_id", viewer), notFound},
		},
		"qovery/removeMember": {
			{"a member", named("user_id", foreign), notFound}, {"an owner", named("user_id", there.derived("owner/"+joe)), notFound},
			{"an invitation", named("user_id", string(there.invitation.UID)), notFound},
		},
		"qovery/transferOwnership": {{"a member", named("user_id", foreign), notFound}},
		"llamacloud/addUsers": {
			{"a role", `[{"user_id": "jane@example.com", "project_ids": null, "role_id": "` + theirs + `"}]`, wrong},
			{"a project", `[{"user_id": "jane@example.com", "project_ids": ` + list(there.projects["web"]) + `}]`, wrong},
			{"the home", `[{"user_id": "jane@example.com", "project_ids": ` + list(there.uid()) + `}]`, wrong},
		},
		"llamacloud/removeUser":  {{"a project", list(there.projects["web"]), notFound}},
		"llamacloud/removeUsers": {{"a project", `[{"user_id": "jane@example.com", "project_id_list": ` + list(there.projects["web"]) + `}]`, notFound}},
		"llamacloud/assignRole": {
			{"a member", named("user_id", foreign, "organization_id", x.uid(), "role_id", viewer), notFound},
			{"a role", named("user_id", jane, "organization_id", x.uid(), "role_id", theirs), wrong},
			{"the organisation", named("user_id", jane, "organization_id", there.uid(), "role_id", viewer), wrong},
		},
		"llamacloud/addUserToProject": {{"a project", "", wrong}},
	}
	rows := make([]refusal, 0, len(of[o.String()]))
	for _, b := range of[o.String()] {
		row := x.row(o, ada, b.what+" of another organisation", b.want)
		if row.body = b.text; b.text == "" {
			row.target = x.fill(o.dialect, o.path) + "?project_id=" + there.projects["web"]
		}
		rows = append(rows, row)
	}
	return rows
}

// foreignAndFine are requests that find nothing to do, and say so.
func (x *targeted) foreignAndFine(there *targeted) []refusal {
	var rows []refusal
	for _, o := range operations(x, llamacloudDialect) {
		switch o.OperationID {
		case "removeUsers":
			row := x.row(o, ada, "members of another organisation", http.StatusNoContent)
			row.body = `[{"user_id": "` + string(there.member.UID) + `"}, {"user_id": "` + there.derived("user/"+jane) + `"}]`
			rows = append(rows, row)
		case "readOwnRole":
			row := x.row(o, ada, "a project of another organisation", http.StatusOK)
			row.target += "?project_id=" + there.projects["web"]
			rows = append(rows, row)
		}
	}
	return rows
}

// TestUnseen: an organisation that a caller may not read is, to the last byte, one that is not there.
func TestUnseen(t *testing.T) {
	t.Parallel()
	x := newTargeted(t)
	x.settled()
	compared := 0
	for _, dialect := range served(t) {
		for _, o := range operations(t, dialect) {
			for _, pair := range x.pairs(o) {
				seen, err := facades[0].sendAsIs(t, pair[0])
				if err != nil {
					t.Fatal(err)
				}
				nothing, err := facades[0].sendAsIs(t, pair[1])
				if err != nil {
					t.Fatal(err)
				}
				compared++
				if diff := cmp.Diff(whole(nothing), whole(seen)); diff != "" {
					t.Errorf("%s: -unknown, +unseen:\n%s", pair[0].name, diff)
				}
				if nothing.status != http.StatusNotFound {
					t.Errorf("%s: got %d %s", pair[0].name, nothing.status, nothing.body)
				}
				if bytes.Contains(seen.body, []byte(x.name)) || bytes.Contains(seen.body, []byte(x.uid())) {
					t.Errorf("%s: the answer names the organisation: %s", pair[0].name, seen.body)
				}
			}
		}
	}
	t.Logf("%d pairs of answers were compared", compared)
}

// pairs are requests about the organisation and, but for that the same, about one that is not there.
func (x *targeted) pairs(o *operation) [][2]refusal {
	var parameter string
	for _, p := range o.parameters {
		if slices.Contains([]string{"organisationSlug", "org", "organization_id", "organizationId", "organisation_id"}, p.Name) {
			parameter = p.Name
		}
	}
	if parameter == "" {
		return nil
	}
	id := x.id(o.dialect, parameter)
	unknown := hex.EncodeToString([]byte(id))[:len(id)]
	if _, err := uuid.Parse(id); err == nil {
		unknown = uuid.NewString()
	}
	// Whoever is invited may know of the invitation, but an invitation of nothing tells nothing.
	path := o.path
	if slices.Contains(answersOwn, o.String()) || o.OperationID == "readInvitation" {
		path = strings.NewReplacer("{inviteId}", uuid.NewString(), "{invitation_id}", uuid.NewString()).Replace(path)
	}
	spoiled := map[string]func(*refusal){
		"valid":                  func(*refusal) {},
		"without a body":         func(r *refusal) { r.body = "" },
		"with a broken body":     func(r *refusal) { r.body = "{" },
		"with another body":      func(r *refusal) { r.body = `{"x": 1}` },
		"with a body too large":  func(r *refusal) { r.body = strings.Repeat(" ", 2<<20) },
		"with another type":      func(r *refusal) { r.header.Set("Content-Type", "text/plain") },
		"with a list of nothing": func(r *refusal) { r.body = "[]" },
	}
	if o.schema == nil {
		spoiled = map[string]func(*refusal){"valid": func(*refusal) {}}
	}
	var pairs [][2]refusal
	for _, person := range []string{eve, maxim, x.home() + "/stranger"} {
		for _, name := range slices.Sorted(maps.Keys(spoiled)) {
			var pair [2]refusal
			for i, text := range []string{id, unknown} {
				pair[i] = x.row(o, person, name+", as "+person, http.StatusNotFound)
				pair[i].target = x.fill(o.dialect, strings.Replace(path, "{"+parameter+"}", text, 1)) + requiredQuery(x, o)
				spoiled[name](&pair[i])
			}
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// whole is an answer in text, but for what differs each time.
func whole(a *answer) string {
	header := a.header.Clone()
	header.Del("Date")
	header.Del("X-Request-ID")
	var text bytes.Buffer
	if err := header.Write(&text); err != nil {
		return err.Error()
	}
	return http.StatusText(a.status) + "\n" + text.String() + "\n" + string(a.body)
}
