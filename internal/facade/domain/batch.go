package domain

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
)

// planned is a batch of additions: each person once, and for each row whose it is.
type planned struct {
	additions []*addition
	ofRow     []*addition
}

// CheckAll is everything that is wrong with the values of the rows, in their order; what was found so far when the context ends. Rows
// to skip are wrong already.
func (d *Domain) CheckAll(ctx context.Context, o *Organisation, rows []Addition, skip func(row int) bool) []fault.Detail {
	_, details := d.plan(ctx, o, rows, skip)
	return details
}

// Check is everything that is wrong with the values of one row by itself.
func (d *Domain) Check(o *Organisation, row Addition) []fault.Detail {
	if _, err := d.check(o, row); err != nil {
		return detailsOf(err)
	}
	return nil
}

// AddAll adds people, or changes the memberships that they have. All rows are checked, and all rights asked for, before the
// first write. If a write fails then, what was written stays, and the same call again does the rest.
func (d *Domain) AddAll(
	ctx context.Context, caller *identity.Caller, o *Organisation, rows []Addition,
) ([]*Membership, error) {
	plan, details := d.plan(ctx, o, rows, func(int) bool { return false })
	if err := ctx.Err(); err != nil {
		return nil, fault.OfSelf(err)
	}
	if len(details) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Details: details}
	}
	if err := d.authorise(ctx, caller, plan.additions...); err != nil {
		return nil, err
	}
	results := make(map[*addition]*Membership, len(plan.additions))
	written := make([]*Membership, len(plan.additions))
	carryOut := func(ctx context.Context, i int) (err error) {
		written[i], err = d.carryOut(ctx, caller, plan.additions[i])
		return err
	}
	owns := func(i int) bool { return plan.additions[i].owns() }
	if err := eachOf(ctx, len(plan.additions), owns, carryOut); err != nil {
		return nil, err
	}
	for i, a := range plan.additions {
		results[a] = written[i]
	}
	answers := make([]*Membership, 0, len(rows))
	for _, a := range plan.ofRow {
		answers = append(answers, results[a])
	}
	return answers, nil
}

// eachOf does something for each row of a batch, several at a time; but for those that are about owners, one by one: they all change
// the same object, and would only overtake each other.
func eachOf(ctx context.Context, rows int, alone func(row int) bool, do func(ctx context.Context, row int) error) error {
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for row := range rows {
		if alone(row) {
			continue
		}
		group.Go(func() error {
			if err := inGroup.Err(); err != nil {
				return fault.OfSelf(err)
			}
			return do(inGroup, row)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for row := range rows {
		if !alone(row) {
			continue
		}
		if err := do(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// plan checks the rows and finds those about the same person, which must want the same. It is of no use when the context has ended:
// where a person has thousands of Members, each row takes long, and nobody waits any more.
func (d *Domain) plan(ctx context.Context, o *Organisation, rows []Addition, skip func(row int) bool) (planned, []fault.Detail) {
	var (
		plan    planned
		details []fault.Detail
		known   = map[string]*addition{}
	)
	for row, wanted := range rows {
		if ctx.Err() != nil {
			break
		}
		if skip(row) {
			continue
		}
		a, err := d.check(o, wanted)
		if err != nil {
			details = append(details, detailsOf(fault.In(row, err))...)
			continue
		}
		if twin := a.twin(known); twin == nil {
			plan.additions = append(plan.additions, a)
		} else if field, ok := twin.agrees(a); ok {
			a = twin
		} else {
			details = append(details, detailsOf(fault.In(row, fault.Bad(field, "another row names the same person with other data")))...)
		}
		for _, key := range a.keys() {
			known[key] = a
		}
		plan.ofRow = append(plan.ofRow, a)
	}
	return plan, details
}

func detailsOf(err error) []fault.Detail {
	var e *fault.Error
	errors.As(err, &e)
	return e.Details
}

// keys are what two rows about the same person have in common.
func (a *addition) keys() []string {
	var keys []string
	if a.existing != nil {
		keys = append(keys, "uid/"+string(a.existing.UID))
	}
	if a.Username != "" {
		keys = append(keys, "username/"+a.Username)
	}
	if a.Email != "" {
		keys = append(keys, "email/"+a.Email)
	}
	return keys
}

func (a *addition) twin(known map[string]*addition) *addition {
	for _, key := range a.keys() {
		if twin := known[key]; twin != nil {
			return twin
		}
	}
	return nil
}

// agrees tells whether two rows about the same person want the same; if not, what they differ in.
func (a *addition) agrees(b *addition) (fault.Field, bool) {
	switch {
	case a.Username != b.Username && b.Username != "":
		return fault.Username, false
	case a.Email != b.Email && b.given != "":
		return fault.Email, false
	case !reflect.DeepEqual(a.Role, b.Role):
		return fault.Role, false
	case !reflect.DeepEqual(a.KubernetesRole, b.KubernetesRole):
		return fault.KubernetesRole, false
	case !reflect.DeepEqual(a.Projects, b.Projects):
		return fault.Project, false
	}
	return "", true
}

// Removal is a person to take out of an organisation, or of some of its projects.
type Removal struct {
	// Username and Email name the person: at least one.
	Username, Email string
	// Projects to take the person out of, by name; nil: out of the organisation.
	Projects []string
}

// CheckRemovals is CheckAll for rows to remove.
func (d *Domain) CheckRemovals(
	ctx context.Context, o *Organisation, rows []Removal, skip func(row int) bool,
) (details []fault.Detail) {
	for i, row := range rows {
		if ctx.Err() != nil {
			break
		}
		if skip(i) {
			continue
		}
		if _, err := d.leaver(o, row); err != nil {
			details = append(details, detailsOf(fault.In(i, err))...)
		}
	}
	return details
}

// RemoveAll takes people out. All rows are checked, and all rights asked for, before the first write. People who are not found are
// passed over, once their access is gone as well.
func (d *Domain) RemoveAll(ctx context.Context, caller *identity.Caller, o *Organisation, rows []Removal) error {
	details := d.CheckRemovals(ctx, o, rows, func(int) bool { return false })
	if err := ctx.Err(); err != nil {
		return fault.OfSelf(err)
	}
	if len(details) > 0 {
		return &fault.Error{Kind: fault.Invalid, Details: details}
	}
	leaving, narrowed, absent := d.leavers(o, rows)
	for _, m := range leaving {
		if err := d.mayRemove(ctx, caller, m); err != nil {
			return err
		}
	}
	if err := d.maySetProjects(ctx, caller, narrowed); err != nil {
		return err
	}
	for _, m := range leaving {
		if err := d.canRemove(ctx, m); err != nil {
			return err
		}
	}
	nobody := func(int) bool { return false }
	err := eachOf(ctx, len(narrowed), nobody, func(ctx context.Context, i int) error {
		_, err := d.writeMember(ctx, caller, narrowed[i])
		return err
	})
	if err != nil {
		return err
	}
	if err := d.takeOutAll(ctx, caller, o, leaving); err != nil {
		return err
	}
	if absent {
		return d.awaitNoStrangers(ctx, o)
	}
	return nil
}

// leavers are who leaves the organisation, and the changes for who only loses projects: each person once. Absent is whether somebody
// who should leave is not there.
func (d *Domain) leavers(o *Organisation, rows []Removal) (leaving []*Membership, narrowed []*addition, absent bool) {
	gone, people, lost := map[string]bool{}, []*Membership{}, map[string][]string{}
	for _, row := range rows {
		m, err := d.leaver(o, row)
		switch {
		case err != nil || m == nil:
			absent = absent || row.Projects == nil
		case gone[m.ID]:
		case row.Projects == nil:
			gone[m.ID] = true
			leaving = append(leaving, m)
		default:
			if lost[m.ID] == nil {
				people = append(people, m)
			}
			lost[m.ID] = append(lost[m.ID], row.Projects...)
		}
	}
	for _, m := range people {
		if !gone[m.ID] {
			narrowed = append(narrowed, d.narrowed(m, lost[m.ID])...)
		}
	}
	return leaving, narrowed, absent
}

// leaver is whom a row is about, nil for nobody who is there.
func (d *Domain) leaver(o *Organisation, row Removal) (*Membership, error) {
	if row.Username == "" && row.Email == "" {
		return nil, errNobody
	}
	email := row.Email
	if parsed, err := address.Parse(email); err == nil {
		email = string(parsed)
	}
	byName, byEmail := d.look(o, row.Username, email)
	switch {
	case byName != nil && byEmail != nil && byName != byEmail:
		return nil, errTwoPeople
	case byName != nil:
		return o.membership(byName), nil
	case byEmail != nil && row.Username != "" && byEmail.username != "":
		return nil, errOtherUsername
	case byEmail != nil:
		return o.membership(byEmail), nil
	}
	return nil, nil //nolint:nilnil // Nobody is no fault.
}

// takeOutAll takes people out and waits until the access of all of them is gone.
func (d *Domain) takeOutAll(ctx context.Context, caller *identity.Caller, o *Organisation, leaving []*Membership) error {
	owns := func(i int) bool { return leaving[i].Owner }
	err := eachOf(ctx, len(leaving), owns, func(ctx context.Context, i int) error { return d.takeOut(ctx, caller, leaving[i]) })
	if err != nil {
		return err
	}
	var names []string
	for _, m := range leaving {
		names = append(names, d.boundNames(m)...)
	}
	return d.awaitGone(ctx, o, slices.Compact(slices.Sorted(slices.Values(names))))
}
