// Package gitops tells whether an object is kept in Git: what is deleted there, the next sync makes anew, and what is
// changed there, it changes back.
package gitops

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

const (
	// argoTrackingID is Argo CD's, by its default way of tracking: <application>:<group>/<kind>:<namespace>/<name>.
	argoTrackingID = "argocd.argoproj.io/tracking-id"
	// instance is Argo CD's when it tracks by label. Others use that label as well, so it needs a flag to count.
	instance = "app.kubernetes.io/instance"
	// fluxKustomization and fluxHelm are Flux's.
	fluxKustomization = "kustomize.toolkit.fluxcd.io/name"
	fluxHelm          = "helm.toolkit.fluxcd.io/name"
	// helmRelease and helm in the managed-by label are Helm's.
	helmRelease = "meta.helm.sh/release-name"
	helm        = "Helm"
)

// Tracking says how to tell.
type Tracking struct {
	// ArgoLabels is true where Argo CD tracks by the label app.kubernetes.io/instance.
	ArgoLabels bool
}

// KeptBy says in words by what an object of that kind is kept, "" when it is not.
func (t Tracking) KeptBy(object metav1.Object, kind schema.GroupKind) string {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	switch {
	case names(annotations[argoTrackingID], object, kind):
		return "Argo CD (annotation " + argoTrackingID + ")"
	case labels[fluxKustomization] != "":
		return "Flux (label " + fluxKustomization + ")"
	case labels[fluxHelm] != "":
		return "Flux (label " + fluxHelm + ")"
	case labels[enrolv1alpha1.LabelManagedBy] == helm && annotations[helmRelease] != "":
		return "Helm (annotation " + helmRelease + ")"
	case t.ArgoLabels && labels[instance] != "":
		return "Argo CD (label " + instance + ")"
	case annotations[enrolv1alpha1.AnnotationManagedInGit] == "true":
		return "Git (annotation " + enrolv1alpha1.AnnotationManagedInGit + ")"
	}
	return ""
}

// names tells whether a tracking id is for this very object: one that was copied along with other annotations is for
// another, and Argo CD does not take it for a mark either.
func names(id string, object metav1.Object, kind schema.GroupKind) bool {
	_, id, found := strings.Cut(id, ":")
	namespace := object.GetNamespace()
	return found && (id == fmt.Sprintf("%s/%s:%s/%s", kind.Group, kind.Kind, namespace, object.GetName()) ||
		// Argo CD fills in its destination's namespace for what has none.
		(namespace == "" && strings.HasPrefix(id, fmt.Sprintf("%s/%s:", kind.Group, kind.Kind)) &&
			strings.HasSuffix(id, "/"+object.GetName())))
}
