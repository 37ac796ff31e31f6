package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// assetsVariable names the environment variable with the folder of the control plane's binaries, the same that
// controller-runtime's envtest reads.
const assetsVariable = "KUBEBUILDER_ASSETS"

// Binary finds a program of the control plane: in the folder that KUBEBUILDER_ASSETS names, else in bin/k8s of this
// project, where `make k8s` puts what it builds.
func Binary(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	for _, dir := range []string{os.Getenv(assetsVariable), filepath.Join(root, "bin", "k8s")} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); dir != "" && err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is neither in $%s nor in bin/k8s: run `make k8s`", name, assetsVariable)
}

// Root is the folder of this project: the nearest one upwards that holds PROJECT.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no folder with a PROJECT file above the working directory")
		}
		dir = parent
	}
}
