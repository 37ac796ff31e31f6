package dialect

import "strings"

// Sentence is a text with a capital letter at its beginning, for dialects that write so. What begins with the name of a thing,
// as texts of the API server do, is left as it is.
func Sentence(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
