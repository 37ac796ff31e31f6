package qovery

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
	viewerID    = "d0a5258a-89ca-5f2e-a9fb-14e8e159c6e9"
	publicURL   = "https://enrol.example.org"
	invitedLink = publicURL + "/invitations?inviteToken=c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6c" +
		"&organization=6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70"
)

var created, updated = time.Date(2025, 3, 4, 9, 15, 0, 0, time.UTC), time.Date(2025, 3, 5, 9, 15, 0, 0, time.UTC)

func nightWorks(change ...func(*enrolv1alpha1.Organisation)) *domain.Organisation {
	o := &enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{
			Name: "night-works", UID: "6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70", CreationTimestamp: metav1.NewTime(created),
		},
		Spec: enrolv1alpha1.OrganisationSpec{
			DisplayName: "Night Works",
			Owners:      []enrolv1alpha1.Owner{{Username: "alice"}},
			Roles: []enrolv1alpha1.Role{
				{Name: "auditor", BasedOn: enrolv1alpha1.RoleViewer}, {Name: "lead", BasedOn: enrolv1alpha1.RoleAdmin},
			},
		},
	}
	for _, c := range change {
		c(o)
	}
	return domain.NewOrganisation(o, subject.Naming{})
}

func TestInvitationView(t *testing.T) {
	t.Parallel()
	plain := func(change func(*domain.Invitation)) *domain.Invitation {
		i := &domain.Invitation{
			ID: "c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6c", Email: "bob@example.org", Created: created, Updated: updated,
			Roles:     []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
			InvitedBy: enrolv1alpha1.Inviter{Username: "alice", Email: "alice@example.org"},
		}
		change(i)
		return i
	}
	published := InviteMember{
		ID: "c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6c", CreatedAt: created, UpdatedAt: updated, Email: "bob@example.org",
		Role: "VIEWER", RoleID: viewerID, RoleName: "viewer", InvitationLink: invitedLink, InvitationStatus: "PENDING",
		Inviter: "alice@example.org", OrganizationName: "Night Works",
	}
	but := func(change func(*InviteMember)) InviteMember {
		other := published
		change(&other)
		return other
	}
	cases := map[string]struct {
		reason       string
		organisation *domain.Organisation
		invitation   *domain.Invitation
		want         InviteMember
	}{
		"Published": {
			reason: "the published example", organisation: nightWorks(),
			invitation: plain(func(*domain.Invitation) {}), want: published,
		},
		"Expired": {
			reason: "an expired one says so", organisation: nightWorks(),
			invitation: plain(func(i *domain.Invitation) { i.Expired = true }),
			want:       but(func(m *InviteMember) { m.InvitationStatus = "EXPIRED" }),
		},
		"OwnRole": {
			reason: "an own role has its own id and name, and the kind that it is based on", organisation: nightWorks(),
			invitation: plain(func(i *domain.Invitation) { i.Roles = []enrolv1alpha1.RoleName{"lead", "viewer"} }),
			want: but(func(m *InviteMember) {
				m.Role, m.RoleName, m.RoleID = "ADMIN", "lead", nightWorks().RoleID("lead")
			}),
		},
		"NoRoles": {
			reason: "without roles the lowest is shown", organisation: nightWorks(),
			invitation: plain(func(i *domain.Invitation) { i.Roles = nil }), want: published,
		},
		"InviterByName": {
			reason: "an inviter without an address is named", organisation: nightWorks(),
			invitation: plain(func(i *domain.Invitation) { i.InvitedBy.Email = "" }),
			want:       but(func(m *InviteMember) { m.Inviter = "alice" }),
		},
		"Organisation": {
			reason: "logo and name are the organisation's",
			organisation: nightWorks(func(o *enrolv1alpha1.Organisation) {
				o.Spec.DisplayName, o.Spec.LogoURL = "", "https://example.org/logo.png"
			}),
			invitation: plain(func(*domain.Invitation) {}),
			want: but(func(m *InviteMember) {
				m.OrganizationName, m.LogoURL = "night-works", "https://example.org/logo.png"
			}),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, newView(tc.organisation, publicURL).invitation(tc.invitation)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMemberView(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		member *domain.Membership
		want   Member
	}{
		"Member": {
			reason: "a member who has signed in was active",
			member: &domain.Membership{
				ID: "1", Username: "bob", Email: "bob@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"},
				Created: created, Updated: updated,
			},
			want: Member{
				ID: "1", CreatedAt: created, UpdatedAt: updated, Email: "bob@example.org", Name: "bob", Nickname: "bob",
				LastActivityAt: &updated, Role: "VIEWER", RoleName: "viewer", RoleID: viewerID,
			},
		},
		"Pending": {
			reason: "one who has not is named by address, and was never active",
			member: &domain.Membership{
				ID: "1", Email: "bob@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"}, Created: created, Updated: updated,
			},
			want: Member{
				ID: "1", CreatedAt: created, UpdatedAt: updated, Email: "bob@example.org",
				Name: "bob@example.org", Nickname: "bob@example.org", Role: "VIEWER", RoleName: "viewer", RoleID: viewerID,
			},
		},
		"Owner": {
			reason: "an owner has the role owner",
			member: &domain.Membership{
				ID: "1", Username: "alice", Owner: true, Roles: []enrolv1alpha1.RoleName{"owner", "viewer"},
				Created: created, Updated: created,
			},
			want: Member{
				ID: "1", CreatedAt: created, UpdatedAt: created, Name: "alice", Nickname: "alice", LastActivityAt: &created,
				Role: "OWNER", RoleName: "owner", RoleID: nightWorks().RoleID("owner"),
			},
		},
		"NoRoles": {
			reason: "without roles there is a kind, but no role",
			member: &domain.Membership{ID: "1", Username: "bob", Created: created, Updated: created},
			want: Member{
				ID: "1", CreatedAt: created, UpdatedAt: created, Name: "bob", Nickname: "bob", LastActivityAt: &created, Role: "VIEWER",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, newView(nightWorks(), publicURL).member(tc.member)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		role   enrolv1alpha1.RoleName
		want   RoleKind
	}{
		"Owner":        {reason: "built in", role: "owner", want: "OWNER"},
		"Admin":        {reason: "built in", role: "admin", want: "ADMIN"},
		"Developer":    {reason: "built in", role: "developer", want: "DEVELOPER"},
		"BillingAdmin": {reason: "the platform has no such kind", role: "billing-admin", want: "VIEWER"},
		"Viewer":       {reason: "built in", role: "viewer", want: "VIEWER"},
		"Own":          {reason: "by what it is based on", role: "lead", want: "ADMIN"},
		"Unknown":      {reason: "the lowest", role: "gone", want: "VIEWER"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newView(nightWorks(), publicURL)
			for range 2 {
				if got := v.role(tc.role).kind; got != tc.want {
					t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
				}
			}
		})
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	kind := func(k RoleKind) *RoleKind { return &k }
	cases := map[string]struct {
		reason  string
		body    InviteMemberRequest
		want    []enrolv1alpha1.RoleName
		invalid bool
	}{
		"None":      {reason: "the organisation has a default"},
		"Owner":     {reason: "by kind", body: InviteMemberRequest{Role: kind("OWNER")}, want: []enrolv1alpha1.RoleName{"owner"}},
		"Admin":     {reason: "by kind", body: InviteMemberRequest{Role: kind("ADMIN")}, want: []enrolv1alpha1.RoleName{"admin"}},
		"Developer": {reason: "by kind", body: InviteMemberRequest{Role: kind("DEVELOPER")}, want: []enrolv1alpha1.RoleName{"developer"}},
		"Viewer":    {reason: "by kind", body: InviteMemberRequest{Role: kind("VIEWER")}, want: []enrolv1alpha1.RoleName{"viewer"}},
		"ID": {
			reason: "the id beats the kind", want: []enrolv1alpha1.RoleName{"lead"},
			body: InviteMemberRequest{Role: kind("OWNER"), RoleID: new(nightWorks().RoleID("lead"))},
		},
		"UnknownID": {
			reason: "also when it names no role", invalid: true,
			body: InviteMemberRequest{Role: kind("OWNER"), RoleID: new("6f1d2a34-8c7b-4e55-9a10-2b3c4d5e6f70")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := roles(nightWorks(), &tc.body)
			if tc.invalid {
				if err == nil || fault.As(err).Kind != fault.Invalid {
					t.Errorf("%s: got %v and error %v", tc.reason, got, err)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v; -want, +got:\n%s", tc.reason, err, diff)
			}
		})
	}
}

func TestRoleList(t *testing.T) {
	t.Parallel()
	var names []string
	for _, role := range roleList(nightWorks()).Results {
		names = append(names, role.Name)
		if role.ID != nightWorks().RoleID(enrolv1alpha1.RoleName(role.Name)) {
			t.Errorf("role %s has id %s", role.Name, role.ID)
		}
	}
	want := []string{"owner", "admin", "developer", "billing-admin", "viewer", "auditor", "lead"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("strongest first, then the organisation's own: -want, +got:\n%s", diff)
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	v := newView(nightWorks(), publicURL)
	for name, list := range map[string]any{"members": v.members(nil), "invitations": v.invitations(nil)} {
		text, err := json.Marshal(list)
		if err != nil || string(text) != `{"results":[]}` {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}
