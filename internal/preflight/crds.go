package preflight

import (
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

func judgeCRDs(c *cluster) []Finding {
	var missing, outdated, newer []string
	for _, name := range slices.Sorted(maps.Keys(c.wanted.crds)) {
		wanted, found := served(c.wanted.crds[name]), served(c.crds[name])
		switch {
		case c.crds[name] == nil:
			missing = append(missing, name)
			continue
		case found == nil || !established(c.crds[name]):
			missing = append(missing, fmt.Sprintf("%s (it does not serve %s)", name, enrolv1alpha1.SchemeGroupVersion.Version))
			continue
		}
		ours, theirs := newContent(), newContent()
		ours.walk("", wanted)
		theirs.walk("", found)
		for _, lack := range lacks(ours.fields, theirs.fields) {
			outdated = append(outdated, fmt.Sprintf("%s has no field %s", name, lack))
		}
		for _, lack := range lacks(ours.rules, theirs.rules) {
			outdated = append(outdated, fmt.Sprintf("%s has not the rule %s", name, lack))
		}
		for _, more := range lacks(theirs.fields, ours.fields) {
			newer = append(newer, fmt.Sprintf("%s has the field %s", name, more))
		}
	}
	var findings []Finding
	if len(missing) > 0 {
		findings = append(findings, Finding{
			Severity: Stop, Reason: CRDsMissing, What: "CRDs are missing: " + list(missing),
			Why: "there is nothing that the operator could work on",
			Do:  "apply the manifests of this version of Enrol (config/crd)",
		})
	}
	if len(outdated) > 0 {
		findings = append(findings, Finding{
			Severity: Hold, Reason: CRDsOutdated, What: "the CRDs are older than the operator: " + list(outdated),
			Why: "the API server drops fields that it does not know, and checks no rules that it does not know",
			Do:  "apply the manifests of this version of Enrol (config/crd)",
		})
	}
	if len(newer) > 0 {
		findings = append(findings, Finding{
			Severity: Warning, Reason: CRDsNewer, What: "the CRDs are newer than the operator: " + list(newer),
			Why: "the operator does not act on what it does not know",
			Do:  "upgrade the operator",
		})
	}
	return findings
}

// served is the schema of the version that the operator speaks; nil if the CRD does not serve it.
func served(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.JSONSchemaProps {
	if crd == nil {
		return nil
	}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if v.Name == enrolv1alpha1.SchemeGroupVersion.Version && v.Served && v.Schema != nil {
			return v.Schema.OpenAPIV3Schema
		}
	}
	return nil
}

// established tells whether the API server serves it by now.
func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// content is what a schema has: fields by their paths, and rules of them by path and message.
type content struct{ fields, rules map[string]struct{} }

func newContent() *content { return &content{map[string]struct{}{}, map[string]struct{}{}} }

func (c *content) walk(path string, schema *apiextensionsv1.JSONSchemaProps) {
	for i := range schema.XValidations {
		rule := &schema.XValidations[i]
		c.rules[fmt.Sprintf("%q of %s", rule.Rule, where(path))] = struct{}{}
	}
	for i := range schema.Enum {
		c.rules[fmt.Sprintf("that %s may be %s", where(path), schema.Enum[i].Raw)] = struct{}{}
	}
	for name := range schema.Properties {
		field := schema.Properties[name]
		next := name
		if path != "" {
			next = path + "." + name
		}
		c.fields[next] = struct{}{}
		c.walk(next, &field)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		c.walk(path+"[]", schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		c.walk(path+"[]", schema.AdditionalProperties.Schema)
	}
}

func where(path string) string {
	if path == "" {
		return "the whole"
	}
	return path
}

// lacks are what is in wanted and not in found, in order.
func lacks(wanted, found map[string]struct{}) []string {
	var lacking []string
	for thing := range wanted {
		if _, ok := found[thing]; !ok {
			lacking = append(lacking, thing)
		}
	}
	slices.Sort(lacking)
	return lacking
}
