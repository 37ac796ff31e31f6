package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/subject"
)

// TestOrganisationOffersWhatIsAllowed: no button is there for what would be refused.
func TestOrganisationOffersWhatIsAllowed(t *testing.T) {
	t.Parallel()
	two := func(o *enrolv1alpha1.Organisation) {
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: "bob@example.com"})
	}
	cases := map[string]struct {
		reason      string
		who         string
		change      func(*enrolv1alpha1.Organisation)
		gitOps      bool
		want, roles []string
		chosen      []string
		invitations bool
	}{
		"Owner": {
			reason: "may do everything, but not take out the last owner", who: ada, change: func(*enrolv1alpha1.Organisation) {},
			want: []string{
				"remove jane", "remove joe", "remove new", "remove off", "resend kim", "revoke kim", "resend late", "revoke late", "invite",
			},
			roles: []string{"owner", "admin", "developer", "billing-admin", "viewer"}, chosen: []string{"viewer"}, invitations: true,
		},
		"Admin": {
			reason: "may do nothing about owners", who: jane, change: two,
			want:  []string{"remove jane", "remove joe", "remove new", "remove off", "resend kim", "revoke kim", "invite"},
			roles: []string{"admin", "developer", "billing-admin", "viewer"}, chosen: []string{"viewer"}, invitations: true,
		},
		"Viewer": {
			reason: "sees people, and neither invitations nor buttons", who: joe, change: two, want: []string{},
		},
		"Recruiter": {
			reason: "may give the role, but neither delete nor update", who: maxim, change: two,
			want: []string{"invite"}, roles: []string{"viewer"}, chosen: []string{"viewer"}, invitations: true,
		},
		"Git": {
			reason: "what is kept in Git is changed there", who: ada, gitOps: true, change: func(o *enrolv1alpha1.Organisation) {
				o.Annotations = map[string]string{enrolv1alpha1.AnnotationManagedInGit: "true"}
			},
			want:  []string{"remove joe", "remove new", "remove off", "resend late", "revoke late", "invite"},
			roles: []string{"admin", "developer", "billing-admin", "viewer"}, chosen: []string{"viewer"}, invitations: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := acme(tc.change)
			if tc.gitOps {
				c.find("members", "jane").SetAnnotations(map[string]string{enrolv1alpha1.AnnotationManagedInGit: "true"})
				c.find("invitations", "kim").SetAnnotations(map[string]string{enrolv1alpha1.AnnotationManagedInGit: "true"})
			}
			s := serve(t, c)
			w := s.get(tc.who, "/organisations/acme")
			page := w.Body.String()
			if w.Code != http.StatusOK {
				t.Fatalf("%s: got %d:\n%s", tc.reason, w.Code, page)
			}
			if diff := cmp.Diff(tc.want, offered(page)); diff != "" {
				t.Errorf("%s: forms (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.roles, matches(choices, page)); diff != "" {
				t.Errorf("%s: roles to choose from (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.chosen, matches(chosen, page)); diff != "" {
				t.Errorf("%s: chosen role (-want +got):\n%s", tc.reason, diff)
			}
			if got := strings.Contains(page, kim); got != tc.invitations {
				t.Errorf("%s: the page tells who is invited: %t, want %t", tc.reason, got, tc.invitations)
			}
			for _, shown := range []string{ada, jane, joe, "new@example.com", "has not signed in here yet", "suspended", "data"} {
				if !strings.Contains(page, shown) {
					t.Errorf("%s: the page does not show %q", tc.reason, shown)
				}
			}
		})
	}
}

// TestTextsAreShownAsText: whatever people call themselves and their organisations.
func TestTextsAreShownAsText(t *testing.T) {
	t.Parallel()
	const script = `<script>alert("1")</script>`
	c := acme(func(o *enrolv1alpha1.Organisation) {
		o.Spec.DisplayName = script + "organisation"
		o.Spec.LogoURL = "https://e.org/" + script
		o.Spec.Roles = []enrolv1alpha1.Role{{Name: "odd", BasedOn: "viewer", DisplayName: script + "role"}}
	})
	c.member("odd", enrolv1alpha1.MemberSpec{Username: script + "user", Roles: []enrolv1alpha1.RoleName{"odd"}, Projects: enrolv1alpha1.Projects{script + "project"}})
	c.invitation("odd", start.Add(time.Hour), enrolv1alpha1.InvitationSpec{Email: ada, Roles: []enrolv1alpha1.RoleName{"odd"}})
	c.find("invitations", "odd").(*enrolv1alpha1.Invitation).Spec.InvitedBy = enrolv1alpha1.Inviter{Username: script + "inviter"}
	s := serve(t, c)
	for target, texts := range map[string][]string{
		"/organisations/acme": {"organisation", "role", "user", "project", "inviter"},
		"/":                   {"organisation", "role", "inviter"},
	} {
		page := s.get(ada, target).Body.String()
		if strings.Contains(strings.ToLower(page), "<script") {
			t.Errorf("%s has a script:\n%s", target, page)
		}
		for _, text := range texts {
			if !strings.Contains(page, "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;"+text) {
				t.Errorf("%s does not show the name of the %s", target, text)
			}
		}
	}
	w := s.post(ada, url.Values{"action": {"invite"}, "email": {`"` + script}})
	if page := w.Body.String(); w.Code != http.StatusUnprocessableEntity || strings.Contains(page, "<script") {
		t.Errorf("what was filled in is no text: %d:\n%s", w.Code, page)
	}
}

func TestPageOf(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason       string
		rows, number int
		first, last  int
		want         pager
	}{
		"Empty":    {"one page with nothing", 0, 1, 0, 0, pager{Number: 1, Count: 1}},
		"Full":     {"exactly one page", 100, 1, 0, 100, pager{Total: 100, Number: 1, Count: 1}},
		"First":    {"there is more", 101, 1, 0, 100, pager{Total: 101, Number: 1, Count: 2, After: "/o?members=2"}},
		"Last":     {"the rest", 101, 2, 100, 101, pager{Total: 101, Number: 2, Count: 2, Before: "/o?members=1"}},
		"TooHigh":  {"rows were removed meanwhile", 101, 9, 100, 101, pager{Total: 101, Number: 2, Count: 2, Before: "/o?members=1"}},
		"Negative": {"an address that somebody made", 101, -9, 0, 100, pager{Total: 101, Number: 1, Count: 2, After: "/o?members=2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := make([]int, tc.rows)
			for i := range rows {
				rows[i] = i
			}
			got, pages := pageOf(rows, "/o", "members", tc.number)
			if !slices.Equal(got, rows[tc.first:tc.last]) {
				t.Errorf("%s: got %v", tc.reason, got)
			}
			if diff := cmp.Diff(tc.want, pages); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestRoleOptions: without a choice, nobody becomes more than the organisation's default.
func TestRoleOptions(t *testing.T) {
	t.Parallel()
	o := domain.NewOrganisation(acme().objects["organisations"][0].(*enrolv1alpha1.Organisation), subject.Naming{})
	role := func(name enrolv1alpha1.RoleName) domain.Role { return domain.Role{Name: name} }
	cases := map[string]struct {
		reason string
		roles  []domain.Role
		chosen enrolv1alpha1.RoleName
		want   string
	}{
		"Default":   {"the default role is viewer", []domain.Role{role("admin"), role("viewer"), role("odd")}, "", "viewer"},
		"Weakest":   {"the default role is not to be given", []domain.Role{role("owner"), role("admin")}, "", "admin"},
		"FilledIn":  {"what was filled in", []domain.Role{role("admin"), role("viewer")}, "admin", "admin"},
		"Forbidden": {"what was filled in cannot be", []domain.Role{role("admin"), role("viewer")}, "owner", "viewer"},
		"None":      {"there is no form", nil, "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, option := range options(o, tc.roles, tc.chosen) {
				if option.Chosen {
					got += option.Value
				}
			}
			if got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
