package invitation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/quota"
	"github.com/enrol-dev/enrol/internal/subject"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testSettings(t interface{ Fatal(...any) }) *Settings {
	links, err := invitation.NewLinks("https://enrol.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return &Settings{
		Naming: subject.Naming{EmailIsUsername: true}, Links: links, Tracking: gitops.Tracking{}, MailDomain: "example.com",
	}
}

// model is one Invitation and all that it depends on, with everybody doing anything at any time.
type model struct {
	*Settings
	t   *rapid.T
	now time.Time

	organisation *enrolv1alpha1.Organisation
	invitation   *enrolv1alpha1.Invitation
	members      []*enrolv1alpha1.Member
	delivery     *delivery
	uids         int
	// mayGrant is what the inviter may do.
	mayGrant bool
	// final is the outcome that was reached, but for Expired.
	final enrolv1alpha1.InvitationOutcome
}

func newModel(t *rapid.T) *model {
	owner := enrolv1alpha1.Owner{Username: "ada", Email: "ada@example.com"}
	m := &model{
		t: t, Settings: testSettings(t), now: start, mayGrant: true,
		organisation: &enrolv1alpha1.Organisation{
			ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "org", Generation: 1},
			Spec:       enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{owner, {Username: "eve"}}},
		},
	}
	m.organisation.Spec.Invitations.AcceptedRetentionSeconds = new(int64(3600))
	m.organisation.Status = enrolv1alpha1.OrganisationStatus{ObservedGeneration: 1, Slug: "acme", Namespace: "org-acme"}
	m.invitation = &enrolv1alpha1.Invitation{
		ObjectMeta: metav1.ObjectMeta{
			Name: "kim", Namespace: "org-acme", UID: "inv", Generation: 1, CreationTimestamp: metav1.NewTime(start),
			Annotations: map[string]string{},
		},
		Spec: enrolv1alpha1.InvitationSpec{
			Email: "kim@example.com", InvitedBy: enrolv1alpha1.Inviter{Username: "ada"},
			Type:      rapid.SampledFrom([]enrolv1alpha1.InvitationType{"", "Join", "TransferOwnership"}).Draw(t, "type"),
			SendEmail: new(rapid.Bool().Draw(t, "sendEmail")),
			Roles: rapid.SampledFrom([][]enrolv1alpha1.RoleName{
				nil, {"developer"}, {"owner"}, {"owner", "viewer"},
			}).Draw(t, "roles"),
		},
	}
	return m
}

// world is what a pass would gather.
func (m *model) world() *world {
	w := &world{
		invitation: m.invitation, organisation: m.organisation, terms: access.NewTerms(m.organisation, m.Naming),
		rivals: []enrolv1alpha1.Invitation{*m.invitation}, now: m.now,
	}
	for _, member := range m.members {
		if string(member.Spec.Username) == "kim" || member.Spec.Email == "kim@example.com" {
			w.members = append(w.members, member)
		}
		if member.Spec.Username == "ada" {
			w.inviterMembers = append(w.inviterMembers, member)
		}
	}
	w.members = w.current(w.members)
	if m.delivery != nil {
		seen := *m.delivery
		w.delivery = &seen
	}
	taken, _, again := quota.Take(m.organisation.Status.Mails, quota.Max(&m.organisation.Spec.Invitations), 1, m.now)
	w.exhaust(taken, again)
	if invitation.StateOf(m.invitation, w.policy(), m.now) == invitation.Accepting && !w.stands(m.Settings) {
		w.review = &review{}
		if !m.mayGrant {
			w.review.missing = []string{"organisationroles.enrol.dev/developer"}
		}
	}
	return w
}

// pass makes one, and may die after any of its writes.
func (m *model) pass(t *rapid.T) {
	if m.invitation == nil {
		return
	}
	w := m.world()
	before := invitation.StateOf(m.invitation, w.policy(), m.now)
	d := decide(w, m.Settings)
	m.check(before, d)
	dies := rapid.IntRange(0, 8).Draw(t, "dies after")
	step := func() bool { dies--; return dies != 0 }
	if d.counted {
		_, m.organisation.Status.Mails, _ = quota.Take(m.organisation.Status.Mails, 50, 1, m.now)
		if !step() {
			return
		}
	}
	for _, made := range d.create {
		if slices.ContainsFunc(m.members, func(there *enrolv1alpha1.Member) bool { return there.Name == made.Name }) {
			m.t.Fatalf("the name of Member %s is taken", made.Name)
		}
		m.uids++
		made.UID, made.Generation = types.UID(fmt.Sprint("m", m.uids)), 1
		m.members = append(m.members, made)
		if !step() {
			return
		}
	}
	if d.owners != nil {
		m.organisation.Spec.Owners = d.owners
		if !step() {
			return
		}
	}
	for _, member := range d.resume {
		member.Spec.Suspend = false
		member.Generation++
		if !step() {
			return
		}
	}
	if d.remove {
		m.invitation = nil
		return
	}
	m.invitation = m.invitation.DeepCopy()
	m.invitation.Status = d.status
	if d.dispatch && step() {
		m.delivery = &delivery{number: d.status.SendNumber, attempt: d.status.Mail.Attempts}
	}
}

// check holds a decision against what must always be true.
func (m *model) check(before invitation.State, d *decision) {
	after := d.status.Outcome
	switch before {
	case invitation.Accepted, invitation.AlreadyMember, invitation.Declined, invitation.Revoked:
		if d.dispatch || len(d.create) > 0 || d.owners != nil || d.counted {
			m.t.Fatalf("a finished Invitation does something: %+v", d)
		}
		if m.final != "" && after != m.final {
			m.t.Fatalf("it was %s and became %q", m.final, after)
		}
	case invitation.Expired:
		if len(d.create) > 0 || d.owners != nil {
			m.t.Fatalf("an expired Invitation makes something: %+v", d)
		}
		resent := after == "" && d.status.SendNumber == m.invitation.Status.SendNumber+1 &&
			d.status.ExpireTime.After(m.now) && m.world().resendRequested() &&
			!m.invitation.Spec.Revoked
		if after != enrolv1alpha1.InvitationExpired && !resent {
			m.t.Fatalf("expired, it became %q: %+v", after, d.status)
		}
	case invitation.Open:
		if len(d.create) > 0 || d.owners != nil {
			m.t.Fatalf("nobody accepted, and it makes something: %+v", d)
		}
	case invitation.Accepting:
		if d.dispatch || (after != "" && after != enrolv1alpha1.InvitationAccepted) {
			m.t.Fatalf("accepted, it became %q", after)
		}
	}
	if (len(d.create) > 0 || d.owners != nil) && !m.mayGrant {
		m.t.Fatal("the inviter may not grant that")
	}
	if len(d.resume) > 0 && m.invitation.Status.Outcome != enrolv1alpha1.InvitationAccepted {
		m.t.Fatal("a Member is resumed before the acceptance is recorded")
	}
	for _, made := range d.create {
		if !made.Spec.Suspend || slices.Contains(made.Spec.Roles, enrolv1alpha1.RoleOwner) {
			m.t.Fatalf("the Member gives access at once: %+v", made.Spec)
		}
	}
	if d.owners != nil && len(d.owners) == 0 {
		m.t.Fatal("nobody would own the Organisation")
	}
	if after != "" && after != enrolv1alpha1.InvitationExpired {
		m.final = after
	}
	if d.wake.IsZero() && after == "" && invitation.StateOf(m.invitation, &m.organisation.Spec.Invitations, m.now) == invitation.Open {
		m.t.Fatal("an open Invitation must wake to expire")
	}
	if before == invitation.Open && after == "" && d.status.ExpireTime != nil && d.wake.After(d.status.ExpireTime.Time) {
		m.t.Fatalf("it wakes at %s, and expires at %s", d.wake, d.status.ExpireTime)
	}
}

// TestAnything has everybody do anything, in any order, and the operator die anywhere.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		answer := func(t *rapid.T) *enrolv1alpha1.InvitationAnswer {
			i := m.invitation
			if i == nil || i.Spec.Revoked || i.Status.ExpireTime == nil || !m.now.Before(i.Status.ExpireTime.Time) ||
				i.Status.AcceptedBy != nil || i.Status.DeclinedBy != nil || i.Status.Outcome != "" {
				t.Skip("the API server refuses that")
			}
			m.invitation = i.DeepCopy()
			return &enrolv1alpha1.InvitationAnswer{Username: "kim", Email: "kim@example.com", Time: metav1.NewTime(m.now)}
		}
		t.Repeat(map[string]func(*rapid.T){
			"pass": m.pass,
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 61, 3600, 86400, 7 * 86400}).Draw(t, "seconds")) * time.Second)
			},
			"delivery": func(t *rapid.T) {
				if m.delivery == nil || !m.delivery.ended.IsZero() {
					t.Skip()
				}
				m.delivery.ended = m.now
				m.delivery.failure = rapid.SampledFrom([]enrolv1alpha1.MailFailure{"", "Refused", "Deferred", "Unconfirmed", "Unusable"}).Draw(t, "failure")
			},
			"crash":   func(*rapid.T) { m.delivery = nil },
			"accept":  func(t *rapid.T) { by := answer(t); m.invitation.Status.AcceptedBy = by },
			"decline": func(t *rapid.T) { by := answer(t); m.invitation.Status.DeclinedBy = by },
			"revoke": func(t *rapid.T) {
				if m.invitation == nil || m.invitation.Status.AcceptedBy != nil || m.invitation.Status.DeclinedBy != nil {
					t.Skip("the API server refuses that")
				}
				m.invitation = m.invitation.DeepCopy()
				m.invitation.Spec.Revoked = true
				m.invitation.Generation++
			},
			"resend": func(t *rapid.T) {
				if m.invitation == nil {
					t.Skip()
				}
				m.invitation = m.invitation.DeepCopy()
				m.invitation.Annotations[enrolv1alpha1.AnnotationResend] = rapid.StringN(0, 3, -1).Draw(t, "request")
			},
			"demote": func(t *rapid.T) { m.mayGrant = rapid.Bool().Draw(t, "may grant") },
			"remove": m.removeMember,
			"another": func(*rapid.T) {
				m.members = append(m.members, &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "kim", Generation: 1}, Spec: enrolv1alpha1.MemberSpec{Email: "kim@example.com"}})
			},
		})
	})
}

func (m *model) removeMember(t *rapid.T) {
	if len(m.members) == 0 {
		t.Skip()
	}
	k := rapid.IntRange(0, len(m.members)-1).Draw(t, "member")
	m.members = slices.Delete(m.members, k, k+1)
}

// TestItGetsThere: once accepted, and with nobody in the way, it is carried out, wherever the operator died.
func TestItGetsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		lapsed := m.lapse(t)
		m.now = m.now.Add(gathering)
		for range 3 {
			m.pass(t)
		}
		m.invitation = m.invitation.DeepCopy()
		m.invitation.Status.AcceptedBy = &enrolv1alpha1.InvitationAnswer{Username: "kim", Email: "kim@example.com", Time: metav1.NewTime(m.now)}
		if m.invitation.Status.Outcome != "" {
			t.Skip()
		}
		for range 60 {
			m.pass(t)
		}
		if m.invitation.Status.Outcome != enrolv1alpha1.InvitationAccepted {
			t.Fatalf("it is stuck: %+v", m.invitation.Status)
		}
		_, makes := m.invitation.Spec.MemberRoles()
		for _, member := range m.members[lapsed:] {
			if member.Spec.Suspend {
				t.Fatalf("%s stays suspended", member.Spec.Username)
			}
		}
		for _, member := range m.members[:lapsed] {
			if member.Generation != 1 {
				t.Fatalf("expired Member %s was changed", member.Name)
			}
		}
		if owns := m.world().owns("kim"); owns != m.invitation.Spec.Owns() {
			t.Fatalf("kim owns it: %t", owns)
		}
		if has := m.world().membership() != nil; has != makes {
			t.Fatalf("kim is a Member: %t, want %t", has, makes)
		}
		if m.invitation.Spec.Type == enrolv1alpha1.InvitationTransferOwnership && (m.world().owns("ada") || len(m.world().inviterMembers) != 1) {
			t.Fatal("ada has not stepped down")
		}
	})
}

// lapse makes Members that expired long ago, of whoever accepts or invites, by names of Enrol's own, and says how many.
func (m *model) lapse(t *rapid.T) int {
	for _, username := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"kim", "ada"}), 0, 2, rapid.ID).Draw(t, "expired") {
		m.members = append(m.members, &enrolv1alpha1.Member{
			ObjectMeta: metav1.ObjectMeta{Name: naming.Member(username), UID: types.UID(username), Generation: 1},
			Spec: enrolv1alpha1.MemberSpec{
				Username: enrolv1alpha1.Username(username), Email: enrolv1alpha1.Email(username + "@example.com"),
				ExpireTime: &metav1.Time{Time: start.Add(-time.Hour)},
			},
		})
	}
	return len(m.members)
}

// TestExpiresToTheSecond: it can be answered until the second that the token says, and the operator is awake then.
func TestExpiresToTheSecond(t *testing.T) {
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{
		Name: "kim", Namespace: "org-acme", UID: "inv", CreationTimestamp: metav1.NewTime(start),
	}}
	i.Spec = enrolv1alpha1.InvitationSpec{Email: "kim@example.com", SendEmail: new(false)}
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	o.Status = enrolv1alpha1.OrganisationStatus{Slug: "acme", Namespace: "org-acme"}
	settings := testSettings(t)
	at := func(now time.Time) *decision {
		d := decide(&world{invitation: i, organisation: o, terms: access.NewTerms(o, settings.Naming), now: now}, settings)
		i.Status = d.status
		return d
	}
	d := at(start.Add(400 * time.Millisecond))
	expires := start.Add(7 * 24 * time.Hour)
	if !d.wake.Equal(expires) || !d.status.ExpireTime.Time.Equal(expires) {
		t.Errorf("it wakes at %s and expires at %s, want %s", d.wake, d.status.ExpireTime, expires)
	}
	if d := at(expires.Add(-time.Nanosecond)); d.status.Outcome != "" {
		t.Errorf("a moment before: %q", d.status.Outcome)
	}
	d = at(expires)
	if d.status.Outcome != enrolv1alpha1.InvitationExpired || !d.status.CompletionTime.Time.Equal(expires) {
		t.Errorf("at that second: %+v", d.status)
	}
	gone := expires.Add(60 * 24 * time.Hour)
	if d := at(expires); !d.wake.Equal(gone) || d.remove {
		t.Errorf("it wakes at %s, want %s, 60 days later", d.wake, gone)
	}
	if d := at(gone.Add(-time.Second)); d.remove {
		t.Error("a second before 60 days have passed it is deleted")
	}
	if d := at(gone); !d.remove {
		t.Error("after 60 days it must be deleted")
	}
	i.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "app:enrol.dev/Invitation:org-acme/kim"}
	if d := at(gone); d.remove {
		t.Error("one that Git keeps must stay")
	}
	i.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "app:enrol.dev/Invitation:org-acme/joe"}
	if d := at(gone); !d.remove {
		t.Error("a tracking id of another object is no mark")
	}
}

// TestOrganisationChanges: while an Organisation that was in force waits for its pass, its Invitations say what they said.
func TestOrganisationChanges(t *testing.T) {
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{
		Name: "kim", Namespace: "org-acme", UID: "inv", Generation: 1, CreationTimestamp: metav1.NewTime(start),
	}}
	i.Spec = enrolv1alpha1.InvitationSpec{Email: "kim@example.com", SendEmail: new(false)}
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme", Generation: 1}}
	settings := testSettings(t)
	reason := func() string {
		i.Status = decide(&world{
			invitation: i, organisation: o, terms: access.NewTerms(o, settings.Naming), now: start.Add(time.Minute),
		}, settings).status
		return meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady).Reason
	}
	if got := reason(); got != enrolv1alpha1.ReasonProgressing {
		t.Errorf("before the Organisation was ever looked at: %s", got)
	}
	o.Status = enrolv1alpha1.OrganisationStatus{ObservedGeneration: 1, Slug: "acme", Namespace: "org-acme"}
	if got := reason(); got != enrolv1alpha1.ReasonPending {
		t.Errorf("in force: %s", got)
	}
	before := i.Status
	o.Generation = 2
	if got := reason(); got != enrolv1alpha1.ReasonPending {
		t.Errorf("while the Organisation is looked at again: %s", got)
	}
	if diff := cmp.Diff(before, i.Status); diff != "" {
		t.Errorf("nothing must be written:\n%s", diff)
	}
	o.Status.ObservedGeneration, o.Status.Slug = 2, ""
	if got := reason(); got != enrolv1alpha1.ReasonOrganisationStalled {
		t.Errorf("once it is refused: %s", got)
	}
}

// TestEndedMeanwhile: somebody sets an end to the Member that an acceptance made, before it is recorded that it did. It is over then,
// and no other Member is made in its place.
func TestEndedMeanwhile(t *testing.T) {
	settings := testSettings(t)
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme", Generation: 1}}
	o.Status = enrolv1alpha1.OrganisationStatus{ObservedGeneration: 1, Slug: "acme", Namespace: "org-acme"}
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{
		Name: "kim", Namespace: "org-acme", UID: "inv", Generation: 1, CreationTimestamp: metav1.NewTime(start),
	}}
	i.Spec = enrolv1alpha1.InvitationSpec{Email: "kim@example.com", SendEmail: new(false)}
	i.Status.AcceptedBy = &enrolv1alpha1.InvitationAnswer{Username: "kim", Email: "kim@example.com", Time: metav1.NewTime(start)}
	for by, makes := range map[string]int{"inv": 0, "another": 1} {
		w := &world{
			invitation: i.DeepCopy(), organisation: o, terms: access.NewTerms(o, settings.Naming), now: start.Add(time.Hour), review: &review{},
		}
		w.members = w.current([]*enrolv1alpha1.Member{{
			ObjectMeta: metav1.ObjectMeta{Name: "m", Annotations: map[string]string{enrolv1alpha1.AnnotationInvitation: by}},
			Spec:       enrolv1alpha1.MemberSpec{Username: "kim", ExpireTime: &metav1.Time{Time: start.Add(time.Minute)}},
		}})
		d := decide(w, settings)
		if accepted := d.status.Outcome == enrolv1alpha1.InvitationAccepted; len(d.create) != makes || accepted == (makes > 0) {
			t.Errorf("with an expired Member of Invitation %s: outcome %q, and makes %d Members, want %d", by, d.status.Outcome, len(d.create), makes)
		}
	}
}

// What asks for a resend is compared with what the status says was asked for: a half character is stored as another one.
func TestResendRequest(t *testing.T) {
	t.Parallel()
	const most = 256
	full := strings.Repeat("a", most)
	for name, tc := range map[string]struct{ reason, value, want string }{
		"None":  {"nobody asks", "", ""},
		"Short": {"what fits stays", "é", "é"},
		"Long":  {"no more than the status takes", full + "a", full},
		"Half":  {"no half characters", full[1:] + "é", full[1:]},
	} {
		i := &enrolv1alpha1.Invitation{}
		i.Annotations = map[string]string{enrolv1alpha1.AnnotationResend: tc.value}
		if got := (&world{invitation: i}).resendRequest(); got != tc.want {
			t.Errorf("%s: %s: got %q, want %q", name, tc.reason, got, tc.want)
		}
	}
}
