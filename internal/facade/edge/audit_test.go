package edge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

// line is an audit line; its parts that differ each time are checked apart.
type line struct {
	Message      string   `json:"msg"`
	Actor        string   `json:"actor"`
	Organisation string   `json:"organisation"`
	Objects      []string `json:"objects"`
	ObjectCount  int      `json:"objectCount"`
	Method       string   `json:"method"`
	Route        string   `json:"route"`
	Decision     string   `json:"decision"`
	Status       int      `json:"status"`
	Milliseconds int      `json:"milliseconds"`
	Source       string   `json:"source"`
	RequestID    string   `json:"requestID"`
}

// audited sends a request with secrets in all places where a client may write, and returns the audit lines about it.
func audited(t *testing.T, method string, handler http.HandlerFunc, o edge.Options) []line {
	t.Helper()
	log := &journal{}
	o.Log = log.logger()
	server := serve(t, handler, o)
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/members/SECRET?q=SECRET", strings.NewReader("SECRET"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer SECRET")
	r.Header.Set("User-Agent", "SECRET")
	answer, err := server.Client().Do(r)
	id := ""
	if err == nil {
		id = answer.Header.Get("X-Request-ID")
		_ = answer.Body.Close()
	}
	// The line follows the answer; when the server is closed it is there.
	server.Close()

	var lines []line
	for _, text := range log.all() {
		if strings.Contains(text, "SECRET") {
			t.Errorf("The line tells what the client wrote: %s", text)
		}
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if l.Message != "Audit" {
			continue
		}
		if err == nil && l.RequestID != id {
			t.Errorf("The line is about request %q, want %q", l.RequestID, id)
		}
		l.RequestID = ""
		lines = append(lines, l)
	}
	return lines
}

func TestAudit(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	plain := func(method, decision string, code int) []line {
		return []line{{Message: "Audit", Method: method, Decision: decision, Status: code, Source: "127.0.0.1"}}
	}
	cases := map[string]struct {
		reason  string
		method  string
		handler http.HandlerFunc
		want    []line
	}{
		"Get":     {reason: "reads change nothing", method: "GET", handler: status(200)},
		"Options": {reason: "nor do questions about a route", method: "OPTIONS", handler: status(200)},
		"Silent": {
			reason: "an empty answer is a 200", method: "DELETE", handler: func(http.ResponseWriter, *http.Request) {},
			want: plain("DELETE", "allowed", 200),
		},
		"Written": {
			reason: "a body without a status is a 200", method: "PATCH",
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") },
			want:    plain("PATCH", "allowed", 200),
		},
		"Twice": {
			reason: "the first status counts", method: "POST",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusCreated)
				w.WriteHeader(http.StatusBadGateway)
			},
			want: plain("POST", "allowed", 201),
		},
		"Unauthenticated": {reason: "401 is denied", method: "PUT", handler: status(401), want: plain("PUT", "denied", 401)},
		"Forbidden":       {reason: "403 is denied", method: "PUT", handler: status(403), want: plain("PUT", "denied", 403)},
		"NotFound":        {reason: "404 is denied", method: "PUT", handler: status(404), want: plain("PUT", "denied", 404)},
		"Conflict":        {reason: "409 is invalid", method: "PUT", handler: status(409), want: plain("PUT", "invalid", 409)},
		"TooMany":         {reason: "429 is invalid", method: "PUT", handler: status(429), want: plain("PUT", "invalid", 429)},
		"Unavailable":     {reason: "503 is failed", method: "PUT", handler: status(503), want: plain("PUT", "failed", 503)},
		"Panic": {
			reason: "a panic is answered with a 500, which is failed", method: "POST",
			handler: func(http.ResponseWriter, *http.Request) { panic("a bug") },
			want:    plain("POST", "failed", 500),
		},
		"Cut": {
			reason: "an answer that was cut is failed, whatever it began with", method: "POST",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); panic("a bug") },
			want:    plain("POST", "failed", 201),
		},
		"Record": {
			reason: "inner code says what it is about", method: "POST",
			handler: func(w http.ResponseWriter, r *http.Request) {
				record := edge.AuditOf(r.Context())
				record.SetActor("ada@example.com")
				record.SetOrganisation("acme")
				record.SetRoute("POST /members/{name}")
				record.Object("Organisation", "", "acme")
				record.Object("Member", "org-acme", "bob")
				record.Object("Member", "org-acme", "bob")
				w.WriteHeader(http.StatusCreated)
			},
			want: []line{{
				Message: "Audit", Actor: "ada@example.com", Organisation: "acme", Method: "POST", Route: "POST /members/{name}",
				Objects: []string{"Organisation acme", "Member org-acme/bob"}, ObjectCount: 2,
				Decision: "allowed", Status: 201, Source: "127.0.0.1",
			}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := audited(t, c.method, c.handler, edge.Options{Clock: clocktesting.NewFakePassiveClock(time.Now())})
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestAuditRoute(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /members/{name}", func(http.ResponseWriter, *http.Request) {})
	cases := map[string]struct {
		reason  string
		handler http.HandlerFunc
		route   func(*http.Request) string
		want    string
	}{
		"Mux":      {reason: "the pattern of a mux is known", handler: mux.ServeHTTP, want: "PUT /members/{name}"},
		"Function": {reason: "a function is asked", handler: mux.ServeHTTP, route: func(*http.Request) string { return "a" }, want: "a"},
		"Record": {
			reason:  "the record knows best",
			handler: func(_ http.ResponseWriter, r *http.Request) { edge.AuditOf(r.Context()).SetRoute("b") },
			route:   func(*http.Request) string { return "a" }, want: "b",
		},
		"None": {
			reason:  "what has no route has none",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := audited(t, http.MethodPut, c.handler, edge.Options{Route: c.route})
			if len(got) != 1 || got[0].Route != c.want {
				t.Errorf("%s: got %+v, want the route %q", c.reason, got, c.want)
			}
		})
	}
}

func TestAuditDuration(t *testing.T) {
	t.Parallel()
	now := clocktesting.NewFakePassiveClock(time.Now())
	got := audited(t, http.MethodPost, func(http.ResponseWriter, *http.Request) {
		now.SetTime(now.Now().Add(1234 * time.Millisecond))
	}, edge.Options{Clock: now})
	if len(got) != 1 || got[0].Milliseconds != 1234 {
		t.Errorf("Got %+v, want one line with 1234 ms", got)
	}
}

// A batch is written by several at a time.
func TestAuditBatch(t *testing.T) {
	t.Parallel()
	got := audited(t, http.MethodPut, func(_ http.ResponseWriter, r *http.Request) {
		var group sync.WaitGroup
		for worker := range 10 {
			group.Go(func() {
				for i := range 100 {
					edge.AuditOf(r.Context()).Object("Member", "org-acme", fmt.Sprintf("m-%d-%d", worker, i))
				}
			})
		}
		group.Wait()
	}, edge.Options{Clock: clock.RealClock{}})
	if len(got) != 1 || got[0].ObjectCount != 1000 || len(got[0].Objects) != 20 {
		t.Errorf("Got %+v, want one line that counts 1000 objects and names 20", got)
	}
}

func TestAuditNil(t *testing.T) {
	t.Parallel()
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		record := edge.AuditOf(r.Context())
		if record != nil {
			t.Error("A read has a record")
		}
		record.SetActor("ada@example.com")
		record.Object("Member", "org-acme", "bob")
	}, edge.Options{})
	if got := mustSend(t, server, http.MethodGet, nil).status; got != http.StatusOK {
		t.Errorf("Got %d from a handler that fills a record in any case", got)
	}
}
