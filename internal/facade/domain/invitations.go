package domain

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/invitation"
)

// Invitation is an invitation that waits for an answer, or expired without one.
type Invitation struct {
	Organisation *Organisation
	ID           string
	Email        string
	// Roles, strongest first.
	Roles []enrolv1alpha1.RoleName
	// Groups of the organisation, by id.
	GroupIDs []string
	Type     enrolv1alpha1.InvitationType
	// InvitedBy has the username as the API server knows it.
	InvitedBy enrolv1alpha1.Inviter
	Expired   bool
	// Expire, Created and Updated in UTC.
	Expire, Created, Updated time.Time

	object *enrolv1alpha1.Invitation
}

// Role is the strongest, "" for none.
func (i *Invitation) Role() enrolv1alpha1.RoleName {
	if len(i.Roles) == 0 {
		return ""
	}
	return i.Roles[0]
}

// InviterID is the id of the user who invited where a UUID is wanted.
func (d *Domain) InviterID(o *Organisation, by *enrolv1alpha1.Inviter) string {
	switch {
	case by == nil:
		return ""
	case by.Username != "":
		return o.UserID(strings.TrimPrefix(by.Username, d.Naming.UsernamePrefix))
	case by.Email != "":
		return o.UserID(string(by.Email))
	}
	return ""
}

// invitation is the view of an object, nil for one that counts as absent.
func (d *Domain) invitation(o *Organisation, i *enrolv1alpha1.Invitation) *Invitation {
	policy := &o.Spec.Invitations
	state := invitation.StateOf(i, policy, d.Clock.Now())
	if state != invitation.Open && state != invitation.Expired || isDuplicate(i) || !i.DeletionTimestamp.IsZero() {
		return nil
	}
	view := &Invitation{
		Organisation: o, ID: string(i.UID), Email: string(i.Spec.Email), Roles: o.strongest(i.Spec.Roles), Type: i.Spec.Type,
		InvitedBy: i.Spec.InvitedBy, Expired: state == invitation.Expired,
		Expire: invitation.ExpireTime(i, policy).UTC(), Created: i.CreationTimestamp.UTC(), Updated: i.CreationTimestamp.UTC(),
		object: i,
	}
	if view.Type == "" {
		view.Type = enrolv1alpha1.InvitationJoin
	}
	if at := i.Status.LastUpdateTime; at != nil {
		view.Updated = at.UTC()
	}
	for _, group := range i.Spec.Groups {
		view.GroupIDs = append(view.GroupIDs, o.groupID(group))
	}
	return view
}

// isDuplicate tells whether an older Invitation for the address is the one that counts.
func isDuplicate(i *enrolv1alpha1.Invitation) bool {
	stalled := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionStalled)
	return stalled != nil && stalled.Reason == enrolv1alpha1.ReasonAlreadyInvited
}

// Invitations are all that wait or have expired, oldest first, then by id.
func (d *Domain) Invitations(o *Organisation) []*Invitation {
	objects := d.Store.Invitations(o.HomeNamespace())
	slices.SortFunc(objects, store.Older)
	var views []*Invitation
	for _, object := range objects {
		if view := d.invitation(o, object); view != nil {
			views = append(views, view)
		}
	}
	return views
}

var errNoInvitation = fault.New(fault.NotFound, "invitation not found")

// invitationByID finds one by its id.
func (d *Domain) invitationByID(o *Organisation, id string) (*Invitation, error) {
	object := d.Store.InvitationByUID(strings.ToLower(id))
	if object == nil || object.Namespace != o.HomeNamespace() {
		return nil, errNoInvitation
	}
	if view := d.invitation(o, object); view != nil {
		return view, nil
	}
	return nil, errNoInvitation
}

// InvitationsFor are those of all organisations that wait for the caller, oldest first, then by id.
func (d *Domain) InvitationsFor(caller *identity.Caller) []*Invitation {
	if caller.VerifiedEmail == "" {
		return nil
	}
	objects := d.Store.InvitationsByEmail("", caller.VerifiedEmail)
	slices.SortFunc(objects, store.Older)
	var views []*Invitation
	for _, object := range objects {
		o := d.home(object)
		if o == nil {
			continue
		}
		if view := d.invitation(o, object); view != nil && !view.Expired {
			views = append(views, view)
		}
	}
	return views
}

// home is the organisation of an Invitation, nil for none.
func (d *Domain) home(i *enrolv1alpha1.Invitation) *Organisation {
	o := d.Store.OrganisationByHome(i.Namespace)
	if o == nil || o.Status.Namespace != i.Namespace {
		return nil
	}
	return d.organisation(o)
}

// isFor tells whether an invitation is for the caller's verified address.
func (i *Invitation) isFor(caller *identity.Caller) bool {
	return caller.VerifiedEmail != "" && caller.VerifiedEmail == i.Email
}
