package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/enrol-dev/enrol/internal/facade/layout"
	"github.com/enrol-dev/enrol/internal/facade/session"
)

//go:embed templates assets
var embedded embed.FS

// templates are the pages by name.
type templates map[string]*layout.Page

// functions that templates use.
var functions = template.FuncMap{
	"date":    date,
	"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"join":    sequence,
}

// date is a time for people; their own zone is not known.
func date(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// sequence is a list as people say it: a, b and c.
func sequence(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

func readTemplates() (templates, error) {
	entries, err := embedded.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	read := templates{}
	for _, entry := range entries {
		page, err := layout.Read(embedded, path.Join("templates", entry.Name()), functions)
		if err != nil {
			return nil, err
		}
		read[strings.TrimSuffix(entry.Name(), ".html")] = page
	}
	return read, nil
}

// write sends an answer. A page is made as a whole before anything is sent.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, visitor *session.Visitor, a *answer) {
	if a.location != "" {
		w.Header().Set("Location", a.location)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	text, err := p.templates[a.name].Make(layout.Frame{Title: a.title, Who: who(visitor), View: a.view})
	if err != nil {
		// A view that does not fit its template is a mistake in this package; the edge answers and logs it.
		panic(fmt.Errorf("making the page %s: %w", a.name, err))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}

// who is what somebody is called on the pages: the address, as that is what invitations go to, else the username.
func who(visitor *session.Visitor) string {
	switch {
	case visitor == nil:
		return ""
	case visitor.Email != "":
		return visitor.Email
	case visitor.Caller.Name != "":
		return visitor.Caller.Name
	}
	return visitor.Caller.Username
}

// registerAssets serves what pages refer to. It says nothing of anybody, so that it may be kept.
func registerAssets(mux *http.ServeMux) {
	for name, contentType := range map[string]string{
		"enrol.css": "text/css; charset=utf-8",
		"enrol.svg": "image/svg+xml",
	} {
		content, err := embedded.ReadFile("assets/" + name)
		if err != nil {
			// The file is part of the program.
			panic(err)
		}
		sum := sha256.Sum256(content)
		tag := `"` + hex.EncodeToString(sum[:16]) + `"`
		mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			secure(header)
			header.Set("Cache-Control", "no-cache")
			header.Set("Content-Type", contentType)
			header.Set("ETag", tag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		})
	}
}
