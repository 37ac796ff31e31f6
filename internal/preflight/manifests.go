package preflight

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/enrol-dev/enrol/config/crd"
	"github.com/enrol-dev/enrol/config/policy"
	"github.com/enrol-dev/enrol/internal/installed"
)

// manifests are what this version of Enrol is made with, by name.
type manifests struct {
	policies map[string]*admissionregistrationv1.ValidatingAdmissionPolicy
	bindings map[string]*admissionregistrationv1.ValidatingAdmissionPolicyBinding
	crds     map[string]*apiextensionsv1.CustomResourceDefinition
}

// load reads them as they are for an installation in that namespace.
func load(namespace string) (*manifests, error) {
	m := &manifests{
		policies: map[string]*admissionregistrationv1.ValidatingAdmissionPolicy{},
		bindings: map[string]*admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
		crds:     map[string]*apiextensionsv1.CustomResourceDefinition{},
	}
	err := eachDocument(policy.Manifests, func(document []byte) error {
		document = bytes.ReplaceAll(document, []byte(installed.Namespace), []byte(namespace))
		return m.addPolicy(document)
	})
	if err != nil {
		return nil, err
	}
	return m, eachDocument(crd.Manifests, func(document []byte) error {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(document, definition); err != nil {
			return err
		}
		m.crds[definition.Name] = definition
		return nil
	})
}

func (m *manifests) addPolicy(document []byte) error {
	kind := metav1.TypeMeta{}
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case "ValidatingAdmissionPolicy":
		found := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		if err := yaml.UnmarshalStrict(document, found); err != nil {
			return err
		}
		m.policies[found.Name] = found
	case "ValidatingAdmissionPolicyBinding":
		found := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
		if err := yaml.UnmarshalStrict(document, found); err != nil {
			return err
		}
		m.bindings[found.Name] = found
	default:
		return fmt.Errorf("no policy and no binding, but a %q", kind.Kind)
	}
	return nil
}

// eachDocument calls do with every YAML document of the files.
func eachDocument(files fs.FS, do func([]byte) error) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := do(document); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	})
}
