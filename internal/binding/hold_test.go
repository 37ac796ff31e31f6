package binding

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestHold(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason            string
		existing          []*rbacv1.RoleBinding
		wanted            Wanted
		standing, waiting map[string][]string
	}{
		"Keeps": {
			"who has it keeps it, who does not waits",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane")}, wants("edit", "jane", "joe"),
			map[string][]string{"edit": {"jane"}}, map[string][]string{"edit": {"joe"}},
		},
		"TakesAway": {
			"who is not to have it any more does not stand",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane", "joe")}, wants("edit", "jane"),
			map[string][]string{"edit": {"jane"}}, nil,
		},
		"Lowers": {
			"less than what somebody has is nothing new",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane")}, wants("view", "jane"),
			map[string][]string{"view": {"jane"}}, nil,
		},
		"Raises": {
			"who waits for more keeps what there is",
			[]*rbacv1.RoleBinding{existing("view", 0, "jane")}, wants("edit", "jane"),
			map[string][]string{"view": {"jane"}}, map[string][]string{"edit": {"jane"}},
		},
		"Tampered": {
			"what somebody else made of a binding gives nobody a claim",
			[]*rbacv1.RoleBinding{with(existing("edit", 0, "eve"), func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "admin" })},
			wants("edit", "eve"), nil, map[string][]string{"edit": {"eve"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standing, waiting := Hold(acme, tc.existing, tc.wanted, testRank)
			if diff := cmp.Diff([]map[string][]string{tc.standing, tc.waiting}, []map[string][]string{people(standing), people(waiting)}); diff != "" {
				t.Errorf("%s\nstanding and waiting (-want +got):\n%s", tc.reason, diff)
			}
			for _, writes := range Make(acme, tc.existing, standing, testRank) {
				for _, w := range writes {
					for _, who := range w.Added {
						if _, waits := waiting[w.Place][who]; waits {
							t.Errorf("%s: %v is given though it waits", tc.reason, who)
						}
					}
				}
			}
		})
	}
}

// people are who has which ClusterRole, in order.
func people(w Wanted) map[string][]string {
	var result map[string][]string
	for place, subjects := range w {
		if result == nil {
			result = map[string][]string{}
		}
		for who := range maps.Keys(subjects) {
			result[place.ClusterRole] = append(result[place.ClusterRole], who.Name)
		}
		slices.Sort(result[place.ClusterRole])
	}
	return result
}
