package domain

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// owners changes a list of owners, or says why not.
type owners func([]enrolv1alpha1.Owner) ([]enrolv1alpha1.Owner, error)

// maxOwners is what an Organisation takes.
const maxOwners = 64

func addOwner(owner enrolv1alpha1.Owner) owners {
	return func(present []enrolv1alpha1.Owner) ([]enrolv1alpha1.Owner, error) {
		if isOwner(present, string(owner.Username)) {
			return present, nil
		}
		if len(present) >= maxOwners {
			return nil, fault.New(fault.Conflict, "an organisation has at most %d owners", maxOwners)
		}
		return append(slices.Clone(present), owner), nil
	}
}

func removeOwner(username string) owners {
	return func(present []enrolv1alpha1.Owner) ([]enrolv1alpha1.Owner, error) {
		if !isOwner(present, username) {
			return present, nil
		}
		if len(present) == 1 {
			return nil, fault.New(fault.Conflict, "the last owner cannot be taken out")
		}
		return slices.DeleteFunc(slices.Clone(present), func(o enrolv1alpha1.Owner) bool {
			return string(o.Username) == username
		}), nil
	}
}

// replaceOwner puts an owner in the place of another, if that one is an owner.
func replaceOwner(username string, owner enrolv1alpha1.Owner) owners {
	return func(present []enrolv1alpha1.Owner) ([]enrolv1alpha1.Owner, error) {
		rest := slices.DeleteFunc(slices.Clone(present), func(o enrolv1alpha1.Owner) bool {
			return string(o.Username) == username
		})
		return addOwner(owner)(rest)
	}
}

func isOwner(present []enrolv1alpha1.Owner, username string) bool {
	return slices.ContainsFunc(present, func(o enrolv1alpha1.Owner) bool { return string(o.Username) == username })
}

// liveOrganisation is the Organisation past the cache: the same one, and not going.
func (d *Domain) liveOrganisation(ctx context.Context, o *enrolv1alpha1.Organisation) (*enrolv1alpha1.Organisation, error) {
	live := &enrolv1alpha1.Organisation{}
	err := d.Store.Live(ctx, "", o.Name, live)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fault.OfSelf(err)
	}
	if err != nil || live.UID != o.UID || !live.DeletionTimestamp.IsZero() {
		return nil, fault.New(fault.NotFound, "")
	}
	if by := d.organisationKeptBy(live); by != "" {
		return nil, managedInGit("the organisation", by)
	}
	return live, nil
}

// tryOwners tells whether owners could be changed so, without doing it.
func (d *Domain) tryOwners(ctx context.Context, o *Organisation, change owners) error {
	live, err := d.liveOrganisation(ctx, o.Organisation)
	if err == nil {
		_, err = change(live.Spec.Owners)
	}
	return err
}

// changeOwners changes spec.owners with the facade's own account: one object decides, so that no race leaves an
// organisation without an owner. Whether the caller may was asked before.
func (d *Domain) changeOwners(
	ctx context.Context, caller *identity.Caller, o *Organisation, change owners,
) (*Organisation, error) {
	return retried(func() (*Organisation, error) {
		live, err := d.liveOrganisation(ctx, o.Organisation)
		if err != nil {
			return nil, err
		}
		after, err := change(live.Spec.Owners)
		if err != nil {
			return nil, err
		}
		if slices.Equal(after, live.Spec.Owners) {
			return d.organisation(live), nil
		}
		live.Spec.Owners = after
		note(ctx, live)
		err = d.Store.UpdateOwners(ctx, caller, live)
		if apierrors.IsConflict(err) {
			return nil, errOvertaken
		}
		return d.organisation(live), fault.OfSelf(err)
	})
}

// Transfer makes a member an owner in the place of the caller, who keeps a membership with role admin. A caller who is no
// owner, and has the right, adds an owner and takes nobody out.
func (d *Domain) Transfer(ctx context.Context, caller *identity.Caller, o *Organisation, find Finder, id string) error {
	if err := d.mayGrantOwner(ctx, caller, o); err != nil {
		return err
	}
	to, err := find(o, id)
	if err != nil {
		return err
	}
	if to.Pending() {
		return fault.Bad(fault.Username, "the new owner must have signed in once")
	}
	if to.Username == caller.Name {
		return nil
	}
	owner := enrolv1alpha1.Owner{Username: enrolv1alpha1.Username(to.Username), Email: enrolv1alpha1.Email(to.Email)}
	change := addOwner(owner)
	if isOwner(o.Spec.Owners, caller.Name) {
		change = replaceOwner(caller.Name, owner)
		if err := d.tryOwners(ctx, o, change); err != nil {
			return err
		}
		// First, so that the caller is never without a role: whatever comes next, somebody can go on from there.
		if err := d.becomeAdmin(ctx, caller, o); err != nil {
			return err
		}
	}
	_, err = d.changeOwners(ctx, caller, o, change)
	return err
}

func (d *Domain) becomeAdmin(ctx context.Context, caller *identity.Caller, o *Organisation) error {
	admin := enrolv1alpha1.RoleAdmin
	own := d.Own(o, caller)
	if own != nil && slices.Contains(own.Roles, admin) {
		return nil
	}
	a, err := d.check(o, Addition{Username: caller.Name, Email: caller.VerifiedEmail, Role: &admin})
	if err != nil {
		// An address that is somebody else's here is left out.
		if a, err = d.check(o, Addition{Username: caller.Name, Role: &admin}); err != nil {
			return err
		}
	}
	if err := d.authorise(ctx, caller, a); err != nil {
		return err
	}
	_, err = d.writeMember(ctx, caller, a)
	return err
}
