package invitation

import (
	"net/url"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

func TestStateOf(t *testing.T) {
	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	week := created.Add(7 * 24 * time.Hour)
	by := &enrolv1alpha1.InvitationAnswer{Username: "jane"}
	cases := map[string]struct {
		reason  string
		revoked bool
		status  enrolv1alpha1.InvitationStatus
		now     time.Time
		want    State
	}{
		"New":            {"nobody has looked at it yet", false, enrolv1alpha1.InvitationStatus{}, created, Open},
		"NewForAWeek":    {"it expires though nobody has", false, enrolv1alpha1.InvitationStatus{}, week, Expired},
		"LastMoment":     {"the second before", false, enrolv1alpha1.InvitationStatus{}, week.Add(-time.Second), Open},
		"SentLater":      {"a resend gives another week", false, enrolv1alpha1.InvitationStatus{ExpireTime: &metav1.Time{Time: week.Add(time.Hour)}}, week, Open},
		"Revoked":        {"withdrawn", true, enrolv1alpha1.InvitationStatus{}, created, Revoked},
		"RevokedAndLate": {"withdrawn in time, as far as anybody knows", true, enrolv1alpha1.InvitationStatus{}, week, Revoked},
		"ExpiredRevoked": {"what expired stays so", true, enrolv1alpha1.InvitationStatus{Outcome: "Expired"}, week, Expired},
		"Accepting":      {"an answer in time counts later", false, enrolv1alpha1.InvitationStatus{AcceptedBy: by}, week, Accepting},
		"Accepted":       {"carried out", false, enrolv1alpha1.InvitationStatus{AcceptedBy: by, Outcome: "Accepted"}, week, Accepted},
		"Declined":       {"declined", false, enrolv1alpha1.InvitationStatus{DeclinedBy: by}, week, Declined},
		"AlreadyMember":  {"of no use", false, enrolv1alpha1.InvitationStatus{Outcome: "AlreadyMember"}, created, AlreadyMember},
		"OutcomeIsFinal": {"whatever the time is", true, enrolv1alpha1.InvitationStatus{Outcome: "Declined", DeclinedBy: by}, week, Declined},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)}}
			i.Spec.Revoked, i.Status = tc.revoked, tc.status
			if got := StateOf(i, &enrolv1alpha1.InvitationPolicy{}, tc.now); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

func TestNewLinks(t *testing.T) {
	for _, bad := range []string{"enrol.example.com", "ftp://e.org", "https://", "https://e.org?a=b", "https://e.org#a", "https://u@e.org", "//e.org"} {
		if _, err := NewLinks(bad); err == nil {
			t.Errorf("%q must be refused", bad)
		}
	}
	for _, good := range []string{"", "https://e.org", "http://localhost:8080", "https://e.org/enrol/"} {
		if _, err := NewLinks(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// TestMailed: the link carries invitation and token, and loses nothing that it had.
func TestMailed(t *testing.T) {
	links, err := NewLinks("https://e.org/base")
	if err != nil {
		t.Fatal(err)
	}
	policy := &enrolv1alpha1.InvitationPolicy{AllowedLinkOrigins: []string{"https://good.example.com"}}
	for accept, want := range map[string]string{
		"":                                     "https://e.org/base/invitations?invitation=uid&token=t-_",
		"https://e.org/x":                      "https://e.org/x?invitation=uid&token=t-_",
		"https://good.example.com/x?b=1&a=2#y": "https://good.example.com/x?b=1&a=2&invitation=uid&token=t-_#y",
	} {
		i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{UID: "uid"}}
		i.Spec.AcceptURL = accept
		got, signIn, err := links.Mailed(i, policy, "t-_")
		if err != nil || got != want || signIn != "" {
			t.Errorf("%q: got %q, %q, %v, want %q", accept, got, signIn, err, want)
		}
	}
}

// FuzzLinks: what is allowed leads where it says, by whoever reads it.
func FuzzLinks(f *testing.F) {
	links, err := NewLinks("https://e.org")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"https://e.org/a", "https://e.org@x.org", `https://e.org\x.org`, "https:e.org", "//x.org", "https://e.org:443"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, link string) {
		spec := &enrolv1alpha1.InvitationSpec{AcceptURL: link}
		if link == "" || links.Check(spec, &enrolv1alpha1.InvitationPolicy{}) != nil {
			return
		}
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "e.org") || u.User != nil || strings.Contains(link, `\`) {
			t.Errorf("%q is allowed", link)
		}
	})
}
