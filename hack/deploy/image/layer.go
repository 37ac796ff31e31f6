package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// file is what an archive has at a path.
type file struct {
	content []byte
	mode    int64
}

// contents are the files of the image: the programs of a folder, and what every program expects to find.
func contents(folder string) (map[string]file, error) {
	files := map[string]file{
		// Where Go, and most others, look for the certificates of authorities.
		"etc/ssl/certs/ca-certificates.crt": {content: authorities(), mode: 0o444},
		"etc/passwd": {
			content: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"),
			mode:    0o444,
		},
		"etc/group": {content: []byte("root:x:0:\nnonroot:x:65532:\n"), mode: 0o444},
	}
	programs, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, program := range programs {
		content, err := os.ReadFile(filepath.Join(folder, program.Name()))
		if err != nil {
			return nil, err
		}
		files[program.Name()] = file{content: content, mode: 0o555}
	}
	return files, nil
}

// authorities are Mozilla's, as Go's own libraries have them. Those that are trusted under conditions only are left out, as
// a file of certificates cannot say so.
func authorities() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		// A buffer takes everything.
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	return text.Bytes()
}

func layerOf(files map[string]file) (v1.Layer, error) {
	archive, err := tarOf(files)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive)), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// tarOf is an archive in which nothing is of today or of this machine: sorted, all of it root's and from 1970.
func tarOf(files map[string]file) ([]byte, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	made := map[string]bool{".": true}
	for _, at := range slices.Sorted(maps.Keys(files)) {
		for _, folder := range parents(at) {
			if made[folder] {
				continue
			}
			made[folder] = true
			if err := w.WriteHeader(header(folder+"/", tar.TypeDir, 0o755, 0)); err != nil {
				return nil, err
			}
		}
		f := files[at]
		if err := w.WriteHeader(header(at, tar.TypeReg, f.mode, int64(len(f.content)))); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

func header(name string, kind byte, mode, size int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, Size: size, ModTime: time.Unix(0, 0).UTC(), Format: tar.FormatUSTAR}
}

// parents of a path, outermost first.
func parents(at string) []string {
	var all []string
	for folder := path.Dir(at); folder != "."; folder = path.Dir(folder) {
		all = append([]string{folder}, all...)
	}
	return all
}
