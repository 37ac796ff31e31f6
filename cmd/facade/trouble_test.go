package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// trouble is what is wrong with an API server.
type trouble int32

const (
	// none: it is well.
	none trouble = iota
	// down: connections are cut.
	down
	// slow: nothing is answered until the client gives up.
	slow
	// nonsense: a proxy in between answers with a page of its own.
	nonsense
	// failing: it answers 500.
	failing
	// busy: it answers 429.
	busy
	// refusing: it forbids everything, as it does an account that has lost its rights.
	refusing
	// overtaken: it answers changes as if somebody had been faster.
	overtaken
)

// troubled is a facade that reaches the API server through a proxy which can make trouble.
type troubled struct {
	*replica

	trouble atomic.Int32
	// left is how many writes may still be made before the trouble in later begins; negative: as many as come.
	left  atomic.Int32
	later trouble
	// only limits the trouble to requests for paths with that in them; "" for all. Set it before the trouble.
	only string
}

// newTroubled starts one for a test. There is no trouble at first.
func newTroubled(t testing.TB, args ...string) *troubled {
	t.Helper()
	target, err := url.Parse(environment.URL())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := environment.ServingCertificate("trouble-" + strings.ReplaceAll(t.Name(), "/", "-"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(environment.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	upstream := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	x := &troubled{}
	x.left.Store(-1)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     upstream,
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, x.only) && x.make(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		upstream.CloseIdleConnections()
	})
	if x.replica, err = startReplica(server.URL, args...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.is(none)
		if err := x.stop(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func (x *troubled) is(what trouble) {
	x.left.Store(-1)
	x.trouble.Store(int32(what))
}

// after begins the trouble once so many writes were made.
func (x *troubled) after(writes int32, what trouble) {
	x.later = what
	x.left.Store(writes)
}

// make makes the trouble there is, and tells whether that was the answer. Watches are left alone: what was seen stays seen.
func (x *troubled) make(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Query().Get("watch") == "true" {
		return false
	}
	if r.Method == http.MethodPost && x.left.Load() >= 0 && x.left.Add(-1) < 0 {
		x.is(x.later)
	}
	switch trouble(x.trouble.Load()) {
	case down:
		panic(http.ErrAbortHandler)
	case slow:
		<-r.Context().Done()
	case nonsense:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>Welcome to the proxy</body></html>"))
	case failing:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case busy:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	case refusing:
		writeStatus(w, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no right")))
	case overtaken:
		if r.Method != http.MethodPut && r.Method != http.MethodPatch {
			return false
		}
		writeStatus(w, apierrors.NewConflict(schema.GroupResource{}, "", errors.New("it has changed")))
	default:
		return false
	}
	return true
}

// writeStatus answers as an API server does.
func writeStatus(w http.ResponseWriter, err *apierrors.StatusError) {
	status := err.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	text, failed := json.Marshal(status)
	if failed != nil {
		panic(failed)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_, _ = w.Write(text)
}
