package edge

import "net/http"

// answer is a ResponseWriter that remembers the status.
type answer struct {
	http.ResponseWriter

	// status is 0 until the header is written.
	status int
}

// WriteHeader remembers the status, unless it is one that another one follows.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(text []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(text)
}

// Flush is for callers that know no http.ResponseController.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what http.ResponseController calls. To flush is to write the header.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) begin() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
}
