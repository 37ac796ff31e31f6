package organisation

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/binding"
	"github.com/enrol-dev/enrol/internal/subject"
)

// BenchmarkDecide is a pass over 10,000 Members and 3 projects in which nothing is to be done: what a removal at rest
// waits for.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(func(w *world) {
		w.projects = []corev1.Namespace{project("web"), project("data"), project("ops")}
		w.members = nil
		for i := range 10_000 {
			m := newMember(fmt.Sprintf("user-%05d", i), "developer", "*")
			m.Spec.Username, m.Spec.Email = "", enrolv1alpha1.Email(m.Name+"@example.com")
			w.members = append(w.members, m)
		}
	})
	s := settings{naming: subject.Naming{EmailIsUsername: true}}
	for _, writes := range decide(w, s).plan {
		for _, write := range writes {
			owner := binding.Owner{Name: "acme", UID: "1"}
			w.bindings = append(w.bindings, *owner.Object(write.Place, write.Number, write.Subjects))
		}
	}
	if n := len(w.bindings); n != 84 {
		b.Fatalf("%d bindings", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := decide(w, s); !d.plan.Empty() {
			b.Fatal("there is something to do")
		}
	}
}
