package binding

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/enrol-dev/enrol/internal/subject"
)

var acme = Owner{Name: "acme", UID: "1"}

// testRank orders the ClusterRoles that the tests use.
func testRank(clusterRole string) int {
	return map[string]int{"view": 1, "edit": 2, "admin": 3}[clusterRole]
}

func user(name string) subject.Subject { return subject.Subject{Kind: rbacv1.UserKind, Name: name} }

func users(names ...string) []subject.Subject {
	var result []subject.Subject
	for _, name := range names {
		result = append(result, user(name))
	}
	return result
}

func wants(clusterRole string, names ...string) Wanted {
	w := Wanted{}
	for _, name := range names {
		w.add(Place{"web", clusterRole}, user(name))
	}
	return w
}

func (w Wanted) add(place Place, who subject.Subject) {
	if w[place] == nil {
		w[place] = Subjects{}
	}
	w[place].Add(who)
}

func existing(clusterRole string, number int, names ...string) *rbacv1.RoleBinding {
	return acme.Object(Place{"web", clusterRole}, number, users(names...))
}

func with(b *rbacv1.RoleBinding, change func(*rbacv1.RoleBinding)) *rbacv1.RoleBinding {
	change(b)
	return b
}

// line is a write in short.
type line struct {
	Phase    Phase
	Name     string
	Subjects string
	Revoked  string
}

func lines(p *Plan) []line {
	var result []line
	for _, writes := range p {
		for i := range writes {
			w := &writes[i]
			result = append(result, line{w.Phase, w.Name(acme), names(w.Subjects), names(w.Revoked)})
		}
	}
	return result
}

func names(subjects []subject.Subject) string {
	text := ""
	for _, s := range subjects {
		text += s.Name + " "
	}
	return text
}

func TestMake(t *testing.T) {
	cases := map[string]struct {
		reason   string
		existing []*rbacv1.RoleBinding
		wanted   Wanted
		want     []line
	}{
		"Nothing": {reason: "nothing wanted, nothing there"},
		"First": {
			reason: "the first shard is made",
			wanted: wants("edit", "b", "a"),
			want:   []line{{Give, "enrol:acme:edit:0", "a b ", ""}},
		},
		"Stands": {
			reason:   "what stands is not written",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "b", "a")},
			wanted:   wants("edit", "a", "b"),
		},
		"FillsTheLast": {
			reason:   "new ones fill the last shard, although an earlier one has room",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "a"), existing("edit", 1, "b")},
			wanted:   wants("edit", "a", "b", "c"),
			want:     []line{{Give, "enrol:acme:edit:1", "b c ", ""}},
		},
		"ThenTheHoles": {
			reason:   "then earlier ones, then new ones",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "a"), existing("edit", 2, "b")},
			wanted:   wants("edit", "a", "b", "c", "d", "e", "f", "g"),
			want: []line{
				{Give, "enrol:acme:edit:0", "a e f ", ""},
				{Give, "enrol:acme:edit:2", "b c d ", ""},
				{Give, "enrol:acme:edit:3", "g ", ""},
			},
		},
		"Leaver": {
			reason:   "who leaves goes first, and those who stay keep their places",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "a", "b", "c")},
			wanted:   wants("edit", "a", "c"),
			want:     []line{{Revoke, "enrol:acme:edit:0", "a c ", "b "}},
		},
		"LastLeaver": {
			reason:   "a shard of nobody is deleted",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "a")},
			want:     []line{{Revoke, "enrol:acme:edit:0", "", "a "}},
		},
		"Lowered": {
			reason:   "a lowered role is removed before the lower one is given",
			existing: []*rbacv1.RoleBinding{existing("edit", 0, "a")},
			wanted:   wants("view", "a"),
			want: []line{
				{Revoke, "enrol:acme:edit:0", "", "a "},
				{Give, "enrol:acme:view:0", "a ", ""},
			},
		},
		"Raised": {
			reason:   "a raised role is given before the lower one is removed",
			existing: []*rbacv1.RoleBinding{existing("view", 0, "a")},
			wanted:   wants("edit", "a"),
			want: []line{
				{Give, "enrol:acme:edit:0", "a ", ""},
				{Tidy, "enrol:acme:view:0", "", ""},
			},
		},
		"RaisedBesideALeaver": {
			reason:   "both at once in the same shard take two writes",
			existing: []*rbacv1.RoleBinding{existing("view", 0, "a", "b", "c")},
			wanted: func() Wanted {
				w := wants("edit", "a")
				maps.Copy(w, wants("view", "c"))
				return w
			}(),
			want: []line{
				{Revoke, "enrol:acme:view:0", "c a ", "b "},
				{Give, "enrol:acme:edit:0", "a ", ""},
				{Tidy, "enrol:acme:view:0", "c ", ""},
			},
		},
		"Twice": {
			reason: "one place each",
			existing: []*rbacv1.RoleBinding{
				existing("edit", 0, "a", "a"), existing("edit", 1, "a", "b"),
			},
			wanted: wants("edit", "a", "b"),
			want: []line{
				{Tidy, "enrol:acme:edit:0", "a ", ""},
				{Tidy, "enrol:acme:edit:1", "b ", ""},
			},
		},
		"Intruder": {
			reason: "a subject of a kind that Enrol never writes goes",
			existing: []*rbacv1.RoleBinding{with(existing("edit", 0, "a"), func(b *rbacv1.RoleBinding) {
				b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "x", Namespace: "web"})
			})},
			wanted: wants("edit", "a"),
			want:   []line{{Tidy, "enrol:acme:edit:0", "a ", ""}},
		},
		"OtherRoleRef": {
			reason: "roleRef cannot be put right: away with it first, and made anew",
			existing: []*rbacv1.RoleBinding{with(existing("view", 0, "a"), func(b *rbacv1.RoleBinding) {
				b.RoleRef.Name = "admin"
			})},
			wanted: wants("view", "a"),
			want: []line{
				{Revoke, "enrol:acme:view:0", "", "a "},
				{Give, "enrol:acme:view:0", "a ", ""},
			},
		},
		"OtherName": {
			reason: "labelled as ours, but of no name that we give",
			existing: []*rbacv1.RoleBinding{with(existing("view", 0, "a"), func(b *rbacv1.RoleBinding) {
				b.Name = "backdoor"
			})},
			want: []line{{Revoke, "backdoor", "", "a "}},
		},
		"Disowned": {
			reason: "an owner that was taken away is put back",
			existing: []*rbacv1.RoleBinding{with(existing("view", 0, "a"), func(b *rbacv1.RoleBinding) {
				b.OwnerReferences = nil
			})},
			wanted: wants("view", "a"),
			want:   []line{{Tidy, "enrol:acme:view:0", "a ", ""}},
		},
		"Overfull": {
			reason:   "a shard that is too big spreads",
			existing: []*rbacv1.RoleBinding{existing("view", 0, "a", "b", "c", "d")},
			wanted:   wants("view", "a", "b", "c", "d"),
			want: []line{
				{Give, "enrol:acme:view:1", "d ", ""},
				{Tidy, "enrol:acme:view:0", "a b c ", ""},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			plan := makeSized(acme, tc.existing, tc.wanted, testRank, 3)
			if diff := cmp.Diff(tc.want, lines(plan)); diff != "" {
				t.Errorf("%s\nplan (-want +got):\n%s", tc.reason, diff)
			}
			if plan.Empty() != (len(tc.want) == 0) {
				t.Errorf("Empty = %v", plan.Empty())
			}
		})
	}
}

// store is RoleBindings by namespace and name, as the API server keeps them.
type store map[string]*rbacv1.RoleBinding

func (s store) list() []*rbacv1.RoleBinding {
	var result []*rbacv1.RoleBinding
	for _, key := range slices.Sorted(maps.Keys(s)) {
		result = append(result, s[key])
	}
	return result
}

// write does what the API server does with a write.
func (s store) write(t *rapid.T, w *Write) {
	key := w.Place.Namespace + "/" + w.Name(acme)
	if (w.Existing == nil) == (s[key] != nil) {
		t.Fatalf("%s: Existing is %v, and there is %v", key, w.Existing, s[key])
	}
	switch {
	case len(w.Subjects) == 0:
		delete(s, key)
	case w.Existing == nil:
		s[key] = acme.Object(w.Place, w.Number, w.Subjects)
	default:
		changed := s[key].DeepCopy()
		acme.Adjust(changed, w.Subjects)
		s[key] = changed
	}
}

// rank is the highest that somebody has in a namespace, 0 for nothing.
func (s store) rank(namespace string, who subject.Subject) int {
	rank := 0
	for _, b := range s {
		if b.Namespace == namespace && slices.Contains(b.Subjects, who.RBAC()) {
			rank = max(rank, testRank(b.RoleRef.Name))
		}
	}
	return rank
}

func drawWanted(t *rapid.T, label string) Wanted {
	w := Wanted{}
	for _, namespace := range []string{"web", "data"} {
		for _, clusterRole := range []string{"view", "edit", "admin"} {
			for _, n := range rapid.SliceOfDistinct(rapid.IntRange(0, 11), rapid.ID).Draw(t, label) {
				w.add(Place{namespace, clusterRole}, user(fmt.Sprint("u", n)))
			}
		}
	}
	return w
}

// From any state that plans lead to, with any damage that somebody does to it, to any wanted state: the plan gets
// there, a second one is empty, nobody whose right stays or is raised is ever without it, and once the
// first phase is over nobody has more than is wanted.
func TestPlansGetThereSafely(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 4).Draw(t, "size")
		s := store{}
		before := drawWanted(t, "before")
		carryOut(t, s, before, size, nil)
		damage(t, s)

		wanted := drawWanted(t, "wanted")
		start := maps.Clone(s)
		carryOut(t, s, wanted, size, start)
		if again := makeSized(acme, s.list(), wanted, testRank, size); !again.Empty() {
			t.Fatalf("the second plan is not empty: %v", lines(again))
		}
		assertStands(t, s, wanted, size)
	})
}

func carryOut(t *rapid.T, s store, wanted Wanted, size int, start store) {
	for phase, writes := range makeSized(acme, s.list(), wanted, testRank, size) {
		for _, i := range rapid.Permutation(indices(len(writes))).Draw(t, "order") {
			s.write(t, &writes[i])
			if start != nil {
				assertNoGap(t, start, s, wanted)
			}
		}
		if start != nil && Phase(phase) == Revoke {
			assertNothingTooMuch(t, s, wanted)
		}
	}
}

func indices(n int) []int {
	result := make([]int, n)
	for i := range result {
		result[i] = i
	}
	return result
}

// damage does to a few bindings what somebody with rights in the namespace can do.
func damage(t *rapid.T, s store) {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		b := s[key].DeepCopy()
		switch rapid.IntRange(0, 7).Draw(t, "damage") {
		case 0:
			delete(s, key)
			continue
		case 1:
			b.Subjects = append(b.Subjects, user("intruder").RBAC())
		case 2:
			b.Subjects = nil
		case 3:
			b.OwnerReferences = []metav1.OwnerReference{{Kind: "Organisation", Name: "acme", UID: "0"}}
		case 4:
			b.Subjects = append(b.Subjects, b.Subjects...)
		}
		s[key] = b
	}
}

func assertStands(t *rapid.T, s store, wanted Wanted, size int) {
	got := Wanted{}
	for _, b := range s {
		if len(b.Subjects) > size || len(b.Subjects) == 0 {
			t.Fatalf("%s has %d subjects", b.Name, len(b.Subjects))
		}
		for _, rbac := range b.Subjects {
			who, _ := subject.FromRBAC(rbac)
			place := Place{b.Namespace, b.RoleRef.Name}
			if _, twice := got[place][who]; twice {
				t.Fatalf("%v stands twice in %v", who, place)
			}
			got.add(place, who)
		}
	}
	if diff := cmp.Diff(wanted, got, cmp.Transformer("set", func(s Subjects) []string {
		var names []string
		for who := range s {
			names = append(names, who.String())
		}
		slices.Sort(names)
		return names
	})); diff != "" {
		t.Fatalf("what stands (-want +got):\n%s", diff)
	}
}

func assertNoGap(t *rapid.T, start, s store, wanted Wanted) {
	for place, subjects := range wanted {
		for who := range subjects {
			after := 0
			for other, others := range wanted {
				if _, ok := others[who]; ok && other.Namespace == place.Namespace {
					after = max(after, testRank(other.ClusterRole))
				}
			}
			owed := start.rank(place.Namespace, who)
			if after < owed {
				// Lowered: what is taken goes before what is given comes.
				continue
			}
			if rank := s.rank(place.Namespace, who); rank < owed {
				t.Fatalf("%v has %d in %s on the way, and is owed %d", who, rank, place.Namespace, owed)
			}
		}
	}
}

func assertNothingTooMuch(t *rapid.T, s store, wanted Wanted) {
	for _, b := range s {
		for _, rbac := range b.Subjects {
			who, _ := subject.FromRBAC(rbac)
			allowed := 0
			for place, subjects := range wanted {
				if _, ok := subjects[who]; ok && place.Namespace == b.Namespace {
					allowed = max(allowed, testRank(place.ClusterRole))
				}
			}
			if testRank(b.RoleRef.Name) > allowed {
				t.Fatalf("after the revocations %v still has %s in %s", who, b.RoleRef.Name, b.Namespace)
			}
		}
	}
}

func TestShardNames(t *testing.T) {
	for name, want := range map[string]struct {
		clusterRole string
		number      int
		ok          bool
	}{
		"enrol:acme:edit:0":         {"edit", 0, true},
		"enrol:acme:enrol:owner:12": {"enrol:owner", 12, true},
		"enrol:acme:edit:00":        {},
		"enrol:acme:edit:-1":        {},
		"enrol:acme:edit:+1":        {},
		"enrol:acme:edit":           {},
		"enrol:acme::0":             {},
		"enrol:acme:0":              {},
		"enrol:other:edit:0":        {},
		"enrol:acme:edit:99999":     {"edit", 99_999, true},
		"enrol:acme:edit:100000":    {},
		"":                          {},
	} {
		clusterRole, number, ok := acme.shard(name)
		if ok != want.ok || (ok && (clusterRole != want.clusterRole || number != want.number)) {
			t.Errorf("shard(%q) = %q, %d, %v, want %v", name, clusterRole, number, ok, want)
		}
	}
}

func TestOwns(t *testing.T) {
	ours := existing("edit", 0, "a")
	cases := map[string]struct {
		change func(*rbacv1.RoleBinding)
		want   bool
	}{
		"Untouched":       {func(*rbacv1.RoleBinding) {}, true},
		"WithoutLabels":   {func(b *rbacv1.RoleBinding) { b.Labels = nil }, true},
		"WithoutOwner":    {func(b *rbacv1.RoleBinding) { b.OwnerReferences = nil }, true},
		"WithoutBoth":     {func(b *rbacv1.RoleBinding) { b.Labels, b.OwnerReferences = nil, nil }, false},
		"OfAnotherOwner":  {func(b *rbacv1.RoleBinding) { b.Labels, b.OwnerReferences[0].UID = nil, "2" }, false},
		"LabelledAnother": {func(b *rbacv1.RoleBinding) { b.Labels["enrol.dev/organisation"], b.OwnerReferences = "x", nil }, false},
	}
	for name, tc := range cases {
		b := ours.DeepCopy()
		tc.change(b)
		if got := acme.Owns(b); got != tc.want {
			t.Errorf("%s: Owns = %v, want %v", name, got, tc.want)
		}
	}
}

// The figure that the shards are for: a burst of 10,000 in passes half a second apart ends in 20 bindings, and
// takes few writes on the way.
func TestABurstTakesFewWrites(t *testing.T) {
	const members, passes = 10_000, 90
	s, writes := store{}, 0
	wanted := Wanted{}
	for pass := range passes {
		for n := pass * members / passes; n < (pass+1)*members/passes; n++ {
			wanted.add(Place{"web", "edit"}, user(fmt.Sprintf("user-%05d", n)))
		}
		plan := Make(acme, s.list(), wanted, testRank)
		for i := range plan[Give] {
			w := &plan[Give][i]
			s["web/"+w.Name(acme)] = acme.Object(w.Place, w.Number, w.Subjects)
			writes++
		}
	}
	if len(s) != members/shardSize || writes > 120 {
		t.Errorf("%d bindings by %d writes, want %d by at most 120", len(s), writes, members/shardSize)
	}
}
