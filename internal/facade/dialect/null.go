package dialect

import "net/http"

// OrNull is a text, null for none.
func OrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// WriteNull answers null in the place of an object, for which the generated code has no type.
func WriteNull(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write([]byte("null\n"))
	return err
}
