package binding

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/enrol-dev/enrol/internal/subject"
)

// Phase orders writes. Those of a phase may go side by side.
type Phase int

const (
	// Revoke takes away: a right that is lost or lowered goes before anything is given.
	Revoke Phase = iota
	// Give adds.
	Give
	// Tidy takes away what somebody no longer needs, having the same or a higher right by then.
	Tidy
)

const phases = 3

// Write is a change of one RoleBinding.
type Write struct {
	Phase Phase
	Place Place
	// Number of the shard.
	Number int
	// Existing is what is there now; nil: the binding is created.
	Existing *rbacv1.RoleBinding
	// Subjects that the binding names afterwards; none: it is deleted.
	Subjects []subject.Subject
	// Added and Revoked are who gets and who loses the right by this write.
	Added, Revoked []subject.Subject
}

// Name of the RoleBinding.
func (w *Write) Name(owner Owner) string {
	if w.Existing != nil {
		return w.Existing.Name
	}
	return owner.name(w.Place.ClusterRole, w.Number)
}

// Plan is the writes of each phase.
type Plan [phases][]Write

// Empty tells whether there is nothing to write.
func (p *Plan) Empty() bool {
	return len(p[Revoke]) == 0 && len(p[Give]) == 0 && len(p[Tidy]) == 0
}

func (p *Plan) add(w Write) { p[w.Phase] = append(p[w.Phase], w) }

// Make plans how to get from the existing RoleBindings, all of them the owner's, to what is wanted. rank orders the
// ClusterRoles of a namespace by what they allow. The plan is the same for the same input, and empty when what is
// wanted stands.
//
// A subject stays in its shard; new ones fill the last shard, then room in earlier ones, then new shards.
func Make(owner Owner, existing []*rbacv1.RoleBinding, wanted Wanted, rank func(clusterRole string) int) *Plan {
	return makeSized(owner, existing, wanted, rank, shardSize)
}

// makeSized is Make for tests, which want shards that fill up.
func makeSized(
	owner Owner, existing []*rbacv1.RoleBinding, wanted Wanted, rank func(string) int, shardSize int,
) *Plan {
	m := maker{
		owner: owner, wanted: wanted, rank: rank, shardSize: shardSize,
		plan: &Plan{}, shards: map[Place][]shard{},
	}
	for _, b := range existing {
		m.sort(b)
	}
	for place := range wanted {
		if _, ok := m.shards[place]; !ok {
			m.shards[place] = nil
		}
	}
	for place, shards := range m.shards {
		m.planPlace(place, shards)
	}
	for _, writes := range m.plan {
		slices.SortFunc(writes, func(a, b Write) int {
			return cmp.Or(cmp.Compare(a.Place.Namespace, b.Place.Namespace),
				cmp.Compare(a.Place.ClusterRole, b.Place.ClusterRole), cmp.Compare(a.Number, b.Number))
		})
	}
	return m.plan
}

type maker struct {
	owner  Owner
	wanted Wanted
	rank   func(string) int
	// shardSize is how many subjects a shard has at most.
	shardSize int
	plan      *Plan
	shards    map[Place][]shard
}

// shard is a RoleBinding on its way to what is wanted.
type shard struct {
	number   int
	existing *rbacv1.RoleBinding
	// kept stay, added come; revoked and surplus go: before others come, or after.
	kept, added, revoked, surplus []subject.Subject
}

func (s *shard) size() int { return len(s.kept) + len(s.added) }

// sort puts an existing binding with its place. One with a name that Enrol does not give goes, and so does one whose
// roleRef is not what its name says: somebody made it, and roleRef cannot be put right.
func (m *maker) sort(b *rbacv1.RoleBinding) {
	clusterRole, number, ok := m.owner.shard(b.Name)
	if !ok || !RefersTo(b, clusterRole) {
		if !b.DeletionTimestamp.IsZero() {
			// Somebody's finalizer holds it. What it gives is theirs to give, and there is nothing more to do.
			return
		}
		place := Place{b.Namespace, b.RoleRef.Name}
		w := Write{Phase: Revoke, Place: place, Number: number, Existing: b}
		for _, s := range b.Subjects {
			if who, known := subject.FromRBAC(s); known && !m.compensated(place, who) {
				w.Revoked = append(w.Revoked, who)
			}
		}
		m.plan.add(w)
		return
	}
	place := Place{b.Namespace, clusterRole}
	m.shards[place] = append(m.shards[place], shard{number: number, existing: b})
}

func (m *maker) planPlace(place Place, shards []shard) {
	wanted := m.wanted[place]
	slices.SortFunc(shards, func(a, b shard) int { return cmp.Compare(a.number, b.number) })
	placed, count := make([]bool, len(wanted)), 0
	for i := range shards {
		m.sift(place, &shards[i], wanted, placed)
		count += len(shards[i].kept)
	}
	if count < len(wanted) {
		missing := make([]subject.Subject, 0, len(wanted)-count)
		for who, number := range wanted {
			if !placed[number] {
				missing = append(missing, who)
			}
		}
		slices.SortFunc(missing, func(a, b subject.Subject) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		})
		shards = m.fill(shards, missing)
	}
	for i := range shards {
		m.planShard(place, &shards[i])
	}
}

// sift sorts the subjects of an existing shard into those that stay and those that go. placed says by number who of the
// wanted has a place already.
func (m *maker) sift(place Place, s *shard, wanted Subjects, placed []bool) {
	s.kept = make([]subject.Subject, 0, len(s.existing.Subjects))
	for _, rbac := range s.existing.Subjects {
		who, known := subject.FromRBAC(rbac)
		number, isWanted := wanted[who]
		switch {
		case !known:
			// Somebody added it. It is no subject that can be carried on, so it goes with the next write.
		case isWanted && !placed[number] && len(s.kept) < m.shardSize:
			s.kept = append(s.kept, who)
			placed[number] = true
		case isWanted || m.compensated(place, who):
			s.surplus = append(s.surplus, who)
		default:
			s.revoked = append(s.revoked, who)
		}
	}
}

// compensated tells whether somebody who loses a ClusterRole is to have one in that namespace that allows as much.
func (m *maker) compensated(lost Place, who subject.Subject) bool {
	for place, subjects := range m.wanted {
		if place.Namespace != lost.Namespace || m.rank(place.ClusterRole) < m.rank(lost.ClusterRole) {
			continue
		}
		if _, ok := subjects[who]; ok {
			return true
		}
	}
	return false
}

// fill finds room for the missing.
func (m *maker) fill(shards []shard, missing []subject.Subject) []shard {
	put := func(s *shard) {
		n := min(max(m.shardSize-s.size(), 0), len(missing))
		s.added = append(s.added, missing[:n]...)
		missing = missing[n:]
	}
	if last := len(shards) - 1; last >= 0 {
		put(&shards[last])
		for i := range last {
			put(&shards[i])
		}
	}
	for len(missing) > 0 {
		next := shard{}
		if last := len(shards) - 1; last >= 0 {
			next.number = shards[last].number + 1
		}
		put(&next)
		shards = append(shards, next)
	}
	return shards
}

// planShard plans one write, or two where somebody has to go before others come and somebody else only afterwards.
func (m *maker) planShard(place Place, s *shard) {
	w := Write{Place: place, Number: s.number, Existing: s.existing, Added: s.added, Revoked: s.revoked}
	w.Subjects = slices.Concat(s.kept, s.added)
	switch {
	case len(s.revoked) > 0:
		w.Phase = Revoke
	case len(s.added) > 0:
		w.Phase = Give
	case m.stands(s, w.Subjects) || (s.existing.DeletionTimestamp != nil && len(s.existing.Subjects) == 0):
		return
	default:
		w.Phase = Tidy
	}
	if w.Phase != Tidy && len(s.surplus) > 0 {
		first := w
		first.Subjects = slices.Concat(w.Subjects, s.surplus)
		m.plan.add(first)
		w.Phase, w.Added, w.Revoked = Tidy, nil, nil
	}
	m.plan.add(w)
}

// stands tells whether an existing shard is just as it has to be.
func (m *maker) stands(s *shard, subjects []subject.Subject) bool {
	if len(subjects) == 0 || len(subjects) != len(s.existing.Subjects) || !m.owner.correct(s.existing) {
		return false
	}
	for i, who := range subjects {
		if who.RBAC() != s.existing.Subjects[i] {
			return false
		}
	}
	return true
}
