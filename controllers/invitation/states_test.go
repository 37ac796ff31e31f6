package invitation

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// story is an Invitation and what happens to it.
type story struct {
	*world
	*Settings
}

// newStory is a new Invitation, all of it as it should be.
func newStory(t *testing.T) *story {
	t.Helper()
	o := &enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "org", Generation: 1},
		Spec: enrolv1alpha1.OrganisationSpec{
			Owners:      []enrolv1alpha1.Owner{{Username: "ada@example.com", Email: "ada@example.com"}},
			Invitations: enrolv1alpha1.InvitationPolicy{AcceptedRetentionSeconds: new(int64(3600))},
		},
		Status: enrolv1alpha1.OrganisationStatus{ObservedGeneration: 1, Slug: "acme", Namespace: "org-acme"},
	}
	s := &story{Settings: testSettings(t), world: &world{organisation: o, now: start.Add(time.Minute)}}
	s.terms = access.NewTerms(o, s.Naming)
	s.invitation = &enrolv1alpha1.Invitation{
		ObjectMeta: metav1.ObjectMeta{
			Name: "kim", Namespace: "org-acme", UID: "1dee3345-34ca-4cea-9c75-c707cbb96388", Generation: 1,
			CreationTimestamp: metav1.NewTime(start),
		},
		Spec: enrolv1alpha1.InvitationSpec{
			Email: "kim@example.com", Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper},
			Projects:  enrolv1alpha1.Projects{"acme-web"},
			InvitedBy: enrolv1alpha1.Inviter{Username: "ada@example.com", Email: "ada@example.com"},
		},
		Status: enrolv1alpha1.InvitationStatus{ObservedGeneration: -1},
	}
	return s
}

// pass writes the status as the operator would.
func (s *story) pass() *decision {
	d := decide(s.world, s.Settings)
	s.invitation.Status = d.status
	return d
}

// sent is an Invitation whose mail ends so.
func (s *story) sent(failure enrolv1alpha1.MailFailure, said string) {
	s.pass()
	s.end(failure, said)
}

func (s *story) end(failure enrolv1alpha1.MailFailure, said string) {
	s.now = s.now.Add(time.Second)
	s.delivery = &delivery{
		number: s.invitation.Status.SendNumber, attempt: s.invitation.Status.Mail.Attempts, ended: s.now, failure: failure, message: said,
	}
	s.pass()
}

func (s *story) resend(after time.Duration) {
	s.now = s.now.Add(after)
	s.invitation.Annotations = map[string]string{enrolv1alpha1.AnnotationResend: s.now.Format(time.RFC3339)}
	s.pass()
}

// answer is Kim's.
func (s *story) answer() *enrolv1alpha1.InvitationAnswer {
	s.now = s.now.Add(time.Hour)
	return &enrolv1alpha1.InvitationAnswer{
		Username: "kim@example.com", Email: "kim@example.com", Time: metav1.NewTime(s.now),
	}
}

func (s *story) accept() {
	s.sent("", "")
	s.invitation.Status.AcceptedBy = s.answer()
}

func (s *story) carriedOut() {
	s.accept()
	made := s.promised()
	made.UID, made.Generation = "b5bb9d80-14a0-4f9b-9d3e-5d1e1a1c7d11", 1
	s.members = append(s.members, made)
	s.pass()
	made.Spec.Suspend = false
	made.Generation = 2
	s.pass()
}

func (s *story) expire() {
	s.sent("", "")
	s.now = s.invitation.Status.ExpireTime.Time
	s.pass()
}

// keep has Git track the Invitation, long after it was finished.
func (s *story) keep() {
	s.invitation.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "acme:enrol.dev/Invitation:org-acme/kim"}
	s.now = s.now.Add(365 * 24 * time.Hour)
	s.pass()
}

func (s *story) spec() *enrolv1alpha1.InvitationSpec { return &s.invitation.Spec }

func (s *story) policy() *enrolv1alpha1.InvitationPolicy { return &s.organisation.Spec.Invitations }

// TestStates keeps an Invitation of every state, for those who judge it from outside.
func TestStates(t *testing.T) {
	cases := map[string]func(*story){
		"fresh":                func(*story) {},
		"sending":              func(s *story) { s.pass() },
		"pending":              func(s *story) { s.sent("", "") },
		"pending-without-mail": func(s *story) { s.spec().SendEmail = new(false); s.pass() },
		"pending-resend-refused": func(s *story) {
			s.sent("", "")
			s.resend(time.Second)
		},
		"pending-templates-broken": func(s *story) {
			s.pass()
			s.delivery = &delivery{number: 1, attempt: 1, ended: s.now, templates: `template: body.txt:3: function "inviter" not defined`}
			s.pass()
		},
		"changed": func(s *story) {
			s.sent("", "")
			s.invitation.Generation++
			s.spec().SignInURL = "https://enrol.example.com/hello"
		},
		"accepted":      func(s *story) { s.carriedOut() },
		"accepted-kept": func(s *story) { s.carriedOut(); s.keep() },
		"accepting":     func(s *story) { s.accept(); s.pass() },
		"already-member": func(s *story) {
			s.members = []*enrolv1alpha1.Member{{ObjectMeta: metav1.ObjectMeta{Name: "kim"}}}
			s.pass()
		},
		"declined": func(s *story) {
			s.sent("", "")
			s.invitation.Status.DeclinedBy = s.answer()
			s.pass()
		},
		"revoked": func(s *story) {
			s.sent("", "")
			s.spec().Revoked = true
			s.invitation.Generation++
			s.pass()
		},
		"expired":      func(s *story) { s.expire() },
		"expired-kept": func(s *story) { s.expire(); s.keep() },
		"mail-deferred": func(s *story) {
			s.sent(enrolv1alpha1.MailDeferred, "451 4.7.1 Greylisted, please try again later")
		},
		"mail-refused": func(s *story) { s.sent(enrolv1alpha1.MailRefused, "550 5.1.1 No such user") },
		"mail-unconfirmed": func(s *story) {
			s.sent(enrolv1alpha1.MailUnconfirmed, "connection reset by peer")
			s.now = s.now.Add(time.Minute)
			s.sent(enrolv1alpha1.MailUnconfirmed, "connection reset by peer")
		},
		"mail-server-unusable": func(s *story) {
			s.sent(enrolv1alpha1.MailUnusable, "tls: certificate is not valid for smtp.example.com")
		},
		"mail-not-configured": func(s *story) { s.MailDomain = ""; s.pass() },
		"no-key":              func(s *story) { s.keyErr = errors.New("no such file: /etc/enrol/token-keys/current"); s.pass() },
		"rate-limited":        func(s *story) { s.exhausted = s.now.Add(5 * time.Hour); s.pass() },
		"domain-not-allowed": func(s *story) {
			s.policy().AllowedEmailDomains = []string{"example.org"}
			s.pass()
		},
		"link-not-allowed": func(s *story) { s.spec().AcceptURL = "https://elsewhere.example.net/join"; s.pass() },
		"already-invited": func(s *story) {
			older := s.invitation.DeepCopy()
			older.Name, older.UID, older.CreationTimestamp = "kim-first", "other", metav1.NewTime(start.Add(-time.Hour))
			s.rivals = []enrolv1alpha1.Invitation{*older}
			s.pass()
		},
		"inviter-may-not-grant": func(s *story) {
			s.accept()
			s.review = &review{missing: []string{"organisationroles.enrol.dev/developer"}}
			s.pass()
		},
		"not-acceptable": func(s *story) {
			// What the API server says to the write that the decision asks for, as apply puts it.
			s.accept()
			d := s.pass()
			d.say(s.world, condition.Stalled(enrolv1alpha1.ReasonNotAcceptable,
				`accepted, and not carried out: members.enrol.dev "m-a1" is forbidden: exceeded quota: members`))
			s.invitation.Status = d.status
		},
		"managed-by-gitops": func(s *story) {
			s.spec().Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}
			s.organisation.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "acme"}
			s.pass()
		},
		"unknown-role":  func(s *story) { s.spec().Roles = []enrolv1alpha1.RoleName{"gardener"}; s.pass() },
		"unknown-group": func(s *story) { s.spec().Groups = []enrolv1alpha1.GroupName{"gardeners"}; s.pass() },
		"organisation-missing": func(s *story) {
			s.organisation, s.terms = nil, nil
			s.pass()
		},
		"organisation-stalled":  func(s *story) { s.organisation.Status.Slug = ""; s.pass() },
		"policies-missing":      func(s *story) { s.hold = testenv.PoliciesMissing(); s.pass() },
		"installation-outdated": func(s *story) { s.hold = testenv.InstallationOutdated(); s.pass() },
		"progressing":           func(s *story) { s.organisation.Generation++; s.pass() },
	}
	states := map[string]*enrolv1alpha1.Invitation{}
	for state, happen := range cases {
		s := newStory(t)
		happen(s)
		states[state] = s.invitation
	}
	testenv.States(t, states)
}
