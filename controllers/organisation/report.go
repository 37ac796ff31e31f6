package organisation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/note"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Reasons and actions of events.
const (
	eventGranted  = "Granted"
	eventRevoked  = "Revoked"
	actionBind    = "Bind"
	actionRelease = "Release"

	// maxRevocations bounds the events of one pass. Beyond it the Organisation's own event gives the number.
	maxRevocations = 100
	// forgetEvery so many deletions, those that are long past are forgotten.
	forgetEvery = 1000
)

// report says in events what a pass did: what was given once on the Organisation, since 10,000 events would cost more
// than the bindings; what was taken away on each Member.
func (r *Reconciler) report(w *world, d *decision, o outcome) {
	if w.organisation == nil {
		return
	}
	given := map[subject.Subject]struct{}{}
	namespaces := map[string]struct{}{}
	taken := map[subject.Subject][]string{}
	for i := range o.done {
		write := &o.done[i]
		for _, who := range write.Added {
			given[who] = struct{}{}
			namespaces[write.Place.Namespace] = struct{}{}
		}
		for _, who := range write.Revoked {
			taken[who] = append(taken[who], write.Place.ClusterRole+" in "+write.Place.Namespace)
		}
	}
	if len(given) > 0 {
		r.recorder.Eventf(w.organisation, nil, corev1.EventTypeNormal, eventGranted, actionBind,
			"gave access to %s in %s", count(len(given), "subject"), count(len(namespaces), "namespace"))
	}
	if len(taken) > 0 {
		r.reportTaken(w, d, taken)
	}
}

func (r *Reconciler) reportTaken(w *world, d *decision, taken map[subject.Subject][]string) {
	members := map[subject.Subject]*enrolv1alpha1.Member{}
	for i := range d.members {
		member := d.members[i].member
		if s := member.Status.Subject; s != nil {
			who := subject.Subject{Kind: s.Kind, Name: s.Name}
			if _, ok := taken[who]; ok {
				members[who] = member
			}
		}
	}
	reported := 0
	for who, places := range taken {
		if reported == maxRevocations {
			r.event(w.organisation, "took access from %s more", count(len(taken)-reported, "subject"))
			return
		}
		reported++
		slices.Sort(places)
		var about runtime.Object = w.organisation
		if member, ok := members[who]; ok {
			about = member
		}
		r.event(about, "%s no longer has %s", who, strings.Join(slices.Compact(places), ", "))
	}
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// event records something about access that was taken away.
func (r *Reconciler) event(about runtime.Object, format string, args ...any) {
	r.recorder.Eventf(about, nil, corev1.EventTypeNormal, eventRevoked, actionRelease, "%s", note.Cut(fmt.Sprintf(format, args...)))
}

// deleted notes that a RoleBinding of ours was deleted by somebody else, and backOff says how long it must not be made
// again: at once the first few times, then less and less often.
func (r *Reconciler) deleted(b *rbacv1.RoleBinding) {
	r.memory.written.Delete(b.UID)
	if _, ours := r.ours.LoadAndDelete(b.UID); ours {
		return
	}
	if r.foreignDeletions.Add(1)%forgetEvery == 0 {
		r.deletions.GC()
		r.memory.gone.Clear()
	}
	r.memory.gone.Store(client.ObjectKeyFromObject(b), struct{}{})
	r.deletions.Next(client.ObjectKeyFromObject(b).String(), r.clock.Now())
}

func (r *Reconciler) backOff(key types.NamespacedName) time.Duration {
	if !r.deletions.IsInBackOffSinceUpdate(key.String(), r.clock.Now()) {
		return 0
	}
	return r.deletions.Get(key.String())
}
