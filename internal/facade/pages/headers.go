package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"unicode"
	"unicode/utf8"
)

// policy lets a page have its style sheet, pictures, and forms that lead to this origin. A form must not lead to an identity
// provider, not even by a redirect: signing in is a link everywhere.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' https:; form-action 'self'; base-uri 'none'; " +
	"frame-ancestors 'none'"

// secure sets what all pages have: addresses hold tokens, which must not go on to where a link or picture leads, and nothing
// is kept by anybody.
func secure(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Robots-Tag", "noindex")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// ownOrigin trusts the public URL besides the Host of a request: a proxy may put in another one.
func ownOrigin(publicURL string) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	if publicURL == "" {
		return protection, nil
	}
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, fmt.Errorf("reading the public URL: %w", err)
	}
	if err := protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("reading the public URL: %w", err)
	}
	return protection, nil
}

var errNoOrigin = errors.New("the request says nothing of where it comes from")

// checkOrigin wants a form to come from a page of this origin. Every browser says where a form comes from; what says nothing is
// no browser, or hides something. Both headers that say so must agree, but for the origin null: that is what browsers send from
// pages with the Referrer-Policy that ours have.
func (p *Pages) checkOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site == "" && origin == "" {
		return errNoOrigin
	}
	if err := p.origin.Check(r); err != nil {
		return err
	}
	if site == "" || origin == "" || origin == "null" {
		return nil
	}
	alone := r.Clone(r.Context())
	alone.Header.Del("Sec-Fetch-Site")
	return p.origin.Check(alone)
}

// here is the path to try again: that of the request, which for a form is the page that it stands on.
func here(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	return r.URL.EscapedPath()
}

// sentence makes a sentence of the text of an error.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
