package dialect

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/fault"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	many := make([]fault.Detail, maxDescribed+3)
	for i := range many {
		many[i] = fault.Detail{In: fault.Body, Path: []any{"x"}, Text: "y"}
	}
	cases := map[string]struct {
		reason  string
		details []fault.Detail
		want    string
	}{
		"Nothing": {reason: "without faults there is nothing to say"},
		"Field": {
			reason:  "a field is named",
			details: []fault.Detail{{In: fault.Body, Path: []any{"role_id"}, Text: "unknown role"}},
			want:    "role_id: unknown role",
		},
		"Nested": {
			reason:  "an entry is counted and a field of it is named",
			details: []fault.Detail{{In: fault.Body, Path: []any{"rows", 2, "email"}, Text: "must be a string"}},
			want:    "rows[2].email: must be a string",
		},
		"Row": {
			reason:  "a body that is a list has no name for its entries",
			details: []fault.Detail{{In: fault.Body, Path: []any{0, "email"}, Text: "must be a string"}},
			want:    "[0].email: must be a string",
		},
		"Whole": {
			reason:  "a fault without a path is about the whole place",
			details: []fault.Detail{{In: fault.Query, Text: "is wrong"}},
			want:    "query: is wrong",
		},
		"NotJSON": {
			reason:  "the offset in a text that is no JSON is no field",
			details: []fault.Detail{{In: fault.Body, Path: []any{7}, Reason: fault.NotJSON, Text: "must be JSON"}},
			want:    "body: must be JSON",
		},
		"Many": {
			reason:  "a long list is cut",
			details: many,
			want: "x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; x: y; " +
				"and 3 more",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Describe(tc.details)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestUnseen(t *testing.T) {
	t.Parallel()
	lost := errors.New("the connection is lost")
	cases := map[string]struct {
		reason   string
		err      error
		wantKind fault.Kind
		wantText string
	}{
		"Found":     {reason: "what is not found is not named", err: fault.New(fault.NotFound, "invitation"), wantKind: fault.NotFound},
		"Forbidden": {reason: "others say what they say", err: fault.New(fault.Forbidden, "no"), wantKind: fault.Forbidden, wantText: "no"},
		"Other":     {reason: "faults of the facade stay so", err: lost, wantKind: fault.Internal},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Unseen(tc.err)
			got := fault.As(err)
			if got.Kind != tc.wantKind || got.Text != tc.wantText {
				t.Errorf("%s: got kind %v and text %q", tc.reason, got.Kind, got.Text)
			}
			if !errors.Is(err, tc.err) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
	if err := Unseen(nil); err != nil {
		t.Errorf("nothing went wrong, but: %v", err)
	}
}
