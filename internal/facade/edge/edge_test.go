package edge_test

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

// journal keeps what is logged.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) logger() logr.Logger {
	return funcr.NewJSON(func(line string) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.lines = append(j.lines, line)
	}, funcr.Options{Verbosity: 1})
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

// serve starts a server of a handler behind the middleware.
func serve(t *testing.T, handler http.HandlerFunc, o edge.Options) *httptest.Server {
	t.Helper()
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	server := httptest.NewServer(edge.New(handler, o))
	t.Cleanup(server.Close)
	return server
}

// received is an answer that was read.
type received struct {
	status int
	header http.Header
	body   string
}

// send sends a request and reads its answer.
func send(t *testing.T, server *httptest.Server, method string, header http.Header) (received, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	answer, err := server.Client().Do(r)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return received{status: answer.StatusCode, header: answer.Header, body: string(text)}, err
}

func mustSend(t *testing.T, server *httptest.Server, method string, header http.Header) received {
	t.Helper()
	answer, err := send(t, server, method, header)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, edge.RequestID(r.Context()))
	}, edge.Options{Log: logr.Discard()})

	seen := map[string]bool{}
	for range 20 {
		answer := mustSend(t, server, http.MethodGet, http.Header{"X-Request-Id": {"mine"}})
		inside, outside := answer.body, answer.header["X-Request-Id"]
		if diff := cmp.Diff([]string{inside}, outside); diff != "" {
			t.Errorf("The answer has another id than the context (-context +answer):\n%s", diff)
		}
		if len(inside) < 20 || seen[inside] {
			t.Errorf("Got the id %q, want a new random one", inside)
		}
		seen[inside] = true
	}
}

func TestOutside(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if edge.RequestID(ctx) != "" || edge.Source(ctx).IsValid() || edge.Secure(ctx) || edge.AuditOf(ctx) != nil {
		t.Error("A context without a request knows something of one")
	}
	if !edge.NeedsTLS(ctx, true) {
		t.Error("A context without a request needs no TLS")
	}
}

func TestControllers(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Error("The ResponseWriter is no Flusher")
		}
		_, _ = io.WriteString(w, "first ")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Errorf("EnableFullDuplex, which is found by Unwrap only: %v", err)
		}
		close(begun)
		<-release
		_, _ = io.WriteString(w, "last")
	}, edge.Options{Log: logr.Discard()})

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	<-begun
	first := make([]byte, 6)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first " {
		t.Errorf("Got %q, %v before the handler was done, want what it had flushed", first, err)
	}
	close(release)
	if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "last" {
		t.Errorf("Got %q, %v", rest, err)
	}
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header            { return n.header }
func (n nowhere) Write(text []byte) (int, error) { return len(text), nil }
func (n nowhere) WriteHeader(int)                {}

func BenchmarkGet(b *testing.B) {
	var proxies edge.Proxies
	if err := proxies.Set("10.0.0.0/8,192.168.0.0/16,fd00::/8"); err != nil {
		b.Fatal(err)
	}
	limits := map[string]*edge.Limiter{
		"source": edge.NewLimiter(1<<40, 1, clock.RealClock{}), "caller": edge.NewLimiter(1<<40, 1, clock.RealClock{}),
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if edge.NeedsTLS(ctx, true) {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		_, bySource := limits["source"].Allow(edge.SourceKey(edge.Source(ctx)))
		_, byCaller := limits["caller"].Allow("ada@example.com")
		if !bySource || !byCaller {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	for name, peer := range map[string]string{"direct": "203.0.113.7:40000", "proxied": "10.1.2.3:40000"} {
		b.Run(name, func(b *testing.B) {
			handler := edge.New(inner, edge.Options{Log: logr.Discard(), Clock: clock.RealClock{}, Proxies: proxies})
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/organisations/acme/me", http.NoBody)
			r.RemoteAddr = peer
			r.TLS = &tls.ConnectionState{}
			r.Header.Set("X-Forwarded-For", "198.51.100.4, 203.0.113.9, 10.7.7.7")
			r.Header.Set("X-Forwarded-Proto", "https")
			w := nowhere{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
}
