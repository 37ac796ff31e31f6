package session

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed templates/page.html
var pageText string

var pageTemplate = template.Must(template.New("page.html").Parse(pageText))

// page is what is told where there is nobody, or nobody yet, to show more to.
type page struct {
	Title string
	Texts []string
	Links []link
}

type link struct{ Text, URL string }

func (s *Sessions) answer(w http.ResponseWriter, status int, p page) {
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, p); err != nil {
		s.Log.Error(err, "Writing a page failed")
		status = http.StatusInternalServerError
	}
	secured(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}

// secured keeps what is answered out of caches, frames and the addresses that other sites get to see.
func secured(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}
