package dialect

import "testing"

func TestSentence(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, text, want string }{
		"Empty": {reason: "nothing is left as it is"},
		"Word":  {reason: "a word begins with a capital letter", text: "forbidden", want: "Forbidden"},
		"Words": {reason: "and so do several", text: "must be a UUID", want: "Must be a UUID"},
		"Name": {
			reason: "the name of a thing is written as it is", text: `members.enrol.dev "jane" is forbidden`,
			want: `members.enrol.dev "jane" is forbidden`,
		},
		"Capital": {reason: "there may be one already", text: "Member jane", want: "Member jane"},
		"Letters": {reason: "other letters are left alone", text: "über", want: "über"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Sentence(tc.text); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
