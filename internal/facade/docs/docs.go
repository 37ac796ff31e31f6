// Package docs serves OpenAPI documents, and a page to read and try them that loads nothing from elsewhere.
package docs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Handler serves documents in YAML, by name, as /openapi/<name>.yaml and .json, and the page about all of them as /docs. It
// answers anything else with a bare 404. It fails for a document that is no YAML.
func Handler(documents map[string][]byte) (http.Handler, error) {
	files := make(map[string]*file)
	for name, text := range documents {
		converted, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, fmt.Errorf("reading the document %q: %w", name, err)
		}
		files["/openapi/"+name+".yaml"] = plainFile("application/yaml", text)
		files["/openapi/"+name+".json"] = plainFile("application/json", converted)
	}
	page, err := render(slices.Sorted(maps.Keys(documents)))
	if err != nil {
		return nil, err
	}
	files["/docs"] = plainFile("text/html; charset=utf-8", page)
	if err := addAssets(files); err != nil {
		return nil, err
	}
	return handler(files), nil
}

// render makes the page. Its addresses are relative to /docs, so that it can be served below a prefix.
func render(names []string) ([]byte, error) {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reading the page's template: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, names); err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return text.Bytes(), nil
}

// addAssets adds what is embedded, under the names that it has without compression.
func addAssets(files map[string]*file) error {
	for _, folder := range []string{"assets", "page"} {
		entries, err := embedded.ReadDir(folder)
		if err != nil {
			return fmt.Errorf("reading the assets: %w", err)
		}
		for _, entry := range entries {
			content, err := embedded.ReadFile(path.Join(folder, entry.Name()))
			if err != nil {
				return fmt.Errorf("reading the assets: %w", err)
			}
			name, compressed := strings.CutSuffix(entry.Name(), ".gz")
			toFile := plainFile
			if compressed {
				toFile = packedFile
			}
			files["/docs/"+name] = toFile(contentType(name), content)
		}
	}
	return nil
}

// contentType does not ask the machine's list of types.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".png":
		return "image/png"
	default:
		return "text/plain; charset=utf-8"
	}
}

// handler knows all paths. It compares them as they were sent: there is one way to write each.
type handler map[string]*file

// policy lets the page run its own scripts and call the API beside it, and nothing else. Swagger UI sets styles on elements,
// which is no inline style in the policy's sense, and has pictures in its style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := h[r.URL.EscapedPath()]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	// As a mux does: there are a dozen of these paths, and the edge counts requests by pattern.
	r.Pattern = r.URL.EscapedPath()
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	// It may be kept, but names stay the same from one release to the next.
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", f.contentType)
	content, tag := f.plain, f.tag
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		content, tag = f.packed, f.tag+"-gzip"
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content()))
}

// takesGzip reads the lines of Accept-Encoding.
func takesGzip(lines []string) bool {
	for entry := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		coding, parameters, err := mime.ParseMediaType(entry)
		if err == nil && coding == "gzip" {
			return strings.Trim(parameters["q"], "0.") != "" || parameters["q"] == ""
		}
	}
	return false
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}
