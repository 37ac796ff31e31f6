// Package invitation holds what everybody who handles Invitations must agree on: where one stands, whom and where to an
// Organisation lets its mails go, and who may answer.
package invitation

import (
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// State is where an Invitation stands.
type State int

const (
	// Open waits to be sent, or for an answer.
	Open State = iota
	// Accepting was accepted; what it promises is being made.
	Accepting
	// Accepted was accepted and carried out.
	Accepted
	// AlreadyMember was for somebody who is a member without it.
	AlreadyMember
	// Declined was declined.
	Declined
	// Revoked was withdrawn.
	Revoked
	// Expired was not answered in time. A resend opens it again.
	Expired
)

var finished = map[enrolv1alpha1.InvitationOutcome]State{
	enrolv1alpha1.InvitationAccepted:      Accepted,
	enrolv1alpha1.InvitationAlreadyMember: AlreadyMember,
	enrolv1alpha1.InvitationDeclined:      Declined,
	enrolv1alpha1.InvitationRevoked:       Revoked,
	enrolv1alpha1.InvitationExpired:       Expired,
}

// StateOf is where an Invitation stands at a time, whether or not the operator has noticed yet. An answer that was
// recorded counts, since that was in time.
func StateOf(i *enrolv1alpha1.Invitation, policy *enrolv1alpha1.InvitationPolicy, now time.Time) State {
	if state, ok := finished[i.Status.Outcome]; ok {
		return state
	}
	switch {
	case i.Status.AcceptedBy != nil:
		return Accepting
	case i.Status.DeclinedBy != nil:
		return Declined
	case i.Spec.Revoked:
		return Revoked
	case !now.Before(ExpireTime(i, policy)):
		return Expired
	default:
		return Open
	}
}

// ExpireTime is from when on an Invitation can be answered no longer. Before the operator has seen it, the time counts
// from its creation. It is in whole seconds, as Kubernetes stores times.
func ExpireTime(i *enrolv1alpha1.Invitation, policy *enrolv1alpha1.InvitationPolicy) time.Time {
	if i.Status.ExpireTime != nil {
		return i.Status.ExpireTime.Time
	}
	return i.CreationTimestamp.Add(ValidFor(policy))
}

const (
	// ResendInterval is how far apart resends must be.
	ResendInterval = time.Minute
	// MaxResends of one Invitation.
	MaxResends = 5
)

// EarliestResend is from when on an Invitation may be sent again; zero: at any time.
func EarliestResend(i *enrolv1alpha1.Invitation) time.Time {
	if i.Status.SendTime == nil {
		return time.Time{}
	}
	return i.Status.SendTime.Add(ResendInterval)
}

const (
	day = 24 * time.Hour

	defaultValidFor  = 7 * day
	defaultRetention = 60 * day
)

// ValidFor is how long an Invitation can be answered after it was sent.
func ValidFor(policy *enrolv1alpha1.InvitationPolicy) time.Duration {
	return seconds(policy.ValidForSeconds, defaultValidFor)
}

// Retention is how long an Invitation of that outcome is kept. One for somebody who is a member already is kept as long
// as an unanswered one: it tells the inviter, and a tool that makes it anew from Git would otherwise never come to rest.
func Retention(policy *enrolv1alpha1.InvitationPolicy, outcome enrolv1alpha1.InvitationOutcome) time.Duration {
	if outcome == enrolv1alpha1.InvitationAccepted {
		return seconds(policy.AcceptedRetentionSeconds, 0)
	}
	return seconds(policy.ExpiredRetentionSeconds, defaultRetention)
}

func seconds(value *int64, otherwise time.Duration) time.Duration {
	if value == nil {
		return otherwise
	}
	return time.Duration(*value) * time.Second
}
