// Package note fits texts into what the API server takes.
package note

import "strings"

// maxBytes is what the events API takes for a note.
const maxBytes = 1024

// Cut is as much of the note of an event as the events API takes, without half a character at its end.
func Cut(note string) string {
	return Fit(note, maxBytes)
}

// Fit is at most so many bytes of a text, without half a character at its end: the API server would store another one, and what is
// compared with that later would never be the same.
func Fit(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
