package kubectl

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/preflight"
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
	// Why it matters, and what to do about it: sentences for people, where there is more to say than the message.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
}

// installation checks what is installed, in the order of what needs what. It only reads.
func installation(ctx context.Context, s *session, namespace, ownVersion string) ([]finding, error) {
	var findings []finding
	for _, check := range []func() ([]finding, error){
		func() ([]finding, error) { return s.checkCluster(ctx, namespace) },
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

// whatCluster is what the operator, too, looks at before it does anything.
const whatCluster = "cluster"

// checkCluster looks at API server, CRDs and policies, and for another installation, as the operator does.
func (s *session) checkCluster(ctx context.Context, namespace string) ([]finding, error) {
	found, err := preflight.Check(ctx, s.config, namespace)
	if apierrors.IsForbidden(err) {
		return []finding{{What: whatCluster, Outcome: hidden, Message: missing("get", err)}}, nil
	}
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return judgeCluster(found), nil
	}
	d, err := discovery.NewDiscoveryClientForConfig(s.config)
	if err != nil {
		return nil, err
	}
	info, err := d.ServerVersion()
	if err != nil {
		return nil, err
	}
	message := fmt.Sprintf("API server %s, CRDs and policies are as this version needs them", info.GitVersion)
	return []finding{{What: whatCluster, Outcome: fine, Message: message}}, nil
}

// judgeCluster calls broken whatever keeps the operator from giving somebody something.
func judgeCluster(found []preflight.Finding) []finding {
	findings := make([]finding, 0, len(found))
	for _, f := range found {
		result := broken
		if f.Severity == preflight.Warning {
			result = odd
		}
		findings = append(findings, finding{
			What: whatCluster, Outcome: result, Message: f.Reason + ": " + f.What, Why: f.Why, Do: f.Do,
		})
	}
	return findings
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

// checkLease tells whether an operator acts now.
func (s *session) checkLease(ctx context.Context, namespace string) ([]finding, error) {
	const what = "operator that acts"
	lease := &coordinationv1.Lease{}
	f, err := s.look(ctx, what, client.ObjectKey{Namespace: namespace, Name: installed.Operator}, lease)
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = &finding{What: what}
		f.Outcome, f.Message = judgeLease(lease, time.Now())
	} else if f.Outcome == broken {
		f.Message = "there is no Lease " + installed.Operator + " in namespace " + namespace
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
		return broken, "none: nobody holds Lease " + installed.Operator
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
	for _, name := range []string{installed.Operator, installed.Facade} {
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
