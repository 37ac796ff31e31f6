package kubectl

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/enrol-dev/enrol/internal/preflight"
)

// judged is a row about an object that a change is made to.
type judged[T any] struct {
	reason string
	change func(T)
	want   outcome
}

func judge[T any](t *testing.T, rows map[string]judged[T], fresh func() T, decide func(T) (outcome, string)) {
	t.Helper()
	for name, row := range rows {
		object := fresh()
		row.change(object)
		if got, message := decide(object); got != row.want {
			t.Errorf("%s: %s: %s %q, want %s", name, row.reason, got, message, row.want)
		}
	}
}

func TestJudgeCluster(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		severity preflight.Severity
		want     outcome
	}{
		"Stop":    {"The operator does nothing", preflight.Stop, broken},
		"Hold":    {"The operator gives nobody anything new", preflight.Hold, broken},
		"Warning": {"The operator does all that it does otherwise", preflight.Warning, odd},
	}
	for name, tc := range cases {
		got := judgeCluster([]preflight.Finding{{Severity: tc.severity, Reason: "R", What: "what", Why: "why", Do: "do"}})
		want := []finding{{What: "cluster", Outcome: tc.want, Message: "R: what", Why: "why", Do: "do"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
	}
}

// What to do is shown however much there is to say.
func TestShowKeepsWhatToDo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &checkCommand{plugin: &plugin{streams: genericiooptions.IOStreams{Out: &out}}}
	err := c.show(&examination{Findings: []finding{{What: "cluster", Outcome: broken, Message: strings.Repeat("long ", longest), Do: "do this"}}})
	if err != nil || !strings.HasSuffix(out.String(), "…; do this\n") {
		t.Errorf("%v: what to do is missing:\n%s", err, out.String())
	}
}

func TestJudgeLease(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	type lease = *coordinationv1.Lease
	judge(t, map[string]judged[lease]{
		"Fine":     {"Renewed a moment ago", func(lease) {}, fine},
		"Released": {"An operator that ended let go of it", func(l lease) { l.Spec.HolderIdentity = new("") }, broken},
		"Never":    {"Nobody has renewed it", func(l lease) { l.Spec.RenewTime = nil }, broken},
		"Stale":    {"Who held it has gone", func(l lease) { l.Spec.RenewTime.Time = now.Add(-time.Minute) }, broken},
		"Clocks":   {"Clocks differ", func(l lease) { l.Spec.RenewTime.Time = now.Add(20 * time.Second) }, fine},
	}, func() lease {
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("a"), LeaseDurationSeconds: new(int32(15)), RenewTime: &metav1.MicroTime{Time: now.Add(-10 * time.Second)},
		}}
	}, func(l lease) (outcome, string) { return judgeLease(l, now) })
}

func TestJudgeDeployment(t *testing.T) {
	t.Parallel()
	type deployment = *appsv1.Deployment
	image := func(image string) func(deployment) {
		return func(d deployment) { d.Spec.Template.Spec.Containers[0].Image = image }
	}
	judge(t, map[string]judged[deployment]{
		"Fine":   {"Available, and of this version", func(deployment) {}, fine},
		"Digest": {"A digest may follow", image("example.com:5000/enrol:v1@sha256:00"), fine},
		"Other":  {"Another version", image("example.com:5000/enrol:v2"), odd},
		"NoTag":  {"The port of a registry is no version", image("example.com:5000/enrol"), odd},
		"None":   {"No Pod is there", func(d deployment) { d.Status.AvailableReplicas = 0 }, broken},
		"Few": {"Too few are there", func(d deployment) {
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse}}
		}, broken},
		"Rollout": {"A change is on its way", func(d deployment) { d.Generation = 2 }, odd},
	}, func() deployment {
		return &appsv1.Deployment{
			Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Image: "example.com:5000/enrol:v1"}},
			}}},
			Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
		}
	}, func(d deployment) (outcome, string) { return judgeDeployment(d, "v1") })
}
