package docs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/api/openapi"
	"github.com/enrol-dev/enrol/internal/facade/docs"
)

const small = "openapi: 3.0.3\ninfo: {title: Small, version: v1}\npaths: {}\n"

func serve(t *testing.T, documents map[string][]byte) string {
	t.Helper()
	handler, err := docs.Handler(documents)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// received is an answer that was read, as it came.
type received struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request. Nothing is asked for or decompressed by itself.
func send(t *testing.T, method, url string, header http.Header) received {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return received{status: answer.StatusCode, header: answer.Header, body: body}
}

func unpacked(t *testing.T, packed []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// All that the page names is there, in both encodings, and nothing is elsewhere.
func TestPage(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string][]byte{"small": []byte(small), "another": []byte(small)})
	page := string(send(t, http.MethodGet, url+"/docs", nil).body)
	if !strings.Contains(page, `data-documents="another small"`) {
		t.Errorf("The page does not name the documents: %s", page)
	}
	named := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	// Two of them are the documents, for browsers without JavaScript.
	if len(named) != 8 {
		t.Errorf("The page names %d files, want 8", len(named))
	}
	texts := map[string]string{"the page": page}
	for _, match := range named {
		plain := send(t, http.MethodGet, url+"/"+match[1], nil)
		packed := send(t, http.MethodGet, url+"/"+match[1], http.Header{"Accept-Encoding": {"gzip"}})
		if plain.status != http.StatusOK || len(plain.body) == 0 {
			t.Errorf("%s: got %d with %d bytes", match[1], plain.status, len(plain.body))
		}
		if !bytes.Equal(plain.body, unpacked(t, packed.body)) {
			t.Errorf("%s is another one when it is compressed", match[1])
		}
		texts[match[1]] = string(plain.body)
	}
	for name, part := range map[string]string{
		"docs/swagger-ui-bundle.js": "SwaggerUIBundle", "docs/swagger-ui-standalone-preset.js": "SwaggerUIStandalonePreset",
		"docs/swagger-ui.css": ".swagger-ui ",
	} {
		if !strings.Contains(texts[name], part) {
			t.Errorf("%s does not contain %q", name, part)
		}
	}
	// The parts that are compiled name addresses in texts and XML; of them the page's policy has to keep the browser.
	for _, name := range []string{"the page", "docs/docs.js", "docs/docs.css"} {
		if text := texts[name]; text == "" || strings.Contains(text, "//") && regexp.MustCompile(`(?:\w:|["'(])//`).MatchString(text) {
			t.Errorf("%s names a place elsewhere, or is empty", name)
		}
	}
	for _, match := range regexp.MustCompile(`(?:@import|url\()\s*["']?(.{5})`).FindAllStringSubmatch(texts["docs/swagger-ui.css"], -1) {
		if match[1] != "data:" {
			t.Errorf("The style sheet loads %s...", match[1])
		}
	}
	if inline := regexp.MustCompile(`<style|<script>| style=| on\w+=`).FindString(page); inline != "" {
		t.Errorf("The page has %q, which its policy forbids", inline)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string][]byte{"small": []byte(small)})
	type want struct {
		status                   int
		contentType, coding, tag bool
		allow                    string
		body                     bool
	}
	found := want{status: http.StatusOK, contentType: true, tag: true, body: true}
	packed := want{status: http.StatusOK, contentType: true, tag: true, body: true, coding: true}
	bare := want{status: http.StatusNotFound}
	refused := want{status: http.StatusMethodNotAllowed, allow: "GET, HEAD"}
	cases := map[string]struct {
		reason string
		method string
		path   string
		coding string
		want   want
	}{
		"Page":          {reason: "the page is there", path: "/docs", want: found},
		"PagePacked":    {reason: "and packed", path: "/docs", coding: "br, gzip;q=0.5", want: packed},
		"Head":          {reason: "its header alone", method: http.MethodHead, path: "/docs", want: want{status: 200, contentType: true, tag: true}},
		"Script":        {reason: "scripts are there", path: "/docs/swagger-ui-bundle.js", want: found},
		"ScriptPacked":  {reason: "and packed", path: "/docs/swagger-ui-bundle.js", coding: "gzip", want: packed},
		"NoGzip":        {reason: "a client may not want it", path: "/docs/swagger-ui-bundle.js", coding: "gzip;q=0, deflate", want: found},
		"NoGzipAtAll":   {reason: "however it writes that", path: "/docs/docs.js", coding: "gzip; Q=0.000", want: found},
		"Licence":       {reason: "the licence comes along", path: "/docs/LICENSE", want: found},
		"Notice":        {reason: "and the notice", path: "/docs/NOTICE", want: found},
		"Third":         {reason: "and those of what is built in", path: "/docs/swagger-ui-bundle.js.LICENSE.txt", want: found},
		"YAML":          {reason: "documents are there", path: "/openapi/small.yaml", want: found},
		"JSON":          {reason: "in JSON too", path: "/openapi/small.json", coding: "gzip", want: packed},
		"Slash":         {reason: "a trailing slash is another path", path: "/docs/", want: bare},
		"AssetSlash":    {reason: "for files too", path: "/docs/docs.js/", want: bare},
		"Compressed":    {reason: "how a file is kept is not seen", path: "/docs/swagger-ui.css.gz", want: bare},
		"Unknown":       {reason: "what is unknown is not there", path: "/docs/index.html", want: bare},
		"UnknownOne":    {reason: "nor is another document", path: "/openapi/large.yaml", want: bare},
		"Folder":        {reason: "there is no list", path: "/openapi", want: bare},
		"Outside":       {reason: "nothing of the machine is there", path: "/docs/../docs.go", want: bare},
		"Encoded":       {reason: "there is one way to write a path", path: "/docs%2Fdocs.js", want: bare},
		"Case":          {reason: "and one case", path: "/DOCS", want: bare},
		"UnknownPost":   {reason: "unknown comes before the method", method: http.MethodPost, path: "/docs/", want: bare},
		"Post":          {reason: "nothing can be changed", method: http.MethodPost, path: "/docs", want: refused},
		"Delete":        {reason: "nor deleted", method: http.MethodDelete, path: "/openapi/small.yaml", want: refused},
		"OptionsAssets": {reason: "nor is there anything to choose", method: http.MethodOptions, path: "/docs/docs.js", want: refused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if c.coding != "" {
				header.Set("Accept-Encoding", c.coding)
			}
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			answer := send(t, method, url+c.path, header)
			got := want{
				status: answer.status, contentType: answer.header.Get("Content-Type") != "",
				coding: answer.header.Get("Content-Encoding") == "gzip",
				tag:    answer.header.Get("ETag") != "", allow: answer.header.Get("Allow"), body: len(answer.body) > 0,
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string][]byte{"small": []byte(small)})
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	for path, contentType := range map[string]string{
		"/docs":                      "text/html; charset=utf-8",
		"/docs/docs.js":              "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css":       "text/css; charset=utf-8",
		"/docs/favicon-32x32.png":    "image/png",
		"/docs/NOTICE":               "text/plain; charset=utf-8",
		"/openapi/small.yaml":        "application/yaml",
		"/openapi/small.json":        "application/json",
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			header := send(t, http.MethodGet, url+path, nil).header
			want := map[string]string{
				"Content-Type": contentType, "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
			}
			got := make(map[string]string, len(want))
			for name := range want {
				got[name] = header.Get(name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Headers differ (-want +got):\n%s", diff)
			}
		})
	}
}

// What a browser has already is not sent again, and each encoding has a tag of its own.
func TestTags(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string][]byte{"small": []byte(small)}) + "/docs/swagger-ui.css"
	plain := send(t, http.MethodGet, url, nil).header.Get("ETag")
	packed := send(t, http.MethodGet, url, http.Header{"Accept-Encoding": {"gzip"}}).header.Get("ETag")
	if plain == packed {
		t.Errorf("Both encodings have the tag %s", plain)
	}
	cases := map[string]struct {
		reason string
		header http.Header
		want   int
	}{
		"Plain":  {reason: "the same", header: http.Header{"If-None-Match": {plain}}, want: http.StatusNotModified},
		"Packed": {reason: "the same", header: http.Header{"If-None-Match": {packed}, "Accept-Encoding": {"gzip"}}, want: http.StatusNotModified},
		"Mixed":  {reason: "the other encoding", header: http.Header{"If-None-Match": {packed}}, want: http.StatusOK},
		"Old":    {reason: "another release's", header: http.Header{"If-None-Match": {`"old"`}}, want: http.StatusOK},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := send(t, http.MethodGet, url, c.header).status; got != c.want {
				t.Errorf("%s: got %d, want %d", c.reason, got, c.want)
			}
		})
	}
}

// The documents of the facade are served as they are, and mean the same in JSON.
func TestDocuments(t *testing.T) {
	t.Parallel()
	documents := make(map[string][]byte)
	for _, name := range openapi.Names() {
		text, err := openapi.Document(name)
		if err != nil {
			t.Fatal(err)
		}
		documents[name] = text
	}
	url := serve(t, documents)
	for name, text := range documents {
		if got := send(t, http.MethodGet, url+"/openapi/"+name+".yaml", nil); !bytes.Equal(text, got.body) {
			t.Errorf("%s is not served as it is", name)
		}
		var read struct {
			OpenAPI string `json:"openapi"`
			Info    struct {
				Title string `json:"title"`
			} `json:"info"`
			Paths map[string]any `json:"paths"`
		}
		if err := json.Unmarshal(send(t, http.MethodGet, url+"/openapi/"+name+".json", nil).body, &read); err != nil {
			t.Fatal(err)
		}
		if read.OpenAPI != "3.0.3" || !strings.Contains(read.Info.Title, name) || len(read.Paths) == 0 {
			t.Errorf("%s in JSON is %+v", name, read)
		}
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	if _, err := docs.Handler(map[string][]byte{"broken": []byte("a: [")}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Got %v, want an error that names the document", err)
	}
}

// Reviews of large files are none, and some hosts refuse them.
func TestSizes(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 1<<20 {
			t.Errorf("%s has %d bytes", info.Name(), info.Size())
		}
	}
}
