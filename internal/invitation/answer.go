package invitation

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/token"
)

// Reasons for an answer to be refused.
var (
	// ErrExpired: too late.
	ErrExpired = errors.New("the invitation has expired")
	// ErrRevoked: the invitation was withdrawn.
	ErrRevoked = errors.New("the invitation was revoked")
	// ErrAnswered: it was accepted or declined before.
	ErrAnswered = errors.New("the invitation was answered already")
	// ErrNotOpen: there is nothing to answer, or not yet.
	ErrNotOpen = errors.New("the invitation is not open")
	// ErrNotAllowed: the Organisation's rules forbid it; the error says which.
	ErrNotAllowed = errors.New("the organisation does not allow it")
	// ErrNotYours: the person did not prove to hold the address that is invited.
	ErrNotYours = errors.New("the invitation is for another address")
)

// Person is who answers, as the identity provider knows them.
type Person struct {
	// Username as the API server knows it, without the prefix that it puts in front.
	Username string
	// Email as it was given. It proves nothing unless EmailVerified, or together with the mailed token.
	Email string
	// EmailVerified is true only where the identity provider says so.
	EmailVerified bool
	// Issuer and Subject of the token that the person signed in with, "" when unknown.
	Issuer, Subject string
}

// Attempt is somebody's attempt to answer an Invitation.
type Attempt struct {
	// Invitation and Organisation as they are now: read past any cache.
	Invitation   *enrolv1alpha1.Invitation
	Organisation *enrolv1alpha1.Organisation
	Person       Person
	// Token is what the mailed token says, after its verification; nil for none.
	Token *token.Claims
	Links Links
	Now   time.Time
}

// Accept returns the Invitation with the acceptance recorded, for an update of its status with the resourceVersion that it
// was read with. It returns one of this package's errors, wrapped, when that must not be.
func (a *Attempt) Accept() (*enrolv1alpha1.Invitation, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := a.checkRules(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAllowed, err)
	}
	answered := a.Invitation.DeepCopy()
	answered.Status.AcceptedBy = a.answer()
	return answered, nil
}

// Decline is Accept for a refusal. The rules of the Organisation do not keep anybody from declining.
func (a *Attempt) Decline() (*enrolv1alpha1.Invitation, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	answered := a.Invitation.DeepCopy()
	answered.Status.DeclinedBy = a.answer()
	return answered, nil
}

func (a *Attempt) answer() *enrolv1alpha1.InvitationAnswer {
	return &enrolv1alpha1.InvitationAnswer{
		Username: enrolv1alpha1.Username(a.Person.Username),
		Email:    a.Invitation.Spec.Email,
		Issuer:   a.Person.Issuer, Subject: a.Person.Subject,
		Time: metav1.NewTime(a.Now),
	}
}

// check asks first for the proof: nobody learns from a refusal where somebody else's invitation stands.
func (a *Attempt) check() error {
	if err := a.checkProof(); err != nil {
		return err
	}
	switch StateOf(a.Invitation, &a.Organisation.Spec.Invitations, a.Now) {
	case Open:
	case Accepting, Accepted, Declined:
		return ErrAnswered
	case Revoked:
		return ErrRevoked
	case Expired:
		return ErrExpired
	case AlreadyMember:
		return ErrNotOpen
	}
	if a.Invitation.Status.ExpireTime == nil || a.isDuplicate() || !a.Invitation.DeletionTimestamp.IsZero() {
		return ErrNotOpen
	}
	return nil
}

// isDuplicate tells whether an older Invitation for the address is the one to answer.
func (a *Attempt) isDuplicate() bool {
	stalled := meta.FindStatusCondition(a.Invitation.Status.Conditions, enrolv1alpha1.ConditionStalled)
	return stalled != nil && stalled.Reason == enrolv1alpha1.ReasonAlreadyInvited
}

// checkProof wants the address, and either the identity provider's word for it or the mailed token of the latest send.
func (a *Attempt) checkProof() error {
	if !SameAddress(a.Person.Email, string(a.Invitation.Spec.Email)) || !a.Person.EmailVerified && !Proves(a.Token, a.Invitation) {
		return ErrNotYours
	}
	return nil
}

// Proves tells whether a token, after its verification, is that of the latest mail of an Invitation; nil is none.
func Proves(claims *token.Claims, i *enrolv1alpha1.Invitation) bool {
	return claims != nil && claims.Invitation == string(i.UID) && claims.SendNumber == i.Status.SendNumber &&
		claims.Address == token.HashAddress(string(i.Spec.Email)) &&
		i.Status.ExpireTime != nil && claims.Expire.Equal(i.Status.ExpireTime.Time)
}

func (a *Attempt) checkRules() error {
	policy := &a.Organisation.Spec.Invitations
	if err := CheckDomain(a.Invitation.Spec.Email, policy); err != nil {
		return err
	}
	return a.Links.Check(&a.Invitation.Spec, policy)
}

// SameAddress compares by ASCII letters only: to Unicode's folding, other letters look the same. No address is like none.
func SameAddress(a, b string) bool {
	return a != "" && lower(a) == lower(b)
}

func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
