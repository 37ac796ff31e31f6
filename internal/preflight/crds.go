package preflight

import (
	"fmt"
	"maps"
	"math"
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
		for _, bound := range loosened(ours.bounds, theirs.bounds) {
			outdated = append(outdated, fmt.Sprintf("%s does not bound %s", name, bound))
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

// content is what a schema has: fields by their paths, rules of them by path and message, and bounds of them by path and keyword.
type content struct {
	fields, rules map[string]struct{}
	// bounds grow with what they let through: those that are minima are here with the other sign.
	bounds map[string]float64
}

func newContent() *content {
	return &content{map[string]struct{}{}, map[string]struct{}{}, map[string]float64{}}
}

func (c *content) walk(path string, schema *apiextensionsv1.JSONSchemaProps) {
	c.note(where(path), schema)
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

// note notes what a schema says of the value itself.
func (c *content) note(at string, schema *apiextensionsv1.JSONSchemaProps) {
	rule := func(format string, values ...any) { c.rules[fmt.Sprintf(format, values...)] = struct{}{} }
	for i := range schema.XValidations {
		rule("%q of %s", schema.XValidations[i].Rule, at)
	}
	for i := range schema.Enum {
		rule("that %s may be %s", at, schema.Enum[i].Raw)
	}
	for _, name := range schema.Required {
		rule("that %s must have %s", at, name)
	}
	rule("that %s is of type %s", at, schema.Type)
	if schema.Pattern != "" {
		rule("that %s matches %s", at, schema.Pattern)
	}
	if schema.Format != "" {
		rule("that %s has the format %s", at, schema.Format)
	}
	if schema.XListType != nil {
		rule("that %s is a list of type %s by %v", at, *schema.XListType, schema.XListMapKeys)
	}
	bound := func(keyword string, sign float64, limit *int64) {
		if limit != nil {
			c.bounds[at+" by "+keyword] = sign * float64(*limit)
		}
	}
	bound("maxLength", 1, schema.MaxLength)
	bound("maxItems", 1, schema.MaxItems)
	bound("maxProperties", 1, schema.MaxProperties)
	bound("minLength", -1, schema.MinLength)
	bound("minItems", -1, schema.MinItems)
	bound("minProperties", -1, schema.MinProperties)
	if schema.Maximum != nil {
		c.bounds[at+" by maximum"] = *schema.Maximum
	}
	if schema.Minimum != nil {
		c.bounds[at+" by minimum"] = -*schema.Minimum
	}
}

func where(path string) string {
	if path == "" {
		return "the whole"
	}
	return path
}

// loosened are the bounds that are wanted and not found, or found to let more through, in order.
func loosened(wanted, found map[string]float64) []string {
	var weak []string
	for bound, limit := range wanted {
		if theirs, ok := found[bound]; !ok || theirs > limit {
			weak = append(weak, fmt.Sprintf("%s %v", bound, math.Abs(limit)))
		}
	}
	slices.Sort(weak)
	return weak
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
