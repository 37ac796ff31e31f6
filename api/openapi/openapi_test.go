package openapi_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/api/openapi"
)

// published are the examples that the platforms' contracts print, by dialect.
//
//go:embed testdata/published.json
var published []byte

func TestNames(t *testing.T) {
	t.Parallel()
	want := []string{"avisi", "dreadnode", "llamacloud", "qovery", "versori"}
	if diff := cmp.Diff(want, openapi.Names()); diff != "" {
		t.Errorf("Names(): -want, +got:\n%s", diff)
	}
	for _, name := range []string{"", "nobody", "../openapi", "avisi.yaml"} {
		if _, err := openapi.Document(name); err == nil {
			t.Errorf("Document(%q): want an error", name)
		}
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		check  func(t *testing.T, name string, document *openapi3.T)
	}{
		"Valid": {
			reason: "A document is valid OpenAPI 3.0.3.",
			check: func(t *testing.T, _ string, document *openapi3.T) {
				t.Helper()
				if err := document.Validate(t.Context()); err != nil {
					t.Error(err)
				}
				if document.OpenAPI != "3.0.3" {
					t.Errorf("openapi: want 3.0.3, got %s", document.OpenAPI)
				}
			},
		},
		"Examples": {
			reason: "Readers copy examples: each body has one, and each fits its schema, formats included.",
			check:  checkExamples,
		},
		"Published": {
			reason: "What the platforms print is what we serve.",
			check:  checkPublished,
		},
		"Order": {
			reason: "The order of an object's fields is the order of its faults.",
			check: func(t *testing.T, _ string, document *openapi3.T) {
				t.Helper()
				for at, schema := range schemas(document) {
					checkOrder(t, at, schema)
				}
			},
		},
		"Operations": {
			reason: "An operation has a name for the generated code, and tells the answers that do not come from it.",
			check: func(t *testing.T, _ string, document *openapi3.T) {
				t.Helper()
				seen := map[string]bool{}
				for at, operation := range operations(document) {
					if seen[operation.OperationID] || !camelCase.MatchString(operation.OperationID) {
						t.Errorf("%s: operationId %q must be in lowerCamelCase and unique", at, operation.OperationID)
					}
					seen[operation.OperationID] = true
					checkResponses(t, at, operation)
				}
			},
		},
	}
	for _, name := range openapi.Names() {
		for title, tc := range cases {
			t.Run(name+"/"+title, func(t *testing.T) {
				t.Parallel()
				t.Log(tc.reason)
				tc.check(t, name, load(t, name))
			})
		}
	}
}

var camelCase = regexp.MustCompile(`^[a-z]+([A-Z][a-z]+)*$`)

func load(t *testing.T, name string) *openapi3.T {
	t.Helper()
	text, err := openapi.Document(name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatalf("loading %s: %v", name, err)
	}
	return document
}

func operations(document *openapi3.T) map[string]*openapi3.Operation {
	found := map[string]*openapi3.Operation{}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			found[method+" "+path] = operation
		}
	}
	return found
}

// bodies are the bodies of all requests and responses, by where they are.
func bodies(document *openapi3.T) map[string]*openapi3.MediaType {
	found := map[string]*openapi3.MediaType{}
	add := func(at string, content openapi3.Content) {
		for mediaType, body := range content {
			found[at+" "+mediaType] = body
		}
	}
	for at, operation := range operations(document) {
		if operation.RequestBody != nil {
			add(at+" request", operation.RequestBody.Value.Content)
		}
		for status, response := range operation.Responses.Map() {
			add(at+" "+status, response.Value.Content)
		}
	}
	return found
}

func examples(body *openapi3.MediaType) []any {
	var found []any
	if body.Example != nil {
		found = append(found, body.Example)
	}
	for _, example := range body.Examples {
		found = append(found, example.Value.Value)
	}
	return found
}

func checkExamples(t *testing.T, _ string, document *openapi3.T) {
	t.Helper()
	for at, body := range bodies(document) {
		found := examples(body)
		if len(found) == 0 {
			t.Errorf("%s: want an example", at)
		}
		for _, example := range found {
			err := body.Schema.Value.VisitJSON(example, openapi3.EnableFormatValidation(),
				openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC4122)),
				openapi3.WithStringFormatValidator("ulid", openapi3.NewRegexpFormatValidator(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)),
				openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(wholeSeconds)))
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
}

// wholeSeconds refuses fractions, which Parse takes whether the layout has them or not.
func wholeSeconds(text string) error {
	at, err := time.Parse(time.RFC3339, text)
	if err == nil && text != at.UTC().Truncate(time.Second).Format(time.RFC3339) {
		err = fmt.Errorf("%s must be in UTC and whole seconds", text)
	}
	return err
}

func checkPublished(t *testing.T, name string, document *openapi3.T) {
	t.Helper()
	byDialect := map[string][]any{}
	if err := json.Unmarshal(published, &byDialect); err != nil {
		t.Fatal(err)
	}
	if len(byDialect[name]) == 0 {
		t.Fatalf("no published examples of %s", name)
	}
	var all []any
	for _, body := range bodies(document) {
		all = append(all, examples(body)...)
	}
	for _, want := range byDialect[name] {
		if !slices.ContainsFunc(all, func(got any) bool { return cmp.Equal(want, got) }) {
			text, err := json.Marshal(want)
			t.Errorf("no body has this example: %s %v", text, err)
		}
	}
}

// schemas are the schemas of all components and bodies, and those inside them, by where they are.
func schemas(document *openapi3.T) map[string]*openapi3.Schema {
	found := map[string]*openapi3.Schema{}
	var add func(at string, ref *openapi3.SchemaRef)
	add = func(at string, ref *openapi3.SchemaRef) {
		if ref == nil {
			return
		}
		if ref.Ref != "" {
			at = ref.Ref
		}
		if found[at] != nil {
			return
		}
		found[at] = ref.Value
		for name, property := range ref.Value.Properties {
			add(at+"."+name, property)
		}
		add(at+"[]", ref.Value.Items)
		for _, several := range []openapi3.SchemaRefs{ref.Value.AllOf, ref.Value.AnyOf, ref.Value.OneOf} {
			for i, one := range several {
				add(fmt.Sprintf("%s|%d", at, i), one)
			}
		}
	}
	for name, schema := range document.Components.Schemas {
		add("#/components/schemas/"+name, schema)
	}
	for at, body := range bodies(document) {
		add(at, body.Schema)
	}
	return found
}

// checkOrder wants x-order to number the fields from 1.
func checkOrder(t *testing.T, at string, schema *openapi3.Schema) {
	t.Helper()
	var got, want []int
	for name, property := range schema.Properties {
		want = append(want, len(want)+1)
		order, ok := property.Extensions["x-order"]
		if !ok {
			order = property.Value.Extensions["x-order"]
		}
		number, ok := order.(float64)
		if !ok {
			t.Errorf("%s.%s: want x-order to be a number, got %v", at, name, order)
		}
		got = append(got, int(number))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: x-order: -want, +got:\n%s", at, diff)
	}
}

// checkResponses wants the answers that every operation may give, and the headers that go with them.
func checkResponses(t *testing.T, at string, operation *openapi3.Operation) {
	t.Helper()
	for _, status := range []string{"401", "426", "429", "500"} {
		if operation.Responses.Value(status) == nil {
			t.Errorf("%s: want response %s", at, status)
		}
	}
	headers := map[string]string{"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After"}
	for status, response := range operation.Responses.Map() {
		if want := headers[status]; want != "" && response.Value.Headers[want] == nil {
			t.Errorf("%s: want header %s with %s", at, want, status)
		}
		if response.Value.Description == nil || *response.Value.Description == "" {
			t.Errorf("%s: %s must be described", at, status)
		}
	}
}
