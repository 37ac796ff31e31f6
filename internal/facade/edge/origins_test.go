package edge_test

import (
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   string
		refuse bool
	}{
		"Empty":    {reason: "nothing is no origin"},
		"Several":  {reason: "commas separate", text: "https://a.example.com, http://localhost:3000", want: "https://a.example.com,http://localhost:3000"},
		"All":      {reason: "there is no way to allow all", text: "*", refuse: true},
		"Pattern":  {reason: "nor many at once", text: "https://*.example.com", refuse: true},
		"Null":     {reason: "every sandboxed frame is null", text: "null", refuse: true},
		"Path":     {reason: "an origin has no path", text: "https://a.example.com/", refuse: true},
		"User":     {reason: "nor a user", text: "https://ada@a.example.com", refuse: true},
		"Query":    {reason: "nor a query", text: "https://a.example.com?q", refuse: true},
		"Case":     {reason: "browsers send hosts in lower case", text: "https://A.example.com", refuse: true},
		"Scheme":   {reason: "pages come by HTTP", text: "ftp://a.example.com", refuse: true},
		"NoScheme": {reason: "a host is no origin", text: "a.example.com", refuse: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var origins edge.Origins
			err := origins.Set(c.text)
			if (err != nil) != c.refuse {
				t.Fatalf("%s: got the error %v", c.reason, err)
			}
			if diff := cmp.Diff(c.want, origins.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	const ours = "https://portal.example.com"
	preflight := func(origin, method string) http.Header {
		return http.Header{
			"Origin": {origin}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {"authorization,content-type"},
		}
	}
	type want struct {
		reached       bool
		allow, expose string
		methods       string
	}
	cases := map[string]struct {
		reason  string
		origins edge.Origins
		method  string
		header  http.Header
		want    want
	}{
		"Off": {
			reason: "without origins nothing is said about them",
			method: http.MethodGet, header: http.Header{"Origin": {ours}},
			want: want{reached: true},
		},
		"OffPreflight": {
			reason: "and a preflight is a request like others",
			method: http.MethodOptions, header: preflight(ours, http.MethodDelete),
			want: want{reached: true},
		},
		"Ours": {
			reason:  "a listed origin may read answers, with the headers that a client needs",
			origins: edge.Origins{ours},
			method:  http.MethodGet, header: http.Header{"Origin": {ours}},
			want: want{reached: true, allow: ours, expose: "X-Request-Id, Retry-After"},
		},
		"Another": {
			reason:  "another one may not",
			origins: edge.Origins{ours},
			method:  http.MethodGet, header: http.Header{"Origin": {ours + ".evil.example"}},
			want: want{reached: true},
		},
		"Preflight": {
			reason:  "a preflight is answered here",
			origins: edge.Origins{ours},
			method:  http.MethodOptions, header: preflight(ours, http.MethodDelete),
			want: want{allow: ours, methods: http.MethodDelete},
		},
		"AnotherPreflight": {
			reason:  "another origin's too, with nothing allowed",
			origins: edge.Origins{ours},
			method:  http.MethodOptions, header: preflight("https://evil.example", http.MethodDelete),
			want: want{},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{}, 1)
			server := serve(t, func(http.ResponseWriter, *http.Request) { reached <- struct{}{} },
				edge.Options{Log: logr.Discard(), Origins: c.origins})
			answer := mustSend(t, server, c.method, c.header)
			got := want{
				reached: len(reached) == 1,
				allow:   answer.header.Get("Access-Control-Allow-Origin"),
				expose:  answer.header.Get("Access-Control-Expose-Headers"),
				methods: answer.header.Get("Access-Control-Allow-Methods"),
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if answer.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("A browser may send cookies along")
			}
			if answer.header.Get("X-Request-ID") == "" {
				t.Error("The answer has no id")
			}
		})
	}
}
