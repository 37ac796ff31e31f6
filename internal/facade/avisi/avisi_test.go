package avisi

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/subject"
)

func TestDialectKnowsItsDocument(t *testing.T) {
	t.Parallel()
	served, err := New(nil).Handler(nil, nil)
	if err != nil {
		t.Fatalf("the dialect and its document differ: %v", err)
	}
	for path, want := range map[string]bool{
		"/api/v1/organisations/acme/me": true, "/api/v1/organisations/acme/x": true, "/api/v1/memberships": true,
		"/api/v1/memberships/x": false, "/api/v1/organizations/acme/users": false, "/api/v1/organisations": false,
	} {
		if got := served.Owns(path); got != want {
			t.Errorf("Owns(%q) = %t, want %t", path, got, want)
		}
	}
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
		"Invalid": {
			reason: "an entry for each fault", status: 400,
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{"kubernetesRole"}, Text: "unknown value"}, {In: fault.Body, Path: []any{"role"}, Text: "must be a string"},
			}},
			body: `{"message":"Invalid request","details":["kubernetesRole: unknown value","role: must be a string"]}`,
		},
		"Whole": {
			reason: "a fault of the whole body", status: 400,
			err:  &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{In: fault.Body, Text: "must be an object"}}},
			body: `{"message":"Invalid request","details":["body: must be an object"]}`,
		},
		"NotJSON": {
			reason: "an offset is no field", status: 400,
			err: &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
				{In: fault.Body, Path: []any{7}, Reason: fault.NotJSON, Text: "must be JSON"},
			}},
			body: `{"message":"Invalid request","details":["body: must be JSON"]}`,
		},
		"Unauthenticated": {
			reason: "why is nobody's business", err: fault.Wrap(fault.Unauthenticated, secret), status: 401,
			body: `{"message":"Authentication required","details":[]}`,
		},
		"Forbidden": {
			reason: "the missing right is named", err: fault.New(fault.Forbidden, "must hold the verb grant"), status: 403,
			body: `{"message":"Forbidden","details":["must hold the verb grant"]}`,
		},
		"NotFound": {
			reason: "the published text", err: fault.New(fault.NotFound, "member not found"), status: 404,
			body: `{"message":"Organisation not found","details":[]}`,
		},
		"Conflict": {
			reason: "the reason is given", err: fault.New(fault.Conflict, "this member is managed in Git"), status: 409,
			body: `{"message":"Conflict","details":["this member is managed in Git"]}`,
		},
		"LostUpdate": {
			reason: "overtaken as often as it was tried", err: fault.Wrap(fault.LostUpdate, secret), status: 500,
			body: `{"message":"Internal error","details":[]}`,
		},
		"Unavailable": {
			reason: "the platform has no 502", err: fault.Wrap(fault.Unavailable, secret), status: 500,
			body: `{"message":"Internal error","details":[]}`,
		},
		"Timeout": {
			reason: "nor a 504", err: fault.New(fault.Timeout, "the access is not gone yet"), status: 500,
			body: `{"message":"Internal error","details":[]}`,
		},
		"Internal": {
			reason: "a cause is for logs only", err: fault.Wrap(fault.Internal, secret), status: 500,
			body: `{"message":"Internal error","details":[]}`,
		},
		"Unknown": {
			reason: "a kind that is not in the table is a fault of ours", err: fault.New(fault.Kind(-1), "secret"), status: 500,
			body: `{"message":"Internal error","details":[]}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := envelope(tc.err)
			text, err := json.Marshal(body)
			if diff := cmp.Diff(tc.body, string(text)); diff != "" || status != tc.status || err != nil {
				t.Errorf("%s: status %d, want %d, %v; -want, +got:\n%s", tc.reason, status, tc.status, err, diff)
			}
		})
	}
}

// memberships are that many, each in an organisation of its own.
func memberships(count int) []*domain.Membership {
	all := make([]*domain.Membership, 0, count)
	for i := range count {
		o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("o-%03d", i)}}
		all = append(all, &domain.Membership{Organisation: domain.NewOrganisation(o, subject.Naming{})})
	}
	return all
}

// Clients read pages until one is the last.
func TestPage(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason        string
		count, number int
		// from and to are the items on the page.
		from, to    int
		first, last bool
		pages       int
	}{
		"Nothing":    {reason: "an empty page is the last", first: true, last: true},
		"NothingTo":  {reason: "and so is any other", number: 3, last: true},
		"One":        {reason: "one item makes one page", count: 1, to: 1, first: true, last: true, pages: 1},
		"Full":       {reason: "a full page has none behind it", count: 50, to: 50, first: true, last: true, pages: 1},
		"More":       {reason: "one item more makes another page", count: 51, to: 50, first: true, pages: 2},
		"Second":     {reason: "which has that item", count: 51, number: 1, from: 50, to: 51, last: true, pages: 2},
		"Middle":     {reason: "neither first nor last", count: 120, number: 1, from: 50, to: 100, pages: 3},
		"LastFull":   {reason: "the last may be full", count: 100, number: 1, from: 50, to: 100, last: true, pages: 2},
		"Beyond":     {reason: "what is beyond the end is empty and the last", count: 51, number: 2, from: 51, to: 51, last: true, pages: 2},
		"FarBeyond":  {reason: "however far", count: 51, number: 1<<31 - 1, from: 51, to: 51, last: true, pages: 2},
		"BeyondFull": {reason: "a full page before it makes no difference", count: 50, number: 1, from: 50, to: 50, last: true, pages: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := memberships(tc.count)
			unsorted := Sort{Empty: true, Unsorted: true}
			want := MembershipPage{
				Content: []Membership{}, Empty: tc.from == tc.to, First: tc.first, Last: tc.last, Number: tc.number, Size: 50,
				NumberOfElements: tc.to - tc.from, TotalElements: tc.count, TotalPages: tc.pages, Sort: unsorted,
				Pageable: Pageable{Offset: 50 * tc.number, PageNumber: tc.number, PageSize: 50, Paged: true, Sort: unsorted},
			}
			for _, m := range all[tc.from:tc.to] {
				want.Content = append(want.Content, membership(m))
			}
			if diff := cmp.Diff(want, page(all, tc.number)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "night-works", UID: "6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70"}}
	o.Spec.DisplayName = "Night Works"
	o.Spec.Roles = []enrolv1alpha1.Role{{Name: "releaser", BasedOn: enrolv1alpha1.RoleDeveloper}}
	alice := &domain.Membership{
		Organisation: domain.NewOrganisation(o, subject.Naming{}), ID: "0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21", Username: "alice",
		Email: "alice@example.org", Roles: []enrolv1alpha1.RoleName{"releaser", "viewer"}, KubernetesRole: "edit",
		Created: time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC),
	}
	plain := *alice
	plain.Roles, plain.KubernetesRole, plain.Email = nil, "", ""
	cases := map[string]struct {
		reason string
		view   any
		want   string
	}{
		"Own": {
			reason: "the published example, by a role of the organisation's own", view: ownMembership(alice),
			want: `{"subject":"ce2bf846-cf61-5e60-9476-11ef2ae2c5e4","identity":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21","username":"alice",` +
				`"role":"developer","kubernetesRole":"edit","joinedAt":"2025-03-04T09:15:00Z","email":"alice@example.org"}`,
		},
		"Plain": {
			reason: "without roles the lowest, and every field is there", view: ownMembership(&plain),
			want: `{"subject":"ce2bf846-cf61-5e60-9476-11ef2ae2c5e4","identity":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21","username":"alice",` +
				`"role":"viewer","kubernetesRole":"","joinedAt":"2025-03-04T09:15:00Z","email":""}`,
		},
		"Listed": {
			reason: "three names for the same id", view: membership(alice),
			want: `{"email":"alice@example.org","identity":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21",` +
				`"memberIdentity":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21","id":"0b9f3c1e-52d7-4c11-8f0e-7d6a5b4c3d21",` +
				`"organisationIdentity":"6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70","name":"Night Works","slug":"night-works",` +
				`"role":"developer","kubernetesRole":"edit"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tc.view)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" || err != nil {
				t.Errorf("%s: %v; -want, +got:\n%s", tc.reason, err, diff)
			}
		})
	}
}
