package binding

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestHold(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason            string
		existing          []*rbacv1.RoleBinding
		wanted            Wanted
		standing, waiting Wanted
	}{
		"Keeps": {
			"who has it keeps it, who does not waits",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane")}, wants("edit", "jane", "joe"),
			wants("edit", "jane"), wants("edit", "joe"),
		},
		"TakesAway": {
			"who is not to have it any more does not stand",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane", "joe")}, wants("edit", "jane"),
			wants("edit", "jane"), nil,
		},
		"Lowers": {
			"less than what somebody has is nothing new",
			[]*rbacv1.RoleBinding{existing("edit", 0, "jane")}, wants("view", "jane"),
			wants("view", "jane"), nil,
		},
		"Raises": {
			"who waits for more keeps what there is",
			[]*rbacv1.RoleBinding{existing("view", 0, "jane")}, wants("edit", "jane"),
			wants("view", "jane"), wants("edit", "jane"),
		},
		"Equal": {
			"who waits for another of equal rank keeps what there is, and is not given the other",
			[]*rbacv1.RoleBinding{existing("logs", 0, "jane")}, wants("shell", "jane"),
			wants("logs", "jane"), wants("shell", "jane"),
		},
		"MoreElsewhere": {
			"more in another namespace is no claim in this one",
			[]*rbacv1.RoleBinding{elsewhere("admin", "jane")}, wants("view", "jane"),
			nil, wants("view", "jane"),
		},
		"AwaitedElsewhere": {
			"what is not wanted any more goes, whatever is awaited in another namespace",
			[]*rbacv1.RoleBinding{elsewhere("view", "jane")}, wants("edit", "jane"),
			nil, wants("edit", "jane"),
		},
		"Tampered": {
			"what somebody else made of a binding gives nobody a claim",
			[]*rbacv1.RoleBinding{with(existing("edit", 0, "eve"), func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "admin" })},
			wants("edit", "eve"), nil, wants("edit", "eve"),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standing, waiting := Hold(acme, tc.existing, tc.wanted, testRank)
			if diff := cmp.Diff([]Wanted{tc.standing, tc.waiting}, []Wanted{standing, waiting}, cmpopts.EquateEmpty()); diff != "" {
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

// elsewhere is a binding in another namespace than that of wants.
func elsewhere(clusterRole string, names ...string) *rbacv1.RoleBinding {
	return acme.Object(Place{"data", clusterRole}, 0, users(names...))
}
