package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const project = "../../.."

// elsewhere is a copy of what the image is made of, in another folder and with other times.
func elsewhere(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"api", "cmd", "config", "controllers", "internal"} {
		if err := os.CopyFS(filepath.Join(folder, name), os.DirFS(filepath.Join(project, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(project, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The same source gives the same file, wherever it is built and whatever the environment asks for; another version does not.
func TestReproducible(t *testing.T) {
	t.Setenv("GOFLAGS", "-tags=nonsense")
	folder := t.TempDir()
	builds := []options{
		{source: project, version: "v1.2.3"}, {source: elsewhere(t), version: "v1.2.3"}, {source: project, version: "v1.2.4"},
	}
	archives, digests := make([][]byte, len(builds)), make([]v1.Hash, len(builds))
	for i, o := range builds {
		o.reference, o.output, o.platforms = "ghcr.io/enrol-dev/enrol:test", filepath.Join(folder, "image.tar"), []string{"linux/amd64"}
		var err error
		if digests[i], err = build(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if archives[i], err = os.ReadFile(o.output); err != nil {
			t.Fatal(err)
		}
	}
	if digests[0] != digests[1] || !bytes.Equal(archives[0], archives[1]) {
		t.Errorf("the same source gives %s and %s", digests[0], digests[1])
	}
	if digests[0] == digests[2] {
		t.Error("another version must give another image")
	}
	inspect(t, archives[0], digests[0])
}

// inspect looks at what an image has for who runs it.
func inspect(t *testing.T, archive []byte, digest v1.Hash) {
	t.Helper()
	folder := t.TempDir()
	extract(t, bytes.NewReader(archive), func(h *tar.Header, content []byte) {
		path := filepath.Join(folder, filepath.FromSlash(h.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	})
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	index, err := outer.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != nonRoot || config.OS != "linux" || config.Architecture != "amd64" {
		t.Errorf("the configuration is %+v", config)
	}
	inspectFiles(t, image)
}

func inspectFiles(t *testing.T, image v1.Image) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"operator": true, "facade": true, "kubectl-enrol": true,
		"etc/group": true, "etc/passwd": true, "etc/ssl/certs/ca-certificates.crt": true,
	}
	extract(t, content, func(h *tar.Header, content []byte) {
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o222 != 0 {
			t.Errorf("%s must be root's, and nobody's to write: %+v", h.Name, h)
		}
		if strings.HasSuffix(h.Name, ".crt") && !x509.NewCertPool().AppendCertsFromPEM(content) {
			t.Errorf("%s has no certificates", h.Name)
		}
		if !want[h.Name] {
			t.Errorf("the image must not have %s", h.Name)
		}
		delete(want, h.Name)
	})
	if len(want) > 0 {
		t.Errorf("the image lacks %v", want)
	}
}

func extract(t *testing.T, archive io.Reader, each func(h *tar.Header, content []byte)) {
	t.Helper()
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			each(h, content)
		}
	}
}
