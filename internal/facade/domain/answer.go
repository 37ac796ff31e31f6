package domain

import (
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/token"
)

// Accept records that the caller accepts, and returns the invitation as it was. The operator then makes the Member. With
// an organisation, the invitation must be of that one.
func (d *Domain) Accept(ctx context.Context, caller *identity.Caller, o *Organisation, id string) (*Invitation, error) {
	return d.answer(ctx, proven(caller), o, id, d.accept)
}

func (d *Domain) accept(a *invitation.Attempt) (*enrolv1alpha1.Invitation, error) {
	if err := d.ownersCanChange(a); err != nil {
		return nil, err
	}
	return a.Accept()
}

// Decline records that the caller declines.
func (d *Domain) Decline(ctx context.Context, caller *identity.Caller, o *Organisation, id string) (*Invitation, error) {
	return d.answer(ctx, proven(caller), o, id, (*invitation.Attempt).Decline)
}

// Join is Accept that waits until the membership exists. Whoever has accepted before only waits.
func (d *Domain) Join(ctx context.Context, caller *identity.Caller, id string) (*Membership, error) {
	return d.join(ctx, proven(caller), id)
}

func (d *Domain) join(ctx context.Context, by *Person, id string) (*Membership, error) {
	view, err := d.answer(ctx, by, nil, id, d.accept)
	if own, ok := errors.AsType[*ownAnswerError](err); ok {
		view, err = &Invitation{Organisation: own.organisation, object: own.invitation}, nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var joined *Membership
	err = d.Store.Await(ctx, func() bool {
		o, err := d.Find(Ref{UID: view.Organisation.ID()})
		if err != nil {
			return false
		}
		joined = d.Own(o, by.Caller)
		return joined != nil && !joined.begun(view.object) && (joined.Owner || !view.object.Spec.Owns())
	})
	if err != nil {
		return nil, fault.New(fault.Timeout, "accepted; the membership is not there yet")
	}
	return joined, nil
}

// begun tells whether the membership gives nothing yet, because the operator has made it of an invitation and is not done. One that
// somebody has suspended is done.
func (m *Membership) begun(of *enrolv1alpha1.Invitation) bool {
	return m.Suspended && slices.ContainsFunc(m.members, func(member *enrolv1alpha1.Member) bool {
		return member.Annotations[enrolv1alpha1.AnnotationInvitation] == string(of.UID)
	})
}

// ownAnswerError is an invitation that the caller has accepted already.
type ownAnswerError struct {
	organisation *Organisation
	invitation   *enrolv1alpha1.Invitation
}

func (*ownAnswerError) Error() string { return "the caller has accepted it already" }

// Person is who answers an invitation.
type Person struct {
	invitation.Person

	Caller *identity.Caller
	// Token is what the token of the mail says that the person has; nil for none.
	Token *token.Claims
}

// proven is a caller whose address the identity provider vouches for.
func proven(caller *identity.Caller) *Person {
	return &Person{Caller: caller, Person: invitation.Person{
		Username: caller.Name, Email: caller.VerifiedEmail, EmailVerified: caller.VerifiedEmail != "",
	}}
}

// mayAnswer tells whether the person can have to do with an Invitation at all; the Attempt looks closer.
func (p *Person) mayAnswer(i *enrolv1alpha1.Invitation) bool {
	return p.Username != "" && (p.EmailVerified || p.Token != nil) && invitation.SameAddress(p.Email, string(i.Spec.Email))
}

type attempt func(*invitation.Attempt) (*enrolv1alpha1.Invitation, error)

// answer reads past the caches, so that nobody answers what was answered or withdrawn, and writes on the condition that
// nothing has changed since.
func (d *Domain) answer(
	ctx context.Context, by *Person, o *Organisation, id string, try attempt,
) (*Invitation, error) {
	cached := d.Store.InvitationByUID(strings.ToLower(id))
	if cached == nil {
		return nil, errNoInvitation
	}
	home := d.home(cached)
	if home == nil || o != nil && o.UID != home.UID {
		return nil, errNoInvitation
	}
	if !by.mayAnswer(cached) {
		return nil, errNotYours
	}
	lost := false
	return retried(func() (*Invitation, error) {
		live, err := d.opened(ctx, cached)
		if err != nil {
			return nil, err
		}
		organisation := &enrolv1alpha1.Organisation{}
		if err := d.Store.Live(ctx, "", home.Name, organisation); err != nil {
			return nil, fault.OfSelf(err)
		}
		home = d.organisation(organisation)
		answered, err := try(&invitation.Attempt{
			Invitation: live, Organisation: organisation, Links: d.Links, Now: d.Clock.Now(),
			Person: by.Person, Token: by.Token,
		})
		if err != nil {
			return nil, d.refusal(err, by.Caller, home, live, lost)
		}
		view := d.invitation(home, live)
		note(ctx, answered)
		err = d.Store.UpdateAnswer(ctx, by.Caller, answered)
		if apierrors.IsConflict(err) || apierrors.IsInvalid(err) {
			lost = true
			return nil, errOvertaken
		}
		return view, fault.OfSelf(err)
	})
}

var errNotYours = fault.New(fault.Forbidden, "the invitation is for another address than the one that the caller proves")

// opened is the Invitation past the cache, once the operator has opened it: one that is a moment old has no time to expire.
func (d *Domain) opened(ctx context.Context, cached *enrolv1alpha1.Invitation) (*enrolv1alpha1.Invitation, error) {
	live, err := d.liveInvitation(ctx, cached)
	if err != nil || live.Status.ExpireTime != nil {
		return live, err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = d.Store.Await(wait, func() bool {
		seen := d.Store.InvitationByUID(string(cached.UID))
		return seen == nil || seen.Status.ExpireTime != nil
	})
	if err != nil {
		return nil, fault.New(fault.Timeout, "the operator has not opened the invitation yet")
	}
	return d.liveInvitation(ctx, cached)
}

// refusal says what an answer means that must not be recorded. Lost is whether the caller was overtaken before.
//
//nolint:revive // lost is what happened, and not a switch of behaviour that a caller chooses.
func (d *Domain) refusal(
	err error, caller *identity.Caller, o *Organisation, i *enrolv1alpha1.Invitation, lost bool,
) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, invitation.ErrExpired):
		return fault.Wrap(fault.Expired, err)
	case errors.Is(err, invitation.ErrNotYours):
		return errNotYours
	case errors.Is(err, invitation.ErrNotAllowed):
		return fault.New(fault.Forbidden, "%s", err)
	}
	by := i.Status.AcceptedBy
	if by != nil && string(by.Username) == caller.Name {
		return errors.Join(errNoInvitation, &ownAnswerError{organisation: o, invitation: i})
	}
	if by != nil && lost {
		return fault.New(fault.Conflict, "somebody else has accepted it")
	}
	return errNoInvitation
}

// ownersCanChange says why an Invitation that leads to a change of owners cannot be carried out.
func (d *Domain) ownersCanChange(a *invitation.Attempt) error {
	spec := &a.Invitation.Spec
	if !spec.Owns() || invitation.StateOf(a.Invitation, &a.Organisation.Spec.Invitations, a.Now) != invitation.Open {
		return nil
	}
	if by := d.organisationKeptBy(a.Organisation); by != "" {
		return managedInGit("the organisation", by)
	}
	return d.canHandOver(a.Organisation, spec)
}

// canHandOver says why an inviter has no ownership to transfer.
func (d *Domain) canHandOver(o *enrolv1alpha1.Organisation, spec *enrolv1alpha1.InvitationSpec) error {
	inviter := strings.TrimPrefix(spec.InvitedBy.Username, d.Naming.UsernamePrefix)
	if spec.Type == enrolv1alpha1.InvitationTransferOwnership && !isOwner(o.Spec.Owners, inviter) {
		return fault.New(fault.Conflict, "the inviter is no owner any more")
	}
	return nil
}

// Recognise records the username of somebody who signs in with a verified address that Members have without a username. It
// says what failed; nothing that the caller wants depends on it.
func (d *Domain) Recognise(ctx context.Context, caller *identity.Caller) error {
	if caller.VerifiedEmail == "" {
		return nil
	}
	var failed []error
	for _, cached := range d.Store.MembersByEmail("", caller.VerifiedEmail) {
		if store.Username(cached) != "" || string(cached.Spec.Email) != caller.VerifiedEmail {
			continue
		}
		_, err := retried(func() (*enrolv1alpha1.Member, error) { return d.recognise(ctx, caller, cached) })
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (d *Domain) recognise(
	ctx context.Context, caller *identity.Caller, cached *enrolv1alpha1.Member,
) (*enrolv1alpha1.Member, error) {
	live := &enrolv1alpha1.Member{}
	if err := d.Store.Live(ctx, cached.Namespace, cached.Name, live); err != nil {
		return nil, fault.OfSelf(err)
	}
	if live.UID != cached.UID || store.Username(live) != "" || string(live.Spec.Email) != caller.VerifiedEmail {
		return live, nil
	}
	live.Status.Username = enrolv1alpha1.Username(caller.Name)
	live.Status.UsernameEmail = live.Spec.Email
	err := d.Store.UpdateUsername(ctx, caller, live)
	if apierrors.IsConflict(err) {
		return nil, errOvertaken
	}
	return live, fault.OfSelf(err)
}
