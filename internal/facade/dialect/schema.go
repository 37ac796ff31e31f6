package dialect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// missing is what is said of a value that must be there.
const missing = "must be given"

// formatUUID is the one format that the documents' schemas are checked for: the others are for the domain to read.
const formatUUID = "uuid"

type uuidValidator struct{}

// Validate wants the usual text of 36 characters, in any case.
func (uuidValidator) Validate(text string) error {
	if len(text) != len(uuid.Nil.String()) {
		return errors.New("must be a UUID")
	}
	return uuid.Validate(text)
}

var visiting = []openapi3.SchemaValidationOption{
	openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.EnableFormatValidation(),
	openapi3.WithStringFormatValidator(formatUUID, uuidValidator{}),
}

// bodyFaults are what is wrong with a body by its schema, in the order of the document.
func bodyFaults(schema *openapi3.Schema, value any) []fault.Detail {
	details := faults(schema.VisitJSON(value, visiting...))
	for i := range details {
		details[i].In = fault.Body
	}
	return sorted(schema, details)
}

// parameterFaults are what is wrong with a parameter by its schema.
func parameterFaults(schema *openapi3.Schema, text string) []fault.Detail {
	var value any = text
	if schema.Type.Is(openapi3.TypeInteger) {
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil || text != strconv.FormatInt(number, 10) {
			return []fault.Detail{{Reason: fault.NotInteger, Text: "must be an integer"}}
		}
		value = float64(number)
	}
	return faults(schema.VisitJSON(value, visiting...))
}

// faults reads the errors of a validation: one for each place.
func faults(err error) []fault.Detail {
	var details []fault.Detail
	var collect func(error)
	collect = func(err error) {
		var many openapi3.MultiError
		var one *openapi3.SchemaError
		switch {
		case err == nil:
		case errors.As(err, &many):
			for _, e := range many {
				collect(e)
			}
		case errors.As(err, &one):
			details = append(details, detail(one))
		default:
			details = append(details, fault.Detail{Text: err.Error()})
		}
	}
	collect(err)
	return onePerPlace(details)
}

// onePerPlace keeps, of several faults of a value, the one that explains the others: its type.
func onePerPlace(details []fault.Detail) []fault.Detail {
	slices.SortStableFunc(details, func(a, b fault.Detail) int { return weight(a.Reason) - weight(b.Reason) })
	// A list of a million numbers has a million faults: each must cost the same.
	seen := make(map[string]bool, len(details))
	kept := details[:0]
	for _, d := range details {
		if place := fmt.Sprint(d.Path); !seen[place] {
			seen[place] = true
			kept = append(kept, d)
		}
	}
	return kept
}

func weight(reason fault.Reason) int {
	switch reason {
	case fault.NotListed, fault.NotUUID:
		return 1
	case fault.BadValue:
		return 2
	default:
		return 0
	}
}

func detail(e *openapi3.SchemaError) fault.Detail {
	d := fault.Detail{}
	for _, element := range e.JSONPointer() {
		if index, err := strconv.Atoi(element); err == nil {
			d.Path = append(d.Path, index)
			continue
		}
		d.Path = append(d.Path, element)
	}
	switch e.SchemaField {
	case "required":
		d.Reason, d.Text = fault.Missing, missing
	case "type", "nullable":
		d.Reason, d.Text = wrongType(e.Schema)
	case "enum":
		d.Reason, d.Text = fault.NotListed, "unknown value"
		if _, isText := e.Value.(string); !isText && e.Schema.Type.Is(openapi3.TypeString) {
			d.Reason, d.Text = wrongType(e.Schema)
		}
	case "format":
		d.Reason, d.Text = fault.NotUUID, "must be a UUID"
	case "pattern":
		d.Text = "must match " + e.Schema.Pattern
	case "maxLength":
		d.Text = fmt.Sprintf("must have at most %d characters", *e.Schema.MaxLength)
	case "minLength":
		d.Text = fmt.Sprintf("must have at least %d characters", e.Schema.MinLength)
		if e.Value == "" {
			d.Text = "must not be empty"
		}
	case "maxItems":
		d.Text = fmt.Sprintf("must have at most %d entries", *e.Schema.MaxItems)
	case "minimum":
		d.Text = fmt.Sprintf("must be at least %v", *e.Schema.Min)
	case "maximum":
		d.Text = fmt.Sprintf("must be at most %v", *e.Schema.Max)
	default:
		d.Text = e.Reason
	}
	return d
}

func wrongType(schema *openapi3.Schema) (fault.Reason, string) {
	switch {
	case schema.Type.Is(openapi3.TypeString) && schema.Format == formatUUID:
		return fault.NotUUID, "must be a UUID"
	case schema.Type.Is(openapi3.TypeString):
		return fault.NotString, "must be a string"
	case schema.Type.Is(openapi3.TypeBoolean):
		return fault.NotBoolean, "must be true or false"
	case schema.Type.Is(openapi3.TypeInteger):
		return fault.NotInteger, "must be an integer"
	case schema.Type.Is(openapi3.TypeArray):
		return fault.NotList, "must be a list"
	case schema.Type.Is(openapi3.TypeObject):
		return fault.NotObject, "must be an object"
	}
	return fault.BadValue, "has the wrong type"
}

// withoutNulls leaves out fields that are null where null means absent, and those that the document does not know: the decoder of
// the generated code takes a name in another case for the same field, whose value nobody has checked then.
func withoutNulls(schema *openapi3.Schema, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			property := schema.Properties[name]
			switch {
			case property == nil, field == nil && !property.Value.Nullable:
				delete(v, name)
			default:
				v[name] = withoutNulls(property.Value, field)
			}
		}
	case []any:
		if schema.Items != nil {
			for i := range v {
				v[i] = withoutNulls(schema.Items.Value, v[i])
			}
		}
	}
	return value
}

// sorted puts faults in the order of rows, then of the fields in the document.
func sorted(schema *openapi3.Schema, details []fault.Detail) []fault.Detail {
	slices.SortStableFunc(details, func(a, b fault.Detail) int {
		return slices.CompareFunc(a.Path, b.Path, func(x, y any) int { return compareStep(schema, x, y) })
	})
	return details
}

// compareStep orders two steps of a path: indexes by number, fields as the document has them.
func compareStep(schema *openapi3.Schema, x, y any) int {
	i, iIs := x.(int)
	j, jIs := y.(int)
	if iIs && jIs {
		return cmp.Compare(i, j)
	}
	object := schema
	if object.Items != nil {
		object = object.Items.Value
	}
	order := func(step any) int {
		property := object.Properties[fmt.Sprint(step)]
		if property == nil {
			return len(object.Properties)
		}
		if at, ok := property.Value.Extensions["x-order"].(float64); ok {
			return int(at)
		}
		return len(object.Properties)
	}
	return cmp.Or(cmp.Compare(order(x), order(y)), strings.Compare(fmt.Sprint(x), fmt.Sprint(y)))
}
