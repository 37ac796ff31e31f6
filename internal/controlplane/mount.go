package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// mountInterval is how often a mounted Secret is looked at. A kubelet takes its time, too: up to a minute or two.
const mountInterval = 200 * time.Millisecond

// MountSecret keeps a folder like an optional volume of a Secret, as there is no kubelet here: a file for each key, none
// while there is no Secret. It returns when the context ends.
func (c *ControlPlane) MountSecret(ctx context.Context, namespace, name, folder string) error {
	clients, err := kubernetes.NewForConfig(c.Admin())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for {
		secret, err := clients.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			err = fill(folder, secret.Data)
		case apierrors.IsNotFound(err):
			err = fill(folder, nil)
		default:
			// An API server that cannot be reached leaves what is mounted as it is.
			err = nil
		}
		if err != nil {
			return fmt.Errorf("mounting Secret %s/%s: %w", namespace, name, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(mountInterval):
		}
	}
}

// fill makes the files of a folder those of a Secret, each whole or not at all.
func fill(folder string, data map[string][]byte) error {
	present, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range present {
		if _, ok := data[file.Name()]; !ok {
			if err := os.Remove(filepath.Join(folder, file.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	for name, content := range data {
		path := filepath.Join(folder, name)
		if old, err := os.ReadFile(path); err == nil && string(old) == string(content) {
			continue
		}
		draft := filepath.Join(folder, "."+name)
		if err := os.WriteFile(draft, content, 0o600); err != nil {
			return err
		}
		if err := os.Rename(draft, path); err != nil {
			return err
		}
	}
	return nil
}

// ServingCertificate is a certificate for a server of that name on loopback, from the authority in CAFile.
func (c *ControlPlane) ServingCertificate(name string) (tls.Certificate, error) {
	certFile, keyFile, err := c.ServingFiles(name)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// ServingFiles is such a certificate for a program that reads it from files. Open is enough to issue one, so that a
// server can be there before the control plane.
func (c *ControlPlane) ServingFiles(name string) (certFile, keyFile string, err error) {
	return c.clients.issue(filepath.Join(c.dir, "pki"), name, pkix.Name{CommonName: name})
}

// CAFile has the certificate of the authority that everything here is issued by.
func (c *ControlPlane) CAFile() string { return c.clients.file }
