package domain

import (
	"runtime"
	"testing"
	"weak"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// TestOneVersionOfAnOrganisation: versions come with each change and with each answer to an invitation, and must not pile up.
func TestOneVersionOfAnOrganisation(t *testing.T) {
	t.Parallel()
	d := New(Options{Clock: clock.RealClock{}})
	version := func(uid types.UID) *enrolv1alpha1.Organisation {
		return &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{UID: uid}}
	}
	first := version("acme")
	if known := d.organisation(first); d.organisation(first) != known {
		t.Error("what is derived is derived once for each version")
	}
	kept := weak.Make(first)
	second, other := version("acme"), version("other")
	if d.organisation(second).Organisation != second || d.organisation(other).Organisation != other {
		t.Error("what is derived is that of another Organisation")
	}
	runtime.GC()
	if kept.Value() != nil {
		t.Error("a version that is not the latest is kept")
	}
	runtime.KeepAlive(d)
}
