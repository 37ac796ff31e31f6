// Package crd holds the CRDs, so that the operator can tell whether the cluster has those that it was made with.
package crd

import "embed"

// Manifests are the CRDs, one YAML document to a file.
//
//go:embed bases/*.yaml
var Manifests embed.FS
