package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/enrol-dev/enrol/internal/installed"
)

// oldest API server that Enrol is tested with.
var oldest = version.MajorMinor(1, 31)

// unbounded is why there must be policies.
const unbounded = "without them, whoever may write Members could make themselves owner, and nothing bounds Enrol itself"

// maxNamed bounds how many things a finding names.
const maxNamed = 5

// judge says what is to be said of a cluster. It is pure.
func judge(c *cluster) []Finding {
	var findings []Finding
	findings = append(findings, judgeVersion(c)...)
	if owner := owner(c); owner != "" && owner != c.namespace {
		// What else is there is the other's, and made for it.
		return append(findings, another(owner, c.namespace))
	}
	findings = append(findings, judgePolicies(c)...)
	return append(findings, judgeCRDs(c)...)
}

func judgeVersion(c *cluster) []Finding {
	found, err := version.ParseGeneric(c.version.GitVersion)
	if err != nil || !found.LessThan(oldest) {
		return nil
	}
	return []Finding{{
		Severity: Warning, Reason: ServerTooOld,
		What: fmt.Sprintf("the API server is of version %s", c.version.GitVersion),
		Why:  fmt.Sprintf("Enrol needs %s or later, and nothing is tested with less", oldest),
		Do:   "upgrade the cluster",
	}}
}

// owner is the namespace of the installation that has the cluster, "" for none. The policies say whom they bind, and
// there is one set of them: that no two can have it is for the API server to see to. Without policies, it is whoever has
// the rights.
func owner(c *cluster) string {
	if selfRBAC, ok := c.policies["enrol-self-rbac"]; ok {
		for _, condition := range selfRBAC.Spec.MatchConditions {
			if _, after, ok := strings.Cut(condition.Expression, "'system:serviceaccount:"); ok {
				if namespace, _, ok := strings.Cut(after, ":enrol-operator'"); ok {
					return namespace
				}
			}
		}
	}
	if c.operators == nil {
		return ""
	}
	first := ""
	for _, subject := range c.operators.Subjects {
		switch {
		case subject.Kind != rbacv1.ServiceAccountKind:
		case subject.Namespace == c.namespace:
			return c.namespace
		case first == "":
			first = subject.Namespace
		}
	}
	return first
}

func another(owner, namespace string) Finding {
	return Finding{
		Severity: Stop, Reason: AnotherInstallation,
		What: fmt.Sprintf("the cluster belongs to the installation in namespace %q: the policy enrol-self-rbac, or else the "+
			"ClusterRoleBinding %s, names its ServiceAccount", owner, installed.OperatorBinding),
		Why: "two operators would undo each other's work, and the policies bound only one",
		Do: fmt.Sprintf("uninstall one of the two; to hand the cluster to the one in %q, apply its manifests once more",
			namespace),
	}
}

func judgePolicies(c *cluster) []Finding {
	if !c.hasPolicies {
		return []Finding{{
			Severity: Hold, Reason: PoliciesUnsupported,
			What: "the API server has no ValidatingAdmissionPolicies", Why: unbounded,
			Do: "upgrade the cluster, or turn them on; or, if all who may write Members are trusted, start the operator with " +
				"--allow-without-policies",
		}}
	}
	var missing, changed, newer []string
	for _, name := range slices.Sorted(maps.Keys(c.wanted.policies)) {
		switch found, ok := c.policies[name]; {
		case !ok:
			missing = append(missing, name)
		case isNewer(found):
			newer = append(newer, name)
		default:
			if difference := weaker(c.wanted.policies[name], found); difference != "" {
				changed = append(changed, fmt.Sprintf("%s (%s)", name, difference))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.wanted.bindings)) {
		if found, ok := c.bindings[name]; !ok {
			missing = append(missing, "the binding of "+name)
		} else if difference := looser(c.wanted.bindings[name], found); difference != "" {
			changed = append(changed, fmt.Sprintf("the binding of %s (%s)", name, difference))
		}
	}
	var findings []Finding
	if len(missing) > 0 {
		findings = append(findings, Finding{
			Severity: Hold, Reason: PoliciesMissing, What: "admission policies are missing: " + list(missing), Why: unbounded,
			Do: "apply the manifests of this version of Enrol (config/policy)",
		})
	}
	if len(changed) > 0 {
		findings = append(findings, Finding{
			Severity: Hold, Reason: PoliciesChanged,
			What: "admission policies are not those of this version of Enrol: " + list(changed), Why: unbounded,
			Do: "apply the manifests of this version of Enrol (config/policy)",
		})
	}
	if len(newer) > 0 {
		findings = append(findings, Finding{
			Severity: Warning, Reason: PoliciesNewer,
			What: "admission policies are of a later version of Enrol: " + list(newer),
			Why:  "what they refuse may be what this operator does",
			Do:   "upgrade the operator",
		})
	}
	return findings
}

// list names things, the first few of them.
func list(things []string) string {
	text := strings.Join(things[:min(len(things), maxNamed)], ", ")
	if more := len(things) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
