package edge

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"
)

// preflightSeconds is how long a browser may remember what it was allowed.
const preflightSeconds = 600

// Origins are those that browsers may call from, each a scheme and a host. It is a flag's value.
type Origins []string

// String is the origins with commas between.
func (o *Origins) String() string { return strings.Join(*o, ",") }

// Set adds origins with commas between. There is none for all: whoever runs a page elsewhere is a decision.
func (o *Origins) Set(text string) error {
	for entry := range elements(text) {
		parsed, err := url.Parse(entry)
		if err != nil || parsed.Host == "" || strings.Contains(entry, "*") ||
			(parsed.Scheme != "https" && parsed.Scheme != "http") || entry != parsed.Scheme+"://"+strings.ToLower(parsed.Host) {
			return fmt.Errorf("%q must be an origin such as https://portal.example.com", entry)
		}
		*o = append(*o, entry)
	}
	return nil
}

// shared tells browsers that pages of these origins may read the answers. They never send cookies along: a page of
// elsewhere calls with a token, or not at all.
func shared(next http.Handler, origins Origins) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowedHeaders: []string{"Authorization", "Content-Type"},
		ExposedHeaders: []string{requestIDHeader, "Retry-After"},
		MaxAge:         preflightSeconds,
	}).Handler(next)
}

// elements are those of a flag's value with commas between.
func elements(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for entry := range strings.SplitSeq(text, ",") {
			if entry = strings.TrimSpace(entry); entry != "" && !yield(entry) {
				return
			}
		}
	}
}
