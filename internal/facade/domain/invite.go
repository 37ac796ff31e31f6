package domain

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/quota"
)

// Invite is a person to invite.
type Invite struct {
	Email string
	// Roles; none: the default role with type Join, none with TransferOwnership.
	Roles []enrolv1alpha1.RoleName
	Type  enrolv1alpha1.InvitationType
	// Projects by name; nil: all.
	Projects []string
	// SendEmail; nil: a mail is sent.
	SendEmail *bool
	// AcceptURL and SignInURL are where the links in the mail lead; "": Enrol's own page, and no second link.
	AcceptURL, SignInURL string
}

// maxRoles is what an Invitation takes.
const maxRoles = 8

// Invite invites a person.
func (d *Domain) Invite(ctx context.Context, caller *identity.Caller, o *Organisation, wanted Invite) (*Invitation, error) {
	spec, err := d.invitationSpec(caller, o, wanted)
	if err != nil {
		return nil, err
	}
	d.Store.SettleFor(ctx, caller.Username, string(spec.Email))
	if err := d.need(ctx, caller, o, invitationGrants(spec)...); err != nil {
		return nil, err
	}
	if err := invitation.CheckDomain(spec.Email, &o.Spec.Invitations); err != nil {
		return nil, fault.New(fault.Forbidden, "%s", err)
	}
	if err := d.recordGroups(ctx, caller, o, spec); err != nil {
		return nil, err
	}
	return retried(func() (*Invitation, error) { return d.createInvitation(ctx, caller, o, spec) })
}

// invitationSpec checks the values.
func (d *Domain) invitationSpec(
	caller *identity.Caller, o *Organisation, wanted Invite,
) (*enrolv1alpha1.InvitationSpec, error) {
	var details []fault.Detail
	email, err := address.Parse(wanted.Email)
	if err != nil {
		details = append(details, bad(fault.Email, err.Error()))
	}
	// What is known is little, and can be sorted; a body has room for thousands of names.
	roles, unknown := wanted.Roles, o.known(wanted.Roles)
	if unknown == nil {
		roles = o.strongest(roles)
	}
	if len(roles) == 0 && wanted.Type != enrolv1alpha1.InvitationTransferOwnership {
		roles = []enrolv1alpha1.RoleName{o.DefaultRole()}
	}
	spec := &enrolv1alpha1.InvitationSpec{
		Email: email, Roles: roles, Type: wanted.Type, SendEmail: wanted.SendEmail,
		Projects:  enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		AcceptURL: wanted.AcceptURL, SignInURL: wanted.SignInURL, InvitedBy: caller.Inviter(),
	}
	if wanted.Projects != nil {
		var wrong []fault.Detail
		spec.Projects, wrong = d.chosen(o, wanted.Projects)
		details = append(details, wrong...)
	}
	details = append(details, d.badLinks(spec, &o.Spec.Invitations)...)
	if unknown != nil {
		details = append(details, detailsOf(unknown)...)
	} else if len(roles) > maxRoles {
		details = append(details, bad(fault.Role, "must be at most 8 roles"))
	}
	if len(details) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Details: details}
	}
	return spec, nil
}

// chosen are projects by name, each of which must be one of the organisation now.
func (d *Domain) chosen(o *Organisation, names []string) (enrolv1alpha1.Projects, []fault.Detail) {
	const most = 256 // The CRD takes no more.
	if len(names) == 0 || len(names) > most {
		return nil, []fault.Detail{bad(fault.Project, fmt.Sprintf("must be between 1 and %d projects", most))}
	}
	known := map[string]bool{}
	for _, project := range d.Projects(o) {
		known[project.Name] = true
	}
	var projects enrolv1alpha1.Projects
	for _, name := range names {
		if !known[name] {
			return nil, []fault.Detail{bad(fault.Project, "must be projects of the organisation")}
		}
		projects = append(projects, enrolv1alpha1.Project(name))
	}
	return projects, nil
}

// badLinks are the links that the organisation does not allow.
func (d *Domain) badLinks(spec *enrolv1alpha1.InvitationSpec, policy *enrolv1alpha1.InvitationPolicy) (details []fault.Detail) {
	for _, link := range []struct {
		field fault.Field
		spec  enrolv1alpha1.InvitationSpec
	}{
		{fault.AcceptURL, enrolv1alpha1.InvitationSpec{AcceptURL: spec.AcceptURL}},
		{fault.SignInURL, enrolv1alpha1.InvitationSpec{AcceptURL: spec.SignInURL}},
	} {
		if link.spec.AcceptURL == "" {
			continue
		}
		if len(link.spec.AcceptURL) > maxURL || d.Links.Check(&link.spec, policy) != nil {
			details = append(details, bad(link.field, "must be a plain https URL of an origin that the organisation allows"))
		}
	}
	return details
}

// maxURL is what an Invitation takes, in bytes.
const maxURL = 2048

// recordGroups names the caller's groups in the Invitation only where the right to grant comes from one: they are asked for once
// more on acceptance, and are nobody's business otherwise.
func (d *Domain) recordGroups(
	ctx context.Context, caller *identity.Caller, o *Organisation, spec *enrolv1alpha1.InvitationSpec,
) error {
	for _, wanted := range invitationGrants(spec) {
		alone, err := d.Access.Alone(ctx, caller, o.HomeNamespace(), wanted)
		if err != nil {
			return fault.OfSelf(err)
		}
		if !alone {
			spec.InvitedBy.Groups = caller.RecordableGroups()
			return nil
		}
	}
	return nil
}

func (d *Domain) createInvitation(
	ctx context.Context, caller *identity.Caller, o *Organisation, spec *enrolv1alpha1.InvitationSpec,
) (*Invitation, error) {
	if err := d.mayBeInvited(ctx, caller, o, spec); err != nil {
		return nil, err
	}
	made := &enrolv1alpha1.Invitation{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.HomeNamespace(), Name: d.invitationName(o, string(spec.Email))},
		Spec:       *spec,
	}
	err := d.Store.Create(ctx, caller, made)
	if apierrors.IsAlreadyExists(err) {
		return nil, d.overtaken(ctx, o, made)
	}
	if err != nil {
		return nil, fault.OfCaller(err)
	}
	note(ctx, made)
	return d.invitation(o, made), nil
}

// invitationName is the next one for the address: of two callers at once, one gets it.
func (d *Domain) invitationName(o *Organisation, email string) string {
	highest := 0
	for _, i := range d.Store.InvitationsByEmail(o.HomeNamespace(), email) {
		if n, ok := naming.InvitationNumber(i.Name, email); ok {
			highest = max(highest, n)
		}
	}
	return naming.Invitation(email, highest+1)
}

// overtaken says what an Invitation of the name means that the cache does not know of.
func (d *Domain) overtaken(ctx context.Context, o *Organisation, made *enrolv1alpha1.Invitation) error {
	there := &enrolv1alpha1.Invitation{}
	err := d.Store.Live(ctx, made.Namespace, made.Name, there)
	if apierrors.IsNotFound(err) {
		return errOvertaken
	}
	if err != nil {
		return fault.OfSelf(err)
	}
	if view := d.invitation(o, there); view != nil && !view.Expired && there.Spec.Email == made.Spec.Email {
		return fault.New(fault.AlreadyInvited, "")
	}
	// It is on its way into the cache; the next name is free then.
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = d.Store.Await(wait, func() bool { return d.Store.InvitationByUID(string(there.UID)) != nil })
	return errOvertaken
}

// mayBeInvited says why an address must not be invited now.
func (d *Domain) mayBeInvited(
	ctx context.Context, caller *identity.Caller, o *Organisation, spec *enrolv1alpha1.InvitationSpec,
) error {
	if err := d.mayStand(o, spec); err != nil {
		return err
	}
	for _, i := range d.Store.InvitationsByEmail(o.HomeNamespace(), string(spec.Email)) {
		view := d.invitation(o, i)
		if view != nil && !view.Expired && d.stillOpen(ctx, o, i) {
			return fault.New(fault.AlreadyInvited, "")
		}
	}
	if !spec.Mails() {
		return nil
	}
	if d.withinQuota(o, 1+d.unsent(o)+d.Store.Unseen(caller.Username)) == nil {
		return nil
	}
	// It is close: now it matters what the caller wrote about others.
	d.Store.Settle(ctx, caller.Username)
	return d.withinQuota(o, 1+d.unsent(o))
}

// mayStand says why an invitation could not be carried out as things are, whether or not there is another one.
func (d *Domain) mayStand(o *Organisation, spec *enrolv1alpha1.InvitationSpec) error {
	if by := d.organisationKeptBy(o.Organisation); by != "" && spec.Owns() {
		return managedInGit("the organisation", by)
	}
	_, byEmail := d.look(o, "", string(spec.Email))
	if byEmail != nil && (byEmail.owner != nil || !spec.Owns()) {
		return fault.New(fault.AlreadyMember, "")
	}
	return nil
}

// unsent is how many mails are about to be sent, and not counted yet.
func (d *Domain) unsent(o *Organisation) int { return len(d.Store.Unsent(o.HomeNamespace())) }

// stillOpen makes sure that an Invitation which is in the way has not just been answered or deleted, which the cache does not know of
// yet.
func (d *Domain) stillOpen(ctx context.Context, o *Organisation, i *enrolv1alpha1.Invitation) bool {
	live := &enrolv1alpha1.Invitation{}
	err := d.Store.Live(ctx, i.Namespace, i.Name, live)
	if apierrors.IsNotFound(err) || err == nil && live.UID != i.UID {
		return false
	}
	view := d.invitation(o, live)
	return err != nil || view != nil && !view.Expired
}

// never is how long to stay away from an organisation that allows no mails.
const never = 24 * time.Hour

// withinQuota wants that many mails to be left for the organisation: the ones that are not counted yet, and one more.
func (d *Domain) withinQuota(o *Organisation, mails int) error {
	policy, now := &o.Spec.Invitations, d.Clock.Now()
	taken, _, again := quota.Take(o.Status.Mails, quota.Max(policy), mails, now)
	if taken == mails {
		return nil
	}
	after := again.Sub(now)
	if again.IsZero() {
		after = never
	}
	return &fault.Error{Kind: fault.RateLimited, Text: "the organisation has caused as many mails as it may", RetryAfter: after}
}

// Revoke deletes an invitation: its link is dead at once.
func (d *Domain) Revoke(ctx context.Context, caller *identity.Caller, o *Organisation, id string) error {
	view, err := d.invitationByID(o, id)
	if err != nil {
		return err
	}
	if err := d.need(ctx, caller, o, invitationGrants(&view.object.Spec)...); err != nil {
		return err
	}
	if by := d.invitationKeptBy(view.object); by != "" {
		return managedInGit("this invitation", by)
	}
	note(ctx, view.object)
	err = d.Store.Delete(ctx, caller, view.object.DeepCopy())
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return errNoInvitation
	}
	return fault.OfCaller(err)
}

// Resend is what a resend says besides the id: it must agree with the invitation.
type Resend struct {
	Email                string
	Type                 enrolv1alpha1.InvitationType
	AcceptURL, SignInURL string
}

// Resend sends an invitation once more, with new links, and returns it with its new time to expire.
func (d *Domain) Resend(
	ctx context.Context, caller *identity.Caller, o *Organisation, id string, wanted Resend,
) (*Invitation, error) {
	view, notFound := d.invitationByID(o, id)
	if err := d.checkResend(o, view, wanted); err != nil {
		return nil, err
	}
	if notFound != nil {
		return nil, notFound
	}
	if err := d.need(ctx, caller, o, invitationGrants(&view.object.Spec)...); err != nil {
		return nil, err
	}
	if err := invitation.CheckDomain(view.object.Spec.Email, &o.Spec.Invitations); err != nil {
		return nil, fault.New(fault.Forbidden, "%s", err)
	}
	if err := d.mayResend(o, view); err != nil {
		return nil, err
	}
	value := d.Clock.Now().UTC().Format(time.RFC3339Nano)
	changed, err := retried(func() (*enrolv1alpha1.Invitation, error) {
		live, err := d.liveInvitation(ctx, view.object)
		if err != nil {
			return nil, err
		}
		if live.Annotations[enrolv1alpha1.AnnotationResend] != view.object.Annotations[enrolv1alpha1.AnnotationResend] {
			return nil, d.askedAlready(live)
		}
		live.Spec.AcceptURL, live.Spec.SignInURL = wanted.AcceptURL, wanted.SignInURL
		if live.Annotations == nil {
			live.Annotations = map[string]string{}
		}
		live.Annotations[enrolv1alpha1.AnnotationResend] = value
		note(ctx, live)
		return live, fault.OfCaller(d.Store.Update(ctx, caller, live))
	})
	if err != nil {
		return nil, err
	}
	return d.awaitResend(ctx, o, changed, value)
}

// checkResend says what is wrong with the values of a resend, as far as that can be said when there is no invitation.
func (d *Domain) checkResend(o *Organisation, view *Invitation, wanted Resend) error {
	details := d.badLinks(&enrolv1alpha1.InvitationSpec{AcceptURL: wanted.AcceptURL, SignInURL: wanted.SignInURL}, &o.Spec.Invitations)
	email, err := address.Parse(wanted.Email)
	switch {
	case err != nil:
		details = append(details, bad(fault.Email, err.Error()))
	case view != nil && string(email) != view.Email:
		details = append(details, bad(fault.Email, "must be the address of the invitation"))
	}
	if view != nil && wanted.Type != view.Type {
		details = append(details, bad(fault.Type, "must be the type of the invitation"))
	}
	if len(details) > 0 {
		return &fault.Error{Kind: fault.Invalid, Details: details}
	}
	return nil
}

// mayResend says why it cannot be sent again now.
func (d *Domain) mayResend(o *Organisation, view *Invitation) error {
	if by := d.invitationKeptBy(view.object); by != "" {
		return managedInGit("this invitation", by)
	}
	if err := d.mayStand(o, &view.object.Spec); err != nil {
		return err
	}
	if err := d.canHandOver(o.Organisation, &view.object.Spec); err != nil {
		return err
	}
	others := d.Store.InvitationsByEmail(o.HomeNamespace(), view.Email)
	if view.Expired && slices.ContainsFunc(others, func(i *enrolv1alpha1.Invitation) bool {
		other := d.invitation(o, i)
		return other != nil && !other.Expired
	}) {
		return fault.New(fault.AlreadyInvited, "")
	}
	i, now := view.object, d.Clock.Now()
	if i.Status.SendNumber > invitation.MaxResends {
		return &fault.Error{Kind: fault.RateLimited, Text: "sent as often as it may be: make a new one", RetryAfter: never}
	}
	if earliest := invitation.EarliestResend(i); now.Before(earliest) {
		return &fault.Error{Kind: fault.RateLimited, Text: "resends must be a minute apart", RetryAfter: earliest.Sub(now)}
	}
	if i.Spec.Mails() {
		return d.withinQuota(o, 1)
	}
	return nil
}

func (d *Domain) liveInvitation(ctx context.Context, i *enrolv1alpha1.Invitation) (*enrolv1alpha1.Invitation, error) {
	live := &enrolv1alpha1.Invitation{}
	err := d.Store.Live(ctx, i.Namespace, i.Name, live)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fault.OfSelf(err)
	}
	if err != nil || live.UID != i.UID || !live.DeletionTimestamp.IsZero() {
		return nil, errNoInvitation
	}
	return live, nil
}

// awaitResend waits until the operator has taken the request up: from then on the new time to expire is true.
func (d *Domain) awaitResend(
	ctx context.Context, o *Organisation, i *enrolv1alpha1.Invitation, value string,
) (*Invitation, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var seen *enrolv1alpha1.Invitation
	err := d.Store.Await(ctx, func() bool {
		seen = d.Store.InvitationByUID(string(i.UID))
		return seen == nil || seen.Status.LastHandledResend == value || seen.Status.SendNumber > i.Status.SendNumber ||
			d.invitation(o, seen) == nil
	})
	if err != nil {
		return nil, fault.New(fault.Timeout, "the operator has not sent it again yet")
	}
	if seen == nil {
		return nil, errNoInvitation
	}
	view := d.invitation(o, seen)
	switch {
	case view == nil:
		return nil, errNoInvitation
	case seen.Status.SendNumber == i.Status.SendNumber || seen.Status.LastHandledResend != value:
		// The operator has refused, or has taken up what somebody else asked for at the same time.
		return nil, d.askedAlready(seen)
	}
	return view, nil
}

// askedAlready is the answer to whoever asks for a resend while somebody else does.
func (d *Domain) askedAlready(i *enrolv1alpha1.Invitation) error {
	after := invitation.EarliestResend(i).Sub(d.Clock.Now())
	if after <= 0 {
		after = invitation.ResendInterval
	}
	return &fault.Error{Kind: fault.RateLimited, Text: "not sent again: ask later", RetryAfter: after}
}
