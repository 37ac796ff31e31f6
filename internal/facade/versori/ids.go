package versori

import (
	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

// ulidOf writes the 128 bits of an id, which the domain has as the text of a UUID, as the text of a ULID.
func ulidOf(uid string) string {
	id, err := uuid.Parse(uid)
	if err != nil {
		// The API server and the domain make ids, and make them so.
		return ""
	}
	return ulid.ULID(id).String()
}

// uidOf reads an id in either text, in any case, as the domain has it; "" for what is neither.
func uidOf(text string) string {
	if len(text) == ulid.EncodedSize {
		id, err := ulid.ParseStrict(text)
		if err != nil {
			return ""
		}
		return uuid.UUID(id).String()
	}
	// Parse reads other texts besides, in braces or as a URN.
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return ""
	}
	return id.String()
}
