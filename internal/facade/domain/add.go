package domain

import (
	"cmp"
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Addition is a person to add to an organisation, or to change there.
type Addition struct {
	// Username and Email name the person: at least one.
	Username, Email string
	// Role takes the place of all roles; nil: a new member gets the default role, another keeps its roles. Role owner makes
	// an owner, and no Member.
	Role *enrolv1alpha1.RoleName
	// KubernetesRole, "" for none; nil: a new member has what the roles give, another keeps its own.
	KubernetesRole *enrolv1alpha1.KubernetesRole
	// Projects; nil: a new member gets all, another keeps its own.
	Projects *enrolv1alpha1.Projects
}

// addition is an Addition that was checked, with whom it is about.
type addition struct {
	Addition

	organisation *Organisation
	// existing is the person's oldest Member, an expired one included; nil for none.
	existing *enrolv1alpha1.Member
	// isOwner is true for a person in spec.owners.
	isOwner bool
	// given is the address that was asked for, and not one that is known from elsewhere.
	given enrolv1alpha1.Email
	// found is true for a change of a Member that must be there: it is not made anew when it is gone.
	found bool
	// rescope changes the projects that there are; nil for no such change.
	rescope func(enrolv1alpha1.Projects) enrolv1alpha1.Projects
}

// Add adds a person, or changes the membership that the person has. Nothing is written when nothing changes.
func (d *Domain) Add(ctx context.Context, caller *identity.Caller, o *Organisation, wanted Addition) (*Membership, error) {
	d.Store.SettleFor(ctx, caller.Username, wanted.Username, canonical(wanted.Email))
	a, err := d.check(o, wanted)
	if err != nil {
		return nil, err
	}
	if err := d.authorise(ctx, caller, a); err != nil {
		return nil, err
	}
	return d.carryOut(ctx, caller, a)
}

// check is everything that can be wrong with the values, all of it at once.
func (d *Domain) check(o *Organisation, wanted Addition) (*addition, error) {
	a := &addition{Addition: wanted, organisation: o}
	details := a.normalise(d.Naming)
	if len(details) == 0 {
		details = d.identify(a)
	}
	if a.Role != nil && !o.knows(*a.Role) {
		details = append(details, bad(fault.Role, "unknown role"))
	}
	if a.Projects != nil && len(*a.Projects) > maxProjects {
		details = append(details, errTooManyProjects.Details...)
	}
	if len(details) == 0 && a.owns() && a.Username == "" {
		details = append(details, bad(fault.Role, "an owner must have a known username"))
	}
	if len(details) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Details: details}
	}
	return a, nil
}

func bad(field fault.Field, text string) fault.Detail {
	return fault.Bad(field, text).Details[0]
}

// What can be wrong with the two names of a person.
var (
	errNobody = &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
		{In: fault.Body, Text: "must name a person by username, email or both"},
	}}
	errTwoPeople     = fault.Bad(fault.Email, "belongs to another member than the username")
	errOtherUsername = fault.Bad(fault.Email, "belongs to a member with another username")
)

// canonical is an address as Members have it; one that is none stays as it is.
func canonical(email string) string {
	if parsed, err := address.Parse(email); err == nil {
		return string(parsed)
	}
	return email
}

// identify finds out who is meant.
func (d *Domain) identify(a *addition) []fault.Detail {
	o := a.organisation
	byName, byEmail := d.look(o, a.Username, a.Email)
	if byName != nil && byEmail != nil && byName != byEmail {
		return errTwoPeople.Details
	}
	if byName == nil && byEmail != nil && a.Username != "" && byEmail.username != "" {
		return errOtherUsername.Details
	}
	if p := cmp.Or(byName, byEmail); p != nil {
		a.isOwner = p.owner != nil
		if len(p.members) > 0 {
			a.existing = p.members[0]
		}
		a.Username, a.Email = cmp.Or(a.Username, p.username), cmp.Or(a.Email, p.email)
	}
	if a.existing == nil {
		a.existing = d.lapsed(o, a.Username, a.Email)
	}
	return nil
}

// normalise checks the names of the person.
func (a *addition) normalise(naming subject.Naming) (details []fault.Detail) {
	if a.Username == "" && a.Email == "" {
		details = append(details, errNobody.Details...)
	}
	if a.Username != "" {
		if _, err := naming.User(a.Username); err != nil {
			details = append(details, bad(fault.Username, err.Error()))
		}
	}
	if a.Email != "" {
		email, err := address.Parse(a.Email)
		if err != nil {
			return append(details, bad(fault.Email, err.Error()))
		}
		a.Email, a.given = string(email), email
	}
	return details
}

// lapsed is the Member of a person whose membership has expired, nil for none.
func (d *Domain) lapsed(o *Organisation, username, email string) *enrolv1alpha1.Member {
	home := o.HomeNamespace()
	var members []*enrolv1alpha1.Member
	if username != "" {
		members = append(members, d.Store.MembersByUsername(home, username)...)
	}
	if email != "" {
		members = append(members, d.Store.MembersByEmail(home, email)...)
	}
	members = slices.DeleteFunc(members, func(m *enrolv1alpha1.Member) bool {
		return !m.Expired(d.Clock.Now()) || username != "" && store.Username(m) != "" && store.Username(m) != username
	})
	if len(members) == 0 {
		return nil
	}
	return slices.MinFunc(members, store.Older)
}

// owns tells whether the addition makes an owner.
func (a *addition) owns() bool { return a.Role != nil && *a.Role == enrolv1alpha1.RoleOwner }

// makesOwner tells whether the addition makes an owner of somebody who is none.
func (a *addition) makesOwner() bool { return a.owns() && !a.isOwner }

// needsMember tells whether there must be a Member: an owner needs none.
func (a *addition) needsMember() bool {
	return a.existing != nil || !a.owns() && (!a.isOwner || a.Role != nil)
}

// desired is the Member as it shall be, made from the one there is. A lapsed one starts anew.
func (a *addition) desired(current *enrolv1alpha1.Member, d *Domain, by *identity.Caller) *enrolv1alpha1.Member {
	m := current.DeepCopy()
	fresh := m.UID == "" || m.Expired(d.Clock.Now())
	if fresh {
		m.Spec = enrolv1alpha1.MemberSpec{
			Username: m.Spec.Username, Email: m.Spec.Email, InvitedBy: m.Spec.InvitedBy,
			Roles:    []enrolv1alpha1.RoleName{a.organisation.DefaultRole()},
			Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		}
	}
	if m.UID == "" {
		inviter := by.Inviter()
		m.Spec.InvitedBy = &inviter
	}
	if a.Username != "" && (m.Spec.Username == "" || fresh) && a.Username != store.Username(m) {
		m.Spec.Username = enrolv1alpha1.Username(a.Username)
	}
	if a.given != "" {
		m.Spec.Email = a.given
	}
	if a.Role != nil && !a.owns() {
		m.Spec.Roles = []enrolv1alpha1.RoleName{*a.Role}
	}
	if a.KubernetesRole != nil {
		m.Spec.KubernetesRole = a.KubernetesRole
	}
	if a.Projects != nil {
		m.Spec.Projects = *a.Projects
	}
	if a.rescope != nil {
		m.Spec.Projects = a.rescope(m.Spec.Projects)
	}
	return m
}

// authorise asks whether the caller may do all that the additions come to, and then whether that can be done: who may not is told
// so, and not what is in the way of others.
func (d *Domain) authorise(ctx context.Context, caller *identity.Caller, additions ...*addition) error {
	for _, a := range additions {
		if err := d.mayCarryOut(ctx, caller, a); err != nil {
			return err
		}
	}
	for _, a := range additions {
		if err := d.canCarryOut(caller, a); err != nil {
			return err
		}
	}
	return nil
}

// mayCarryOut asks for the rights to all that the addition comes to.
func (d *Domain) mayCarryOut(ctx context.Context, caller *identity.Caller, a *addition) error {
	if a.needsMember() {
		if err := d.mayWrite(ctx, caller, a); err != nil {
			return err
		}
	}
	if a.makesOwner() {
		return d.mayGrantOwner(ctx, caller, a.organisation)
	}
	return nil
}

// canCarryOut says what is in the way of an addition: what is kept in Git is changed there.
func (d *Domain) canCarryOut(caller *identity.Caller, a *addition) error {
	if a.needsMember() && a.existing != nil {
		if by := d.memberKeptBy(a.existing); by != "" && d.differs(a.existing, a.desired(a.existing, d, caller)) {
			return managedInGit("this member", by)
		}
	}
	if a.makesOwner() {
		return d.canChangeOwners(a.organisation)
	}
	return nil
}

// mayWrite asks for the right to write the Member, and to give and take what it gives and gave.
func (d *Domain) mayWrite(ctx context.Context, caller *identity.Caller, a *addition) error {
	if a.existing == nil {
		made := a.desired(a.blank(), d, caller)
		return d.need(ctx, caller, a.organisation, append(grants(&made.Spec), CreateMembers)...)
	}
	changed := a.desired(a.existing, d, caller)
	if !d.differs(a.existing, changed) {
		return nil
	}
	rights := append([]right{UpdateMembers}, grants(&a.existing.Spec)...)
	return d.need(ctx, caller, a.organisation, append(rights, grants(&changed.Spec)...)...)
}

// blank is the Member to make where there is none. Its name is the same for everybody who adds the person at once.
func (a *addition) blank() *enrolv1alpha1.Member {
	return &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: a.organisation.HomeNamespace(), Name: naming.Member(cmp.Or(a.Username, a.Email)),
		},
	}
}

// carryOut writes.
func (d *Domain) carryOut(ctx context.Context, caller *identity.Caller, a *addition) (*Membership, error) {
	var member *enrolv1alpha1.Member
	if a.needsMember() {
		var err error
		if member, err = d.writeMember(ctx, caller, a); err != nil {
			return nil, err
		}
	}
	o := a.organisation
	if a.makesOwner() {
		owner := enrolv1alpha1.Owner{Username: enrolv1alpha1.Username(a.Username), Email: enrolv1alpha1.Email(a.Email)}
		changed, err := d.changeOwners(ctx, caller, o, addOwner(owner))
		if err != nil {
			return nil, err
		}
		o = changed
	}
	return d.written(o, a, member), nil
}

// written is the membership as it was just written, whatever the cache knows so far.
func (d *Domain) written(o *Organisation, a *addition, member *enrolv1alpha1.Member) *Membership {
	p := &person{username: a.Username, email: store.Email(a.Username, a.Email)}
	byName, byEmail := d.look(o, a.Username, a.Email)
	if known := cmp.Or(byName, byEmail); known != nil {
		p = known
	}
	for i := range o.Spec.Owners {
		if owner := &o.Spec.Owners[i]; p.username != "" && string(owner.Username) == p.username {
			p.owner = owner
		}
	}
	if member != nil {
		p.members = slices.DeleteFunc(p.members, func(m *enrolv1alpha1.Member) bool { return m.UID == member.UID })
		p.members = append(p.members, member)
		p.username = cmp.Or(p.username, store.Username(member))
		p.email = cmp.Or(string(member.Spec.Email), p.email)
	}
	return o.membership(p)
}

// writeMember creates or changes the Member, as often as others overtake it.
func (d *Domain) writeMember(ctx context.Context, caller *identity.Caller, a *addition) (*enrolv1alpha1.Member, error) {
	return retried(func() (*enrolv1alpha1.Member, error) {
		if a.existing == nil {
			return d.createMember(ctx, caller, a)
		}
		return d.updateMember(ctx, caller, a)
	})
}

// retried does something again for as long as it is overtaken.
func retried[T any](do func() (T, error)) (T, error) {
	var (
		result T
		err    error
	)
	for range tries {
		result, err = do()
		var e *fault.Error
		if !errors.Is(err, errOvertaken) && (!errors.As(err, &e) || e.Kind != fault.LostUpdate) {
			return result, err
		}
	}
	return result, fault.Wrap(fault.LostUpdate, err)
}

func (d *Domain) createMember(ctx context.Context, caller *identity.Caller, a *addition) (*enrolv1alpha1.Member, error) {
	made := a.desired(a.blank(), d, caller)
	err := d.Store.Create(ctx, caller, made)
	if !apierrors.IsAlreadyExists(err) {
		note(ctx, made)
		return made, fault.OfCaller(err)
	}
	// Somebody else was faster, or the name stands for somebody else.
	there := &enrolv1alpha1.Member{}
	if err := d.Store.Live(ctx, made.Namespace, made.Name, there); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, errOvertaken
		}
		return nil, fault.OfSelf(err)
	}
	if !there.DeletionTimestamp.IsZero() || !d.isAbout(there, a) {
		return nil, fault.New(fault.Conflict, "Member %s is of somebody else, or about to go", there.Name)
	}
	a.existing = there
	return nil, errOvertaken
}

// isAbout tells whether a Member of the name that the person's has is the person's.
func (d *Domain) isAbout(m *enrolv1alpha1.Member, a *addition) bool {
	if name := store.Username(m); name != "" && a.Username != "" {
		return name == a.Username
	}
	if m.Spec.Email != "" && string(m.Spec.Email) == a.Email {
		return true
	}
	return d.Naming.EmailIsUsername && m.Spec.Email != "" && string(m.Spec.Email) == a.Username
}

func (d *Domain) updateMember(ctx context.Context, caller *identity.Caller, a *addition) (*enrolv1alpha1.Member, error) {
	current := &enrolv1alpha1.Member{}
	if err := d.Store.Live(ctx, a.existing.Namespace, a.existing.Name, current); err != nil && !apierrors.IsNotFound(err) {
		return nil, fault.OfSelf(err)
	}
	if current.UID != a.existing.UID || !current.DeletionTimestamp.IsZero() {
		if a.found {
			return nil, errNoMember
		}
		a.existing = nil
		return nil, errOvertaken
	}
	changed := a.desired(current, d, caller)
	if !d.differs(current, changed) {
		return current, nil
	}
	if by := d.memberKeptBy(current); by != "" {
		return nil, managedInGit("this member", by)
	}
	note(ctx, changed)
	return changed, fault.OfCaller(d.Store.Update(ctx, caller, changed))
}
