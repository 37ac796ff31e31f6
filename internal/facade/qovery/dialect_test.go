package qovery

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/fault"
)

func TestDialectKnowsItsDocument(t *testing.T) {
	t.Parallel()
	served, err := New(nil, "https://enrol.example.org").Handler(nil, nil)
	if err != nil {
		t.Fatalf("the dialect and its document differ: %v", err)
	}
	for path, want := range map[string]bool{
		"/organization/x/member": true, "/organization/": true, "/organization": false, "/organizationx/y": false,
	} {
		if got := served.Owns(path); got != want {
			t.Errorf("Owns(%q) = %t, want %t", path, got, want)
		}
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		err    *fault.Error
		want   Error
	}{
		"Invalid": {
			reason: "a wrong field is named",
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{"role_id"}, Text: "unknown role"},
			}},
			want: Error{400, "Bad Request", "role_id: unknown role"},
		},
		"InvalidTwice": {
			reason: "and so is another",
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{"email"}, Reason: fault.Missing, Text: "must be given"},
				{In: fault.Body, Path: []any{"role"}, Reason: fault.NotListed, Text: "unknown value"},
			}},
			want: Error{400, "Bad Request", "email: must be given; role: unknown value"},
		},
		"InvalidMisread": {
			reason: "a text that readers take for a 404 is not shown",
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{"email"}, Text: "the domain does not Exist"},
			}},
			want: Error{400, "Bad Request", "the request is wrong"},
		},
		"Unauthenticated": {
			reason: "without a token", err: fault.New(fault.Unauthenticated, ""),
			want: Error{401, "Unauthorized", "no valid token"}, //nolint:misspell // The reason phrase is HTTP's.
		},
		"Forbidden": {
			reason: "the missing grant is named",
			err:    fault.New(fault.Forbidden, "must hold the verb grant on organisationroles/owner"),
			want:   Error{403, "Forbidden", "must hold the verb grant on organisationroles/owner"},
		},
		"ForbiddenWithoutText": {
			reason: "there is always a detail", err: fault.New(fault.Forbidden, ""), want: Error{403, "Forbidden", "not allowed"},
		},
		"NotFound": {
			reason: "an unseen organisation", err: fault.New(fault.NotFound, ""), want: Error{404, "Not Found", "organization not found"},
		},
		"NotFoundWithin": {
			reason: "what is missing in a visible one is named",
			err:    fault.New(fault.NotFound, "member not found"), want: Error{404, "Not Found", "member not found"},
		},
		"MethodNotAllowed": {
			reason: "another method", err: &fault.Error{Kind: fault.MethodNotAllowed, Allow: "GET"},
			want: Error{405, "Method Not Allowed", "method not allowed"},
		},
		"TooLarge": {
			reason: "a large body", err: fault.New(fault.TooLarge, ""), want: Error{413, "Request Entity Too Large", "body is too large"},
		},
		"UnsupportedMedia": {
			reason: "another media type", err: fault.New(fault.UnsupportedMedia, ""),
			want: Error{415, "Unsupported Media Type", "media type must be application/json"},
		},
		"AlreadyInvited": {
			reason: "the published text", err: fault.New(fault.AlreadyInvited, ""),
			want: Error{409, "Conflict", "address already has an invitation"},
		},
		"AlreadyMember": {
			reason: "a member", err: fault.New(fault.AlreadyMember, ""), want: Error{409, "Conflict", "address belongs to a member"},
		},
		"Expired": {
			reason: "too late", err: fault.Wrap(fault.Expired, errors.New("expired")),
			want: Error{400, "Bad Request", "the invitation has expired"},
		},
		"Conflict": {
			reason: "the reason is given", err: fault.New(fault.Conflict, "the last owner cannot be taken out"),
			want: Error{409, "Conflict", "the last owner cannot be taken out"},
		},
		"LostUpdate": {
			reason: "overtaken", err: fault.Wrap(fault.LostUpdate, errors.New("secret")),
			want: Error{409, "Conflict", "others changed it at the same time"},
		},
		"NeedsTLS": {reason: "in clear", err: fault.New(fault.NeedsTLS, ""), want: Error{426, "Upgrade Required", "use HTTPS"}},
		"RateLimited": {
			reason: "too often", err: &fault.Error{Kind: fault.RateLimited, RetryAfter: time.Minute},
			want: Error{429, "Too Many Requests", "too many requests"},
		},
		"Internal": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Internal, errors.New("secret")),
			want: Error{500, "Internal Server Error", "internal error"},
		},
		"Unavailable": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Unavailable, errors.New("secret")),
			want: Error{500, "Internal Server Error", "the cluster cannot be reached"},
		},
		"Timeout": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Timeout, errors.New("secret")),
			want: Error{500, "Internal Server Error", "the cluster took too long"},
		},
		"Unknown": {
			reason: "a kind that is not in the table is a fault of ours", err: fault.New(fault.Kind(-1), ""),
			want: Error{500, "Internal Server Error", "internal error"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := envelope(tc.err)
			if diff := cmp.Diff(any(tc.want), body); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			if status != tc.want.Status {
				t.Errorf("%s: status %d beside a body with %d", tc.reason, status, tc.want.Status)
			}
		})
	}
}

// Every kind has a status of its own: falling back to 500 is for kinds that are not known yet.
func TestCausesAreComplete(t *testing.T) {
	t.Parallel()
	for kind := fault.Internal; kind <= fault.Timeout; kind++ {
		cause, ok := causes[kind]
		if !ok || http.StatusText(cause.status) == "" || cause.detail == "" {
			t.Errorf("kind %d has cause %+v", kind, cause)
		}
	}
}
