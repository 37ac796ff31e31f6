package edge

import (
	"context"
	"crypto/rand"
)

// requestIDHeader is in every answer of a handler behind New. What net/http answers before there is a request, such as a 431,
// does not have it.
const requestIDHeader = "X-Request-Id"

// newRequestID is 26 characters of base32. One that a client sends is not looked at: it could be another request's.
func newRequestID() string { return rand.Text() }

// RequestID is the id of a context's request, "" outside of one.
func RequestID(ctx context.Context) string {
	if q := requestOf(ctx); q != nil {
		return q.id
	}
	return ""
}
