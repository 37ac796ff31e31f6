package member

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
)

// What is on its way must not arrive after what takes it back, though that is what the status says still.
func TestALaterSettlementReplacesOneOnItsWay(t *testing.T) {
	m := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "jane", Namespace: "org-acme", Generation: 1}}
	granted := Settlement{Generation: 1, State: condition.Ready("Granted", "edit")}
	m.Status = granted.desired(m, time.Now())
	suspended := Settlement{Generation: 1, State: condition.Ready("OrganisationSuspended", "no access")}
	key := types.NamespacedName{Namespace: "org-acme", Name: "jane"}

	r := &Reconciler{pending: map[types.NamespacedName]Settlement{}}
	r.Settle(m, granted)
	if _, pending := r.pending[key]; pending {
		t.Error("what stands need not be settled")
	}
	r.Settle(m, suspended)
	r.Settle(m, granted)
	if got := r.pending[key]; got != granted {
		t.Errorf("pending is %+v, want the later one", got)
	}
	// The first was being written all the while; it is not forgotten in the place of the second.
	r.settled(key, suspended)
	if got := r.pending[key]; got != granted {
		t.Errorf("pending is %+v after the first was written, want the later one", got)
	}
}
