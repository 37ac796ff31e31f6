// Command gitops writes the patch for Argo CD's ConfigMap from the scripts under config/argocd, which are laid out as
// Argo CD lays out its own. `make generate` calls it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

const group = "enrol.dev"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := filepath.Abs(filepath.Join("..", "..", "config", "argocd"))
	if err != nil {
		return err
	}
	content, err := patch(filepath.Join(root, group))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "argocd-cm.yaml"), content, 0o600)
}

// patch is the part of ConfigMap argocd-cm that is Enrol's.
func patch(folder string) ([]byte, error) {
	data := map[string]string{}
	folders, err := filepath.Glob(filepath.Join(folder, "*", "health.lua"))
	if err != nil {
		return nil, err
	}
	for _, found := range folders {
		folder := filepath.Dir(found)
		key := group + "_" + filepath.Base(folder)
		health, err := os.ReadFile(found)
		if err != nil {
			return nil, err
		}
		data["resource.customizations.health."+key] = string(health)
		if data["resource.customizations.actions."+key], err = actions(filepath.Join(folder, "actions")); err != nil {
			return nil, err
		}
	}
	content, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata": map[string]any{
			"name": "argocd-cm", "namespace": "argocd",
			// Without it, Argo CD does not see the ConfigMap.
			"labels": map[string]string{"app.kubernetes.io/part-of": "argocd"},
		},
		"data": data,
	})
	return append([]byte("# Made by `make generate` from the scripts in "+group+".\n"), content...), err
}

// actions are all actions of a kind in that form.
func actions(folder string) (string, error) {
	discovery, err := os.ReadFile(filepath.Join(folder, "discovery.lua"))
	if err != nil {
		return "", err
	}
	scripts, err := filepath.Glob(filepath.Join(folder, "*", "action.lua"))
	if err != nil {
		return "", err
	}
	slices.Sort(scripts)
	var definitions []map[string]string
	for _, path := range scripts {
		script, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		definitions = append(definitions, map[string]string{"name": filepath.Base(filepath.Dir(path)), "action.lua": string(script)})
	}
	content, err := yaml.Marshal(map[string]any{"discovery.lua": string(discovery), "definitions": definitions})
	return string(content), err
}
