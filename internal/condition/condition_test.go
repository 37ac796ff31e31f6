package condition_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/enrol-dev/enrol/internal/condition"
)

func TestSet(t *testing.T) {
	before := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := before.Add(time.Hour)
	states := map[string]condition.State{
		"ready":       condition.Ready("Granted", "edit in all projects"),
		"in progress": condition.InProgress("Progressing", "one moment"),
		"stalled":     condition.Stalled("UnknownRole", "no such role"),
	}
	entry := func(kind string, status metav1.ConditionStatus, s condition.State, at time.Time) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: s.Reason, Message: s.Message,
			ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(at)}
	}
	cases := map[string]struct {
		reason   string
		from, to string
		want     []metav1.Condition
	}{
		"StaysReady": {"a status that stays keeps its transition time", "ready", "ready", []metav1.Condition{
			entry("Ready", "True", states["ready"], before)}},
		"Stalls": {"Stalled comes, Ready turns", "ready", "stalled", []metav1.Condition{
			entry("Ready", "False", states["stalled"], now), entry("Stalled", "True", states["stalled"], now)}},
		"Recovers": {"what is abnormal leaves no trace", "stalled", "ready", []metav1.Condition{
			entry("Ready", "True", states["ready"], now)}},
		"StallsOnTheWay": {"only one of Reconciling and Stalled holds", "in progress", "stalled", []metav1.Condition{
			entry("Ready", "False", states["stalled"], before), entry("Stalled", "True", states["stalled"], now)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			from, to := states[tc.from], states[tc.to]
			old := from.Set(nil, 1, before)
			untouched := from.Set(nil, 1, before)
			got := to.Set(old, 2, now)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nSet (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(untouched, old); diff != "" {
				t.Errorf("Set changed what it was given:\n%s", diff)
			}
			if !to.Holds(got, 2) || to.Holds(got, 3) || to.Holds(old, 2) {
				t.Errorf("Holds = %v for the new ones, %v for another generation, %v for the old ones",
					to.Holds(got, 2), to.Holds(got, 3), to.Holds(old, 2))
			}
		})
	}
}
