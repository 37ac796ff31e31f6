// Package policy holds the admission policies, so that the operator can tell whether the cluster has those that it was
// made with.
package policy

import "embed"

// Manifests are the policies and their bindings as YAML documents, for an installation in enrol-system.
//
//go:embed grants.yaml home_namespaces.yaml inviters.yaml namespace_labels.yaml ourselves.yaml
var Manifests embed.FS

// Revision of the policies. Raise it, and the annotation in kustomization.yaml with it, in a release that changes them: an
// operator that finds a later one than its own takes it for an upgrade on its way, and not for somebody's change.
const Revision = 1

// AnnotationRevision on a policy says which revision it is of.
const AnnotationRevision = "enrol.dev/revision"
