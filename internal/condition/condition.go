// Package condition keeps the conditions of Enrol's objects in the sense of kstatus: Ready always, Reconciling and
// Stalled only while they hold.
package condition

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// maxMessage is the most that metav1.Condition takes, in bytes.
const maxMessage = 32768

// State is all that the conditions of an object say.
type State struct {
	// Type is which condition besides Ready is True: Reconciling, Stalled or, when Ready itself is, "".
	Type            string
	Reason, Message string
}

// Ready says that the state that the spec asks for stands.
func Ready(reason, message string) State { return State{Reason: reason, Message: message} }

// InProgress says that the operator will get there by itself.
func InProgress(reason, message string) State {
	return State{Type: enrolv1alpha1.ConditionReconciling, Reason: reason, Message: message}
}

// Stalled says that somebody has to change something first.
func Stalled(reason, message string) State {
	return State{Type: enrolv1alpha1.ConditionStalled, Reason: reason, Message: message}
}

// IsReady tells whether the state that the spec asks for stands.
func (s State) IsReady() bool { return s.Type == "" }

// IsStalled tells whether somebody has to change something first.
func (s State) IsStalled() bool { return s.Type == enrolv1alpha1.ConditionStalled }

// Holds tells whether the conditions say just this of that generation.
func (s State) Holds(conditions []metav1.Condition, generation int64) bool {
	wanted := s.wanted()
	for i := range wanted {
		found := meta.FindStatusCondition(conditions, wanted[i].Type)
		if found == nil || found.Status != wanted[i].Status || found.Reason != s.Reason ||
			found.Message != wanted[i].Message || found.ObservedGeneration != generation {
			return false
		}
	}
	return !slices.ContainsFunc(conditions, func(c metav1.Condition) bool {
		return s.forbids(c.Type)
	})
}

// Set returns the conditions changed so that they say this of that generation. A condition whose status stays keeps
// its transition time. The given slice stays as it is.
func (s State) Set(conditions []metav1.Condition, generation int64, now time.Time) []metav1.Condition {
	result := slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool { return s.forbids(c.Type) })
	for _, c := range s.wanted() {
		c.ObservedGeneration = generation
		c.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&result, c)
	}
	return result
}

func (s State) wanted() []metav1.Condition {
	status := metav1.ConditionTrue
	if !s.IsReady() {
		status = metav1.ConditionFalse
	}
	message := s.Message[:min(len(s.Message), maxMessage)]
	conditions := []metav1.Condition{
		{Type: enrolv1alpha1.ConditionReady, Status: status, Reason: s.Reason, Message: message},
	}
	if !s.IsReady() {
		conditions = append(conditions, metav1.Condition{
			Type: s.Type, Status: metav1.ConditionTrue, Reason: s.Reason, Message: message,
		})
	}
	return conditions
}

// forbids tells whether a condition of that type must be absent.
func (s State) forbids(conditionType string) bool {
	abnormal := conditionType == enrolv1alpha1.ConditionReconciling || conditionType == enrolv1alpha1.ConditionStalled
	return abnormal && conditionType != s.Type
}
