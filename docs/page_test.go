package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// root is the repository, seen from this folder.
const root = ".."

// page is a page of Markdown, by what the tests ask of it.
type page struct {
	// path from the root, with slashes.
	path string
	// links and pictures.
	links []link
	// anchors that headings make, as GitHub does.
	anchors map[string]bool
	// spans of code within a text, and blocks of code.
	spans  []string
	blocks []block
}

type link struct{ text, target string }

// block is a block of code in a language.
type block struct{ language, code string }

// pages are all of docs/, and those beside it.
func pages(t *testing.T) []*page {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			paths = append(paths, filepath.Join(root, "docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*page, 0, len(paths))
	for _, path := range paths {
		all = append(all, read(t, path))
	}
	// So that a test that looks at nothing does not pass.
	const fewest = 10
	if len(all) < fewest {
		t.Fatalf("there are only %d pages", len(all))
	}
	return all
}

func read(t *testing.T, path string) *page {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{path: filepath.ToSlash(relative), anchors: map[string]bool{}}
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	err = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			p.take(node, source)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *page) take(node ast.Node, source []byte) {
	switch node := node.(type) {
	case *ast.Heading:
		p.anchors[anchor(words(node, source))] = true
	case *ast.Link:
		p.links = append(p.links, link{words(node, source), string(node.Destination)})
	case *ast.Image:
		p.links = append(p.links, link{words(node, source), string(node.Destination)})
	case *ast.CodeSpan:
		p.spans = append(p.spans, words(node, source))
	case *ast.FencedCodeBlock:
		var code bytes.Buffer
		for i := range node.Lines().Len() {
			line := node.Lines().At(i)
			code.Write(line.Value(source))
		}
		p.blocks = append(p.blocks, block{string(node.Language(source)), code.String()})
	}
}

// words are the text of a node without its markup.
func words(node ast.Node, source []byte) string {
	var b strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		if leaf, ok := child.(*ast.Text); ok {
			b.Write(leaf.Segment.Value(source))
			if leaf.SoftLineBreak() {
				b.WriteByte(' ')
			}
			continue
		}
		b.WriteString(words(child, source))
	}
	return b.String()
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
