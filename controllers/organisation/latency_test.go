package organisation

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

func jane() changed { return changed{metrics.KindMember, "jane"} }

// TestNote lets a Member change, each time a second after the last.
func TestNote(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason string
		seen   []metrics.Change
		want   metrics.Change
	}{
		"Created":        {"it is what it is", []metrics.Change{metrics.Created}, metrics.Created},
		"CreatedUpdated": {"nothing stood before", []metrics.Change{metrics.Created, metrics.Updated}, metrics.Created},
		"Removed":        {"what is to stand is the last", []metrics.Change{metrics.Updated, metrics.Deleted}, metrics.Deleted},
		"MadeAnew":       {"what is to stand is the last", []metrics.Change{metrics.Deleted, metrics.Created}, metrics.Created},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := clocktesting.NewFakeClock(time.Unix(0, 0))
			s := newStopwatch(clock)
			for _, what := range test.seen {
				s.note("acme", jane(), what)
				clock.Step(time.Second)
			}
			want := change{what: test.want, since: time.Unix(0, 0)}
			if got := s.take("acme")[jane()]; got != want {
				t.Errorf("%s: got %v, want %v", test.reason, got, want)
			}
			if got, want := s.oldest(), time.Duration(len(test.seen))*time.Second; got != want {
				t.Errorf("the oldest waits %v, want %v: a pass does not stop the watch", got, want)
			}
			s.passed("acme", nil)
			if got := s.oldest(); got != 0 {
				t.Errorf("the oldest waits %v after all was dealt with", got)
			}
		})
	}
}

// TestNoteFound shows Members to an operator that has just come.
func TestNoteFound(t *testing.T) {
	t.Parallel()
	now, made := time.Unix(1000, 0), time.Unix(900, 0)
	for name, test := range map[string]struct {
		reason   string
		observed int64
		want     changes
	}{
		"Done": {"an earlier operator has dealt with it", 2, nil},
		"New":  {"it has waited since it was made", -1, changes{jane(): {metrics.Created, made}}},
		"Changed": {
			"when it was changed is not known", 1, changes{jane(): {metrics.Updated, now}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStopwatch(clocktesting.NewFakeClock(now))
			m := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Generation: 2, CreationTimestamp: metav1.NewTime(made)}}
			s.noteFound("acme", jane(), m, test.observed)
			if diff := cmp.Diff(test.want, s.take("acme"), cmp.AllowUnexported(changed{}, change{})); diff != "" {
				t.Errorf("%s: %s", test.reason, diff)
			}
		})
	}
}

// TestMeasure ends passes over an Organisation with Member jane, whose Member gone has gone, in several ways.
func TestMeasure(t *testing.T) {
	t.Parallel()
	who := subject.Subject{Kind: "User", Name: "jane"}
	granted := access.Verdict{State: condition.Ready(enrolv1alpha1.ReasonGranted, ""), Subject: &who}
	gone, acme := changed{metrics.KindMember, "gone"}, changed{metrics.KindOrganisation, "acme"}
	for name, test := range map[string]struct {
		reason  string
		verdict access.Verdict
		outcome func(*outcome)
		failure error
		missing bool
		waits   []changed
	}{
		"Well": {reason: "all stands", verdict: granted},
		"Failed": {
			reason: "a write failed: hers, or that of who is gone", verdict: granted,
			outcome: func(o *outcome) { o.failed[who] = struct{}{} }, waits: []changed{jane(), gone, acme},
		},
		"FailedElsewhere": {
			reason: "her own access stands", verdict: granted, failure: errors.New("no"), waits: []changed{gone, acme},
		},
		"Overtaken": {
			reason: "another pass follows", verdict: granted,
			outcome: func(o *outcome) { o.stale() }, waits: []changed{gone, acme},
		},
		"Held": {
			reason: "somebody keeps deleting it", verdict: granted,
			outcome: func(o *outcome) {
				o.kept[who] = condition.InProgress(enrolv1alpha1.ReasonProgressing, "")
				o.held = "held"
			},
			waits: []changed{jane(), acme},
		},
		"Refused": {
			reason: "what is refused does not come", verdict: access.Verdict{State: condition.Stalled(enrolv1alpha1.ReasonUnknownRole, "")},
		},
		"Missing": {
			reason: "nobody waits for an Organisation that nobody made", verdict: access.OrganisationMissing(), missing: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStopwatch(clocktesting.NewFakeClock(time.Unix(1000, 0)))
			w := &world{name: "acme", organisation: &enrolv1alpha1.Organisation{}}
			taken := changes{jane(): {}, gone: {}, acme: {}}
			if test.missing {
				w.organisation = nil
			}
			m := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "jane"}}
			d := &decision{members: []judged{{member: m, verdict: test.verdict}}}
			o := newOutcome()
			if test.outcome != nil {
				test.outcome(&o)
			}
			want := changes{}
			for _, who := range test.waits {
				want[who] = change{}
			}
			if got := s.measure(taken, w, d, &o, test.failure); !maps.Equal(got, want) {
				t.Errorf("%s: %v wait, want %v", test.reason, got, want)
			}
		})
	}
}
