package member

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Settlement is what a pass over an Organisation settled for one of its Members: what stands, and why.
type Settlement struct {
	// UID and Generation of the Member that it speaks of. A later generation waits for a later pass.
	UID            types.UID
	Generation     int64
	State          condition.State
	Subject        *subject.Subject
	KubernetesRole enrolv1alpha1.KubernetesRole
}

// Stands tells whether the Member's status says it already.
func (s *Settlement) Stands(m *enrolv1alpha1.Member) bool {
	status := &m.Status
	return status.ObservedGeneration == s.Generation && status.KubernetesRole == s.KubernetesRole &&
		s.sameSubject(status.Subject) && s.State.Holds(status.Conditions, s.Generation)
}

func (s *Settlement) sameSubject(found *enrolv1alpha1.Subject) bool {
	if found == nil || s.Subject == nil {
		return found == nil && s.Subject == nil
	}
	return found.Kind == s.Subject.Kind && found.Name == s.Subject.Name
}

// desired is the Member's status with the settlement in it. It is pure.
func (s *Settlement) desired(m *enrolv1alpha1.Member, now time.Time) enrolv1alpha1.MemberStatus {
	status := m.Status
	if status.ObservedGeneration != s.Generation {
		status.LastUpdateTime = &metav1.Time{Time: now}
	}
	status.ObservedGeneration = s.Generation
	status.Conditions = s.State.Set(status.Conditions, s.Generation, now)
	status.KubernetesRole = s.KubernetesRole
	status.Subject = nil
	if s.Subject != nil {
		status.Subject = &enrolv1alpha1.Subject{Kind: s.Subject.Kind, Name: s.Subject.Name}
	}
	return status
}
