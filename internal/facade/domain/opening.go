package domain

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/token"
)

// Ticket is what somebody comes with to see an invitation, or to answer it.
type Ticket struct {
	// Invitation is its id.
	Invitation string
	// Organisation is the id of the organisation that it must be of; "" for any.
	Organisation string
	// Token is that of the mail, "" for none.
	Token string
	// Person who has signed in; nil for nobody.
	Person *Person
}

// Standing is where an invitation stands for somebody.
type Standing int

const (
	// Waiting can be answered.
	Waiting Standing = iota
	// Foreign is for another address than the one that the person has signed in with, or has proved.
	Foreign
	// Mine was accepted by the person, or made a membership that the person has.
	Mine
	// Used was accepted, by somebody who did not sign in here, or was of no use to a member.
	Used
	// Declined was declined.
	Declined
	// Revoked was withdrawn.
	Revoked
	// Expired was not answered in time.
	Expired
	// Replaced is what an earlier mail has the token of.
	Replaced
	// Gone was finished some time ago, or is the younger of two.
	Gone
)

// Opening is an invitation as somebody sees it who proves that it is for them. Of a Foreign one, and of one that is Gone, only
// the standing is told.
type Opening struct {
	Standing     Standing
	Organisation *Organisation
	// Inviter is the address or else the username of who invites.
	Inviter string
	// Message of the inviter, "" for none.
	Message string
	// Transfer is true where the person becomes an owner in the place of the inviter.
	Transfer bool
	// Roles, strongest first, with the default one where none is named.
	Roles []enrolv1alpha1.RoleName
	// KubernetesRole in Projects.
	KubernetesRole enrolv1alpha1.KubernetesRole
	Projects       enrolv1alpha1.Projects
	Groups         []enrolv1alpha1.GroupName
	Expire         time.Time
}

// Opening is what a ticket leads to. A token is verified before anything is looked up, so that a forged one, one for an unknown
// invitation and one without a key to tell are the same NotFound after the same work. Without a token, somebody must have signed in:
// Unauthenticated otherwise.
func (d *Domain) Opening(ctx context.Context, t Ticket) (*Opening, error) {
	claims, err := d.claims(t)
	if err != nil {
		return nil, err
	}
	if claims == nil && t.Person == nil {
		return nil, fault.New(fault.Unauthenticated, "")
	}
	cached := d.Store.InvitationByUID(strings.ToLower(t.Invitation))
	if cached == nil {
		return d.gone(t, claims)
	}
	// A stranger does not cause a read, nor learns where the invitation stands.
	if claims == nil && (!t.Person.EmailVerified || !t.Person.mayAnswer(cached)) {
		return &Opening{Standing: Foreign}, nil
	}
	live, err := d.liveInvitation(ctx, cached)
	if errors.Is(err, errNoInvitation) {
		return d.gone(t, claims)
	}
	if err != nil {
		return nil, err
	}
	o := d.home(live)
	if o == nil || t.Organisation != "" && !strings.EqualFold(t.Organisation, o.ID()) {
		return nil, errNoInvitation
	}
	standing := d.standing(t.Person, claims, o, live)
	if standing == Foreign || standing == Gone {
		return &Opening{Standing: standing}, nil
	}
	return o.opening(live, standing), nil
}

// claims are those of the token of a ticket; nil for a ticket without one. Whatever is wrong with a token is the same error.
func (d *Domain) claims(t Ticket) (*token.Claims, error) {
	if t.Token == "" {
		return nil, nil
	}
	if d.Keys == nil {
		return nil, errNoInvitation
	}
	ring, err := d.Keys.Ring()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err)
	}
	claims, err := ring.Verify(t.Invitation, t.Token)
	if err != nil {
		return nil, errNoInvitation
	}
	return &claims, nil
}

// gone is what a ticket leads to whose invitation does not exist any more: a good token says that it did, and so does the Member
// that was made of it.
func (d *Domain) gone(t Ticket, claims *token.Claims) (*Opening, error) {
	if o := d.madeOf(t); o != nil {
		return &Opening{Standing: Mine, Organisation: o}, nil
	}
	if claims != nil {
		return &Opening{Standing: Gone}, nil
	}
	return nil, errNoInvitation
}

// madeOf is the organisation that the person is a member of by the invitation, nil for none.
func (d *Domain) madeOf(t Ticket) *Organisation {
	if t.Person == nil || t.Person.Username == "" {
		return nil
	}
	for _, m := range d.Store.MembersByUsername("", t.Person.Username) {
		if !strings.EqualFold(m.Annotations[enrolv1alpha1.AnnotationInvitation], t.Invitation) {
			continue
		}
		if o := d.Store.OrganisationByHome(m.Namespace); o != nil && o.Status.Namespace == m.Namespace {
			return d.organisation(o)
		}
	}
	return nil
}

// standing asks for the proof first: nobody learns where somebody else's invitation stands.
func (d *Domain) standing(p *Person, claims *token.Claims, o *Organisation, i *enrolv1alpha1.Invitation) Standing {
	if p != nil && !invitation.SameAddress(p.Email, string(i.Spec.Email)) {
		return Foreign
	}
	state := invitation.StateOf(i, &o.Spec.Invitations, d.Clock.Now())
	proved := p != nil && p.EmailVerified || invitation.Proves(claims, i)
	// The latest link of one that was moved to another time says how it ended, and opens nothing.
	if !proved && (state == invitation.Open || claims == nil || claims.SendNumber != i.Status.SendNumber) {
		return Replaced
	}
	switch state {
	case invitation.Open:
		if isDuplicate(i) {
			return Gone
		}
		return Waiting
	case invitation.Accepting, invitation.Accepted:
		if by := i.Status.AcceptedBy; p != nil && by != nil && string(by.Username) == p.Username {
			return Mine
		}
		return Used
	case invitation.AlreadyMember:
		if p != nil && d.Own(o, p.Caller) != nil {
			return Mine
		}
		return Used
	case invitation.Declined:
		return Declined
	case invitation.Revoked:
		return Revoked
	default:
		return Expired
	}
}

// opening is what an Invitation promises.
func (o *Organisation) opening(i *enrolv1alpha1.Invitation, standing Standing) *Opening {
	spec := &i.Spec
	opening := &Opening{
		Standing: standing, Organisation: o,
		Inviter: cmp.Or(string(spec.InvitedBy.Email), spec.InvitedBy.Username), Message: spec.Message,
		Transfer: spec.Type == enrolv1alpha1.InvitationTransferOwnership,
		Groups:   spec.Groups, Expire: invitation.ExpireTime(i, &o.Spec.Invitations).UTC(),
	}
	roles, makes := spec.MemberRoles()
	if makes && len(roles) == 0 {
		roles = append(roles, o.DefaultRole())
	}
	if makes {
		opening.KubernetesRole = o.gives(&enrolv1alpha1.MemberSpec{Roles: roles, KubernetesRole: spec.KubernetesRole})
		opening.Projects = spec.Projects
	}
	if spec.Owns() {
		roles = append(roles, enrolv1alpha1.RoleOwner)
		opening.KubernetesRole = o.terms.KubernetesRole(enrolv1alpha1.RoleOwner)
		opening.Projects = enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}
	}
	opening.Roles = o.strongest(roles)
	return opening
}

// AcceptTicket is Join with a ticket: for somebody whose address is verified, or who has the token of the mail besides.
func (d *Domain) AcceptTicket(ctx context.Context, t Ticket) (*Membership, error) {
	by, err := d.admitted(t)
	if err != nil {
		return nil, err
	}
	return d.join(ctx, by, t.Invitation)
}

// DeclineTicket is Decline with a ticket.
func (d *Domain) DeclineTicket(ctx context.Context, t Ticket) error {
	by, err := d.admitted(t)
	if err != nil {
		return err
	}
	_, err = d.answer(ctx, by, nil, t.Invitation, (*invitation.Attempt).Decline)
	return err
}

// admitted is the person of a ticket with what the token says.
func (d *Domain) admitted(t Ticket) (*Person, error) {
	claims, err := d.claims(t)
	if err != nil {
		return nil, err
	}
	if t.Person == nil {
		return nil, fault.New(fault.Unauthenticated, "")
	}
	by := *t.Person
	by.Token = claims
	return &by, nil
}

// Joining tells whether the person has accepted an invitation to an organisation that is still to be carried out.
func (d *Domain) Joining(o *Organisation, p *Person) bool {
	for _, i := range d.Store.Invitations(o.HomeNamespace()) {
		by := i.Status.AcceptedBy
		if by != nil && p.Username != "" && string(by.Username) == p.Username && i.Status.Outcome == "" {
			return true
		}
	}
	return false
}

// RoleTitle is what people call a role.
func (o *Organisation) RoleTitle(name enrolv1alpha1.RoleName) string {
	for _, own := range o.Spec.Roles {
		if own.Name == name && own.DisplayName != "" {
			return own.DisplayName
		}
	}
	return string(name)
}

// ClusterRole is what a Kubernetes role of an organisation is bound as, "" for none.
func (o *Organisation) ClusterRole(role enrolv1alpha1.KubernetesRole) string {
	return o.terms.ClusterRole(role)
}

// Teams are the groups of the organisation that the person is in by the Members, each once.
func (m *Membership) Teams() []string {
	var teams []string
	for _, member := range m.members {
		if member.Spec.Suspend {
			continue
		}
		for _, group := range member.Spec.Groups {
			teams = addNew(teams, string(group))
		}
	}
	return teams
}
