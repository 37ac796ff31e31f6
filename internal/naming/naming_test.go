package naming_test

import (
	"testing"

	"github.com/enrol-dev/enrol/internal/naming"
)

func TestInvitationNumber(t *testing.T) {
	t.Parallel()
	const jane, joe = "jane@example.com", "joe@example.com"
	cases := map[string]struct {
		reason, name string
		want         int
		ok           bool
	}{
		"Made":      {reason: "A name says its number", name: naming.Invitation(jane, 12), want: 12, ok: true},
		"Another":   {reason: "The name of somebody else's says nothing", name: naming.Invitation(joe, 1)},
		"ByHand":    {reason: "A name that a person chose says nothing", name: "jane"},
		"NoNumber":  {reason: "What is no number is none", name: naming.Invitation(jane, 1) + "x"},
		"LeadZero":  {reason: "Another spelling would be another name", name: naming.Invitation(jane, 0) + "7"},
		"Zero":      {reason: "Numbers begin with one", name: naming.Invitation(jane, 0)},
		"FarTooBig": {reason: "What no int holds is no number", name: naming.Invitation(jane, 1) + "0000000000000000000000"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := naming.InvitationNumber(tc.name, jane)
			if got != tc.want || ok != tc.ok {
				t.Errorf("%s: got %d, %t, want %d, %t", tc.reason, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	got := naming.Member("jane@example.com")
	if len(got) != len("m-")+20 || got == naming.Member("joe@example.com") || got != naming.Member("jane@example.com") {
		t.Errorf("a name must be of 20 digits, the same for the same person and another for another: %s", got)
	}
}
