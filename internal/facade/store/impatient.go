package store

import (
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// withoutRetries has a 429 of the API server come back as an error at once. Client-go would wait and ask again for as long as the
// request may take, while the caller, who can as well wait without a connection, is to hear of it.
func withoutRetries(next http.RoundTripper) http.RoundTripper { return impatient{next: next} }

type impatient struct{ next http.RoundTripper }

// RoundTrip makes a request once.
func (t impatient) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusTooManyRequests {
		return response, err
	}
	const most = 64 << 10
	_, _ = io.CopyN(io.Discard, response.Body, most)
	_ = response.Body.Close()
	// Without a number, the caller is told the least there is.
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return nil, apierrors.NewTooManyRequests("the API server is busy", seconds)
}

// WrappedRoundTripper lets client-go find what can cancel a request, of which it would complain otherwise.
func (t impatient) WrappedRoundTripper() http.RoundTripper { return t.next }
