package invitation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Settings are what a platform team tells the operator at its start.
type Settings struct {
	Naming subject.Naming
	Links  invitation.Links
	// Tracking says how to see what is kept in Git.
	Tracking gitops.Tracking
	// MailDomain is the domain of Message-IDs. Without one, no mail can be sent.
	MailDomain string
}

// inviter is who invites, by the username that a Member or an owner has: without the API server's prefix.
func (s *Settings) inviter(i *enrolv1alpha1.Invitation) string {
	return strings.TrimPrefix(i.Spec.InvitedBy.Username, s.Naming.UsernamePrefix)
}

// decision is what a pass wants done: in this order, and of the rest nothing if one of them fails.
type decision struct {
	// create are Members to make.
	create []*enrolv1alpha1.Member
	// owners that the Organisation shall have; nil: as they are.
	owners []enrolv1alpha1.Owner
	// resume are Members that shall no longer be suspended.
	resume []*enrolv1alpha1.Member
	// counted is true when a mail must be counted before the status is written.
	counted bool
	// status that the Invitation shall have.
	status enrolv1alpha1.InvitationStatus
	// dispatch is true when a mail is to be sent once the status says so.
	dispatch bool
	// remove is true when the Invitation is to be deleted.
	remove bool
	// note is what happened, for an event; "" for nothing.
	note, noteReason string
	// wake is when to look again if nothing happens; zero: never.
	wake time.Time
}

const (
	// recheck is how often something is looked at again that is not watched.
	recheck = 5 * time.Minute
	// keyRecheck is how often a missing key is looked for.
	keyRecheck = 2 * time.Second
	// never is farther away than any Invitation lives.
	never = 100 * 365 * 24 * time.Hour
)

// decide says what is wanted in a world. It is pure.
func decide(w *world, s *Settings) *decision {
	i := w.invitation
	d := &decision{status: *i.Status.DeepCopy()}
	if d.status.ObservedGeneration != i.Generation {
		d.status.LastUpdateTime = &metav1.Time{Time: w.now}
	}
	d.status.ObservedGeneration = i.Generation
	policy := w.policy()
	if d.status.ExpireTime == nil {
		d.status.ExpireTime = &metav1.Time{Time: invitation.ExpireTime(i, policy)}
	}
	switch state := invitation.StateOf(i, policy, w.now); state {
	case invitation.Open:
		d.open(w, s)
	case invitation.Accepting:
		d.carryOut(w, s)
	case invitation.Expired:
		d.expired(w, s)
	case invitation.Accepted:
		d.resume = w.toResume(s)
		d.finish(w, s, enrolv1alpha1.InvitationAccepted)
	case invitation.AlreadyMember:
		d.finish(w, s, enrolv1alpha1.InvitationAlreadyMember)
	case invitation.Declined:
		d.finish(w, s, enrolv1alpha1.InvitationDeclined)
	case invitation.Revoked:
		d.finish(w, s, enrolv1alpha1.InvitationRevoked)
	}
	return d
}

// policy of the Organisation, or the defaults when there is none.
func (w *world) policy() *enrolv1alpha1.InvitationPolicy {
	if w.organisation == nil {
		return &enrolv1alpha1.InvitationPolicy{}
	}
	return &w.organisation.Spec.Invitations
}

// say sets what the conditions say.
func (d *decision) say(w *world, state condition.State) {
	if !state.Holds(d.status.Conditions, w.invitation.Generation) {
		d.status.Conditions = state.Set(d.status.Conditions, w.invitation.Generation, w.now)
	}
}

// also sets a condition besides the usual ones.
func (d *decision) also(w *world, conditionType, reason, message string) {
	meta.SetStatusCondition(&d.status.Conditions, metav1.Condition{
		Type: conditionType, Status: metav1.ConditionTrue, Reason: reason, Message: message,
		ObservedGeneration: w.invitation.Generation, LastTransitionTime: metav1.NewTime(w.now),
	})
}

func (d *decision) wakeAt(at time.Time) {
	if d.wake.IsZero() || at.Before(d.wake) {
		d.wake = at
	}
}

// event notes what happened.
func (d *decision) event(reason, note string) { d.noteReason, d.note = reason, note }

// open is an Invitation that waits to be sent, or for an answer.
func (d *decision) open(w *world, s *Settings) {
	d.wakeAt(d.status.ExpireTime.Time)
	d.take(w)
	if state, ok := w.outOfForce(); ok {
		if !w.inBetween() {
			d.say(w, state)
		}
		return
	}
	if w.isMember() {
		d.finish(w, s, enrolv1alpha1.InvitationAlreadyMember)
		d.event(enrolv1alpha1.ReasonAlreadyMember, "nothing is sent: there is a Member for the address already")
		return
	}
	if state, ok := w.obstacle(s); ok {
		d.say(w, state)
		return
	}
	switch {
	case d.status.SendNumber == 0:
		d.send(w, s)
	case w.resendRequested():
		d.resend(w, s)
	default:
		d.mailing(w)
	}
}

// expired is an Invitation that nobody answered in time. Only a resend changes that.
func (d *decision) expired(w *world, s *Settings) {
	if !w.resendRequested() {
		d.finish(w, s, enrolv1alpha1.InvitationExpired)
		return
	}
	_, waiting := w.outOfForce()
	_, obstacle := w.obstacle(s)
	switch {
	case waiting:
		d.finish(w, s, enrolv1alpha1.InvitationExpired)
	case w.invitation.Spec.Revoked:
		d.refuseResend(w, s, enrolv1alpha1.ReasonRevoked, "not sent again: the Invitation is revoked")
	case w.isMember():
		d.refuseResend(w, s, enrolv1alpha1.ReasonAlreadyMember, "not sent again: there is a Member for the address")
	case obstacle:
		state, _ := w.obstacle(s)
		d.refuseResend(w, s, state.Reason, "not sent again: "+state.Message)
	default:
		d.resend(w, s)
	}
}

// refuseResend leaves an expired Invitation as it is.
func (d *decision) refuseResend(w *world, s *Settings, reason, note string) {
	d.status.LastHandledResend = w.resendRequest()
	d.event(reason, note)
	d.finish(w, s, enrolv1alpha1.InvitationExpired)
}

// outOfForce says why nothing can be done for now.
func (w *world) outOfForce() (condition.State, bool) {
	o := w.organisation
	switch {
	case o == nil:
		return access.OrganisationMissing().State, true
	case w.hold != nil:
		// Whom an Invitation names as inviter is what its author says, where no policy sees to it.
		return w.hold.State(), true
	case o.Status.ObservedGeneration != o.Generation:
		return condition.InProgress(enrolv1alpha1.ReasonProgressing, "waiting for the Organisation"), true
	case o.Status.Slug == "" || o.Status.Namespace != w.invitation.Namespace:
		return condition.Stalled(enrolv1alpha1.ReasonOrganisationStalled, "the Organisation as a whole is refused"), true
	default:
		return condition.State{}, false
	}
}

// inBetween tells whether an Organisation that was in force has merely changed and waits for its pass, so that what the
// Invitation says stands: it would say so again in a moment, and two writes for each open one would be for nothing.
func (w *world) inBetween() bool {
	o, i := w.organisation, w.invitation
	said := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady)
	return w.hold == nil && o != nil && o.Status.ObservedGeneration > 0 && o.Status.ObservedGeneration != o.Generation &&
		said != nil && said.ObservedGeneration == i.Generation
}

// isMember tells whether the person has what the Invitation gives. Members may be invited to ownership.
func (w *world) isMember() bool {
	if !w.invitation.Spec.Owns() && len(w.members) > 0 {
		return true
	}
	return w.invitation.Spec.Type != enrolv1alpha1.InvitationTransferOwnership &&
		slices.ContainsFunc(w.organisation.Spec.Owners, func(o enrolv1alpha1.Owner) bool {
			return o.Email == w.invitation.Spec.Email
		})
}

// obstacle says what somebody has to change before the Invitation can be sent or answered.
func (w *world) obstacle(s *Settings) (condition.State, bool) {
	i, policy := w.invitation, w.policy()
	if other := w.precedent(); other != "" {
		return condition.Stalled(enrolv1alpha1.ReasonAlreadyInvited, fmt.Sprintf(
			"Invitation %s for the address is open: revoke or delete it, or resend it in the place of this one", other)), true
	}
	if err := invitation.CheckDomain(i.Spec.Email, policy); err != nil {
		return condition.Stalled(enrolv1alpha1.ReasonDomainNotAllowed, err.Error()), true
	}
	if err := s.Links.Check(&i.Spec, policy); err != nil {
		return condition.Stalled(enrolv1alpha1.ReasonLinkNotAllowed, err.Error()), true
	}
	if state, ok := w.ownershipObstacle(s); ok {
		return state, true
	}
	if roles, makes := i.Spec.MemberRoles(); makes {
		promised := &enrolv1alpha1.Member{Spec: enrolv1alpha1.MemberSpec{
			Email: i.Spec.Email, Roles: roles, Groups: i.Spec.Groups,
		}}
		if verdict := w.terms.Judge(promised, w.now); verdict.State.IsStalled() {
			return verdict.State, true
		}
	}
	if i.Spec.Mails() && s.MailDomain == "" {
		return condition.Stalled(enrolv1alpha1.ReasonMailNotConfigured,
			"the operator was not told how to send mail: see its flag --mail-transport, or set sendEmail: false"), true
	}
	return condition.State{}, false
}

// ownershipObstacle says why an Invitation must not lead to a change of owners.
func (w *world) ownershipObstacle(s *Settings) (condition.State, bool) {
	i := w.invitation
	if !i.Spec.Owns() {
		return condition.State{}, false
	}
	if keeper := s.Tracking.KeptBy(w.organisation, organisationKind); keeper != "" {
		return condition.Stalled(enrolv1alpha1.ReasonManagedByGitOps, fmt.Sprintf(
			"the Organisation is kept by %s: its owners change there", keeper)), true
	}
	if i.Spec.Type == enrolv1alpha1.InvitationTransferOwnership && !w.owns(s.inviter(i)) {
		return condition.Stalled(enrolv1alpha1.ReasonInviterMayNotGrant, fmt.Sprintf(
			"%s is no owner, and can hand no ownership over", i.Spec.InvitedBy.Username)), true
	}
	return condition.State{}, false
}

var organisationKind = enrolv1alpha1.SchemeGroupVersion.WithKind("Organisation").GroupKind()

func (w *world) owns(username string) bool {
	return slices.ContainsFunc(w.organisation.Spec.Owners, func(o enrolv1alpha1.Owner) bool {
		return string(o.Username) == username
	})
}

// precedent is the name of the open Invitation that goes before this one, "" for none: one that was sent before one
// that was not, then the older, then by name.
func (w *world) precedent() string {
	for k := range w.rivals {
		other := &w.rivals[k]
		if other.UID == w.invitation.UID || !other.DeletionTimestamp.IsZero() {
			continue
		}
		switch invitation.StateOf(other, w.policy(), w.now) {
		case invitation.Open, invitation.Accepting:
			if before(other, w.invitation) {
				return other.Name
			}
		default:
		}
	}
	return ""
}

func before(a, b *enrolv1alpha1.Invitation) bool {
	// A finished one that is to be sent again has been overtaken by any open one.
	aSent, bSent := a.Status.SendNumber > 0, b.Status.SendNumber > 0 && b.Status.Outcome == ""
	if aSent != bSent {
		return aSent
	}
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 && b.Status.Outcome == "" {
		return c < 0
	}
	return b.Status.Outcome != "" || a.Name < b.Name
}

// finish says how the Invitation ended, and deletes it when it was kept for long enough.
func (d *decision) finish(w *world, s *Settings, outcome enrolv1alpha1.InvitationOutcome) {
	d.wake = time.Time{}
	if d.status.Outcome != outcome || d.status.CompletionTime == nil {
		d.status.Outcome = outcome
		d.status.CompletionTime = &metav1.Time{Time: w.now}
		if outcome == enrolv1alpha1.InvitationExpired {
			d.status.CompletionTime = d.status.ExpireTime
		}
	}
	d.say(w, condition.Ready(string(outcome), d.epitaph(w)))
	due := d.status.CompletionTime.Add(invitation.Retention(w.policy(), outcome))
	if len(d.resume) > 0 {
		d.wakeAt(w.now)
		return
	}
	if w.organisation == nil {
		// Whoever makes the Organisation anew finds its Invitations; nothing is lost by keeping them.
		return
	}
	if w.now.Before(due) {
		meta.RemoveStatusCondition(&d.status.Conditions, enrolv1alpha1.ConditionRetainedByGitOps)
		d.wakeAt(due)
		return
	}
	if keeper := s.Tracking.KeptBy(w.invitation, invitationKind); keeper != "" {
		d.also(w, enrolv1alpha1.ConditionRetainedByGitOps, enrolv1alpha1.ReasonTrackedByGit, fmt.Sprintf(
			"due to be deleted, and not: it is kept by %s, which would make it anew. Remove it there", keeper))
		return
	}
	meta.RemoveStatusCondition(&d.status.Conditions, enrolv1alpha1.ConditionRetainedByGitOps)
	// Not before everybody could read how it ended.
	d.remove = w.invitation.Status.Outcome == outcome
	d.wakeAt(w.now)
}

var invitationKind = enrolv1alpha1.SchemeGroupVersion.WithKind("Invitation").GroupKind()

// epitaph is what the conditions of a finished Invitation say.
func (d *decision) epitaph(w *world) string {
	at := func(t *metav1.Time) string { return t.UTC().Format(time.RFC3339) }
	switch d.status.Outcome {
	case enrolv1alpha1.InvitationAccepted:
		return fmt.Sprintf("%s accepted at %s", d.status.AcceptedBy.Username, at(&d.status.AcceptedBy.Time))
	case enrolv1alpha1.InvitationAlreadyMember:
		return "there is a Member, or an owner, for the address already"
	case enrolv1alpha1.InvitationDeclined:
		return fmt.Sprintf("%s declined at %s", d.status.DeclinedBy.Username, at(&d.status.DeclinedBy.Time))
	case enrolv1alpha1.InvitationRevoked:
		return "withdrawn by spec.revoked"
	default:
		text := "nobody answered until " + at(d.status.ExpireTime)
		if w.invitation.Spec.Revoked {
			text += "; revoked since"
		}
		return text
	}
}
