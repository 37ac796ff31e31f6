package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/enrol-dev/enrol/api/openapi"
)

// placeholders stand for ids in conversations.
var placeholders = regexp.MustCompile(`<[^<>]*>`)

// unspoken are the documented statuses that nobody ever hears, and why.
var unspoken = map[string]string{
	"GET /organization/{organizationId}/member 403":        "whoever may see the organisation may list its members",
	"GET /organization/{organizationId}/availableRole 403": "whoever may see the organisation may list its roles",
	"GET /api/v1/memberships 403":                          "nobody needs a right to one's own memberships",
	"GET /api/v1/memberships 404":                          "who belongs to no organisation gets an empty page",
	"POST /api/v2/invites/{invite_id}/accept 422":          "an id is any text, and an unknown one is not found",
	"DELETE /api/v2/invites/{invite_id} 422":               "an id is any text, and an unknown one is not found",
}

// TestEveryStatusIsSpoken: each status that a document has for a route occurs in a conversation.
func TestEveryStatusIsSpoken(t *testing.T) {
	t.Parallel()
	for _, dialect := range openapi.Names() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			document := documentOf(t, dialect)
			spoken := spokenIn(t, dialect)
			for pattern, route := range document.routes {
				for status := range route.Operation.Responses.Map() {
					said := pattern + " " + status
					if unspoken[said] == "" && status != "default" && !spoken[said] {
						t.Errorf("no conversation has %s", said)
					}
					if unspoken[said] != "" && spoken[said] {
						t.Errorf("%s was said although %s", said, unspoken[said])
					}
				}
			}
		})
	}
}

// spokenIn are the statuses of the routes of a dialect in the conversations that were written down.
func spokenIn(t *testing.T, dialect string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "conversations", dialect, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d conversations: %v", len(files), err)
	}
	spoken := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := ""
		for line := range strings.Lines(string(text)) {
			if request, ok := strings.CutPrefix(line, ">>> "); ok {
				asked, _, _ = strings.Cut(request, ", as ")
			}
			if status, ok := strings.CutPrefix(line, "<<< "); ok {
				for _, pattern := range patternsOf(t, dialect, asked, strings.TrimSpace(status)) {
					spoken[pattern+" "+strings.TrimSpace(status)] = true
				}
			}
		}
	}
	return spoken
}

// patternsOf are the routes that a request was for: with a method that the path does not have, all of the path.
func patternsOf(t *testing.T, dialect, asked, status string) []string {
	t.Helper()
	method, path, _ := strings.Cut(asked, " ")
	path, _, _ = strings.Cut(placeholders.ReplaceAllString(path, "x"), "?")
	methods := []string{method}
	if status == strconv.Itoa(http.StatusMethodNotAllowed) {
		methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	}
	var patterns []string
	for _, method := range methods {
		request, err := http.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, pattern := documentOf(t, dialect).mux.Handler(request); pattern != "" {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}
