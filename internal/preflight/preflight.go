// Package preflight finds out whether a cluster is fit for this version of Enrol: the API server, the admission policies,
// the CRDs, and whether another installation has the cluster already. It only reads,
// but for a Secret that it tries to make, as a dry run, to see whether the policies are enforced.
package preflight

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
)

// Severity says what the operator makes of a finding.
type Severity string

const (
	// Warning is said, and changes nothing.
	Warning Severity = "Warning"
	// Hold lets the operator give nobody anything new. What was given stands, and what is taken away goes.
	Hold Severity = "Hold"
	// Stop lets the operator do nothing at all.
	Stop Severity = "Stop"
)

// Reasons of findings.
const (
	// ServerTooOld: the API server is older than what Enrol is tested with.
	ServerTooOld = "ServerTooOld"
	// PoliciesUnsupported: the API server has no ValidatingAdmissionPolicies.
	PoliciesUnsupported = "PoliciesUnsupported"
	// PoliciesMissing: policies, or their bindings, are not there.
	PoliciesMissing = "PoliciesMissing"
	// PoliciesChanged: policies, or their bindings, allow what those of this version do not.
	PoliciesChanged = "PoliciesChanged"
	// PoliciesNotEnforced: the policies are there, and the API server lets through what they refuse.
	PoliciesNotEnforced = "PoliciesNotEnforced"
	// PoliciesNewer: the policies are of a later version.
	PoliciesNewer = "PoliciesNewer"
	// CRDsMissing: CRDs are not there, or do not serve the version that the operator speaks.
	CRDsMissing = "CRDsMissing"
	// CRDsOutdated: the CRDs lack fields or rules that the operator needs, or bound fields less.
	CRDsOutdated = "CRDsOutdated"
	// CRDsNewer: the CRDs have fields that the operator does not know.
	CRDsNewer = "CRDsNewer"
	// AnotherInstallation: the cluster belongs to an installation in another namespace.
	AnotherInstallation = "AnotherInstallation"
	// NotAllowed: the operator's ServiceAccount may not read what has to be looked at.
	NotAllowed = "NotAllowed"
)

// Finding is something about the cluster that somebody should know.
type Finding struct {
	Severity Severity `json:"severity"`
	// Reason is a word for programs.
	Reason string `json:"reason"`
	// What was found, why it matters, and what to do about it: sentences for people.
	What string `json:"what"`
	Why  string `json:"why"`
	Do   string `json:"do"`
}

func (f Finding) String() string { return fmt.Sprintf("%s; %s: %s", f.What, f.Why, f.Do) }

// State is what the conditions of an object say for which nothing new is done on account of the finding.
func (f Finding) State() condition.State {
	reason := enrolv1alpha1.ReasonPoliciesMissing
	switch f.Reason {
	case CRDsMissing, CRDsOutdated, NotAllowed:
		reason = enrolv1alpha1.ReasonInstallationOutdated
	}
	return condition.Stalled(reason, "nobody is given anything new: "+f.String())
}

// Check looks at a cluster for the installation in that namespace. No findings: all is well. An error says that something
// could not be found out, and then nothing is said.
func Check(ctx context.Context, config *rest.Config, namespace string) ([]Finding, error) {
	g, err := newGatherer(config, namespace)
	if err != nil {
		return nil, err
	}
	c, err := g.gather(ctx)
	if err != nil {
		return nil, err
	}
	return judge(c), nil
}
