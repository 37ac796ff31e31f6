package versori

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

func TestDialectKnowsItsDocument(t *testing.T) {
	t.Parallel()
	served, err := New(nil).Handler(nil, nil)
	if err != nil {
		t.Fatalf("the dialect and its document differ: %v", err)
	}
	for path, want := range map[string]bool{
		"/api/organisations/v1/organisations": true, "/api/organisations/v1/users": true,
		"/api/organisations/v2/organisations": false, "/api/v1/organisations": false,
	} {
		if got := served.Owns(path); got != want {
			t.Errorf("Owns(%q) = %t, want %t", path, got, want)
		}
	}
}

func TestByID(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, text string
		want         domain.Ref
	}{
		"ULID":  {reason: "as we write it", text: "64N3GZ4EVD9Y8AFH8Y5MZMMPVC", want: domain.Ref{UID: exampleUUID}},
		"Other": {reason: "what is no id names nothing", text: "night-works"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := byID(tc.text); got != tc.want {
				t.Errorf("%s: got %+v, want %+v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		err    *fault.Error
		status int
		want   Error
	}{
		"Invalid": {
			reason: "a wrong field is the cause", status: 400,
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{"url"}, Text: "origin is not allowed"},
				{In: fault.Body, Path: []any{"roles", 1}, Text: "must be a string"},
			}},
			want: Error{Code: "invalid_argument", Message: "invalid request", Cause: "url: origin is not allowed; roles[1]: must be a string"},
		},
		"Unauthenticated": {
			reason: "without a token", err: fault.New(fault.Unauthenticated, ""), status: 401,
			want: Error{Code: "unauthenticated", Message: "no valid token"},
		},
		"Forbidden": {
			reason: "the missing grant is named", err: fault.New(fault.Forbidden, "must hold the verb grant"), status: 403,
			want: Error{Code: "permission_denied", Message: "must hold the verb grant"},
		},
		"NotFound": {
			reason: "an unseen organisation", err: fault.New(fault.NotFound, ""), status: 404,
			want: Error{Code: "not_found", Message: "organisation not found"},
		},
		"NotFoundWithin": {
			reason: "what is missing in a visible one is named", err: fault.New(fault.NotFound, "member not found"), status: 404,
			want: Error{Code: "not_found", Message: "member not found"},
		},
		"MethodNotAllowed": {
			reason: "another method", err: &fault.Error{Kind: fault.MethodNotAllowed, Allow: "GET"}, status: 405,
			want: Error{Code: "method_not_allowed", Message: "method not allowed"},
		},
		"TooLarge": {
			reason: "a large body", err: fault.New(fault.TooLarge, ""), status: 413,
			want: Error{Code: "payload_too_large", Message: "body is too large"},
		},
		"UnsupportedMedia": {
			reason: "another media type", err: fault.New(fault.UnsupportedMedia, ""), status: 415,
			want: Error{Code: "unsupported_media_type", Message: "media type must be application/json"},
		},
		"AlreadyInvited": {
			reason: "the published text", err: fault.New(fault.AlreadyInvited, ""), status: 409,
			want: Error{Code: "already_exists", Message: "an invitation for this address is pending"},
		},
		"AlreadyMember": {
			reason: "a member", err: fault.New(fault.AlreadyMember, ""), status: 409,
			want: Error{Code: "already_member", Message: "this address belongs to a member"},
		},
		"Expired": {
			reason: "too late", err: fault.Wrap(fault.Expired, errors.New("expired")), status: 400,
			want: Error{Code: "invitation_expired", Message: "the invitation has expired"},
		},
		"Conflict": {
			reason: "the reason is given", err: fault.New(fault.Conflict, "the last owner cannot be taken out"), status: 409,
			want: Error{Code: "conflict", Message: "the last owner cannot be taken out"},
		},
		"LostUpdate": {
			reason: "overtaken", err: fault.Wrap(fault.LostUpdate, errors.New("secret")), status: 409,
			want: Error{Code: "conflict", Message: "others changed it at the same time"},
		},
		"NeedsTLS": {
			reason: "in clear", err: fault.New(fault.NeedsTLS, ""), status: 426,
			want: Error{Code: "upgrade_required", Message: "use HTTPS"},
		},
		"RateLimited": {
			reason: "too often", err: &fault.Error{Kind: fault.RateLimited, RetryAfter: time.Minute}, status: 429,
			want: Error{Code: "rate_limited", Message: "too many requests"},
		},
		"Internal": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Internal, errors.New("secret")), status: 500,
			want: Error{Code: "internal", Message: "internal error"},
		},
		"Unavailable": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Unavailable, errors.New("secret")), status: 500,
			want: Error{Code: "unavailable", Message: "the cluster cannot be reached"},
		},
		"Timeout": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Timeout, errors.New("secret")), status: 500,
			want: Error{Code: "timeout", Message: "the cluster took too long"},
		},
		"Unknown": {
			reason: "a kind that is not in the table is a fault of ours", err: fault.New(fault.Kind(-1), ""), status: 500,
			want: Error{Code: "internal", Message: "internal error"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := envelope(tc.err)
			if diff := cmp.Diff(any(tc.want), body); diff != "" || status != tc.status {
				t.Errorf("%s: status %d, want %d; -want, +got:\n%s", tc.reason, status, tc.status, diff)
			}
		})
	}
}

// Every kind has a code of its own: falling back to internal is for kinds that are not known yet.
func TestCausesAreComplete(t *testing.T) {
	t.Parallel()
	for kind := fault.Internal; kind <= fault.Timeout; kind++ {
		cause, ok := causes[kind]
		if !ok || cause.status == 0 || cause.code == "" || cause.message == "" {
			t.Errorf("kind %d has cause %+v", kind, cause)
		}
	}
}
