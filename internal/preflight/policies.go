package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/enrol-dev/enrol/config/policy"
)

type (
	vap  = admissionregistrationv1.ValidatingAdmissionPolicy
	vapb = admissionregistrationv1.ValidatingAdmissionPolicyBinding
)

// isNewer tells whether a policy says that it is of a later revision. Nobody gains by forging that who could not as well
// delete it.
func isNewer(found *vap) bool {
	revision, err := strconv.Atoi(found.Annotations[policy.AnnotationRevision])
	return err == nil && revision > policy.Revision
}

// weaker says where a policy may let through what the wanted one refuses, "" for nowhere. It may refuse more.
func weaker(wanted, found *vap) string {
	switch {
	case found.Spec.FailurePolicy != nil && *found.Spec.FailurePolicy != admissionregistrationv1.Fail:
		return "failurePolicy is not Fail"
	case found.Spec.ParamKind != nil:
		return "it has a paramKind"
	case !equality.Semantic.DeepEqual(rules(wanted), rules(found)):
		return "matchConstraints differ"
	}
	for _, condition := range found.Spec.MatchConditions {
		if !slices.Contains(wanted.Spec.MatchConditions, condition) {
			return fmt.Sprintf("matchCondition %s differs", condition.Name)
		}
	}
	for _, variable := range wanted.Spec.Variables {
		if !slices.Contains(found.Spec.Variables, variable) {
			return fmt.Sprintf("variable %s differs", variable.Name)
		}
	}
	for i := range wanted.Spec.Validations {
		expression := wanted.Spec.Validations[i].Expression
		if !slices.ContainsFunc(found.Spec.Validations, func(v admissionregistrationv1.Validation) bool {
			return v.Expression == expression
		}) {
			return "a validation is missing: " + cmp.Or(wanted.Spec.Validations[i].Message, expression)
		}
	}
	return ""
}

// rules are what a policy is asked about, with what the API server fills in left out.
func rules(p *vap) admissionregistrationv1.MatchResources {
	matches := *p.Spec.MatchConstraints.DeepCopy()
	if matches.MatchPolicy != nil && *matches.MatchPolicy == admissionregistrationv1.Equivalent {
		matches.MatchPolicy = nil
	}
	matches.NamespaceSelector = selector(matches.NamespaceSelector)
	matches.ObjectSelector = selector(matches.ObjectSelector)
	for i := range matches.ResourceRules {
		if scope := matches.ResourceRules[i].Scope; scope != nil && *scope == admissionregistrationv1.AllScopes {
			matches.ResourceRules[i].Scope = nil
		}
	}
	return matches
}

// selector is nil for one that selects everything.
func selector(s *metav1.LabelSelector) *metav1.LabelSelector {
	if s != nil && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 {
		return nil
	}
	return s
}

// looser says why a binding does not have its policy enforced everywhere, "" if it has.
func looser(wanted, found *vapb) string {
	switch {
	case found.Spec.PolicyName != wanted.Spec.PolicyName:
		return fmt.Sprintf("it binds %s", found.Spec.PolicyName)
	case !slices.Contains(found.Spec.ValidationActions, admissionregistrationv1.Deny):
		return "it does not deny"
	case found.Spec.MatchResources != nil:
		return "it does not match everything"
	case found.Spec.ParamRef != nil:
		return "it has a paramRef"
	default:
		return ""
	}
}
