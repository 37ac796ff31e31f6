package edge_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

func TestRecovery(t *testing.T) {
	t.Parallel()
	envelope := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"message":"Internal"}`)
	}
	type want struct {
		status int
		body   string
		cut    bool
		lines  int
	}
	cases := map[string]struct {
		reason  string
		handler http.HandlerFunc
		failed  http.HandlerFunc
		want    want
	}{
		"Before": {
			reason:  "a panic before the answer is answered",
			handler: func(http.ResponseWriter, *http.Request) { panic("a bug") },
			failed:  envelope,
			want:    want{status: http.StatusInternalServerError, body: `{"message":"Internal"}`, lines: 1},
		},
		"HalfMade": {
			reason: "headers of the answer that was not sent do not go with the other one",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.Header().Set("Set-Cookie", "a=b")
				panic(errors.New("a bug"))
			},
			failed: envelope,
			want:   want{status: http.StatusInternalServerError, body: `{"message":"Internal"}`, lines: 1},
		},
		"Early": {
			reason: "an early hint is no answer yet",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				panic("a bug")
			},
			failed: envelope,
			want:   want{status: http.StatusInternalServerError, body: `{"message":"Internal"}`, lines: 1},
		},
		"NoEnvelope": {
			reason:  "without words for it the answer is bare",
			handler: func(http.ResponseWriter, *http.Request) { panic("a bug") },
			want:    want{status: http.StatusInternalServerError, lines: 1},
		},
		"Begun": {
			reason: "an answer that was begun is cut, and looks like nothing whole",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic("a bug")
			},
			failed: envelope,
			want:   want{cut: true, lines: 1},
		},
		"Abort": {
			reason:  "a handler that wants the connection cut gets it, without a line",
			handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			failed:  envelope,
			want:    want{cut: true},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &journal{}
			server := serve(t, c.handler, edge.Options{Log: log.logger(), Failed: c.failed})
			answer, err := send(t, server, http.MethodGet, nil)
			got := want{cut: err != nil, lines: len(log.all())}
			if err == nil {
				got.status, got.body = answer.status, answer.body
				if answer.header.Get("Set-Cookie") != "" || answer.header.Get("X-Request-ID") == "" {
					t.Errorf("Got the headers %v, want the request's id and no cookie", answer.header)
				}
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			for _, line := range log.all() {
				for _, part := range []string{`"panic":"a bug"`, "recovery_test.go", `"requestID":"`} {
					if !strings.Contains(line, part) {
						t.Errorf("The line has no %q: %s", part, line)
					}
				}
			}
		})
	}
}
