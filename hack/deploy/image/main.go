// The image program builds Enrol's image without a container engine: the programs, the certificates of public authorities,
// and nothing else. The same source, version and Go give the same digest, anywhere and at any time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonRoot is the user of distroless images.
const nonRoot = "65532:65532"

// options are what the flags say.
type options struct {
	source, version, reference, output string
	platforms                          []string
}

func main() {
	var o options
	flag.StringVar(&o.source, "source", ".", "folder of the project")
	flag.StringVar(&o.version, "version", "dev", "what the programs call themselves")
	flag.StringVar(&o.reference, "reference", "ghcr.io/enrol-dev/enrol:dev", "what the image is called")
	flag.StringVar(&o.output, "output", "image.tar", "file for the OCI image layout")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "what to build for, with commas between them")
	flag.Parse()
	o.platforms = strings.Split(*platforms, ",")
	digest, err := build(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Println(digest)
}

// build writes the image and returns its digest.
func build(ctx context.Context, o options) (v1.Hash, error) {
	if _, err := name.ParseReference(o.reference); err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, text := range o.platforms {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			return v1.Hash{}, err
		}
		image, err := o.image(ctx, platform)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("building for %s: %w", platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, o.write(index)
}

// image is the one for a platform.
func (o *options) image(ctx context.Context, platform *v1.Platform) (v1.Image, error) {
	folder, err := os.MkdirTemp("", "enrol-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := o.compile(ctx, platform, folder); err != nil {
		return nil, err
	}
	files, err := contents(folder)
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(files)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{
		User: nonRoot, Entrypoint: []string{"/operator"}, WorkingDir: "/", Env: []string{"PATH=/"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "enrol",
			"org.opencontainers.image.source":   "https://github.com/enrol-dev/enrol",
			"org.opencontainers.image.version":  o.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// compile builds all programs. What the environment says about Go's output does not count.
func (o *options) compile(ctx context.Context, platform *v1.Platform, folder string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -X main.version="+o.version, "-o", folder+string(filepath.Separator), "./cmd/...")
	command.Dir = o.source
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off",
		"GOAMD64=v1", "GOARM64=v8.0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture)
	if out, err := command.CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

// write writes the index as a layout with one entry, which has the image's name, in one file.
func (o *options) write(index v1.ImageIndex) error {
	folder, err := os.MkdirTemp("", "enrol-layout-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: index,
		Descriptor: v1.Descriptor{Annotations: map[string]string{
			// The one is what the specification says, the other is what containerd reads.
			"org.opencontainers.image.ref.name": tag(o.reference), "io.containerd.image.name": o.reference,
		}},
	})
	if _, err := layout.Write(folder, outer); err != nil {
		return err
	}
	files, err := filesOf(os.DirFS(folder))
	if err != nil {
		return err
	}
	archive, err := tarOf(files)
	if err != nil {
		return err
	}
	return os.WriteFile(o.output, archive, 0o600)
}

// filesOf are all files of a folder, to be read only.
func filesOf(folder fs.FS) (map[string]file, error) {
	files := map[string]file{}
	return files, fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, path)
		files[path] = file{content: content, mode: 0o444}
		return err
	})
}

func tag(reference string) string {
	if r, err := name.NewTag(reference); err == nil {
		return r.TagStr()
	}
	return reference
}
