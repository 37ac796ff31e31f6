package address_test

import (
	"strings"
	"testing"

	"github.com/enrol-dev/enrol/internal/address"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	cases := map[string]struct {
		reason, text, want string
	}{
		"Plain":          {reason: "An address is itself", text: "jane@example.com", want: "jane@example.com"},
		"Upper":          {reason: "Addresses are compared in lower case", text: "Jane.Doe@Example.COM", want: "jane.doe@example.com"},
		"Symbols":        {reason: "Atoms may have symbols", text: "a!#$%&'*+/=?^_`{|}~-z@example.com", want: "a!#$%&'*+/=?^_`{|}~-z@example.com"},
		"International":  {reason: "A domain in Unicode takes its A-label form", text: "bob@bücher.example", want: "bob@xn--bcher-kva.example"},
		"LongLocal":      {reason: "64 are allowed", text: long + "@example.com", want: long + "@example.com"},
		"TooLongLocal":   {reason: "65 are not", text: long + "a@example.com"},
		"TooLong":        {reason: "254 in all", text: "a@" + strings.Repeat("a.", 126) + "com"},
		"NoAt":           {reason: "There must be an @", text: "jane.example.com"},
		"TwoAts":         {reason: "There must be one", text: "jane@x@example.com"},
		"Quoted":         {reason: "No quotes", text: `"jane doe"@example.com`},
		"Display":        {reason: "No names beside it", text: "Jane <jane@example.com>"},
		"NoDot":          {reason: "A domain has a dot", text: "jane@localhost"},
		"Literal":        {reason: "No IP literal", text: "jane@[192.0.2.1]"},
		"BareIP":         {reason: "Nor a bare one", text: "jane@192.0.2.1"},
		"LeadingDot":     {reason: "Dots stand between atoms", text: ".jane@example.com"},
		"DoubleDot":      {reason: "Dots stand between atoms", text: "jane..doe@example.com"},
		"TrailingDot":    {reason: "A domain ends with a label", text: "jane@example.com."},
		"Hyphen":         {reason: "Labels begin with a letter or digit", text: "jane@-example.com"},
		"KelvinLocal":    {reason: "A letter that looks like k is none", text: "\u212Aim@example.com"},
		"DotlessLocal":   {reason: "Nor is a dotless i one", text: "k\u0131m@example.com"},
		"Space":          {reason: "No spaces", text: "jane@exam ple.com"},
		"LineBreak":      {reason: "No line breaks", text: "jane@example.com\n"},
		"Null":           {reason: "No control characters", text: "jane@example.com\x00"},
		"Underscore":     {reason: "Host names have no underscore", text: "jane@ex_ample.com"},
		"Empty":          {reason: "Nothing is no address", text: ""},
		"InvisibleSpace": {reason: "What cannot be seen is refused", text: "ja\u200bne@example.com"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := address.Parse(tc.text)
			if (err == nil) != (tc.want != "") || string(got) != tc.want {
				t.Errorf("%s: got %q, %v, want %q", tc.reason, got, err, tc.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"jane@example.com", "a@b.c", "bob@bücher.example", "x@xn--a.b", "K@K.k", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := address.Parse(text)
		if err != nil {
			return
		}
		again, err := address.Parse(string(got))
		if err != nil || again != got {
			t.Errorf("%q is read as %q, which is read as %q, %v", text, got, again, err)
		}
		for _, c := range got {
			if c <= ' ' || c > '~' || 'A' <= c && c <= 'Z' {
				t.Errorf("%q is read as %q", text, got)
			}
		}
	})
}
