package versori

import (
	"encoding/json"
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
	organisationULID = "3F3MN3933V9SASM41B7H6NWVVG"
	viewerULID       = "6GMMJRN2EABWQAKYRMX3GNKHQ9"
)

var created = time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC)

func named(name, displayName string) *domain.Organisation {
	return domain.NewOrganisation(&enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: "6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70", CreationTimestamp: metav1.NewTime(created),
		},
		Spec: enrolv1alpha1.OrganisationSpec{
			DisplayName: displayName, Owners: []enrolv1alpha1.Owner{{Username: "alice"}, {Username: "carol"}},
		},
	}, subject.Naming{})
}

func TestInvitationView(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason     string
		invitation domain.Invitation
		want       string
	}{
		"Published": {
			reason: "the published example",
			invitation: domain.Invitation{
				ID: exampleUUID, Email: "bob@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"},
				Type: enrolv1alpha1.InvitationJoin, Created: created, Expire: created.AddDate(0, 0, 7),
			},
			want: `{"id":"64N3GZ4EVD9Y8AFH8Y5MZMMPVC","email":"bob@example.org","name":"bob@example.org","picture":"",` +
				`"accepted":false,"inviteType":"join_organisation","expiresAt":"2025-03-11T09:15:00Z",` +
				`"createdAt":"2025-03-04T09:15:00Z","roles":["viewer"],"groupIDs":[]}`,
		},
		"Transfer": {
			reason: "without roles the list is empty, and groups are shown by id",
			invitation: domain.Invitation{
				ID: exampleUUID, Email: "bob@example.org", Type: enrolv1alpha1.InvitationTransferOwnership,
				GroupIDs: []string{exampleUUID}, Created: created, Expire: created,
			},
			want: `{"id":"64N3GZ4EVD9Y8AFH8Y5MZMMPVC","email":"bob@example.org","name":"bob@example.org","picture":"",` +
				`"accepted":false,"inviteType":"transfer_ownership","expiresAt":"2025-03-04T09:15:00Z",` +
				`"createdAt":"2025-03-04T09:15:00Z","roles":[],"groupIDs":["64N3GZ4EVD9Y8AFH8Y5MZMMPVC"]}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(invitation(&tc.invitation))
			if diff := cmp.Diff(tc.want, string(got)); diff != "" || err != nil {
				t.Errorf("%s: %v; -want, +got:\n%s", tc.reason, err, diff)
			}
		})
	}
}

func TestMemberView(t *testing.T) {
	t.Parallel()
	o := named("night-works", "Night Works")
	resource := Resource{ResourceType: "organisation", ResourceID: organisationULID, Name: "Night Works"}
	viewer := RoleBinding{Role: Role{ID: viewerULID, Name: "viewer", Scopes: []string{"organisation"}}, Resource: resource}
	owner := RoleBinding{
		Role: Role{ID: ulidOf(o.RoleID("owner")), Name: "owner", Scopes: []string{"organisation"}}, Resource: resource,
	}
	cases := map[string]struct {
		reason string
		member domain.Membership
		want   Member
	}{
		"Member": {
			reason: "a member who has signed in has a username",
			member: domain.Membership{
				ID: "1", Username: "bob", Email: "bob@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"},
			},
			want: Member{
				ID: "1", IdentityType: "user", IdentityID: "bob", Name: "bob", Email: "bob@example.org",
				RoleBindings: []RoleBinding{viewer},
			},
		},
		"Pending": {
			reason: "one who has not is named by address",
			member: domain.Membership{ID: "1", Email: "bob@example.org"},
			want: Member{
				ID: "1", IdentityType: "user", IdentityID: "bob@example.org", Name: "bob@example.org", Email: "bob@example.org",
				RoleBindings: []RoleBinding{},
			},
		},
		"Owner": {
			reason: "an owner has the role owner first",
			member: domain.Membership{ID: "1", Username: "alice", Owner: true, Roles: []enrolv1alpha1.RoleName{"owner", "viewer"}},
			want: Member{
				ID: "1", IdentityType: "user", IdentityID: "alice", Name: "alice", RoleBindings: []RoleBinding{owner, viewer},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newView(o)
			for range 2 {
				if diff := cmp.Diff(tc.want, v.member(&tc.member)); diff != "" {
					t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
				}
			}
		})
	}
}

func TestOrganisationView(t *testing.T) {
	t.Parallel()
	want := `{"id":"3F3MN3933V9SASM41B7H6NWVVG","slug":"night-works","displayName":"Night Works","owner":"alice",` +
		`"billing":{"platformId":"","platformType":"","customerId":"","billingEmail":"","isSubscriptionActive":1,` +
		`"billingPeriodStart":"2025-03-04","billingPeriodEnd":"9999-12-31","isBespoke":true},"systemServiceAccountClientID":""}`
	got, err := json.Marshal(organisation(named("night-works", "Night Works")))
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v; -want, +got:\n%s", err, diff)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	mine := []*domain.Membership{
		{Organisation: named("acme", "ACME Ltd")}, {Organisation: named("night-works", "")}, {Organisation: named("zurich", "ZÜRICH")},
	}
	cases := map[string]struct {
		reason, filter string
		want           []string
	}{
		"None":    {reason: "all are shown", want: []string{"acme", "night-works", "zurich"}},
		"Name":    {reason: "the display name counts, in any case", filter: "me lTD", want: []string{"acme"}},
		"Slug":    {reason: "so does the slug", filter: "-WORKS", want: []string{"night-works"}},
		"ASCII":   {reason: "other letters keep their case", filter: "zü"},
		"Exact":   {reason: "and are found as they are", filter: "zÜr", want: []string{"zurich"}},
		"Nothing": {reason: "none has it", filter: "nowhere"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := organisations(mine, tc.filter)
			var got []string
			for _, o := range page.Organisations {
				got = append(got, o.Slug)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || page.TotalCount != len(tc.want) {
				t.Errorf("%s: counted %d; -want, +got:\n%s", tc.reason, page.TotalCount, diff)
			}
		})
	}
}

func TestEmptyPages(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		page   any
		want   string
	}{
		"Invitations":   {reason: "one page in an array", page: invitations(nil), want: `[{"totalCount":0,"invitations":[]}]`},
		"Members":       {reason: "one page in an array", page: newView(named("a", "")).members(nil), want: `[{"totalCount":0,"members":[]}]`},
		"Organisations": {reason: "no array", page: organisations(nil, ""), want: `{"totalCount":0,"organisations":[]}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tc.page)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" || err != nil {
				t.Errorf("%s: %v; -want, +got:\n%s", tc.reason, err, diff)
			}
		})
	}
}

func TestBothLinks(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason         string
		accept, signIn string
		want           []any
	}{
		"Both":    {reason: "what they are is for the domain to say", accept: "x", signIn: "y"},
		"Neither": {reason: "both are named", want: []any{fault.AcceptURL, fault.SignInURL}},
		"Accept":  {reason: "one is named", signIn: "y", want: []any{fault.AcceptURL}},
		"SignIn":  {reason: "one is named", accept: "x", want: []any{fault.SignInURL}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []any
			if err := bothLinks(tc.accept, tc.signIn); err != nil {
				for _, d := range fault.As(err).Details {
					got = append(got, d.Path...)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		given  *[]string
		want   []enrolv1alpha1.RoleName
	}{
		"Absent": {reason: "the domain has a default"},
		"Empty":  {reason: "as absent", given: &[]string{}, want: []enrolv1alpha1.RoleName{}},
		"Twice": {
			reason: "which of them count is for the domain to say", given: &[]string{"b", "a", "b"},
			want: []enrolv1alpha1.RoleName{"b", "a", "b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, roles(tc.given)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
