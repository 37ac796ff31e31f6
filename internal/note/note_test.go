package note

import (
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("a", maxBytes)
	for name, tc := range map[string]struct{ reason, note, want string }{
		"Short": {"what fits stays", "é", "é"},
		"Full":  {"the limit itself fits", full, full},
		"Long":  {"no more than the limit", full + "a", full},
		"Half":  {"no half characters", full[1:] + "é", full[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Cut(tc.note); got != tc.want {
				t.Errorf("%s: got %d bytes, want %d", tc.reason, len(got), len(tc.want))
			}
		})
	}
}
