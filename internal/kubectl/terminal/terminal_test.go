package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/enrol-dev/enrol/internal/kubectl/terminal"
)

func TestText(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, text, want string }{
		"Plain":         {"What shows as itself stays", `Ada "the" Lövelace\ ✓`, `Ada "the" Lövelace\ ✓`},
		"Colour":        {"An escape sequence is text", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"C1":            {"So is one that begins with a single C1 character", "\u009b31m", `\u009b31m`},
		"Lines":         {"A line break would make a line of somebody else's", "a\nb\r\u2028c", `a\x0ab\x0d\u2028c`},
		"Bidirectional": {"Turning the direction around hides what is written", "a\u202eb\u2066", `a\u202eb\u2066`},
		"ZeroWidth":     {"What shows as nothing makes two names look alike", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		"Tags":          {"Invisible characters beyond 16 bits", "a\U000e0041", `a\U000e0041`},
		"Invalid":       {"What is not UTF-8 is shown byte by byte", "a\xff\xc3", `a\xff\xc3`},
		"Replacement":   {"The replacement character itself is one", "\ufffd", "\ufffd"},
		"Deleted":       {"DEL moves the cursor of some terminals", "a\x7f", `a\x7f`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := terminal.Text(tc.text); got != tc.want {
				t.Errorf("%s: Text(%q) = %q, want %q", tc.reason, tc.text, got, tc.want)
			}
		})
	}
}

func TestNothingHarmfulPasses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		const most = 10
		for _, got := range []string{terminal.Text(text), terminal.Short(text, most)} {
			if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }); i >= 0 {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
		if got := terminal.Short(text, most); len([]rune(got)) > most {
			t.Fatalf("%q becomes %q, which is longer than %d", text, got, most)
		}
	})
}

// The document says the same as before, whatever was in it.
func TestJSONStaysTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.Rune())).Draw(t, "text")
		document, err := json.MarshalIndent(map[string]string{"text": text}, "", "    ")
		if err != nil {
			t.Fatal(err)
		}
		got := terminal.JSON(string(document))
		var before, after map[string]string
		if err := json.Unmarshal(document, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil || after["text"] != before["text"] {
			t.Fatalf("%q becomes %q: %v", before["text"], after["text"], err)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
			t.Fatalf("%q becomes %q", text, got)
		}
	})
}
