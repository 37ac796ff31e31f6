package invitation

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/fresh"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/quota"
)

const (
	// indexAddress finds Invitations by the address that they invite, and Members by their address.
	indexAddress = "address"
	// indexUsername finds Members by the username that they are bound by.
	indexUsername = "username"

	asItIs = client.DisableReadYourWritesConsistency
)

// world is all that a pass over one Invitation looks at. What it points to belongs to the cache and must not be changed.
type world struct {
	invitation *enrolv1alpha1.Invitation
	// organisation is nil when there is none, or one that is being deleted.
	organisation *enrolv1alpha1.Organisation
	// terms of the Organisation, nil when there is none.
	terms *access.Terms
	// rivals are all Invitations for the same address in the namespace, this one included.
	rivals []enrolv1alpha1.Invitation
	// members are the Members of the address and, once it is accepted, those of whoever accepted. Those that are being
	// deleted or have expired are not among them: who has no access any more can be invited again.
	members []*enrolv1alpha1.Member
	// inviterMembers are the Members of whoever hands ownership over, expired ones too: whose membership was to end gets none
	// without an end by stepping down. Only there once that is accepted.
	inviterMembers []*enrolv1alpha1.Member
	// lapsed are the Members of the person that have expired. They stay as they are, and so do their names.
	lapsed []*enrolv1alpha1.Member
	// delivery is what this process knows of the mail; nil for nothing.
	delivery *delivery
	// review is what the inviter may not grant; nil when it was not asked.
	review *review
	// exhausted is until when the organisation may cause no more mails; zero when it may.
	exhausted time.Time
	// keyErr says why there is no key to make links with; nil when there is.
	keyErr error
	// hold is why nobody is to be given anything new; nil for no reason.
	hold *preflight.Finding
	now  time.Time
}

// review is the answer of the API server to what the inviter may grant.
type review struct {
	// missing are the grants that the inviter does not hold.
	missing []string
}

// gather reads the world. An error leaves nothing to decide from. It returns nil when the Invitation is gone.
func (r *Reconciler) gather(ctx context.Context, key types.NamespacedName) (*world, error) {
	w := &world{invitation: &enrolv1alpha1.Invitation{}, hold: r.guard.Hold(), now: r.clock.Now()}
	if err := fresh.Get(ctx, r.client, key, w.invitation); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading the Invitation: %w", err)
	}
	if !w.invitation.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	if err := r.gatherOrganisation(ctx, w); err != nil {
		return nil, err
	}
	if err := r.gatherPeople(ctx, w); err != nil {
		return nil, err
	}
	if w.delivery = r.postman.look(w.invitation); w.delivery != nil && recorded(w.invitation, w.delivery) {
		r.postman.forget(key)
	}
	if w.invitation.Spec.Mails() {
		_, w.keyErr = r.keys.Ring()
	}
	if w.organisation != nil {
		policy := &w.organisation.Spec.Invitations
		taken, _, again := quota.Take(w.organisation.Status.Mails, quota.Max(policy), 1, w.now)
		w.exhaust(taken, again)
	}
	return w, r.gatherReview(ctx, w)
}

// exhaust notes that no mail was left.
func (w *world) exhaust(taken int, again time.Time) {
	switch {
	case taken > 0:
		w.exhausted = time.Time{}
	case again.IsZero():
		w.exhausted = w.now.Add(never)
	default:
		w.exhausted = again
	}
}

func (r *Reconciler) gatherOrganisation(ctx context.Context, w *world) error {
	name, ok := strings.CutPrefix(w.invitation.Namespace, enrolv1alpha1.HomeNamespacePrefix)
	if !ok {
		return nil
	}
	organisation := &enrolv1alpha1.Organisation{}
	read := func() error { return r.client.Get(ctx, types.NamespacedName{Name: name}, organisation, asItIs) }
	if w.invitation.Status.AcceptedBy != nil {
		// Whether the owners are as they shall be must not be decided from before they were changed.
		read = func() error { return fresh.Get(ctx, r.client, types.NamespacedName{Name: name}, organisation) }
	}
	if err := read(); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the Organisation: %w", err)
	} else if err == nil && organisation.DeletionTimestamp.IsZero() {
		w.organisation = organisation
		w.terms = access.NewTerms(organisation, r.settings.Naming)
	}
	return nil
}

func (r *Reconciler) gatherPeople(ctx context.Context, w *world) error {
	i := w.invitation
	var rivals enrolv1alpha1.InvitationList
	if err := r.client.List(ctx, &rivals, client.InNamespace(i.Namespace),
		client.MatchingFields{indexAddress: string(i.Spec.Email)}, asItIs); err != nil {
		return fmt.Errorf("listing the Invitations for the address: %w", err)
	}
	w.rivals = rivals.Items
	found, err := r.membersBy(ctx, i.Namespace, indexAddress, string(i.Spec.Email))
	if err != nil {
		return err
	}
	w.members = w.current(found)
	by := i.Status.AcceptedBy
	if by == nil {
		return nil
	}
	more, err := r.membersBy(ctx, i.Namespace, indexUsername, string(by.Username))
	if err != nil {
		return err
	}
	w.members = append(w.members, w.current(more)...)
	if i.Spec.Type != enrolv1alpha1.InvitationTransferOwnership {
		return nil
	}
	w.inviterMembers, err = r.membersBy(ctx, i.Namespace, indexUsername, r.settings.inviter(i))
	return err
}

// current are those that have not expired, and those that somebody has suspended: an end that was set does not end a suspension.
// The others are lapsed.
func (w *world) current(members []*enrolv1alpha1.Member) (current []*enrolv1alpha1.Member) {
	for _, m := range members {
		if m.Expired(w.now) && !m.Spec.Suspend {
			w.lapsed = append(w.lapsed, m)
		} else {
			current = append(current, m)
		}
	}
	return current
}

func (r *Reconciler) membersBy(ctx context.Context, namespace, index, value string) ([]*enrolv1alpha1.Member, error) {
	var found enrolv1alpha1.MemberList
	if err := fresh.List(ctx, r.client, &found, client.InNamespace(namespace), client.MatchingFields{index: value}); err != nil {
		return nil, fmt.Errorf("listing the Members of a person: %w", err)
	}
	var members []*enrolv1alpha1.Member
	for i := range found.Items {
		if m := &found.Items[i]; m.DeletionTimestamp.IsZero() {
			members = append(members, m)
		}
	}
	return members, nil
}

// recorded tells whether the status says what became of a delivery, or speaks of a later one.
func recorded(i *enrolv1alpha1.Invitation, d *delivery) bool {
	mail := i.Status.Mail
	return mail == nil || i.Status.SendNumber > d.number || mail.Attempts > d.attempt ||
		mail.HandedOverTime != nil || mail.Failure != ""
}
