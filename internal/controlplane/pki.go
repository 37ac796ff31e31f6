package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// validity of every certificate issued here: long enough for `RUN_KEEP=1`, short enough not to be kept for good.
const validity = 90 * 24 * time.Hour

// authority is a certificate authority kept in two files.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	file        string
}

// openAuthority reads <dir>/<name>.crt and .key, and makes them when they are not there.
func openAuthority(dir, name string) (*authority, error) {
	file, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		certificate, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name}, key)
		if err != nil {
			return nil, fmt.Errorf("making the authority %s: %w", name, err)
		}
		if err := writePair(file, keyFile, certificate.Raw, key); err != nil {
			return nil, err
		}
		return &authority{certificate: certificate, key: key, file: file}, nil
	}
	certificates, err := cert.CertsFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authority %s: %w", name, err)
	}
	key, err := keyutil.PrivateKeyFromFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the key of authority %s: %w", name, err)
	}
	return &authority{certificate: certificates[0], key: key.(crypto.Signer), file: file}, nil
}

// issue writes a certificate for the subject, for servers on loopback and for clients, to <dir>/<name>.crt and .key.
func (a *authority) issue(dir, name string, subject pkix.Name) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	der, key, err := a.sign(subject)
	if err != nil {
		return "", "", fmt.Errorf("issuing a certificate for %s: %w", name, err)
	}
	return certFile, keyFile, writePair(certFile, keyFile, der, key)
}

func (a *authority) sign(subject pkix.Name) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    a.certificate.NotBefore,
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return der, key, err
}

func writePair(certFile, keyFile string, der []byte, key *ecdsa.PrivateKey) error {
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, certificatePEM(der), 0o600)
}
