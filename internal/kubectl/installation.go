package kubectl

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// Outcomes of a check.
type outcome string

const (
	// fine is as it should be.
	fine outcome = "ok"
	// odd works, but deserves a look.
	odd outcome = "warning"
	// broken is not as it should be.
	broken outcome = "fault"
	// hidden could not be looked at by the caller.
	hidden outcome = "?"
)

// finding is what was found about a thing.
type finding struct {
	What    string  `json:"what"`
	Outcome outcome `json:"outcome"`
	Message string  `json:"message,omitempty"`
}

const (
	// oldestServer is where policies and selectable fields are on by default.
	oldestServer = "1.31.0"
	// operatorName is the Deployment's, and the Lease's of the operator that acts.
	operatorName = "enrol-operator"
	facadeName   = "enrol-facade"
)

// kinds are the CRDs.
var kinds = []string{"organisations.enrol.dev", "members.enrol.dev", "invitations.enrol.dev"}

// policies are the admission policies, each with a binding of its name.
var policies = []string{
	"enrol-grant-roles", "enrol-grant-groups", "enrol-home-namespaces", "enrol-inviters", "enrol-namespace-labels",
	"enrol-self-rbac", "enrol-self-kinds", "enrol-self-secrets", "enrol-self-namespaces",
}

// installation checks what is installed, in the order of what needs what. It only reads.
func installation(ctx context.Context, s *session, namespace, ownVersion string) ([]finding, error) {
	var findings []finding
	for _, check := range []func() ([]finding, error){
		func() ([]finding, error) { return s.checkServer() },
		func() ([]finding, error) { return s.checkKinds(ctx) },
		func() ([]finding, error) { return s.checkPolicies(ctx) },
		func() ([]finding, error) { return s.checkLease(ctx, namespace) },
		func() ([]finding, error) { return s.checkDeployments(ctx, namespace, ownVersion) },
	} {
		found, err := check()
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (s *session) checkServer() ([]finding, error) {
	d, err := discovery.NewDiscoveryClientForConfig(s.config)
	if err != nil {
		return nil, err
	}
	info, err := d.ServerVersion()
	if err != nil {
		return nil, err
	}
	f := finding{What: "Kubernetes", Outcome: fine, Message: info.GitVersion}
	if v, err := version.ParseGeneric(info.GitVersion); err != nil {
		f.Outcome, f.Message = odd, "cannot make sense of version "+info.GitVersion
	} else if v.LessThan(version.MustParseGeneric(oldestServer)) {
		f.Outcome, f.Message = broken, info.GitVersion+", but Enrol needs "+oldestServer
	}
	return []finding{f}, nil
}

// look reads one object. What the caller may not read, or is not there, is a finding.
func (s *session) look(ctx context.Context, what string, key client.ObjectKey, object client.Object) (*finding, error) {
	err := s.Get(ctx, key, object)
	switch {
	case apierrors.IsForbidden(err):
		return &finding{What: what, Outcome: hidden, Message: missing("get", err)}, nil
	case apierrors.IsNotFound(err):
		return &finding{What: what, Outcome: broken, Message: "not there"}, nil
	}
	return nil, err
}

func (s *session) checkKinds(ctx context.Context) ([]finding, error) {
	var findings []finding
	for _, name := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		f, err := s.look(ctx, "CustomResourceDefinition "+name, client.ObjectKey{Name: name}, crd)
		if err != nil {
			return nil, err
		}
		if f == nil {
			f = &finding{What: "CustomResourceDefinition " + name}
			f.Outcome, f.Message = judgeKind(crd)
		}
		findings = append(findings, *f)
	}
	return findings, nil
}

// judgeKind wants the version that this program speaks to be served, and no other one to be there.
func judgeKind(crd *apiextensionsv1.CustomResourceDefinition) (outcome, string) {
	wanted := enrolv1alpha1.SchemeGroupVersion.Version
	served := false
	var others []string
	for _, v := range crd.Spec.Versions {
		if v.Name == wanted {
			served = v.Served
		} else if v.Served {
			others = append(others, v.Name)
		}
	}
	established := false
	for _, c := range crd.Status.Conditions {
		if c.Type == apiextensionsv1.Established {
			established = c.Status == apiextensionsv1.ConditionTrue
		}
	}
	switch {
	case !served:
		return broken, "does not serve " + wanted
	case !established:
		return broken, "not established"
	case len(others) > 0:
		return odd, fmt.Sprintf("serves %s besides %s: is this plugin of the same release?", strings.Join(others, ", "), wanted)
	}
	return fine, wanted
}

func (s *session) checkPolicies(ctx context.Context) ([]finding, error) {
	var findings []finding
	for _, name := range policies {
		what := "policy " + name
		policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		f, err := s.look(ctx, what, client.ObjectKey{Name: name}, policy)
		if err != nil {
			return nil, err
		}
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
		if f == nil {
			if f, err = s.look(ctx, what+", binding", client.ObjectKey{Name: name}, binding); err != nil {
				return nil, err
			}
		}
		if f == nil {
			f = &finding{What: what}
			f.Outcome, f.Message = judgePolicy(policy, binding)
		}
		findings = append(findings, *f)
	}
	return findings, nil
}

// judgePolicy wants a policy that refuses, and whose expressions the API server can make sense of.
func judgePolicy(
	policy *admissionregistrationv1.ValidatingAdmissionPolicy, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding,
) (outcome, string) {
	denies := false
	for _, action := range binding.Spec.ValidationActions {
		denies = denies || action == admissionregistrationv1.Deny
	}
	switch {
	case binding.Spec.PolicyName != policy.Name:
		return broken, "its binding is for " + binding.Spec.PolicyName
	case !denies:
		return broken, "its binding does not refuse anything"
	case policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy != admissionregistrationv1.Fail:
		return broken, "lets pass what it cannot judge"
	case binding.Spec.MatchResources != nil:
		return odd, "its binding holds for some objects only"
	case policy.Status.TypeChecking != nil && len(policy.Status.TypeChecking.ExpressionWarnings) > 0:
		return odd, policy.Status.TypeChecking.ExpressionWarnings[0].Warning
	}
	return fine, ""
}

// checkLease tells whether an operator acts now.
func (s *session) checkLease(ctx context.Context, namespace string) ([]finding, error) {
	const what = "operator that acts"
	lease := &coordinationv1.Lease{}
	f, err := s.look(ctx, what, client.ObjectKey{Namespace: namespace, Name: operatorName}, lease)
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = &finding{What: what}
		f.Outcome, f.Message = judgeLease(lease, time.Now())
	} else if f.Outcome == broken {
		f.Message = "there is no Lease " + operatorName + " in namespace " + namespace
	}
	return []finding{*f}, nil
}

func judgeLease(lease *coordinationv1.Lease, now time.Time) (outcome, string) {
	const defaultDuration = 15
	holder, seconds := "", int32(defaultDuration)
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if lease.Spec.LeaseDurationSeconds != nil {
		seconds = *lease.Spec.LeaseDurationSeconds
	}
	if holder == "" || lease.Spec.RenewTime == nil {
		return broken, "none: nobody holds Lease " + operatorName
	}
	// The clocks of this machine and the operator's may differ a little.
	const tolerance = 30 * time.Second
	age := now.Sub(lease.Spec.RenewTime.Time)
	if age > time.Duration(seconds)*time.Second+tolerance {
		return broken, fmt.Sprintf("none: %s last renewed its Lease %s ago", holder, age.Round(time.Second))
	}
	return fine, holder
}

// checkDeployments looks at the programs, where they run as Deployments, and at their versions.
func (s *session) checkDeployments(ctx context.Context, namespace, ownVersion string) ([]finding, error) {
	var findings []finding
	for _, name := range []string{operatorName, facadeName} {
		what := "Deployment " + name
		d := &appsv1.Deployment{}
		f, err := s.look(ctx, what, client.ObjectKey{Namespace: namespace, Name: name}, d)
		if err != nil {
			return nil, err
		}
		switch {
		case f == nil:
			f = &finding{What: what}
			f.Outcome, f.Message = judgeDeployment(d, ownVersion)
		case f.Outcome == broken:
			// The facade may be left out, and programs may run without a Deployment: whether one acts, the Lease tells.
			f.Outcome, f.Message = odd, "there is none in namespace "+namespace
		}
		findings = append(findings, *f)
	}
	return findings, nil
}

func judgeDeployment(d *appsv1.Deployment, ownVersion string) (outcome, string) {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentAvailable && c.Status != corev1.ConditionTrue {
			return broken, "not available: " + c.Message
		}
	}
	if d.Status.AvailableReplicas == 0 {
		return broken, "no Pod of it is available"
	}
	running := "unknown"
	if len(d.Spec.Template.Spec.Containers) > 0 {
		running = imageVersion(d.Spec.Template.Spec.Containers[0].Image)
	}
	if d.Status.ObservedGeneration != d.Generation || d.Status.UpdatedReplicas < d.Status.Replicas {
		return odd, "being rolled out: version " + running
	}
	if running != ownVersion {
		return odd, fmt.Sprintf("version %s, but this plugin is %s", running, ownVersion)
	}
	return fine, "version " + running
}

// imageVersion is the tag of an image, without a digest after it.
func imageVersion(image string) string {
	name, _, _ := strings.Cut(image, "@")
	slash := strings.LastIndexByte(name, '/')
	_, tag, _ := strings.Cut(name[slash+1:], ":")
	return cmp.Or(tag, "unknown")
}
