package binding

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/enrol-dev/enrol/internal/subject"
)

// Hold says what of the wanted may stand while nobody is to be given anything new, and who is waiting. Whoever has a right
// keeps it, somebody who is to have a lower one gets that in its place, and who is to have another one instead keeps what
// there is until then. What is not wanted any more is not among what stands, and goes.
func Hold(owner Owner, existing []*rbacv1.RoleBinding, wanted Wanted, rank func(clusterRole string) int) (standing, waiting Wanted) {
	h := holder{rank: rank, has: owner.has(existing), standing: Wanted{}, waiting: Wanted{}}
	h.held = h.has.byNamespace()
	for place, subjects := range wanted {
		for who := range subjects {
			if _, has := h.has[place][who]; has || h.lowers(place, who) {
				h.standing.put(place, who)
			} else {
				h.waiting.put(place, who)
			}
		}
	}
	h.awaited = h.waiting.byNamespace()
	for place, subjects := range h.has {
		for who := range subjects {
			if _, wants := wanted[place][who]; !wants && h.awaits(place, who) {
				h.standing.put(place, who)
			}
		}
	}
	return h.standing, h.waiting
}

type holder struct {
	rank                   func(string) int
	has, standing, waiting Wanted
	// held and awaited are the places of has and waiting, by namespace.
	held, awaited map[string][]Place
}

// lowers tells whether somebody has more in that namespace than what is wanted there.
func (h *holder) lowers(wanted Place, who subject.Subject) bool {
	for _, place := range h.held[wanted.Namespace] {
		if _, has := h.has[place][who]; has && h.rank(place.ClusterRole) > h.rank(wanted.ClusterRole) {
			return true
		}
	}
	return false
}

// awaits tells whether somebody waits for as much or more in that namespace.
func (h *holder) awaits(has Place, who subject.Subject) bool {
	for _, place := range h.awaited[has.Namespace] {
		if _, waits := h.waiting[place][who]; waits && h.rank(place.ClusterRole) >= h.rank(has.ClusterRole) {
			return true
		}
	}
	return false
}

func (w Wanted) byNamespace() map[string][]Place {
	places := map[string][]Place{}
	for place := range w {
		places[place.Namespace] = append(places[place.Namespace], place)
	}
	return places
}

func (w Wanted) put(place Place, who subject.Subject) {
	if w[place] == nil {
		w[place] = Subjects{}
	}
	w[place].Add(who)
}

// has is who has what by bindings that are as Enrol makes them.
func (o Owner) has(existing []*rbacv1.RoleBinding) Wanted {
	has := Wanted{}
	for _, b := range existing {
		clusterRole, _, ok := o.shard(b.Name)
		if !ok || !RefersTo(b, clusterRole) {
			continue
		}
		for _, s := range b.Subjects {
			if who, known := subject.FromRBAC(s); known {
				has.put(Place{b.Namespace, clusterRole}, who)
			}
		}
	}
	return has
}
