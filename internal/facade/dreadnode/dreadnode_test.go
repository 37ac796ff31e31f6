package dreadnode

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/subject"
)

const (
	organisationID = "6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70"
	aliceID        = "ce2bf846-cf61-5e60-9476-11ef2ae2c5e4"
)

func organisation() *domain.Organisation {
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "night-works", UID: organisationID}}
	o.Spec.DisplayName = "Night Works"
	o.Spec.Roles = []enrolv1alpha1.Role{{Name: "releaser", BasedOn: enrolv1alpha1.RoleDeveloper}}
	return domain.NewOrganisation(o, subject.Naming{})
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.1: secret")
	cases := map[string]struct {
		reason string
		err    *fault.Error
		status int
		body   string
	}{
		"Internal": {
			reason: "what went wrong here is nobody's business", err: fault.Wrap(fault.Internal, secret), status: 500,
			body: `{"code":500,"detail":"Internal server error","type":"server_error"}`,
		},
		"InternalText": {
			reason: "even where there is a text", err: fault.New(fault.Internal, "secret"), status: 500,
			body: `{"code":500,"detail":"Internal server error","type":"server_error"}`,
		},
		"Unknown": {
			reason: "causes that the platform has no word for are faults of the facade", err: &fault.Error{Kind: -1}, status: 500,
			body: `{"code":500,"detail":"Internal server error","type":"server_error"}`,
		},
		"Missing": {
			reason: "the published text of a missing field",
			err:    &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Body, Path: []any{"email"}, Reason: fault.Missing, Text: "x"}}},
			status: 422,
			body: `{"code":422,"detail":"Validation error","type":"validation_error",` +
				`"errors":[{"loc":["body","email"],"msg":"Field required","type":"missing"}]}`,
		},
		"NotJSON": {
			reason: "the offset in bytes",
			err:    &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Body, Path: []any{7}, Reason: fault.NotJSON, Text: "must be JSON"}}},
			status: 422,
			body: `{"code":422,"detail":"Validation error","type":"validation_error",` +
				`"errors":[{"loc":["body",7],"msg":"Must be JSON","type":"json_invalid"}]}`,
		},
		"Path": {
			reason: "a parameter of the path",
			err:    &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Path, Path: []any{"user_id"}, Reason: fault.NotUUID, Text: "must be a UUID"}}},
			status: 422,
			body: `{"code":422,"detail":"Validation error","type":"validation_error",` +
				`"errors":[{"loc":["path","user_id"],"msg":"Must be a UUID","type":"uuid_parsing"}]}`,
		},
		"Unauthenticated": {
			reason: "the published body", err: fault.Wrap(fault.Unauthenticated, secret), status: 401,
			body: `{"code":401,"detail":"Authentication failed","type":"authentication_error"}`,
		},
		"Forbidden": {
			reason: "which right is missing", err: fault.New(fault.Forbidden, "must hold the verb grant"), status: 403,
			body: `{"code":403,"detail":"Must hold the verb grant","type":"forbidden_error"}`,
		},
		"NotFound": {
			reason: "an organisation, unless something else is said", err: fault.New(fault.NotFound, ""), status: 404,
			body: `{"code":404,"detail":"Organization not found","type":"not_found_error"}`,
		},
		"TooLarge": {
			reason: "there is no 413", err: fault.New(fault.TooLarge, ""), status: 400,
			body: `{"code":400,"detail":"Request body too large","type":"invalid_error"}`,
		},
		"UnsupportedMedia": {
			reason: "there is no 415", err: fault.New(fault.UnsupportedMedia, ""), status: 400,
			body: `{"code":400,"detail":"The body must be of media type application/json","type":"invalid_error"}`,
		},
		"AlreadyInvited": {
			reason: "an invitation is in the way", err: fault.New(fault.AlreadyInvited, ""), status: 409,
			body: `{"code":409,"detail":"An invitation for this address is pending","type":"already_exists_error"}`,
		},
		"AlreadyMember": {
			reason: "a member is in the way", err: fault.New(fault.AlreadyMember, ""), status: 409,
			body: `{"code":409,"detail":"This address belongs to a member","type":"member_exists_error"}`,
		},
		"Expired": {
			reason: "too late", err: fault.Wrap(fault.Expired, secret), status: 400,
			body: `{"code":400,"detail":"The invitation has expired","type":"invalid_error"}`,
		},
		"Conflict": {
			reason: "why not", err: fault.New(fault.Conflict, "the last owner cannot be taken out"), status: 409,
			body: `{"code":409,"detail":"The last owner cannot be taken out","type":"conflict_error"}`,
		},
		"LostUpdate": {
			reason: "a race that was lost", err: fault.Wrap(fault.LostUpdate, secret), status: 409,
			body: `{"code":409,"detail":"Somebody else changed it meanwhile","type":"conflict_error"}`,
		},
		"NeedsTLS": {
			reason: "in clear", err: fault.New(fault.NeedsTLS, ""), status: 426,
			body: `{"code":426,"detail":"Use HTTPS","type":"upgrade_required_error"}`,
		},
		"RateLimited": {
			reason: "too often", err: &fault.Error{Kind: fault.RateLimited}, status: 429,
			body: `{"code":429,"detail":"Too many requests","type":"rate_limit_error"}`,
		},
		"Unavailable": {
			reason: "no address of the API server", err: fault.Wrap(fault.Unavailable, secret), status: 502,
			body: `{"code":502,"detail":"The cluster cannot be reached","type":"bad_gateway_error"}`,
		},
		"Timeout": {
			reason: "what was waited for", err: fault.New(fault.Timeout, "the access is not gone yet"), status: 504,
			body: `{"code":504,"detail":"The access is not gone yet","type":"gateway_timeout_error"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := envelope(tc.err)
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if status != tc.status || string(text) != tc.body {
				t.Errorf("%s: got %d %s, want %d %s", tc.reason, status, text, tc.status, tc.body)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	out := map[enrolv1alpha1.RoleName]Role{
		"owner": RoleOwner, "admin": RoleContributor, "developer": RoleContributor, "releaser": RoleContributor,
		"billing-admin": RoleReader, "viewer": RoleReader, "": RoleReader, "unheard-of": RoleReader,
	}
	for role, want := range out {
		if got := shown(organisation(), role); got != want {
			t.Errorf("role %q shows as %q, want %q", role, got, want)
		}
	}
	in := map[Role][]enrolv1alpha1.RoleName{
		RoleOwner:       {enrolv1alpha1.RoleOwner},
		RoleContributor: {enrolv1alpha1.RoleDeveloper},
		RoleReader:      {enrolv1alpha1.RoleViewer},
	}
	for role, want := range in {
		if diff := cmp.Diff(want, given(&role)); diff != "" {
			t.Errorf("role %q: -want, +got:\n%s", role, diff)
		}
	}
	if got := given(nil); got != nil {
		t.Errorf("no role: got %v, want none", got)
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	joined := time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC)
	alice := &domain.Membership{
		Organisation: organisation(), ID: "0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21", Username: "alice", Email: "alice@example.org",
		Roles: []enrolv1alpha1.RoleName{"developer"}, Created: joined,
	}
	pending, suspended := *alice, *alice
	pending.Username, suspended.Suspended = "", true
	pending.InvitedBy = &enrolv1alpha1.Inviter{Username: "alice"}
	common := `{"id":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21","org_id":"` + organisationID + `","org_name":"Night Works","user_id":"`
	cases := map[string]struct {
		reason string
		member *domain.Membership
		want   string
	}{
		"Published": {
			reason: "the published example", member: alice,
			want: common + aliceID + `","user_email":"alice@example.org","user_name":"alice","role":"contributor","is_active":true,` +
				`"invited_by":null,"joined_at":"2025-03-04T09:15:00Z","allowed_model_ids":null}`,
		},
		"Pending": {
			reason: "nobody has signed in yet", member: &pending,
			want: common + organisation().UserID("alice@example.org") + `","user_email":"alice@example.org","user_name":null,` +
				`"role":"contributor","is_active":false,"invited_by":"` + aliceID + `","joined_at":"2025-03-04T09:15:00Z","allowed_model_ids":null}`,
		},
		"Suspended": {
			reason: "a membership that gives nothing", member: &suspended,
			want: common + aliceID + `","user_email":"alice@example.org","user_name":"alice","role":"contributor","is_active":false,` +
				`"invited_by":null,"joined_at":"2025-03-04T09:15:00Z","allowed_model_ids":null}`,
		},
	}
	s := &server{domain: &domain.Domain{}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(s.member(tc.member))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(text)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	created := time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC)
	i := &domain.Invitation{
		Organisation: organisation(), ID: "c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6c", Email: "bob@example.org",
		Roles: []enrolv1alpha1.RoleName{"developer"}, InvitedBy: enrolv1alpha1.Inviter{Username: "alice"},
		Created: created, Expire: created.Add(7 * 24 * time.Hour),
	}
	// The published example.
	want := OrganizationInvitationResponse{
		ID: i.ID, OrgID: organisationID, OrgName: "Night Works", Email: "bob@example.org", Role: RoleContributor, InvitedBy: new(aliceID),
		Status: InvitationStatusPending, CreatedAt: created, ExpiresAt: time.Date(2025, 3, 11, 9, 15, 0, 0, time.UTC),
	}
	s := &server{domain: &domain.Domain{}}
	if diff := cmp.Diff(want, s.invitation(i)); diff != "" {
		t.Errorf("pending: -want, +got:\n%s", diff)
	}
	i.Expired, i.InvitedBy, want.Status, want.InvitedBy = true, enrolv1alpha1.Inviter{}, InvitationStatusExpired, nil
	if diff := cmp.Diff(want, s.invitation(i)); diff != "" {
		t.Errorf("expired: -want, +got:\n%s", diff)
	}
}

func TestDeclined(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := (declined{}).VisitRespondToInvitationResponse(w); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || w.Body.String() != "null\n" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
}
