package dialect_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/enrol-dev/enrol/api/openapi"
	"github.com/enrol-dev/enrol/internal/facade/avisi" //nolint:depguard // What it decodes into is wanted.
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/dreadnode" //nolint:depguard // What it decodes into is wanted.
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/llamacloud" //nolint:depguard // What it decodes into is wanted.
	"github.com/enrol-dev/enrol/internal/facade/qovery"     //nolint:depguard // What it decodes into is wanted.
	"github.com/enrol-dev/enrol/internal/facade/versori"    //nolint:depguard // What it decodes into is wanted.
)

// publicURL is of no account here.
const publicURL = "https://enrol.example.com"

// bodies are what the generated code decodes a body into, by the pattern of the mux.
type bodies map[string]func() any

func body[T any]() any { return new(T) }

func FuzzBodyAvisi(f *testing.F) {
	fuzzBody(f, avisi.New(nil), bodies{
		"POST /api/v1/organisations/{organisationSlug}/members": body[avisi.AddMemberJSONRequestBody],
	})
}

func FuzzBodyDreadnode(f *testing.F) {
	fuzzBody(f, dreadnode.New(nil), bodies{
		"POST /api/v1/org/{org}/invitations":               body[dreadnode.InviteMemberJSONRequestBody],
		"POST /api/v1/invitations/{invitation_id}/respond": body[dreadnode.RespondToInvitationJSONRequestBody],
		"PUT /api/v1/org/{org}/members/{user_id}":          body[dreadnode.ChangeMemberRoleJSONRequestBody],
	})
}

func FuzzBodyLlamacloud(f *testing.F) {
	const users = "/api/v1/organizations/{organization_id}/users"
	fuzzBody(f, llamacloud.New(nil, publicURL), bodies{
		"PUT " + users:                          body[llamacloud.AddUsersJSONRequestBody],
		"PUT " + users + "/remove":              body[llamacloud.RemoveUsersJSONRequestBody], //nolint:staticcheck // It is served.
		"PUT " + users + "/roles":               body[llamacloud.AssignRoleJSONRequestBody],
		"DELETE " + users + "/{member_user_id}": body[llamacloud.RemoveUserJSONRequestBody],
	})
}

func FuzzBodyQovery(f *testing.F) {
	const organization = "/organization/{organizationId}"
	fuzzBody(f, qovery.New(nil, publicURL), bodies{
		"POST " + organization + "/inviteMember":      body[qovery.InviteMemberJSONRequestBody],
		"PUT " + organization + "/member":             body[qovery.ChangeMemberRoleJSONRequestBody],
		"DELETE " + organization + "/member":          body[qovery.RemoveMemberJSONRequestBody],
		"POST " + organization + "/transferOwnership": body[qovery.TransferOwnershipJSONRequestBody],
	})
}

func FuzzBodyVersori(f *testing.F) {
	const invitations = "/api/organisations/v1/organisations/{organisation_id}/invitations"
	fuzzBody(f, versori.New(nil), bodies{
		"POST " + invitations:                            body[versori.CreateInvitationJSONRequestBody],
		"PUT " + invitations + "/{invitation_id}/resend": body[versori.ResendInvitationJSONRequestBody],
	})
}

// fuzzBody sends bodies through what stands before the generated code: what passes is decoded, and means what was checked; what
// does not pass says where it is wrong.
func fuzzBody(f *testing.F, d *dialect.Dialect, bodies bodies) {
	f.Helper()
	served, err := d.Handler(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	schemas := served.Bodies()
	patterns := slices.Sorted(maps.Keys(schemas))
	if known := slices.Sorted(maps.Keys(bodies)); !slices.Equal(patterns, known) {
		f.Fatalf("the bodies are those of %q, not of %q", patterns, known)
	}
	for i := range patterns {
		for _, seed := range seeds(f, d.Name) {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		pattern := patterns[int(which)%len(patterns)]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		read, err := served.ReadBody(pattern, r)
		if err != nil {
			checkFault(t, fault.As(err), text)
			return
		}
		if len(text) == 0 {
			return
		}
		plain, err := io.ReadAll(read.Body)
		if err != nil {
			t.Fatal(err)
		}
		checkDecoded(t, plain, bodies[pattern]())
		// What has passed passes again, and is the same.
		again := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(plain))
		again.Header.Set("Content-Type", "application/json")
		if again, err = served.ReadBody(pattern, again); err != nil {
			t.Fatalf("%s has passed, and is refused now: %v", plain, err)
		}
		if twice, err := io.ReadAll(again.Body); err != nil || !bytes.Equal(plain, twice) {
			t.Fatalf("%s has become %s: %v", plain, twice, err)
		}
	})
}

// checkFault wants a fault of the caller's, with the places of what is wrong.
func checkFault(t *testing.T, e *fault.Error, text []byte) {
	t.Helper()
	if e.Kind == fault.TooLarge {
		return
	}
	if e.Kind != fault.Invalid || len(e.Details) == 0 {
		t.Fatalf("%q is %v without a detail: %v", text, e.Kind, e)
	}
	var value any
	// What is no JSON has its own detail, which needs no value.
	_ = json.Unmarshal(text, &value)
	for _, d := range e.Details {
		if d.In != fault.Body || d.Text == "" {
			t.Fatalf("%q: the detail %+v is not whole", text, d)
		}
		if d.Reason == fault.NotJSON {
			if offset, ok := d.Path[0].(int); len(d.Path) != 1 || !ok || offset < 0 || offset > len(text) {
				t.Fatalf("%q: the detail %+v is nowhere in %d bytes", text, d, len(text))
			}
			continue
		}
		checkPlace(t, value, d)
	}
}

// checkPlace wants the path of a fault to lead to a value, or to where one is missing.
func checkPlace(t *testing.T, value any, d fault.Detail) {
	t.Helper()
	for i, step := range d.Path {
		switch within := value.(type) {
		case map[string]any:
			name, ok := step.(string)
			if !ok {
				t.Fatalf("%+v: %v is no name", d, step)
			}
			next, there := within[name]
			if !there || next == nil {
				if d.Reason != fault.Missing || i != len(d.Path)-1 {
					t.Fatalf("%+v: there is no %s", d, name)
				}
			}
			value = next
		case []any:
			at, ok := step.(int)
			if !ok || at < 0 || at >= len(within) {
				t.Fatalf("%+v: %v is no place in a list of %d", d, step, len(within))
			}
			value = within[at]
		default:
			t.Fatalf("%+v leads into %v", d, value)
		}
	}
}

// checkDecoded wants the generated type to take a body, and to understand nothing else than what was checked.
func checkDecoded(t *testing.T, plain []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(plain, into); err != nil {
		t.Fatalf("%s has passed, and cannot be decoded: %v", plain, err)
	}
	back, err := json.Marshal(into)
	if err != nil {
		t.Fatal(err)
	}
	var checked, understood any
	if err := json.Unmarshal(plain, &checked); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(back, &understood); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(present(checked), present(understood)) {
		t.Fatalf("%s was checked, and %s understood", plain, back)
	}
}

// present is a value without fields that are null.
func present(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, field := range v {
			if field != nil {
				kept[name] = present(field)
			}
		}
		return kept
	case []any:
		kept := make([]any, 0, len(v))
		for _, element := range v {
			kept = append(kept, present(element))
		}
		return kept
	}
	return value
}

// seeds are the examples of a document, and what is likely to be got wrong.
func seeds(t testing.TB, name string) [][]byte {
	t.Helper()
	text, err := openapi.Document(name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	var found [][]byte
	add := func(example any) {
		if text, err := json.Marshal(example); err == nil && example != nil {
			found = append(found, text, bytes.ToUpper(text), append([]byte("\ufeff"), text...), text[:len(text)-1])
		}
	}
	for _, item := range document.Paths.Map() {
		for _, o := range item.Operations() {
			if o.RequestBody == nil {
				continue
			}
			described := o.RequestBody.Value.Content["application/json"]
			add(described.Example)
			for _, example := range described.Examples {
				add(example.Value.Value)
			}
		}
	}
	for _, odd := range []string{
		"", "null", "[]", "{}", "[null]", "[{}]", "[[]]", `{"email": null, "role": null, "accept": null, "user_id": null}`, `"\ud800"`, "1e400", "\x00",
		`{"Email": 1, "ROLE": "owner", "Accept": 1}`, `{"email": ["a"], "role": {}, "role_id": 1, "user_id": true, "username": [[]]}`,
		`[{"user_id": 1, "email": [], "project_ids": [1, null, "x"], "role_id": {}}]`, `{"a": {"b": [{"c": 1, "c": 2}]}}`,
		`{"0": 1, "-1": 2, "~1": 3, "/": 4, "": 5, "\u212aubernetesRole": "x", "u\u017fername": "x"}`, `[{"Project_ids": [1], "project_ids": null}]`,
		`{"roles": ["viewer", null, 1], "url": "x", "authUrl": "x", "inviteType": "X"}`, strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		found = append(found, []byte(odd))
	}
	return found
}
