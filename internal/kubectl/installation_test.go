package kubectl

import (
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func TestJudgeKind(t *testing.T) {
	t.Parallel()
	type crd = *apiextensionsv1.CustomResourceDefinition
	judge(t, map[string]judged[crd]{
		"Fine":           {"The version is served", func(crd) {}, fine},
		"Older":          {"An older installation does not know the version", func(c crd) { c.Spec.Versions[0].Name = "v1alpha0" }, broken},
		"NotServed":      {"A version may be kept and not served", func(c crd) { c.Spec.Versions[0].Served = false }, broken},
		"NotEstablished": {"Another CRD may have the name", func(c crd) { c.Status.Conditions = nil }, broken},
		"Newer": {"A newer installation may still serve it", func(c crd) {
			c.Spec.Versions = append(c.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{Name: "v1beta1", Served: true})
		}, odd},
	}, func() crd {
		return &apiextensionsv1.CustomResourceDefinition{
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1alpha1", Served: true}},
			},
			Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{
				{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue},
			}},
		}
	}, judgeKind)
}

func TestJudgePolicy(t *testing.T) {
	t.Parallel()
	type pair struct {
		policy  admissionregistrationv1.ValidatingAdmissionPolicy
		binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
	}
	judge(t, map[string]judged[*pair]{
		"Fine":    {"It refuses", func(*pair) {}, fine},
		"Another": {"A binding for another policy makes it idle", func(p *pair) { p.binding.Spec.PolicyName = "other" }, broken},
		"AuditOnly": {"What is only noted is not refused", func(p *pair) {
			p.binding.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Audit}
		}, broken},
		"Ignore": {"What cannot be judged must not pass", func(p *pair) {
			p.policy.Spec.FailurePolicy = new(admissionregistrationv1.Ignore)
		}, broken},
		"Narrowed": {"A binding may hold for some objects only", func(p *pair) {
			p.binding.Spec.MatchResources = &admissionregistrationv1.MatchResources{}
		}, odd},
		"Warned": {"The API server does not understand an expression", func(p *pair) {
			p.policy.Status.TypeChecking = &admissionregistrationv1.TypeChecking{
				ExpressionWarnings: []admissionregistrationv1.ExpressionWarning{{Warning: "undefined field"}},
			}
		}, odd},
	}, func() *pair {
		return &pair{
			policy: admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}},
			binding: admissionregistrationv1.ValidatingAdmissionPolicyBinding{
				Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
					PolicyName: "p", ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
				},
			},
		}
	}, func(p *pair) (outcome, string) { return judgePolicy(&p.policy, &p.binding) })
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
