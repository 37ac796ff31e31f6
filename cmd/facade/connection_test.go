package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dial opens a connection to a replica that speaks HTTP/1.1 over the given versions of TLS.
func dial(t testing.TB, r *replica, from, to uint16) (*tls.Conn, error) {
	t.Helper()
	ca, err := os.ReadFile(environment.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	dialer := &tls.Dialer{Config: &tls.Config{
		RootCAs: roots, MinVersion: from, MaxVersion: to, NextProtos: []string{"http/1.1"},
	}}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection.(*tls.Conn), nil
}

// exchange is a connection, and what came back on it.
type exchange struct {
	testing.TB

	connection net.Conn
	reader     *bufio.Reader
}

// newExchange opens a connection and sends a text. The connection goes after a minute, whatever happens.
func newExchange(t testing.TB, r *replica, text string) *exchange {
	t.Helper()
	connection, err := dial(t, r, tls.VersionTLS12, tls.VersionTLS13)
	if err != nil {
		t.Fatal(err)
	}
	const patience = time.Minute
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	return &exchange{TB: t, connection: connection, reader: bufio.NewReader(connection)}
}

// next reads an answer; an error when the connection ended without one.
func (e *exchange) next() (*answer, error) {
	response, err := http.ReadResponse(e.reader, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return &answer{status: response.StatusCode, header: response.Header, body: body}, err
}

// ends wants the connection to be closed by the other side.
func (e *exchange) ends() {
	e.Helper()
	_, err := io.Copy(io.Discard, e.reader)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.Errorf("the connection stays open: %v", err)
	}
}

// TestGarbage sends what no client sends. Nothing of it is a reason for a 5xx, and nothing but whole requests is served.
func TestGarbage(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	watched := newWatched(t)
	before := f.settled()
	token := "Authorization: Bearer " + tokenOf(t, ada) + "\r\n"
	line := "POST /api/v1/organisations/" + f.name + "/members HTTP/1.1\r\n"
	add := func(headers, body string) string {
		return line + "Host: enrol\r\n" + token + "Content-Type: application/json\r\n" + headers + "\r\n" + body
	}
	good := "GET /api/v1/memberships HTTP/1.1\r\nHost: enrol\r\n" + token + "\r\n"
	const body = `{"email": "new@example.org"}`
	cases := map[string]struct {
		reason, text string
		// want are the statuses that will do, for one answer after the other.
		want [][]int
	}{
		"HeaderTooLarge":   {"the limit is 32 KiB", add("X-Long: "+strings.Repeat("x", 64<<10)+"\r\n", ""), [][]int{{431}}},
		"ManyHeaders":      {"of all together", add(strings.Repeat("X-Many: "+strings.Repeat("x", 100)+"\r\n", 600), ""), [][]int{{431}}},
		"LongTarget":       {"the request line counts as well", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: enrol\r\n\r\n", [][]int{{431}}},
		"Garbage":          {"no request at all", "\x00\x01\x02\xff\r\n\r\n", [][]int{{400}}},
		"GarbageBehind":    {"what follows a request is the next one", good + "\x00GARBAGE\r\n\r\n", [][]int{{200}, {400}}},
		"Pipelined":        {"whole requests are answered in order", good + good + good, [][]int{{200}, {200}, {200}}},
		"NoHost":           {"HTTP/1.1 wants it", "GET /api/v1/memberships HTTP/1.1\r\n" + token + "\r\n", [][]int{{400}}},
		"TwoHosts":         {"and once", "GET /api/v1/memberships HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + token + "\r\n", [][]int{{400}}},
		"BadEscape":        {"half an escape", "GET /api/v1/organisations/%zz/me HTTP/1.1\r\nHost: enrol\r\n" + token + "\r\n", [][]int{{400}}},
		"SpaceInTarget":    {"a line has three words", "GET /api/v1/organisations/a b/me HTTP/1.1\r\nHost: enrol\r\n" + token + "\r\n", [][]int{{400}}},
		"SlashesFirst":     {"no dialect's path", "GET //api/v1/memberships HTTP/1.1\r\nHost: enrol\r\n" + token + "\r\n", [][]int{{404}}},
		"Star":             {"about the server, of which there is nothing to tell", "OPTIONS * HTTP/1.1\r\nHost: enrol\r\n" + token + "\r\n", [][]int{{200, 400, 404}}},
		"Connect":          {"the facade is no proxy", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n" + token + "\r\n", [][]int{{400, 404}}},
		"AnotherHost":      {"the host plays no part, so that nothing is fetched there", "GET http://evil.example/api/v1/organisations/none/me HTTP/1.1\r\nHost: evil.example\r\n" + token + "\r\n", [][]int{{404}}},
		"OldVersion":       {"is served, or told off", "GET /api/v1/organisations/none/me HTTP/1.0\r\n" + token + "\r\n", [][]int{{404}}},
		"UnknownVersion":   {"is not", "GET /api/v1/memberships HTTP/9.9\r\nHost: enrol\r\n\r\n", [][]int{{505, 400}}},
		"HTTP2Preface":     {"was not agreed on", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [][]int{{400, 404, 505}}},
		"SpaceBeforeColon": {"proxies disagree about it", add("Content-Length : 2\r\n", "{}"), [][]int{{400}}},
		"FoldedHeader":     {"is history", add("Content-Length: 2\r\nX-Folded: a\r\n b\r\n", "{}"), [][]int{{400}}},
		"BareReturn":       {"ends no line", add("X-Bare: a\rContent-Length: 28\r\n", ""), [][]int{{400}}},
		"NULInHeader":      {"is no text", add("X-Nul: a\x00b\r\n", ""), [][]int{{400}}},
		"TwoLengths":       {"one of them is a lie", add("Content-Length: 28\r\nContent-Length: 2\r\n", body), [][]int{{400}}},
		"NegativeLength":   {"no length", add("Content-Length: -1\r\n", ""), [][]int{{400}}},
		"SignedLength":     {"no length either", add("Content-Length: +28\r\n", body), [][]int{{400}}},
		"HugeLength":       {"is refused before it is read", add("Content-Length: 9999999999\r\n", "{"), [][]int{{413}}},
		"OverflowLength":   {"no number", add("Content-Length: 99999999999999999999999\r\n", "{"), [][]int{{400}}},
		"UnknownEncoding":  {"is not known", add("Transfer-Encoding: gzip\r\n", ""), [][]int{{501, 400}}},
		"TwoEncodings":     {"is not known", add("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), [][]int{{501, 400}}},
		"BadChunk":         {"no number of bytes", add("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), [][]int{{400}}},
		"HugeChunk":        {"more than there can be", add("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"), [][]int{{400}}},
		"LongChunks":       {"the limit holds for what has no length", add("Transfer-Encoding: chunked\r\n", chunks(70)), [][]int{{413}}},
		"EmptyChunks":      {"no body", add("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), [][]int{{400}}},
		"LengthAndChunks":  {"chunks count, and nothing is smuggled in behind", add("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), [][]int{{400}}},
		"Expectation":      {"an unknown one", add("Expect: 200-everything\r\nContent-Length: 2\r\n", "{}"), [][]int{{417, 400}}},
		"Upgrade":          {"there is nothing to upgrade to", "GET /api/v1/organisations/none/me HTTP/1.1\r\nHost: enrol\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + token + "\r\n", [][]int{{404}}},
	}
	for name, tc := range cases {
		e := newExchange(t, watched, tc.text)
		for _, want := range tc.want {
			got, err := e.next()
			if err != nil {
				t.Errorf("%s: the connection ended without an answer: %v", name, err)
				break
			}
			if !slices.Contains(want, got.status) {
				t.Errorf("%s: got %d %s, want one of %v: %s", name, got.status, got.body, want, tc.reason)
			}
		}
		_ = e.connection.Close()
	}
	if diff := cmp.Diff(before, f.versions()); diff != "" {
		t.Errorf("garbage changed the organisation: -before, +after:\n%s", diff)
	}
}

// chunks are that many of a KiB each, and the end.
func chunks(count int) string {
	return strings.Repeat("400\r\n"+strings.Repeat(" ", 1<<10)+"\r\n", count) + "0\r\n\r\n"
}

// TestSlow: whoever sends slowly is answered, or cut off, after ten seconds.
func TestSlow(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	token := "Authorization: Bearer " + tokenOf(t, ada) + "\r\n"
	start := "POST /api/v1/organisations/" + f.name + "/members HTTP/1.1\r\nHost: enrol\r\n" + token
	cases := map[string]struct{ reason, text string }{
		"Body":    {"a body that does not come", start + "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"email\": "},
		"Chunks":  {"a body without a length", start + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{ "},
		"Header":  {"a header that does not end", start},
		"Ignored": {"a body that nobody reads", "GET /api/v1/memberships HTTP/1.1\r\nHost: enrol\r\n" + token + "Content-Length: 30\r\n\r\n{"},
		"Nothing": {"a connection that says nothing", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			e := newExchange(t, facades[0], tc.text)
			if got, err := e.next(); err == nil && name != "Ignored" && (got.status < 400 || got.status >= 500) {
				t.Errorf("%s: got %d %s", tc.reason, got.status, got.body)
			}
			e.ends()
			const limit, slack = 10 * time.Second, 20 * time.Second
			if took := time.Since(began); took > limit+slack {
				t.Errorf("%s: it took %s until the end of the connection, want %s", tc.reason, took, limit)
			}
		})
	}
}

// drip is a body that does not come to its end before somebody is tired of waiting.
type drip struct{ done <-chan struct{} }

func (d drip) Read(into []byte) (int, error) {
	select {
	case <-d.done:
		return 0, io.ErrUnexpectedEOF
	case <-time.After(time.Second):
		return copy(into, " "), nil
	}
}

// TestSlowStream is TestSlow of HTTP/2, where one slow stream leaves the connection to the others.
func TestSlowStream(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	began := time.Now()
	request, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, facades[0].url+"/api/v1/organisations/"+f.name+"/members", drip{t.Context().Done()})
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + tokenOf(t, ada)}, "Content-Type": {"application/json"}}
	response, err := facades[0].client.Do(request)
	if err == nil {
		_ = response.Body.Close()
		if response.ProtoMajor != 2 || response.StatusCode < 400 || response.StatusCode >= 500 {
			t.Errorf("got %s over %s", response.Status, response.Proto)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestTLS: nothing older than TLS 1.2 is spoken, and nothing in clear.
func TestTLS(t *testing.T) {
	t.Parallel()
	for version, want := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		_, err := dial(t, facades[0], version, version)
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(facades[0].url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	_, err = io.WriteString(connection, "GET /api/v1/memberships HTTP/1.1\r\nHost: enrol\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("in clear: got %s", response.Status)
	}
}
