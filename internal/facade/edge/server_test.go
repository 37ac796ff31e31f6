package edge

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// running is a server that runs, and what ends it.
type running struct {
	address string
	ready   *atomic.Bool
	stop    context.CancelFunc
	ended   chan error
}

func run(t *testing.T, server *Server) *running {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r := &running{address: listener.Addr().String(), ready: new(atomic.Bool), stop: stop, ended: make(chan error, 1)}
	r.ready.Store(true)
	go func() { r.ended <- server.Run(ctx, listener, r.ready) }()
	return r
}

func newServer(t *testing.T, handler http.HandlerFunc, o ServerOptions) *Server {
	t.Helper()
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	server, err := NewServer(handler, o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func get(t *testing.T, url string) (int, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func end(t *testing.T, r *running) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("The server does not end")
		return nil
	}
}

func TestServerLimits(t *testing.T) {
	t.Parallel()
	server := newServer(t, nil, ServerOptions{Log: logr.Discard()})
	got := []time.Duration{
		server.http.ReadHeaderTimeout, server.http.ReadTimeout, server.http.WriteTimeout, server.http.IdleTimeout,
		server.options.ShutdownTimeout,
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 40 * time.Second, 2 * time.Minute, 30 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("The limits differ (-want +got):\n%s", diff)
	}
}

func TestServerHeader(t *testing.T) {
	t.Parallel()
	server := run(t, newServer(t, func(http.ResponseWriter, *http.Request) {}, ServerOptions{Log: logr.Discard()}))
	for size, want := range map[int]int{30 << 10: http.StatusOK, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Large", strings.Repeat("a", size))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("Got %d for a header of %d bytes, want %d", answer.StatusCode, size, want)
		}
	}
}

// A body that comes too slowly is cut with its connection; a handler that takes longer than a body may is not.
func TestServerSlowBody(t *testing.T) {
	t.Parallel()
	failed, cancelled := make(chan error, 1), make(chan bool, 1)
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			failed <- err
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		select {
		case <-r.Context().Done():
			cancelled <- true
		case <-time.After(4 * time.Second):
			cancelled <- false
		}
	}, ServerOptions{Log: logr.Discard()})
	server.http.ReadTimeout = 2 * time.Second
	r := run(t, server)

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow")
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err := <-failed; !os.IsTimeout(err) {
		t.Errorf("Got %v reading the body, want a timeout", err)
	}
	if _, err := reader.ReadByte(); err == nil {
		t.Error("The connection is still open")
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.address, strings.NewReader("quick"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err = http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if <-cancelled {
		t.Error("A slow handler was cancelled by the limit for bodies")
	}
}

// What net/http has to say is for debugging, and goes nowhere else.
func TestServerComplaints(t *testing.T) {
	t.Parallel()
	said := make(chan string, 16)
	cert, key, _ := certificate(t, t.TempDir(), "first")
	server := newServer(t, func(http.ResponseWriter, *http.Request) {}, ServerOptions{
		CertFile: cert, KeyFile: key,
		Log: funcr.New(func(_, args string) { said <- args }, funcr.Options{Verbosity: 1}),
	})
	r := run(t, server)
	if _, err := get(t, "http://"+r.address); err != nil {
		t.Fatal(err)
	}
	if got := <-said; !strings.Contains(got, `"level"=1`) || !strings.Contains(got, "client sent an HTTP request to an HTTPS server") {
		t.Errorf("Got %s, want the complaint for debugging", got)
	}
}

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, folder, name string) (cert, key string, parsed *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, parsed
}

// handshake is the name in the server's certificate, and the protocol that it agrees to.
func handshake(t *testing.T, address string, version uint16) (name, protocol string, err error) {
	t.Helper()
	dialer := &tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS10, MaxVersion: version,
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", "", err
	}
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0].Subject.CommonName, state.NegotiatedProtocol, conn.Close()
}

func TestServerTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cert, key, _ := certificate(t, folder, "first")
	server := newServer(t, func(http.ResponseWriter, *http.Request) {}, ServerOptions{Log: logr.Discard(), CertFile: cert, KeyFile: key})
	r := run(t, server)

	name, protocol, err := handshake(t, r.address, tls.VersionTLS13)
	if err != nil || name != "first" || protocol != "h2" {
		t.Fatalf("Got %q, %q, %v; want the first certificate and HTTP/2", name, protocol, err)
	}
	if _, _, err := handshake(t, r.address, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is good enough for it")
	}
	certificate(t, folder, "second")
	for deadline := time.Now().Add(time.Minute); name != "second"; {
		if time.Now().After(deadline) {
			t.Fatal("The new certificate is not served")
		}
		if name, _, err = handshake(t, r.address, tls.VersionTLS13); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	if err := end(t, r); err != nil {
		t.Errorf("Got %v at a quiet end", err)
	}
}

func TestServerCertificates(t *testing.T) {
	t.Parallel()
	cert, key, _ := certificate(t, t.TempDir(), "first")
	cases := map[string]struct {
		reason    string
		cert, key string
	}{
		"NoKey":         {reason: "a certificate alone is no TLS", cert: cert},
		"NoCertificate": {reason: "nor is a key", key: key},
		"Missing":       {reason: "what is not there cannot be served", cert: cert + ".missing", key: key},
		"Swapped":       {reason: "nor the one for the other", cert: key, key: cert},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewServer(nil, ServerOptions{Log: logr.Discard(), CertFile: c.cert, KeyFile: c.key}); err == nil {
				t.Errorf("%s: got no error", c.reason)
			}
		})
	}
}

// Readiness goes first, then new requests still come in, then those in flight finish.
func TestServerEnd(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	now := clocktesting.NewFakeClock(time.Now())
	server := run(t, newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-release
		}
	}, ServerOptions{Log: logr.Discard(), Clock: now, DrainDelay: time.Minute}))

	slow := make(chan string, 1)
	go func() {
		status, err := get(t, "http://"+server.address+"/slow")
		slow <- fmt.Sprint(status, err)
	}()
	<-entered
	if !server.ready.Load() {
		t.Error("It is not ready while it serves")
	}
	server.stop()
	eventually(t, "the drain delay begins", now.HasWaiters)
	if server.ready.Load() {
		t.Error("It is ready while it drains")
	}
	if status, err := get(t, "http://"+server.address); err != nil || status != http.StatusOK {
		t.Errorf("Got %d, %v for a request while it drains", status, err)
	}
	now.Step(time.Minute)
	eventually(t, "new connections are refused", func() bool {
		_, err := get(t, "http://"+server.address)
		return err != nil
	})
	select {
	case got := <-slow:
		t.Errorf("The request in flight ended with %q before it was done", got)
	case err := <-server.ended:
		t.Errorf("The server ended with %v before the request in flight", err)
	default:
	}
	close(release)
	if diff := cmp.Diff("200 <nil>", <-slow); diff != "" {
		t.Errorf("The request in flight was not answered (-want +got):\n%s", diff)
	}
	if err := end(t, server); err != nil {
		t.Errorf("Got %v at the end", err)
	}
}

func TestServerEndless(t *testing.T) {
	t.Parallel()
	entered, gone := make(chan struct{}), make(chan struct{})
	server := run(t, newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(gone)
	}, ServerOptions{Log: logr.Discard(), ShutdownTimeout: 50 * time.Millisecond}))
	go func() { _, _ = get(t, "http://"+server.address) }()
	<-entered
	server.stop()
	if err := end(t, server); err == nil {
		t.Error("Got no error after a request was cut")
	}
	<-gone
}

func TestServerBroken(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	ready := new(atomic.Bool)
	ready.Store(true)
	err = newServer(t, nil, ServerOptions{Log: logr.Discard()}).Run(t.Context(), listener, ready)
	if err == nil || ready.Load() {
		t.Errorf("Got %v, ready %t; want an error and not ready", err, ready.Load())
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("Waited in vain: %s", what)
		}
	}
}
