package domain

import (
	"context"

	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// ReadInvitation finds an invitation by its id for whoever is invited, who is known by the verified address and needs no right,
// and for callers who may see the organisation and list its invitations.
func (d *Domain) ReadInvitation(ctx context.Context, caller *identity.Caller, o *Organisation, id string) (*Invitation, error) {
	view, notFound := d.invitationByID(o, id)
	if notFound == nil && view.isFor(caller) {
		return view, nil
	}
	if _, err := d.Enter(ctx, caller, Ref{UID: o.ID()}, ListInvitations); err != nil {
		return nil, err
	}
	return view, notFound
}
