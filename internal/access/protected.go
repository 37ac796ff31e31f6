package access

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// Protected tells whether a namespace is never a project, whatever a label says: who is let into one of these is let into
// the cluster, or can write memberships. The operator is in the namespace system.
func Protected(namespace *corev1.Namespace, system string) bool {
	_, isHome := namespace.Labels[enrolv1alpha1.LabelHomeOf]
	return isHome || strings.HasPrefix(namespace.Name, "kube-") ||
		namespace.Name == corev1.NamespaceDefault || namespace.Name == system
}
