package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// badValues are those that a field does not take.
func badValues(o *operation, name string, schema *openapi3.Schema) map[string]any {
	var bad map[string]any
	switch {
	case schema.Type.Is(openapi3.TypeBoolean):
		bad = map[string]any{
			"a number": 1, "zero": 0, "a text": "true", "an empty text": "", "a list": []any{true}, "an object": map[string]any{}, "no list": []any{},
		}
	case schema.Type.Is(openapi3.TypeArray):
		bad = map[string]any{
			"a number": 1, "true": true, "a text": "viewer", "an object": map[string]any{"0": "viewer"}, "a number within": []any{1},
			"null within": []any{nil}, "a list within": []any{[]any{"viewer"}}, "an object within": []any{map[string]any{}},
		}
		if schema.Items.Value.Format == "uuid" {
			bad["no UUID within"], bad["an empty text within"] = []any{"web"}, []any{""}
		}
		// Two bytes each, and room for the rest of the body.
		bad["numbers, as many as fit"] = slices.Repeat([]any{1}, (bodyLimit(o)-500)/2)
	default:
		bad = map[string]any{
			"a number": 1, "a fraction": 1.5, "true": true, "false": false, "a list": []any{}, "a list with a text": []any{"viewer"},
			"an object": map[string]any{}, "an object with a text": map[string]any{"$ne": "viewer"}, "a list of lists": []any{[]any{"viewer"}},
		}
		maps.Copy(bad, badTexts(o, name, schema))
	}
	return bad
}

// badTexts are texts that a field does not take.
func badTexts(o *operation, name string, schema *openapi3.Schema) map[string]any {
	bad := map[string]any{}
	if len(schema.Enum) > 0 {
		for _, text := range []string{
			"root", " viewer", "viewer ", "viewer\x00", "VIEWER;", "Viewer", "oWNER", "*", "system:masters", "viewer,admin", "vi\u200bewer",
			"cluster-admin\n", "Edit", "CLUSTER-ADMIN", "null", "0", strings.Repeat("viewer", 1000),
		} {
			bad["the text "+quoted(text)] = text
		}
		if !slices.Contains(schema.Enum, any("")) {
			bad["empty"] = ""
		}
	}
	if schema.Format == "uuid" {
		for what, text := range map[string]string{
			"empty": "", "a name": "viewer", "a UUID in braces": "{" + uuid.NewString() + "}", "a URN": "urn:uuid:" + uuid.NewString(),
			"a UUID without dashes": strings.ReplaceAll(uuid.NewString(), "-", ""), "a UUID and a NUL": uuid.NewString() + "\x00",
			"a UUID and a line": uuid.NewString() + "\n", "36 letters": strings.Repeat("z", 36), "the UUID of nothing": uuid.NewString(),
			"the empty UUID": uuid.Nil.String(), "dots": "../../../../../../../../../../../..",
		} {
			bad[what] = text
		}
	}
	takesAnybody := o.OperationID == "removeUsers"
	switch {
	case name == "email" && !takesAnybody:
		for _, text := range badAddresses {
			bad["the address "+quoted(text)] = text
		}
		if o.dialect == avisiDialect || o.dialect == llamacloudDialect {
			// Nobody is named: the body has no other name.
			bad["empty"] = ""
		}
	case name == "url" || name == "authUrl":
		for _, text := range badLinks {
			bad["the link "+quoted(text)] = text
		}
	case name == "username", name == "user_id" && o.OperationID == "addUsers":
		for _, text := range badNames {
			bad["the name "+quoted(text)] = text
		}
	}
	return bad
}

func quoted(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return "'" + text + "'"
}

// badAddresses are none, or look like others.
var badAddresses = []string{
	"jane", "@example.com", "jane@", "jane@example", "jane@@example.com", "jane@a@example.com", `"jane"@example.com`, "jane@[127.0.0.1]",
	"jane@127.0.0.1", "jane doe@example.com", " jane@example.com", "jane@example.com ", "jane@example.com\r\nBcc: eve@example.com",
	"jane\x00@example.com", "jane@example.com\x00", "j\u00e4ne@example.com", "j\u0430ne@example.com", "jane\u200b@example.com",
	"jane@exam\u200dple.com", "jane@example..com", "jane@.example.com", "jane@example.com.", "jane@-example.com", "jane@exa_mple.com",
	"jane@example.com,eve@example.com", "<jane@example.com>", "Jane <jane@example.com>", "jane@example.com;eve@example.com", "mailto:jane@example.com",
	strings.Repeat("a", 65) + "@example.com", "jane@" + strings.Repeat("a", 64) + ".com", "jane@" + strings.Repeat("a.", 130) + "com",
	"jane(comment)@example.com", "jane@example.com/../x", "\u202ejane@example.com", "jane\uff20example.com", "jane@example\u3002com@x",
	"jane%00@exa mple.com", "${jane}@{example}.com", "jane@ex\tample.com", "\ufeffjane@example.com",
}

// badNames must never be bound.
var badNames = []string{
	"system:masters", "system:admin", "SYSTEM:masters", "SyStEm:serviceaccount:kube-system:default", "system:", "*", " ", " jane", "jane ",
	"jane  doe", "jane\n", "jane\r\nX-Evil: 1", "jane\x00", "j\u0430ne", "jane\u200b", "\u202ejane", "jane\t", "\x7f", "\u017fystem:masters",
	"system\uff1amasters", strings.Repeat("x", 256), strings.Repeat("x", 10000), "\ufeffjane", "jane\u0301", " system:masters",
}

// badLinks lead to where no invitation may.
var badLinks = []string{
	"", "accept", "/accept", "//enrol.example.com/accept", "javascript:alert(1)", "data:text/html,x", "ftp://enrol.example.com/", "http://enrol.example.com/",
	"https://evil.example/", "https://enrol.example.com@evil.example/", "https://enrol.example.com:444/", "https://ada:secret@enrol.example.com/",
	"https://enrol.example.com.evil.example/", "https://evil.example/#https://enrol.example.com/", "https://enrol.example.com\\@evil.example/",
	" https://enrol.example.com/", "https://enrol.example.com/\r\nX-Evil: 1", "https://enrol.example.com/\x00", "https:///accept", "https://",
	"https:enrol.example.com", "https://enrol.example.com%2eevil.example/", "https://[::1]/", "https://enrol\u3002example\u3002com/", "file:///etc/passwd",
	"https://enrol.example.com:x/", "https://\u0435nrol.example.com/", "https://enrol.example.com/" + strings.Repeat("x", 2048),
}

// queries are parameters that do not do, and the rules of one dialect each.
func (x *targeted) queries() []refusal {
	pages := []string{"-1", "1000000000000", "abc", "1.5", "1e3", "+1", "01", "0x1", "", "%20", "%00", "1%0a", "NaN", "99999999999999999999", "1,2", "٣"}
	sizes := append([]string{"0", "1001", "2147483647"}, pages...)
	tokens := []string{"x", "%00", "null", "-1", "AAAA", "bm90IGEgdG9rZW4", "..%2f..", "%ff%fe", strings.Repeat("A", 4000), "%7B%22offset%22%3A-1%7D"}
	kinds := []string{"robot", "", "USER", "user%00", "user,service_account", "user%20"}
	ids := []string{"", "x", x.projects["web"] + "%00", "%7B" + x.projects["web"] + "%7D", x.projects["web"] + "," + x.projects["data"]}
	of := map[string]map[string][]string{
		"avisi/listMemberships":        {"page": append([]string{"0&page=1", "0&page=-1", "%zz", "1;x=y"}, pages...)},
		"llamacloud/listInvites":       {"page_size": append([]string{"1&page_size=2"}, sizes...), "page_token": append([]string{"x&page_token=y"}, tokens...)},
		"llamacloud/listOrganizations": {"page_size": append([]string{"1&page_size=2"}, sizes...), "page_token": tokens},
		"llamacloud/readOwnRole":       {"project_id": append([]string{x.projects["web"] + "&project_id=x"}, ids...)},
		"llamacloud/addUserToProject":  {"project_id": append([]string{x.projects["web"] + "&project_id=x", uuid.NewString()}, ids...)},
		"versori/listMembers":          {"identity_type": append([]string{"user&identity_type=robot", "%zz", "robot;x=y"}, kinds...)},
	}
	var rows []refusal
	for _, dialect := range served(x) {
		for _, o := range operations(x, dialect) {
			for parameter, texts := range of[o.String()] {
				for _, text := range texts {
					row := x.row(o, ada, parameter+"="+quoted(text), invalid(dialect))
					row.target = x.fill(dialect, o.path) + "?" + parameter + "=" + text
					rows = append(rows, row)
				}
			}
			rows = append(rows, x.rules(o)...)
		}
	}
	return rows
}

// rules are broken by values that are good by themselves.
func (x *targeted) rules(o *operation) []refusal {
	nothing := uuid.NewString()
	type broken struct {
		what, body string
		want       int
	}
	const notFound, conflict = http.StatusNotFound, http.StatusConflict
	wrong := invalid(o.dialect)
	quotedRole := func(name string) string { return `"` + x.role(name) + `"` }
	of := map[string][]broken{
		"avisi/addMember": {
			{"nobody", `{}`, wrong}, {"two people", `{"username": "jane@example.com", "email": "joe@example.com"}`, wrong},
			{"names in another case", `{"Email": "new@example.org", "USERNAME": "new"}`, wrong},
			{"a role alone", `{"role": "viewer"}`, wrong}, {"nulls", `{"username": null, "email": null}`, wrong},
		},
		"dreadnode/inviteMember": {
			{"a member", `{"email": "Jane@Example.com"}`, conflict}, {"an invited address", `{"email": "kim@example.com"}`, conflict},
			{"an owner", `{"email": "joe@example.com", "role": "owner"}`, conflict},
			{"a name in another case", `{"EMAIL": "new@example.org"}`, wrong},
		},
		"qovery/inviteMember": {
			{"a member", `{"email": "JANE@example.com"}`, conflict}, {"an invited address", `{"email": "kim@EXAMPLE.com"}`, conflict},
			{"a role that is unknown beside an id", `{"email": "new@example.org", "role": "x", "role_id": ` + quotedRole("viewer") + `}`, wrong},
		},
		"qovery/changeMemberRole": {
			{"nobody", `{"user_id": "nobody", "role_id": ` + quotedRole("viewer") + `}`, notFound},
			{"an empty name", `{"user_id": "", "role_id": ` + quotedRole("viewer") + `}`, notFound},
			{"a pending owner", `{"user_id": "` + string(x.pending.UID) + `", "role_id": ` + quotedRole("owner") + `}`, wrong},
		},
		"qovery/removeMember": {
			{"nobody", `{"user_id": "nobody"}`, notFound}, {"a NUL", `{"user_id": "\u0000"}`, notFound}, {"an empty name", `{"user_id": ""}`, notFound},
			{"a star", `{"user_id": "*"}`, notFound}, {"Kubernetes", `{"user_id": "system:masters"}`, notFound}, {"an id of nothing", `{"user_id": "` + nothing + `"}`, notFound},
		},
		"qovery/transferOwnership": {
			{"nobody", `{"user_id": "nobody"}`, notFound}, {"a pending member", `{"user_id": "` + string(x.pending.UID) + `"}`, wrong},
		},
		"versori/createInvitation": {
			{"a role of nothing", x.versoriBody(`["captain"]`), wrong}, {"all roles", x.versoriBody(`["*"]`), wrong},
			{"an empty role", x.versoriBody(`[""]`), wrong}, {"a role in another case", x.versoriBody(`["VIEWER"]`), wrong},
			{"a role of Kubernetes", x.versoriBody(`["viewer", "cluster-admin"]`), wrong},
		},
		"versori/resendInvitation": {{"another address", x.versoriBody(`[]`), wrong}},
		"llamacloud/addUsers": {
			{"nobody", `[{"project_ids": null}]`, wrong}, {"nulls", `[{"user_id": null, "email": null, "project_ids": []}]`, wrong},
			{"two people", `[{"user_id": "jane@example.com", "email": "joe@example.com", "project_ids": null}]`, wrong},
			{"one person, two wishes", `[{"email": "n@example.org", "project_ids": null}, {"email": "N@example.org", "project_ids": []}]`, wrong},
			{"a project of nothing", `[{"email": "n@example.org", "project_ids": ["` + nothing + `"]}]`, wrong},
			{"a good row and a bad one", `[{"email": "n@example.org", "project_ids": null}, {"email": "n", "project_ids": null}]`, wrong},
			{"a pending owner", `[{"email": "n@example.org", "project_ids": null, "role_id": ` + quotedRole("owner") + `}]`, wrong},
		},
		"llamacloud/removeUsers": {
			{"nobody", `[{}]`, wrong},
			{"a project of nothing", `[{"user_id": "jane@example.com", "project_id_list": ["` + nothing + `"]}]`, notFound},
		},
		"llamacloud/assignRole": {
			{"nobody", `{"user_id": "nobody", "organization_id": "` + x.uid() + `", "role_id": ` + quotedRole("viewer") + `}`, notFound},
			{"another organisation", `{"user_id": "jane@example.com", "organization_id": "` + nothing + `", "role_id": ` + quotedRole("viewer") + `}`, wrong},
		},
	}
	rows := make([]refusal, 0, len(of[o.String()]))
	for _, b := range of[o.String()] {
		row := x.row(o, ada, b.what, b.want)
		row.body = b.body
		rows = append(rows, row)
	}
	return rows
}

func (x *targeted) versoriBody(roles string) string {
	return `{"email": "new@example.org", "url": "https://enrol.example.com/accept", "authUrl": "https://enrol.example.com/sign-up", ` +
		`"inviteType": "join_organisation", "roles": ` + roles + `}`
}
