package edge

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// recovered turns a panic into a log line and an answer. Where an answer was begun, it cuts the connection, so that nobody takes
// what was sent for the whole. http.ErrAbortHandler asks for just that, and passes.
func recovered(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // The request has its context, and the answer is made with the request.
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			q := requestOf(r.Context())
			o.Log.Error(nil, "A handler panicked", "panic", fmt.Sprint(cause), "requestID", q.id, "stack", string(debug.Stack()))
			if q.status != 0 {
				panic(http.ErrAbortHandler)
			}
			fail(w, r, o.Failed)
		}()
		next.ServeHTTP(w, r)
	})
}

// fail answers without what was meant for another answer.
func fail(w http.ResponseWriter, r *http.Request, envelope http.HandlerFunc) {
	for _, name := range []string{
		"Allow", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Etag", "Last-Modified",
		"Location", "Retry-After", "Set-Cookie", "Www-Authenticate",
	} {
		w.Header().Del(name)
	}
	if envelope == nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	envelope(w, r)
}
