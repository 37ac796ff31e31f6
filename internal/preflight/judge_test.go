package preflight

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/yaml"

	"github.com/enrol-dev/enrol/internal/installed"
)

// fit is a cluster with everything as it should be, for an installation in a namespace.
func fit(t *testing.T, namespace string) *cluster {
	t.Helper()
	wanted, err := load(namespace)
	if err != nil {
		t.Fatal(err)
	}
	there, err := load(namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, crd := range there.crds {
		crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
			{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue},
		}
	}
	return &cluster{
		namespace: namespace, wanted: wanted, version: &version.Info{GitVersion: "v1.36.3"}, hasPolicies: true,
		policies: there.policies, bindings: there.bindings, crds: there.crds, operators: operators(namespace),
	}
}

func operators(namespaces ...string) *rbacv1.ClusterRoleBinding {
	b := &rbacv1.ClusterRoleBinding{}
	for _, namespace := range namespaces {
		b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: installed.Operator})
	}
	return b
}

func TestJudge(t *testing.T) {
	t.Parallel()
	members := func(c *cluster) *apiextensionsv1.JSONSchemaProps {
		return c.crds["members.enrol.dev"].Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	cases := map[string]struct {
		reason string
		change func(*cluster)
		want   map[string]Severity
	}{
		"Fit":            {"nothing is said of a cluster as it should be", func(*cluster) {}, nil},
		"OldServer":      {"an old server is said, and works for what it can do", func(c *cluster) { c.version.GitVersion = "v1.30.9-gke.1" }, map[string]Severity{ServerTooOld: Warning}},
		"OldestServer":   {"the oldest one is not old", func(c *cluster) { c.version.GitVersion = "v1.31.0" }, nil},
		"PreviewServer":  {"nor is one that is about to be it", func(c *cluster) { c.version.GitVersion = "v1.31.0-rc.1+k3s1" }, nil},
		"UnknownServer":  {"a version that says nothing is no reason to say anything", func(c *cluster) { c.version.GitVersion = "custom" }, nil},
		"NoPolicies":     {"a server that knows no policies", func(c *cluster) { c.hasPolicies, c.policies, c.bindings = false, nil, nil }, map[string]Severity{PoliciesUnsupported: Hold}},
		"PolicyMissing":  {"each policy is needed", func(c *cluster) { delete(c.policies, "enrol-inviters") }, map[string]Severity{PoliciesMissing: Hold}},
		"BindingMissing": {"a policy without a binding is asked about nothing", func(c *cluster) { delete(c.bindings, "enrol-inviters") }, map[string]Severity{PoliciesMissing: Hold}},
		"Warns": {"a binding that only warns refuses nothing", func(c *cluster) {
			c.bindings["enrol-inviters"].Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}
		}, map[string]Severity{PoliciesChanged: Hold}},
		"SomeNamespaces": {"a binding for some namespaces leaves out others", func(c *cluster) {
			c.bindings["enrol-inviters"].Spec.MatchResources = &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
		}, map[string]Severity{PoliciesChanged: Hold}},
		"OtherPolicy": {"a binding of another policy", func(c *cluster) {
			c.bindings["enrol-inviters"].Spec.PolicyName = "mine"
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Ignores": {"a policy that fails open", func(c *cluster) {
			c.policies["enrol-inviters"].Spec.FailurePolicy = new(admissionregistrationv1.Ignore)
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Exempts": {"somebody else is let through", func(c *cluster) {
			p := c.policies["enrol-grant-roles"]
			p.Spec.MatchConditions = append(p.Spec.MatchConditions, admissionregistrationv1.MatchCondition{
				Name: "not-me", Expression: "request.userInfo.username != 'me'"})
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Allows": {"a rule is gone", func(c *cluster) {
			p := c.policies["enrol-grant-roles"]
			p.Spec.Validations = p.Spec.Validations[1:]
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Means": {"a word means something else", func(c *cluster) {
			c.policies["enrol-grant-roles"].Spec.Variables[0].Expression = "dyn({})"
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Looks": {"it is asked about less", func(c *cluster) {
			c.policies["enrol-grant-roles"].Spec.MatchConstraints.ResourceRules[0].Operations = []admissionregistrationv1.OperationType{"CREATE"}
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Stricter": {"a platform team may refuse more", func(c *cluster) {
			p := c.policies["enrol-grant-roles"]
			p.Spec.MatchConditions = p.Spec.MatchConditions[1:]
			p.Spec.Validations = append(p.Spec.Validations, admissionregistrationv1.Validation{Expression: "false"})
		}, nil},
		"Defaults": {"what the API server fills in changes nothing", func(c *cluster) {
			m := c.policies["enrol-grant-roles"].Spec.MatchConstraints
			m.MatchPolicy, m.NamespaceSelector, m.ObjectSelector = new(admissionregistrationv1.Equivalent), &metav1.LabelSelector{}, &metav1.LabelSelector{}
			m.ResourceRules[0].Scope = new(admissionregistrationv1.AllScopes)
		}, nil},
		"Newer": {"policies of a later release are an upgrade on its way", func(c *cluster) {
			p := c.policies["enrol-grant-roles"]
			p.Annotations, p.Spec.Validations = map[string]string{"enrol.dev/revision": "2"}, p.Spec.Validations[:1]
		}, map[string]Severity{PoliciesNewer: Warning}},
		"Older": {"policies of an earlier one are not", func(c *cluster) {
			p := c.policies["enrol-grant-roles"]
			p.Annotations, p.Spec.Validations = map[string]string{"enrol.dev/revision": "0"}, p.Spec.Validations[:1]
		}, map[string]Severity{PoliciesChanged: Hold}},
		"Another": {"the policies name another installation", func(c *cluster) {
			other := fit(t, "other")
			c.policies, c.bindings, c.operators = other.policies, other.bindings, other.operators
		}, map[string]Severity{AnotherInstallation: Stop}},
		"HalfApplied": {"whom the policies bind counts, and not who has the rights", func(c *cluster) {
			c.operators = operators("other")
		}, nil},
		"AnotherWithoutPolicies": {"without policies it is whoever has the rights", func(c *cluster) {
			c.policies, c.bindings, c.operators = nil, nil, operators("other")
		}, map[string]Severity{AnotherInstallation: Stop}},
		"NobodyElse": {"an installation that is gone has nothing", func(c *cluster) {
			c.policies, c.bindings, c.operators = nil, nil, nil
		}, map[string]Severity{PoliciesMissing: Hold}},
		"CRDMissing":  {"each CRD is needed", func(c *cluster) { delete(c.crds, "members.enrol.dev") }, map[string]Severity{CRDsMissing: Stop}},
		"CRDUnserved": {"in the version that is spoken", func(c *cluster) { c.crds["members.enrol.dev"].Spec.Versions[0].Name = "v1" }, map[string]Severity{CRDsMissing: Stop}},
		"CRDNew":      {"and by now", func(c *cluster) { c.crds["members.enrol.dev"].Status.Conditions = nil }, map[string]Severity{CRDsMissing: Stop}},
		"CRDOlder": {"a field is missing", func(c *cluster) {
			delete(members(c).Properties["spec"].Properties, "expireTime")
		}, map[string]Severity{CRDsOutdated: Hold}},
		"CRDLaxer": {"a rule is missing", func(c *cluster) {
			spec := members(c).Properties["spec"]
			spec.XValidations = nil
			members(c).Properties["spec"] = spec
		}, map[string]Severity{CRDsOutdated: Hold}},
		"CRDNewer": {"there is more than is known", func(c *cluster) {
			members(c).Properties["spec"].Properties["nickname"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}, map[string]Severity{CRDsNewer: Warning}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, namespace := range []string{installed.Namespace, "elsewhere"} {
				c := fit(t, namespace)
				tc.change(c)
				var got map[string]Severity
				for _, f := range judge(c) {
					if got == nil {
						got = map[string]Severity{}
					}
					got[f.Reason] = f.Severity
					if f.What == "" || f.Why == "" || f.Do == "" {
						t.Errorf("a finding must say what, why and what to do: %+v", f)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s, in %s\nfindings (-want +got):\n%s", tc.reason, namespace, diff)
				}
			}
		})
	}
}

// TestNames: what the operator looks at by name is what its rights name, and no more.
func TestNames(t *testing.T) {
	t.Parallel()
	wanted, err := load(installed.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"validatingadmissionpolicies":       slices.Sorted(maps.Keys(wanted.policies)),
		"validatingadmissionpolicybindings": slices.Sorted(maps.Keys(wanted.bindings)),
		"customresourcedefinitions":         slices.Sorted(maps.Keys(wanted.crds)),
	}
	got := readable(t)
	delete(got, "clusterrolebindings")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names that the operator looks at and may read (-looks at +may read):\n%s", diff)
	}
}

// readable is what the operator may read by name, in order, by resource.
func readable(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("../../config/rbac/operator_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(data, role); err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			if len(rule.ResourceNames) > 0 && slices.Contains(rule.Verbs, "get") {
				names[resource] = slices.Sorted(slices.Values(rule.ResourceNames))
			}
		}
	}
	return names
}

// TestWeakerCRDs: whatever a CRD lets through that this version's does not is a reason to hold back, and the field is named.
func TestWeakerCRDs(t *testing.T) {
	t.Parallel()
	type schema = apiextensionsv1.JSONSchemaProps
	cases := map[string]struct {
		reason, crd, field string
		change             func(*schema)
		want               string
	}{
		"Pattern":     {"a pattern lets more through", "members", "email", func(p *schema) { p.Pattern = ".*" }, "that spec.email matches "},
		"NoPattern":   {"there is no pattern", "members", "username", func(p *schema) { p.Pattern = "" }, "that spec.username matches "},
		"Longer":      {"longer texts", "members", "email", func(p *schema) { p.MaxLength = new(int64(255)) }, "spec.email by maxLength 254"},
		"Boundless":   {"texts of any length", "members", "email", func(p *schema) { p.MaxLength = nil }, "spec.email by maxLength 254"},
		"Shorter":     {"shorter texts are as many as before or fewer", "members", "email", func(p *schema) { p.MaxLength = new(int64(100)) }, ""},
		"Empty":       {"empty texts", "members", "email", func(p *schema) { p.MinLength = new(int64(0)) }, "spec.email by minLength 3"},
		"MoreItems":   {"longer lists", "members", "roles", func(p *schema) { p.MaxItems = new(int64(16)) }, "spec.roles by maxItems 8"},
		"Repeated":    {"entries more than once", "members", "roles", func(p *schema) { p.XListType = nil }, "that spec.roles is a list of type set"},
		"Formatless":  {"texts that are no time", "members", "expireTime", func(p *schema) { p.Format = "" }, "that spec.expireTime has the format date-time"},
		"Untyped":     {"other types", "members", "suspend", func(p *schema) { p.Type = "" }, "that spec.suspend is of type boolean"},
		"Optional":    {"an object that leaves out a field", "invitations", "", func(p *schema) { p.Required = nil }, "that spec must have email"},
		"NoOwners":    {"an Organisation without owners", "organisations", "owners", func(p *schema) { p.MinItems = nil }, "spec.owners by minItems 1"},
		"OtherValues": {"fewer values than are known", "members", "kubernetesRole", func(p *schema) { p.Enum = p.Enum[1:] }, `that spec.kubernetesRole may be "cluster-admin"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := fit(t, installed.Namespace)
			properties := c.crds[tc.crd+".enrol.dev"].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
			spec := properties["spec"]
			if tc.field == "" {
				tc.change(&spec)
				properties["spec"] = spec
			} else {
				field := spec.Properties[tc.field]
				tc.change(&field)
				spec.Properties[tc.field] = field
			}
			var got string
			for _, f := range judge(c) {
				if f.Reason != CRDsOutdated || f.Severity != Hold {
					t.Errorf("%s: %v", tc.reason, f)
				}
				got += f.What
			}
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
