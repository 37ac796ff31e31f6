package member

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

func TestSettlement(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	jane := &subject.Subject{Kind: "User", Name: "jane"}
	granted := Settlement{Generation: 1, State: condition.Ready("Granted", "edit"), Subject: jane, KubernetesRole: "edit"}
	stands := granted.desired(&enrolv1alpha1.Member{}, now)
	cases := map[string]struct {
		reason     string
		settlement Settlement
		change     func(*enrolv1alpha1.MemberStatus)
	}{
		"Generation": {"a later generation is another statement",
			Settlement{Generation: 2, State: granted.State, Subject: jane, KubernetesRole: "edit"},
			func(s *enrolv1alpha1.MemberStatus) {
				s.ObservedGeneration, s.Conditions[0].ObservedGeneration = 2, 2
				s.LastUpdateTime = &metav1.Time{Time: now.Add(time.Hour)}
			}},
		"Nobody": {"who is bound no longer is not named any more",
			Settlement{Generation: 1, State: condition.Ready("Suspended", "no access")},
			func(s *enrolv1alpha1.MemberStatus) {
				s.Subject, s.KubernetesRole = nil, ""
				s.Conditions[0].Reason, s.Conditions[0].Message = "Suspended", "no access"
			}},
		"OtherRole": {"another Kubernetes role",
			Settlement{Generation: 1, State: granted.State, Subject: jane, KubernetesRole: "view"},
			func(s *enrolv1alpha1.MemberStatus) { s.KubernetesRole = "view" }},
		"OtherSubject": {"another name for the person",
			Settlement{Generation: 1, State: granted.State, Subject: &subject.Subject{Kind: "User", Name: "u:jane"}, KubernetesRole: "edit"},
			func(s *enrolv1alpha1.MemberStatus) { s.Subject.Name = "u:jane" }},
	}
	if m := (&enrolv1alpha1.Member{Status: stands}); !granted.Stands(m) {
		t.Error("what was written must stand")
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := &enrolv1alpha1.Member{Status: *stands.DeepCopy()}
			m.Status.Username, m.Status.UsernameEmail = "jane", "jane@example.com"
			want := *m.Status.DeepCopy()
			tc.change(&want)
			if tc.settlement.Stands(m) {
				t.Errorf("%s: must not stand yet", tc.reason)
			}
			got := tc.settlement.desired(m, now.Add(time.Hour))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\ndesired (-want +got):\n%s", tc.reason, diff)
			}
			m.Status = got
			if !tc.settlement.Stands(m) {
				t.Errorf("%s: must stand afterwards", tc.reason)
			}
		})
	}
}
