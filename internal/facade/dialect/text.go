package dialect

import (
	"fmt"
	"strings"

	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// maxDescribed is how many faults a text names.
const maxDescribed = 16

// Describe puts faults into one text, for dialects whose errors have no list; "" for none.
func Describe(details []fault.Detail) string {
	parts := make([]string, 0, min(len(details), maxDescribed)+1)
	for i, d := range details {
		if i == maxDescribed {
			parts = append(parts, fmt.Sprintf("and %d more", len(details)-maxDescribed))
			break
		}
		parts = append(parts, where(d)+": "+d.Text)
	}
	return strings.Join(parts, "; ")
}

// where is the place of a fault as people write it: fields with dots between them, and entries of lists in brackets.
func where(d fault.Detail) string {
	if len(d.Path) == 0 || d.Reason == fault.NotJSON {
		return string(d.In)
	}
	var text strings.Builder
	for i, step := range d.Path {
		switch index, isIndex := step.(int); {
		case isIndex:
			fmt.Fprintf(&text, "[%d]", index)
		case i == 0:
			fmt.Fprint(&text, step)
		default:
			fmt.Fprintf(&text, ".%v", step)
		}
	}
	return text.String()
}

// Unseen is an error for whoever may not see the organisation: what is not found is not named, so that the answer is the same
// for all that is unknown.
func Unseen(err error) error {
	if err == nil {
		return nil
	}
	if fault.As(err).Kind == fault.NotFound {
		return fault.Wrap(fault.NotFound, err)
	}
	return err
}
