// Package openapi holds one OpenAPI 3.0.3 document for each dialect that the facade speaks. The servers are generated
// from them, requests are validated against them, and the facade serves them.
package openapi

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed *.yaml
var documents embed.FS

// Names returns the dialects that have a document, in alphabetical order.
func Names() []string {
	entries, err := documents.ReadDir(".")
	if err != nil {
		// The embedded root is always there: leaving it out is an error of the compiler.
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())))
	}
	return names
}

// Document returns the YAML text of a dialect's document. It is an error to ask for a name that is not among [Names].
func Document(dialect string) ([]byte, error) {
	text, err := documents.ReadFile(dialect + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the document of dialect %q: %w", dialect, err)
	}
	return text, nil
}
