package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/api/openapi"
)

// update writes conversations down instead of comparing them: go test ./cmd/facade -update, and then read the difference.
var update = flag.Bool("update", false, "write the conversations of testdata anew")

// conversation is what is said between a client of a dialect and the facade: every request and every answer in full, compared
// with what was written down. What differs from run to run is replaced by what it stands for.
type conversation struct {
	*fixture

	dialect string
	text    bytes.Buffer
	// ids are replaced in the order of their appearance, but for those that have a name.
	ids map[string]string
}

// newConversation begins one. Its end is at the end of the test.
func newConversation(f *fixture, dialect, name string) *conversation {
	c := &conversation{fixture: f, dialect: dialect, ids: map[string]string{}}
	c.call(f.uid(), "organisation")
	f.Cleanup(func() { c.compare(filepath.Join("testdata", "conversations", dialect, name+".txt")) })
	return c
}

// call gives an id a name.
func (c *conversation) call(id, name string) { c.ids[strings.ToLower(id)] = name }

// say sends a request as somebody and writes down both sides. The answer must be one that the dialect's document describes.
func (c *conversation) say(as, method, path, body string, status int) *answer {
	c.Helper()
	return c.sayTo(facades[0], as, method, path, body, status)
}

// sayTo is say to another replica.
func (c *conversation) sayTo(r *replica, as, method, path, body string, status int) *answer {
	c.Helper()
	got := c.on(r).send(as, method, path, body)
	c.record(as, got, body)
	return got.want(c, status)
}

// sayWith is say with headers of the test's own, and no others.
func (c *conversation) sayWith(r *replica, header http.Header, method, path, body string, status int) *answer {
	c.Helper()
	got := c.on(r).do(method, path, header, strings.NewReader(body))
	var said []string
	for name, values := range header {
		if name != "Authorization" {
			said = append(said, name+": "+strings.Join(values, " | "))
		}
	}
	slices.Sort(said)
	c.record("somebody with "+strings.Join(said, ", "), got, body[:min(len(body), 200)])
	return got.want(c, status)
}

// record writes an exchange down.
func (c *conversation) record(as string, a *answer, body string) {
	c.Helper()
	checkDocumented(c, c.dialect, a)
	who := as
	if who == "" {
		who = "nobody"
	}
	fmt.Fprintf(&c.text, ">>> %s, as %s\n%s\n", a.request.Method+" "+c.plain(a.request.URL.RequestURI()), c.plain(who), lined(c.plain(body)))
	fmt.Fprintf(&c.text, "<<< %d\n", a.status)
	names := make([]string, 0, len(a.header))
	for name := range a.header {
		if name != "Date" && name != "X-Request-Id" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(a.header[name], " | ")
		switch {
		case name == "Content-Length" && len(a.body) > 0:
			value = "<length>"
		case name == "Retry-After" && seconds.MatchString(value):
			value = "<seconds>"
		}
		fmt.Fprintf(&c.text, "%s: %s\n", name, c.plain(value))
	}
	if a.header.Get("X-Request-ID") == "" {
		c.Errorf("%s has no request id", a)
	}
	fmt.Fprintf(&c.text, "%s\n", lined(c.plain(string(a.body))))
}

func lined(text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	return "\n" + text + "\n"
}

var (
	uuids   = regexp.MustCompile(`(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b`)
	seconds = regexp.MustCompile(`^[1-9][0-9]*$`)
	times   = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
)

// plain replaces what differs from run to run.
func (c *conversation) plain(text string) string {
	text = uuids.ReplaceAllStringFunc(text, func(id string) string {
		key := strings.ToLower(id)
		if c.ids[key] == "" {
			c.ids[key] = fmt.Sprintf("id-%d", len(c.ids))
		}
		return "<" + c.ids[key] + ">"
	})
	text = times.ReplaceAllString(text, "<time>")
	text = strings.ReplaceAll(text, c.organisation.CreationTimestamp.UTC().Format(time.DateOnly), "<day>")
	return regexp.MustCompile(`\b`+c.name+`\b`).ReplaceAllString(text, "<name>")
}

// compare compares with what was written down.
func (c *conversation) compare(file string) {
	if c.Failed() {
		return
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			c.Fatal(err)
		}
		if err := os.WriteFile(file, c.text.Bytes(), 0o600); err != nil {
			c.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		c.Fatal(err)
	}
	if diff := cmp.Diff(string(want), c.text.String()); diff != "" {
		c.Errorf("%s differs (-written down +said now):\n%s", file, diff)
	}
}

// documented are the operations of a document, by the pattern of a mux.
type documented struct {
	mux    *http.ServeMux
	routes map[string]*routers.Route
}

// documents are read once.
var documents sync.Map

func documentOf(t testing.TB, dialect string) *documented {
	t.Helper()
	if known, ok := documents.Load(dialect); ok {
		return known.(*documented)
	}
	text, err := openapi.Document(dialect)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	d := &documented{mux: http.NewServeMux(), routes: map[string]*routers.Route{}}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			pattern := method + " " + path
			d.mux.HandleFunc(pattern, http.NotFound)
			d.routes[pattern] = &routers.Route{Spec: document, Path: path, PathItem: item, Method: method, Operation: operation}
		}
	}
	documents.Store(dialect, d)
	return d
}

// checkDocumented wants an answer to be one that the document describes: its status, headers and body. What has no route has
// nothing that describes it.
func checkDocumented(t testing.TB, dialect string, a *answer) {
	t.Helper()
	document := documentOf(t, dialect)
	_, pattern := document.mux.Handler(a.request)
	route := document.routes[pattern]
	if route == nil {
		return
	}
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: a.request, Route: route},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s is not what the document describes: %v", a, err)
	}
}
