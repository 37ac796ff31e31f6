package organisation

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/condition"
)

// changed is a Member of an Organisation, or the Organisation itself.
type changed struct{ kind, name string }

// change is what became of it.
type change struct {
	what  metrics.Change
	since time.Time
}

// changes are what waits for a pass.
type changes map[changed]change

// stopwatch measures how long changes wait for the access that they ask for.
type stopwatch struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// waiting are the changes by Organisation that no pass has dealt with.
	waiting map[string]changes
	// passing are those that a pass is dealing with.
	passing map[string]changes
}

func newStopwatch(c clock.PassiveClock) *stopwatch {
	return &stopwatch{clock: c, waiting: map[string]changes{}, passing: map[string]changes{}}
}

// note starts the watch for a change that was just seen.
func (s *stopwatch) note(organisation string, who changed, what metrics.Change) {
	s.noteSince(organisation, who, change{what: what, since: s.clock.Now()})
}

// noteFound starts the watch for what was there when the operator came, unless an earlier operator has dealt with it. Kubernetes
// knows when it was made; when it was changed is not known.
func (s *stopwatch) noteFound(organisation string, who changed, object client.Object, observedGeneration int64) {
	switch {
	case observedGeneration == object.GetGeneration():
	case observedGeneration > 0:
		s.note(organisation, who, metrics.Updated)
	default:
		s.noteSince(organisation, who, change{what: metrics.Created, since: object.GetCreationTimestamp().Time})
	}
}

// noteSince makes one of two changes that wait: since the first, whose access has not come yet, and of the last one's sort, but
// that what was made and changed is new still.
func (s *stopwatch) noteSince(organisation string, who changed, c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.waiting[organisation]
	if of == nil {
		of = changes{}
		s.waiting[organisation] = of
	}
	if known, ok := of[who]; ok {
		first, last := known, c
		if last.since.Before(first.since) {
			first, last = last, first
		}
		c = change{what: last.what, since: first.since}
		if c.what == metrics.Updated {
			c.what = first.what
		}
	}
	of[who] = c
}

// take hands the changes to a pass that begins. What comes from now on is for the next one.
func (s *stopwatch) take(organisation string) changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.waiting[organisation]
	delete(s.waiting, organisation)
	if len(taken) > 0 {
		s.passing[organisation] = taken
	}
	return taken
}

// passed puts back what still waits after a pass.
func (s *stopwatch) passed(organisation string, waits changes) {
	s.mu.Lock()
	delete(s.passing, organisation)
	s.mu.Unlock()
	for who, c := range waits {
		s.noteSince(organisation, who, c)
	}
}

// oldest is how long the oldest change has waited; 0 when none does.
func (s *stopwatch) oldest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first time.Time
	for _, all := range []map[string]changes{s.waiting, s.passing} {
		for _, of := range all {
			for _, c := range of {
				if first.IsZero() || c.since.Before(first) {
					first = c.since
				}
			}
		}
	}
	if first.IsZero() {
		return 0
	}
	return max(0, s.clock.Since(first))
}

// measure counts the changes that a pass has dealt with, and returns those that still wait. A refused one does neither, nor does
// one of a Member without an Organisation: what it asks for does not come.
func (s *stopwatch) measure(taken changes, w *world, d *decision, o *outcome, failure error) changes {
	now := s.clock.Now()
	waits := changes{}
	settle := func(who changed, state condition.State, failed bool) {
		c, ok := taken[who]
		switch {
		case !ok:
		case failed || w.organisation != nil && state.Type == enrolv1alpha1.ConditionReconciling:
			waits[who] = c
		case state.IsReady():
			metrics.AccessStands(who.kind, c.what, max(0, now.Sub(c.since)))
		}
		delete(taken, who)
	}
	// Of those who are gone, nobody knows any more whose writes failed.
	failed := failure != nil || o.overtaken || len(o.failed) > 0
	if w.organisation != nil {
		settle(changed{metrics.KindOrganisation, w.name}, d.state(w.organisation.Spec.Suspend, o, failure), failed)
	}
	for i := 0; i < len(d.members) && len(taken) > 0; i++ {
		j := &d.members[i]
		if _, ok := taken[changed{metrics.KindMember, j.member.Name}]; ok {
			settle(changed{metrics.KindMember, j.member.Name}, d.explain(j, o), o.failedFor(j))
		}
	}
	for who := range taken {
		settle(who, condition.Ready("", ""), failed)
	}
	return waits
}
