// Package terminal makes text that others wrote fit for a terminal: display names, messages and names from a cluster may
// hold what moves the cursor, colours the screen or turns the direction of reading around.
package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is a text in one line, with everything in it that is no visible character or space written as a Go escape:
// control characters, bidirectional and zero-width ones, line separators, and what is not UTF-8.
func Text(text string) string { return escaped(text, isHarmless) }

// Lines is Text that keeps its line breaks.
func Lines(text string) string {
	return escaped(text, func(r rune) bool { return r == '\n' || isHarmless(r) })
}

// Short is Text of at most so many characters, the last of which then is an ellipsis.
func Short(text string, most int) string {
	line := []rune(Text(text))
	if len(line) <= most {
		return string(line)
	}
	return string(line[:most-1]) + "…"
}

// JSON is a JSON document with the same meaning, in which what Text would escape stands as JSON's own escapes. It must be
// valid: only then do these characters occur in nothing but strings.
func JSON(document string) string {
	var b strings.Builder
	for _, r := range document {
		switch {
		case r == '\n' || r == '\t' || isHarmless(r):
			b.WriteRune(r)
		case r > 0xffff:
			const offset, base, low, bits, mask = 0x10000, 0xd800, 0xdc00, 10, 0x3ff
			fmt.Fprintf(&b, `\u%04x\u%04x`, base+(r-offset)>>bits, low+(r-offset)&mask)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func escaped(text string, keep func(rune) bool) string {
	var b strings.Builder
	for i, r := range text {
		size := utf8.RuneLen(r)
		invalid := r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError))
		switch {
		case invalid:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case keep(r):
			b.WriteRune(r)
		case size == 1:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// isHarmless tells whether a character shows as itself. unicode.IsGraphic leaves out controls, formats, surrogates, line
// separators and what is not assigned.
func isHarmless(r rune) bool { return unicode.IsGraphic(r) }
