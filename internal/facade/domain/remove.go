package domain

import (
	"context"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// Finder finds a person by what an endpoint calls them.
type Finder func(o *Organisation, id string) (*Membership, error)

// Remove takes a person out of an organisation: the owner's entry and all Members. It returns when no binding of ours
// names the person any more, so that whoever asked can rely on the access being gone; a Timeout can be repeated: a
// person who is not found any more is NotFound only when the access is gone as well.
func (d *Domain) Remove(ctx context.Context, caller *identity.Caller, o *Organisation, find Finder, id string) error {
	m, err := find(o, id)
	if err != nil {
		return d.departed(ctx, o, err)
	}
	if err := d.mayRemove(ctx, caller, m); err != nil {
		return err
	}
	if err := d.canRemove(ctx, m); err != nil {
		return err
	}
	if err := d.takeOut(ctx, caller, m); err != nil {
		return err
	}
	return d.awaitGone(ctx, o, d.boundNames(m))
}

// departed makes sure of somebody who is not found: whoever repeats a removal that timed out wants to know of the access.
func (d *Domain) departed(ctx context.Context, o *Organisation, notFound error) error {
	if fault.As(notFound).Kind != fault.NotFound {
		return notFound
	}
	if err := d.awaitNoStrangers(ctx, o); err != nil {
		return err
	}
	return notFound
}

// awaitNoStrangers waits until all who are bound are people of the organisation. The id of somebody who is gone does not say by
// which name to look, and another replica may have done the removal, so that the facade cannot remember it.
func (d *Domain) awaitNoStrangers(ctx context.Context, o *Organisation) error {
	return d.awaitUnbound(ctx, o, func() func(name string) bool {
		current := o
		if found, err := d.Find(Ref{UID: o.ID()}); err == nil {
			current = found
		}
		known := map[string]bool{}
		for _, m := range d.Memberships(current) {
			for _, name := range d.boundNames(m) {
				known[name] = true
			}
		}
		return func(name string) bool { return !known[name] }
	})
}

// mayRemove asks for all rights that the removal needs.
func (d *Domain) mayRemove(ctx context.Context, caller *identity.Caller, m *Membership) error {
	for _, member := range m.members {
		if err := d.need(ctx, caller, m.Organisation, append(grants(&member.Spec), DeleteMembers)...); err != nil {
			return err
		}
	}
	if !m.Owner {
		return nil
	}
	return d.mayGrantOwner(ctx, caller, m.Organisation)
}

// canRemove says what is in the way of a removal, before the first write.
func (d *Domain) canRemove(ctx context.Context, m *Membership) error {
	for _, member := range m.members {
		if by := d.memberKeptBy(member); by != "" {
			return managedInGit("this member", by)
		}
	}
	if !m.Owner {
		return nil
	}
	if err := d.canChangeOwners(m.Organisation); err != nil {
		return err
	}
	return d.tryOwners(ctx, m.Organisation, removeOwner(m.Username))
}

// takeOut begins with the owner's entry, which may be refused: then nothing has changed.
func (d *Domain) takeOut(ctx context.Context, caller *identity.Caller, m *Membership) error {
	if m.Owner {
		if _, err := d.changeOwners(ctx, caller, m.Organisation, removeOwner(m.Username)); err != nil {
			return err
		}
	}
	for _, member := range m.members {
		note(ctx, member)
		err := d.Store.Delete(ctx, caller, member.DeepCopy())
		// Gone, or made anew by somebody else, who will have had a reason.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fault.OfCaller(err)
		}
	}
	return nil
}

const (
	// firstLook and lastLook are how far apart bindings are looked at, doubled each time. The first is longer than the API
	// server's authoriser is behind its store (11 ms at most, as measured).
	firstLook = 25 * time.Millisecond
	lastLook  = 400 * time.Millisecond
)

// awaitGone waits until no binding of ours names a person.
func (d *Domain) awaitGone(ctx context.Context, o *Organisation, names []string) error {
	if len(names) == 0 {
		return nil
	}
	return d.awaitUnbound(ctx, o, func() func(name string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	})
}

// awaitUnbound waits until no binding of ours has a name that somebody must not be bound by, which is asked anew for each look. It
// looks past the cache, and a second time a moment later: the API server's authoriser hears of a change when its store has it.
func (d *Domain) awaitUnbound(ctx context.Context, o *Organisation, unwanted func() func(name string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	clean := 0
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		bound, err := d.isBound(ctx, o, unwanted)
		if err != nil {
			return fault.OfSelf(err)
		}
		if clean++; bound {
			clean = 0
		}
		if clean == 2 {
			return nil
		}
		if clean == 1 {
			wait = firstLook
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Timeout, "the access is not gone yet: the operator has not taken it away")
		case <-d.Clock.After(wait):
		}
	}
}

// boundNames are the names that RoleBindings can have for a person.
func (d *Domain) boundNames(m *Membership) []string {
	var names []string
	add := func(name string) {
		if who, err := d.Naming.User(name); name != "" && err == nil && !slices.Contains(names, who.Name) {
			names = append(names, who.Name)
		}
	}
	add(m.Username)
	for _, member := range m.members {
		if bound := member.Status.Subject; bound != nil && bound.Kind == rbacv1.UserKind && !slices.Contains(names, bound.Name) {
			names = append(names, bound.Name)
		}
		if d.Naming.EmailIsUsername && member.Spec.Username == "" {
			add(string(member.Spec.Email))
		}
	}
	return names
}

// isBound tells whether a binding of ours for the organisation has a user whom it must not have. In a namespace that is not the
// organisation's it wants the owner besides the labels: anybody who may bind anywhere can write those, and must not keep a removal
// from being true.
func (d *Domain) isBound(ctx context.Context, o *Organisation, unwanted func() func(name string) bool) (bool, error) {
	var bindings rbacv1.RoleBindingList
	err := d.Store.LiveList(ctx, &bindings, client.MatchingLabels{
		enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy, enrolv1alpha1.LabelOrganisation: o.Name,
	})
	if err != nil {
		return false, err
	}
	ours := map[string]bool{o.HomeNamespace(): true}
	for _, project := range d.Projects(o) {
		ours[project.Name] = true
	}
	// Asked after the list: who was made a member since is none of those who left.
	is := unwanted()
	return slices.ContainsFunc(bindings.Items, func(b rbacv1.RoleBinding) bool {
		return (ours[b.Namespace] || metav1.IsControlledBy(&b, o.Organisation)) &&
			slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool { return s.Kind == rbacv1.UserKind && is(s.Name) })
	}), nil
}
