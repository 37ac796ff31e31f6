package gitops

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestKeptBy(t *testing.T) {
	kind := schema.GroupKind{Group: "enrol.dev", Kind: "Invitation"}
	type marks = map[string]string
	cases := map[string]struct {
		reason              string
		labels, annotations marks
		tracking            Tracking
		cluster             bool
		want                string
	}{
		"None":        {"an object of nobody's", nil, nil, Tracking{}, false, ""},
		"Argo":        {"Argo CD's own mark", nil, marks{argoTrackingID: "app:enrol.dev/Invitation:org-acme/kim"}, Tracking{}, false, "Argo CD"},
		"Copied":      {"a mark that was copied from another object", nil, marks{argoTrackingID: "app:enrol.dev/Invitation:org-acme/joe"}, Tracking{}, false, ""},
		"OtherKind":   {"or from another kind", nil, marks{argoTrackingID: "app:enrol.dev/Member:org-acme/kim"}, Tracking{}, false, ""},
		"OtherPlace":  {"or from another namespace", nil, marks{argoTrackingID: "app:enrol.dev/Invitation:org-x/kim"}, Tracking{}, false, ""},
		"Garbage":     {"no mark at all", nil, marks{argoTrackingID: "kim"}, Tracking{}, false, ""},
		"Cluster":     {"of what has no namespace, the mark names the application's", nil, marks{argoTrackingID: "app:enrol.dev/Invitation:argocd/kim"}, Tracking{}, true, "Argo CD"},
		"ClusterNone": {"or none", nil, marks{argoTrackingID: "app:enrol.dev/Invitation:/kim"}, Tracking{}, true, "Argo CD"},
		"Flux":        {"a Kustomization of Flux", marks{fluxKustomization: "apps"}, nil, Tracking{}, false, "Flux"},
		"FluxHelm":    {"a HelmRelease of Flux", marks{fluxHelm: "apps"}, nil, Tracking{}, false, "Flux"},
		"Helm":        {"a release of Helm", marks{"app.kubernetes.io/managed-by": "Helm"}, marks{helmRelease: "r"}, Tracking{}, false, "Helm"},
		"HelmLabel":   {"the label alone says little", marks{"app.kubernetes.io/managed-by": "Helm"}, nil, Tracking{}, false, ""},
		"Instance":    {"that label counts only where Argo CD is known to use it", marks{instance: "apps"}, nil, Tracking{}, false, ""},
		"ByLabel":     {"as it is here", marks{instance: "apps"}, nil, Tracking{ArgoLabels: true}, false, "Argo CD"},
		"Own":         {"our own mark", nil, marks{"enrol.dev/managed-in-git": "true"}, Tracking{}, false, "Git"},
		"OwnFalse":    {"our own, saying no", nil, marks{"enrol.dev/managed-in-git": "false"}, Tracking{}, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := &metav1.ObjectMeta{Namespace: "org-acme", Name: "kim", Labels: tc.labels, Annotations: tc.annotations}
			if tc.cluster {
				object.Namespace = ""
			}
			got := tc.tracking.KeptBy(object, kind)
			if (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
