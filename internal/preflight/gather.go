package preflight

import (
	"context"
	"fmt"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/enrol-dev/enrol/internal/installed"
)

// requestTimeout bounds each request, should one hang.
const requestTimeout = 15 * time.Second

// cluster is all that is judged.
type cluster struct {
	// namespace of the installation that asks.
	namespace string
	wanted    *manifests
	version   *version.Info
	// hasPolicies tells whether the API server knows ValidatingAdmissionPolicies.
	hasPolicies bool
	// policies, bindings and crds by name; those that are not there are absent.
	policies map[string]*admissionregistrationv1.ValidatingAdmissionPolicy
	bindings map[string]*admissionregistrationv1.ValidatingAdmissionPolicyBinding
	crds     map[string]*apiextensionsv1.CustomResourceDefinition
	// operators is the ClusterRoleBinding of the operator; nil when there is none.
	operators *rbacv1.ClusterRoleBinding
}

// gatherer reads clusters.
type gatherer struct {
	kubernetes kubernetes.Interface
	extensions apiextensions.Interface
	wanted     *manifests
	namespace  string
}

func newGatherer(config *rest.Config, namespace string) (*gatherer, error) {
	wanted, err := load(namespace)
	if err != nil {
		return nil, fmt.Errorf("reading the manifests that Enrol was made with: %w", err)
	}
	bounded := rest.CopyConfig(config)
	bounded.Timeout = requestTimeout
	clients, err := kubernetes.NewForConfig(bounded)
	if err != nil {
		return nil, err
	}
	extensions, err := apiextensions.NewForConfig(bounded)
	if err != nil {
		return nil, err
	}
	return &gatherer{kubernetes: clients, extensions: extensions, wanted: wanted, namespace: namespace}, nil
}

func (g *gatherer) gather(ctx context.Context) (*cluster, error) {
	c := &cluster{namespace: g.namespace, wanted: g.wanted}
	var err error
	if c.version, err = g.kubernetes.Discovery().ServerVersion(); err != nil {
		return nil, fmt.Errorf("asking the API server for its version: %w", err)
	}
	if c.hasPolicies, err = g.servesPolicies(); err != nil {
		return nil, fmt.Errorf("asking the API server for its kinds: %w", err)
	}
	if c.hasPolicies {
		if err := g.gatherPolicies(ctx, c); err != nil {
			return nil, err
		}
	}
	crds := g.extensions.ApiextensionsV1().CustomResourceDefinitions()
	if c.crds, err = getAll(ctx, g.wanted.crds, crds.Get); err != nil {
		return nil, fmt.Errorf("reading the CRDs: %w", err)
	}
	c.operators, err = g.kubernetes.RbacV1().ClusterRoleBindings().Get(ctx, installed.OperatorBinding, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		c.operators = nil
	case err != nil:
		return nil, fmt.Errorf("reading ClusterRoleBinding %s: %w", installed.OperatorBinding, err)
	}
	return c, nil
}

func (g *gatherer) servesPolicies() (bool, error) {
	resources, err := g.kubernetes.Discovery().ServerResourcesForGroupVersion(
		admissionregistrationv1.SchemeGroupVersion.String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool {
		return r.Name == "validatingadmissionpolicies"
	}), nil
}

func (g *gatherer) gatherPolicies(ctx context.Context, c *cluster) error {
	admission := g.kubernetes.AdmissionregistrationV1()
	var err error
	if c.policies, err = getAll(ctx, g.wanted.policies, admission.ValidatingAdmissionPolicies().Get); err != nil {
		return fmt.Errorf("reading the policies: %w", err)
	}
	if c.bindings, err = getAll(ctx, g.wanted.bindings, admission.ValidatingAdmissionPolicyBindings().Get); err != nil {
		return fmt.Errorf("reading the bindings of the policies: %w", err)
	}
	return nil
}

// getAll reads those of the wanted objects that are there, one by one: the right to list them all would be the right to
// list everybody's.
func getAll[T any](
	ctx context.Context, wanted map[string]*T, get func(context.Context, string, metav1.GetOptions) (*T, error),
) (map[string]*T, error) {
	found := make(map[string]*T, len(wanted))
	for name := range wanted {
		object, err := get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, err
		default:
			found[name] = object
		}
	}
	return found, nil
}
