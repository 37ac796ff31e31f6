package llamacloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/subject"
)

const organisationUID = "6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70"

func organisation() *domain.Organisation {
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "night-works", UID: organisationUID}}
	o.Spec.DisplayName = "Night Works"
	return domain.NewOrganisation(o, subject.Naming{})
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.1: secret")
	invalid := func(details ...fault.Detail) *fault.Error { return &fault.Error{Kind: fault.Invalid, Details: details} }
	cases := map[string]struct {
		reason string
		err    *fault.Error
		status int
		body   string
		// retry is the header, "" for none.
		retry string
	}{
		"Internal": {
			reason: "what went wrong here is nobody's business, and goes wrong again", err: fault.Wrap(fault.Internal, secret), status: 500,
			body: `{"detail":"Internal server error"}`, retry: "false",
		},
		"AlreadyInvited": {
			reason: "causes that the platform has no word for are faults of the facade", err: fault.New(fault.AlreadyInvited, "x"), status: 500,
			body: `{"detail":"Internal server error"}`,
		},
		"Unavailable": {
			reason: "no address of the API server", err: fault.Wrap(fault.Unavailable, secret), status: 500,
			body: `{"detail":"The cluster cannot be reached"}`,
		},
		"Timeout": {
			reason: "what was waited for", err: fault.New(fault.Timeout, "the access is not gone yet"), status: 500,
			body: `{"detail":"The access is not gone yet"}`,
		},
		"Published": {
			reason: "the published example",
			err: invalid(
				fault.Detail{In: fault.Body, Path: []any{1, "project_ids"}, Reason: fault.Missing, Text: "must be given"},
				fault.Detail{In: fault.Body, Path: []any{2, "role_id"}, Text: "unknown role"},
			),
			status: 422,
			body: `{"detail":[{"loc":["body",1,"project_ids"],"msg":"Field required","type":"missing"},` +
				`{"loc":["body",2,"role_id"],"msg":"Unknown role","type":"value_error"}]}`,
		},
		"NotJSON": {
			reason: "the offset in bytes", err: invalid(fault.Detail{In: fault.Body, Path: []any{7}, Reason: fault.NotJSON, Text: "x"}), status: 422,
			body: `{"detail":[{"loc":["body",7],"msg":"JSON decode error","type":"json_invalid"}]}`,
		},
		"NoDetails": {reason: "a list in any case", err: invalid(), status: 422, body: `{"detail":[]}`},
		"Unauthenticated": {
			reason: "no token", err: fault.Wrap(fault.Unauthenticated, secret), status: 401, body: `{"detail":"Not authenticated"}`,
		},
		"Forbidden": {
			reason: "which right is missing", err: fault.New(fault.Forbidden, "must hold the verb grant"), status: 403,
			body: `{"detail":"Must hold the verb grant"}`,
		},
		"NotFound": {
			reason: "the published text", err: fault.New(fault.NotFound, ""), status: 404, body: `{"detail":"Organization not found"}`,
		},
		"MethodNotAllowed": {
			reason: "another method", err: fault.New(fault.MethodNotAllowed, ""), status: 405, body: `{"detail":"Method not allowed"}`,
		},
		"Expired": {reason: "is not there", err: fault.Wrap(fault.Expired, secret), status: 404, body: `{"detail":"Invitation not found"}`},
		"Conflict": {
			reason: "is one for good", err: fault.New(fault.Conflict, "the last owner cannot be taken out"), status: 409,
			body: `{"detail":"The last owner cannot be taken out"}`, retry: "false",
		},
		"LostUpdate": {
			reason: "a race that was lost", err: fault.Wrap(fault.LostUpdate, secret), status: 409,
			body: `{"detail":"Somebody else changed it meanwhile"}`, retry: "false",
		},
		"TooLarge": {reason: "too large", err: fault.New(fault.TooLarge, ""), status: 413, body: `{"detail":"Request body too large"}`},
		"UnsupportedMedia": {
			reason: "no JSON", err: fault.New(fault.UnsupportedMedia, ""), status: 415, body: `{"detail":"Unsupported media type"}`,
		},
		"NeedsTLS":    {reason: "in clear", err: fault.New(fault.NeedsTLS, ""), status: 426, body: `{"detail":"Use HTTPS"}`},
		"RateLimited": {reason: "too often", err: &fault.Error{Kind: fault.RateLimited}, status: 429, body: `{"detail":"Too many requests"}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := envelope(tc.err)
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			headers(tc.err, header)
			if status != tc.status || string(text) != tc.body || header.Get("X-Should-Retry") != tc.retry {
				t.Errorf("%s: got %d %s with %v, want %d %s with %q", tc.reason, status, text, header, tc.status, tc.body, tc.retry)
			}
		})
	}
}

func TestNoReplyDomain(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string]string{
		"https://enrol.example.com":      "users.noreply.enrol.example.com",
		"https://enrol.example.com:8443": "users.noreply.enrol.example.com",
		"https://127.0.0.1:8443":         "users.noreply.enrol.invalid",
		"https://[::1]":                  "users.noreply.enrol.invalid",
		"":                               "users.noreply.enrol.invalid",
		"://":                            "users.noreply.enrol.invalid",
	} {
		if got := noReplyDomain(publicURL); got != want {
			t.Errorf("%q: got %q, want %q", publicURL, got, want)
		}
	}
}

func newViews() *views {
	rule := rbacv1.PolicyRule{APIGroups: []string{"enrol.dev"}, Resources: []string{"members"}, Verbs: []string{"list"}}
	return &views{
		organisation: organisation(), noReply: "users.noreply.example.org",
		permissions: domain.NewPermissions(map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule{enrolv1alpha1.RoleViewer: {rule}}),
		projects:    map[enrolv1alpha1.Project]string{"night-works-web": "d2b8a6c4-1f3e-4a57-8b90-6c5d4e3f2a1b"},
		roles:       map[enrolv1alpha1.RoleName]Role{},
	}
}

// TestUser has the published example, and what differs from it.
func TestUser(t *testing.T) {
	t.Parallel()
	created := time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC)
	bob := &domain.Membership{
		Organisation: organisation(), ID: "0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21", Email: "bob@example.org",
		Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: enrolv1alpha1.Projects{"*"},
		InvitedBy: &enrolv1alpha1.Inviter{Username: "alice", Email: "alice@example.org"}, Created: created, Updated: created,
	}
	times := `"created_at":"2025-03-04T09:15:00Z","updated_at":"2025-03-04T09:15:00Z"`
	role := `{"id":"545163e2-b9e1-559f-9195-a5a693a9e731",` + times + `,"user_id":"bob@example.org","organization_id":"` + organisationUID +
		`","project_ids":null,"role_id":"d0a5258a-89ca-5f2e-a9fb-14e8e159c6e9","role":{"id":"d0a5258a-89ca-5f2e-a9fb-14e8e159c6e9",` +
		`"organization_id":"` + organisationUID + `","created_at":null,"updated_at":null,"name":"viewer","permissions":[` +
		`{"id":"702bd246-0bf5-5e35-8762-e863764c385d","created_at":null,"updated_at":null,"name":"members.enrol.dev:list",` +
		`"description":null,"access":true}]}}`
	want := `{"id":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21",` + times + `,"email":"bob@example.org","user_id":null,"organization_id":"` +
		organisationUID + `","pending":true,"invited_by_user_id":"alice","invited_by_user_email":"alice@example.org","roles":[` + role + `]}`
	text, err := json.Marshal(newViews().user(bob))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	alice := *bob
	alice.Username, alice.Email, alice.InvitedBy, alice.Roles = "alice", "", nil, nil
	got := newViews().user(&alice)
	if got.Email != "ce2bf846-cf61-5e60-9476-11ef2ae2c5e4@users.noreply.example.org" || got.Pending || got.InvitedByUserID != nil ||
		got.Roles == nil || len(got.Roles) > 0 {
		t.Errorf("without an address and roles: got %+v", got)
	}
}

func TestProjectIDs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason   string
		projects enrolv1alpha1.Projects
		want     string
	}{
		"All":     {"null for all", enrolv1alpha1.Projects{"*"}, `null`},
		"None":    {"a list for none", nil, `[]`},
		"Some":    {"ids for names", enrolv1alpha1.Projects{"night-works-web"}, `["d2b8a6c4-1f3e-4a57-8b90-6c5d4e3f2a1b"]`},
		"Unknown": {"what is not there is left out", enrolv1alpha1.Projects{"night-works-old", "night-works-web"}, `["d2b8a6c4-1f3e-4a57-8b90-6c5d4e3f2a1b"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(newViews().projectIDs(tc.projects))
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, text, tc.want)
			}
		})
	}
}

// TestPerson: the address that a user without one is shown with comes back as the user's, and is not kept.
func TestPerson(t *testing.T) {
	t.Parallel()
	const alice = "ce2bf846-cf61-5e60-9476-11ef2ae2c5e4@users.noreply.example.org"
	n := &names{organisation: organisation(), noReply: "users.noreply.example.org", users: func() map[string]string {
		return map[string]string{"ce2bf846-cf61-5e60-9476-11ef2ae2c5e4": "alice"}
	}}
	for name, tc := range map[string]struct {
		reason        string
		userID, email *string
		username, to  string
		ok            bool
	}{
		"Both":      {"what a list shows", new("alice"), new(alice), "alice", "", true},
		"Alone":     {"the address is the user's", nil, new(strings.ToUpper(alice)), "alice", "", true},
		"Wide":      {"in whatever letters", nil, new(strings.Replace(alice, "example", "ｅxample", 1)), "alice", "", true},
		"Another":   {"of somebody else", new("bob"), new(alice), "bob", alice, false},
		"Nobody":    {"of nobody", nil, new("x@users.noreply.example.org"), "", "x@users.noreply.example.org", false},
		"Elsewhere": {"an address like others", new("alice"), new("x@noreply.example.org"), "alice", "x@noreply.example.org", true},
		"Bad":       {"the domain says what is wrong with it", new("alice"), new("x"), "alice", "x", true},
		"None":      {"no address", new("alice"), nil, "alice", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			username, email, ok := n.person(tc.userID, tc.email)
			if username != tc.username || email != tc.to || ok != tc.ok {
				t.Errorf("%s: got %q, %q, %t, want %q, %q, %t", tc.reason, username, email, ok, tc.username, tc.to, tc.ok)
			}
		})
	}
}

func TestAdditions(t *testing.T) {
	t.Parallel()
	n := &names{
		projects: map[string]enrolv1alpha1.Project{"aaaa": "web", "bbbb": "data"},
		roles:    map[string]enrolv1alpha1.RoleName{"cccc": "admin"},
	}
	admin := enrolv1alpha1.RoleAdmin
	rows := []UserOrganizationCreate{
		{UserID: new("jane"), ProjectIDs: &[]string{"BBBB", "aaaa", "bbbb"}, RoleID: new("CCCC")},
		{Email: new("joe@example.org")},
		{Email: new("kim@example.org"), ProjectIDs: &[]string{"aaaa", "dddd"}, RoleID: new("dddd")},
		{UserID: new("max"), ProjectIDs: &[]string{}},
	}
	additions, unknown := n.additions(rows)
	wantAdditions := []domain.Addition{
		{Username: "jane", Projects: &enrolv1alpha1.Projects{"data", "web"}, Role: &admin},
		{Email: "joe@example.org", Projects: &enrolv1alpha1.Projects{"*"}},
		{Email: "kim@example.org", Projects: &enrolv1alpha1.Projects{"web"}},
		{Username: "max", Projects: &enrolv1alpha1.Projects{}},
	}
	wantUnknown := []fault.Detail{
		{In: fault.Body, Path: []any{2, "project_ids", 1}, Text: "unknown project"},
		{In: fault.Body, Path: []any{2, "role_id"}, Text: "unknown role"},
	}
	if diff := cmp.Diff(wantAdditions, additions); diff != "" {
		t.Errorf("additions: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(wantUnknown, unknown); diff != "" {
		t.Errorf("unknown: -want, +got:\n%s", diff)
	}
}

func TestRowsOf(t *testing.T) {
	t.Parallel()
	var body any
	text := `[1, {"user_id": 1, "email": "a", "project_ids": null}, {"user_id": "b", "project_ids": ["x", 2, "y"]}, {"user_id": "c", "project_ids": []}]`
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	rows, faults := rowsOf[UserOrganizationCreate](body, []fault.Detail{
		{Path: []any{0}}, {Path: []any{1, "user_id"}}, {Path: []any{2, "project_ids", 1}},
	})
	want := []UserOrganizationCreate{
		{}, {Email: new("a")}, {UserID: new("b"), ProjectIDs: &[]string{"x", "", "y"}}, {UserID: new("c"), ProjectIDs: &[]string{}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[int]fields{0: {"": true}, 1: {"user_id": true}, 2: {}}, faults); diff != "" {
		t.Errorf("faults: -want, +got:\n%s", diff)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	var all []key
	for i := range 250 {
		// Several of an age.
		all = append(all, key{created: time.Unix(int64(1000+i/3), 0), id: fmt.Sprintf("%04d", i)})
	}
	self := func(k key) key { return k }
	for size, pages := range map[string]int{"": 3, "1": 250, "100": 3, "249": 2, "250": 1, "1000": 1} {
		t.Run("Size"+size, func(t *testing.T) {
			t.Parallel()
			var seen []key
			var token *string
			got := 0
			for range 300 {
				asked := &size
				if size == "" {
					asked = nil
				}
				page, next, err := pageOf(all, self, asked, token)
				if err != nil {
					t.Fatal(err)
				}
				seen, got = append(seen, page...), got+1
				if token = next; token == nil {
					break
				}
			}
			if diff := cmp.Diff(all, seen, cmp.AllowUnexported(key{})); diff != "" || got != pages {
				t.Errorf("got %d pages, want %d; -want, +got:\n%s", got, pages, diff)
			}
		})
	}
	t.Run("Gone", func(t *testing.T) {
		t.Parallel()
		token := all[10].token()
		page, _, err := pageOf(append(all[:10:10], all[11:]...), self, new("1"), &token)
		if err != nil || len(page) != 1 || page[0] != all[11] {
			t.Errorf("the last item of the page before is gone: got %v and %v, want %v", page, err, all[11])
		}
	})
	for _, token := range []string{"bogus", "*", all[0].token() + "A", "MTAwMA", strings.ToLower(all[0].token())} {
		_, _, err := pageOf(all, self, nil, &token)
		if e := fault.As(err); err == nil || e.Kind != fault.Invalid || e.Details[0].In != fault.Query {
			t.Errorf("token %q: got %v, want it to be refused", token, err)
		}
	}
}

func TestInvite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		roles  []enrolv1alpha1.RoleName
		kind   enrolv1alpha1.InvitationType
		want   string
	}{
		"Strongest": {"the strongest is the first", []enrolv1alpha1.RoleName{"admin", "viewer"}, enrolv1alpha1.InvitationJoin, "admin"},
		"None":      {"whoever is given none gets the default one", nil, enrolv1alpha1.InvitationJoin, "viewer"},
		"Transfer":  {"ownership is a role", nil, enrolv1alpha1.InvitationTransferOwnership, "owner"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := &domain.Invitation{Organisation: organisation(), ID: "x", Roles: tc.roles, Type: tc.kind}
			if got := invite(i).Role; got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
