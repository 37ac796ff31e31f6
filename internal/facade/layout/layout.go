// Package layout is what all pages for people have in common. The style sheet and the picture that it refers to are those of
// package pages.
package layout

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
)

//go:embed layout.html
var text string

// Page is the layout with a content of its own.
type Page struct{ template *template.Template }

// Read reads a page from a file, which defines the template content. Both may use the functions.
func Read(files fs.FS, name string, functions template.FuncMap) (*Page, error) {
	layout, err := template.New("layout").Funcs(functions).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the layout of pages: %w", err)
	}
	if _, err := layout.ParseFS(files, name); err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	return &Page{layout}, nil
}

// Frame is what a page shows.
type Frame struct {
	Title string
	// Who is signed in, "" for nobody.
	Who string
	// View is for the content.
	View any
}

// Make makes the text of a page. It fails for a view that does not fit the content.
func (p *Page) Make(frame Frame) ([]byte, error) {
	var made bytes.Buffer
	if err := p.template.Execute(&made, frame); err != nil {
		return nil, fmt.Errorf("making a page: %w", err)
	}
	return made.Bytes(), nil
}
