package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

// known is what the handler knows of a request's origin.
func known(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	_, _ = fmt.Fprintf(w, "%s secure=%t needsTLS=%t", edge.Source(ctx), edge.Secure(ctx), edge.NeedsTLS(ctx, true))
}

// The test is the peer, at 127.0.0.1, which is or is not a trusted proxy.
func TestSource(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		proxies string
		header  http.Header
		want    string
	}{
		"Direct": {
			reason: "the loopback peer is the source, and needs no TLS",
			want:   "127.0.0.1 secure=false needsTLS=false",
		},
		"NotTrusted": {
			reason:  "headers of a peer that is no trusted proxy mean nothing",
			proxies: "10.0.0.0/8,::1/128",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Forwarded-Proto": {"https"}},
			want:    "127.0.0.1 secure=false needsTLS=false",
		},
		"Trusted": {
			reason:  "a trusted proxy says who the client is",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Forwarded-Proto": {"HTTPS"}},
			want:    "203.0.113.1 secure=true needsTLS=false",
		},
		"TrustedInClear": {
			reason:  "what came to the proxy in clear came in clear",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Forwarded-Proto": {"http"}},
			want:    "203.0.113.1 secure=false needsTLS=true",
		},
		"Silent": {
			reason:  "a trusted proxy that forwards nothing is the source",
			proxies: "127.0.0.0/8",
			want:    "127.0.0.1 secure=false needsTLS=false",
		},
		"Invented": {
			reason:  "what stands left of the first address that is no proxy is the client's invention",
			proxies: "127.0.0.0/8,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.9,203.0.113.1 , 10.1.1.1"}},
			want:    "203.0.113.1 secure=false needsTLS=true",
		},
		"Lines": {
			reason:  "several lines are one list",
			proxies: "127.0.0.0/8,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"198.51.100.9", "203.0.113.1, 10.1.1.1", "10.2.2.2"}},
			want:    "203.0.113.1 secure=false needsTLS=true",
		},
		"AllTrusted": {
			reason:  "where all are proxies, the first is the source",
			proxies: "127.0.0.0/8,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"10.3.3.3, 10.1.1.1"}},
			want:    "10.3.3.3 secure=false needsTLS=true",
		},
		"Malformed": {
			reason:  "at an entry that is no address the last good one is the source",
			proxies: "127.0.0.0/8,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1, unknown, 10.1.1.1"}},
			want:    "10.1.1.1 secure=false needsTLS=true",
		},
		"Empty": {
			reason:  "an empty entry is malformed",
			proxies: "127.0.0.0/8,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1,,10.1.1.1"}},
			want:    "10.1.1.1 secure=false needsTLS=true",
		},
		"EmptyLine": {
			reason:  "an empty header has one malformed entry",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {""}},
			want:    "127.0.0.1 secure=false needsTLS=false",
		},
		"Port": {
			reason:  "some proxies add the port",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"[2001:db8::1]:4711"}},
			want:    "2001:db8::1 secure=false needsTLS=true",
		},
		"Mapped": {
			reason:  "an IPv4 address in IPv6 form is that IPv4 address, as client and as proxy",
			proxies: "::ffff:127.0.0.0/104,10.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"::ffff:203.0.113.1, ::ffff:10.1.1.1"}},
			want:    "203.0.113.1 secure=false needsTLS=true",
		},
		"Zone": {
			reason:  "an address is the same in every zone",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"fe80::1%eth0"}},
			want:    "fe80::1 secure=false needsTLS=true",
		},
		"LastProtocol": {
			reason:  "of several protocols the proxy next to us wrote the last",
			proxies: "127.0.0.0/8",
			header:  http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Forwarded-Proto": {"https", "https, http"}},
			want:    "203.0.113.1 secure=false needsTLS=true",
		},
		"Others": {
			reason:  "headers of the kind other than these two mean nothing, even from a trusted proxy",
			proxies: "127.0.0.0/8",
			header: http.Header{
				"Forwarded": {"for=203.0.113.1;proto=https"}, "X-Real-Ip": {"203.0.113.1"}, "X-Forwarded-Host": {"203.0.113.1"},
				"X-Forwarded-User": {"ada"}, "X-Forwarded-Ssl": {"on"}, "True-Client-Ip": {"203.0.113.1"},
			},
			want: "127.0.0.1 secure=false needsTLS=false",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var proxies edge.Proxies
			if err := proxies.Set(c.proxies); err != nil {
				t.Fatal(err)
			}
			server := serve(t, known, edge.Options{Log: logr.Discard(), Proxies: proxies})
			got := mustSend(t, server, http.MethodGet, c.header).body
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestSecure(t *testing.T) {
	t.Parallel()
	trusting := edge.Proxies{netip.MustParsePrefix("127.0.0.0/8")}
	cases := map[string]struct {
		reason  string
		proxies edge.Proxies
		header  http.Header
		want    bool
	}{
		"Here":      {reason: "TLS here is secure", want: true},
		"Stranger":  {reason: "a stranger's header takes nothing away", header: http.Header{"X-Forwarded-Proto": {"http"}}, want: true},
		"Silent":    {reason: "TLS of a proxy that says nothing is secure", proxies: trusting, want: true},
		"Encrypted": {reason: "TLS twice is secure", proxies: trusting, header: http.Header{"X-Forwarded-Proto": {"https"}}, want: true},
		"Clear":     {reason: "clear to the proxy is not secure", proxies: trusting, header: http.Header{"X-Forwarded-Proto": {"http"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(edge.New(http.HandlerFunc(known),
				edge.Options{Log: logr.Discard(), Clock: clock.RealClock{}, Proxies: c.proxies}))
			t.Cleanup(server.Close)
			got := mustSend(t, server, http.MethodGet, c.header).body
			if want := fmt.Sprintf("secure=%t", c.want); !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %q", c.reason, got, want)
			}
		})
	}
}

func TestNoPeer(t *testing.T) {
	t.Parallel()
	handler := edge.New(http.HandlerFunc(known), edge.Options{
		Log: logr.Discard(), Clock: clock.RealClock{}, Proxies: edge.Proxies{netip.MustParsePrefix("0.0.0.0/0")},
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	got, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("invalid IP secure=false needsTLS=true", string(got)); diff != "" {
		t.Errorf("A peer without an IP address has no source (-want +got):\n%s", diff)
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   string
		refuse bool
	}{
		"Empty":    {reason: "nothing is no proxy", text: "", want: ""},
		"Several":  {reason: "commas separate", text: " 10.0.0.0/8 ,fd00::/8,", want: "10.0.0.0/8,fd00::/8"},
		"Mapped":   {reason: "an IPv4 network in IPv6 form is that network", text: "::ffff:10.0.0.0/104", want: "10.0.0.0/8"},
		"Both":     {reason: "a network that holds all of IPv4 and more is a mistake", text: "::ffff:0.0.0.0/95", refuse: true},
		"Address":  {reason: "an address is no network", text: "10.0.0.1", refuse: true},
		"HostBits": {reason: "it is not clear which network is meant", text: "10.1.2.3/8", refuse: true},
		"Garbage":  {reason: "a name is no network", text: "ingress", refuse: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var proxies edge.Proxies
			err := proxies.Set(c.text)
			if (err != nil) != c.refuse {
				t.Fatalf("%s: got the error %v", c.reason, err)
			}
			if diff := cmp.Diff(c.want, proxies.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestSourceKey(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		a, b   string
		same   bool
	}{
		"Same":     {reason: "an address is one source", a: "203.0.113.1", b: "203.0.113.1", same: true},
		"IPv4":     {reason: "IPv4 addresses are counted one by one", a: "203.0.113.1", b: "203.0.113.2"},
		"Customer": {reason: "a /64 is one source", a: "2001:db8:0:1::1", b: "2001:db8:0:1:ffff::2", same: true},
		"IPv6":     {reason: "another /64 is another source", a: "2001:db8:0:1::1", b: "2001:db8:0:2::1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := edge.SourceKey(netip.MustParseAddr(c.a)), edge.SourceKey(netip.MustParseAddr(c.b))
			if (a == b) != c.same {
				t.Errorf("%s: got %q and %q", c.reason, a, b)
			}
		})
	}
}
