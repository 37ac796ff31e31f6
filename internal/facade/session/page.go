package session

import (
	"embed"
	"net/http"

	"github.com/enrol-dev/enrol/internal/facade/layout"
)

//go:embed templates
var templates embed.FS

// page is what is told where there is nobody, or nobody yet, to show more to.
type page struct {
	Title string
	Texts []string
	Links []link
}

type link struct{ Text, URL string }

func (s *Sessions) answer(w http.ResponseWriter, status int, p page) {
	text, err := s.page.Make(layout.Frame{Title: p.Title, View: p})
	if err != nil {
		s.Log.Error(err, "Writing a page failed")
		status = http.StatusInternalServerError
	}
	secured(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
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
