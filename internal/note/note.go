// Package note fits texts into what the API server takes.
package note

import "strings"

// maxBytes is what the events API takes for a note.
const maxBytes = 1024

// Cut is as much of the note of an event as the events API takes, without half a character at its end.
func Cut(note string) string {
	return strings.ToValidUTF8(note[:min(len(note), maxBytes)], "")
}
