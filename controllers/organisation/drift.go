package organisation

import (
	"hash/maphash"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/binding"
)

// memory is what the operator knows of its RoleBindings since it started, to tell what others do to them.
type memory struct {
	seed maphash.Seed
	// written are sums of what was last written, by UID.
	written sync.Map
	// gone are the names of those that somebody else deleted.
	gone sync.Map
}

func newMemory() *memory { return &memory{seed: maphash.MakeSeed()} }

// drift says what a write puts right that somebody else did.
func (m *memory) drift(owner binding.Owner, key types.NamespacedName, existing *rbacv1.RoleBinding) metrics.Drift {
	if existing == nil {
		if _, ok := m.gone.Load(key); ok {
			return metrics.DriftDeleted
		}
		return metrics.NoDrift
	}
	if !owner.Made(existing) {
		return metrics.DriftForeign
	}
	if sum, ok := m.written.Load(existing.UID); ok && sum != m.sum(existing) {
		return metrics.DriftChanged
	}
	return metrics.NoDrift
}

// wrote remembers a write.
func (m *memory) wrote(key types.NamespacedName, b *rbacv1.RoleBinding) {
	m.gone.Delete(key)
	if b != nil {
		m.written.Store(b.UID, m.sum(b))
	}
}

// sum is of what Enrol decides about a RoleBinding.
func (m *memory) sum(b *rbacv1.RoleBinding) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	add := func(text string) {
		_, _ = h.WriteString(text)
		_ = h.WriteByte(0)
	}
	add(b.Labels[enrolv1alpha1.LabelManagedBy])
	add(b.Labels[enrolv1alpha1.LabelOrganisation])
	for _, owner := range b.OwnerReferences {
		add(string(owner.UID))
	}
	for _, subject := range b.Subjects {
		add(subject.Kind)
		add(subject.Name)
		add(subject.Namespace)
	}
	return h.Sum64()
}
