// Package browsertest drives a real browser, Chromium without a window, through the pages that people see. It is for tests.
package browsertest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// startTimeout bounds how long the browser may take until it can be driven.
const startTimeout = 2 * time.Minute

// Options of a browser.
type Options struct {
	// Hosts are names that people come by, and the address on loopback, host:port, where each of them answers at port 443.
	// There is no other name for the browser than these: every host is this machine.
	Hosts map[string]string
	// Servers are the addresses, host:port, whose keys the browser is to know: it has not heard of the authority.
	Servers []Server
}

// Server is one that answers with TLS.
type Server struct {
	// Address is its host:port.
	Address string
	// CAFile is the authority that its certificate must be from, in PEM.
	CAFile string
}

// Browser is one that runs.
type Browser struct {
	folder string
	ctx    context.Context //nolint:containedctx // The browser is reached through it alone.
	end    func()
}

// Start starts a browser. Call Stop at the end.
func Start(options Options) (*Browser, error) {
	program, err := chromium()
	if err != nil {
		return nil, err
	}
	var rules, keys []string
	for host, address := range options.Hosts {
		rules = append(rules, "MAP "+host+":443 "+address)
	}
	for _, server := range options.Servers {
		key, err := server.key()
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	b := &Browser{}
	if b.folder, err = os.MkdirTemp("", "enrol-browser-"); err != nil {
		return nil, err
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(b.folder),
		chromedp.WSURLReadTimeout(startTimeout),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", strings.Join(append(rules, "MAP * 127.0.0.1"), ", ")),
		chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")),
	)
	if os.Geteuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, cancel := chromedp.NewContext(allocator)
	b.ctx, b.end = ctx, func() { cancel(); end() }
	if err := chromedp.Do(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), b.Stop())
	}
	return b, nil
}

// Stop ends the browser, and removes what it has kept. It may be nil.
func (b *Browser) Stop() error {
	if b == nil {
		return nil
	}
	b.end()
	return os.RemoveAll(b.folder)
}

func chromium() (string, error) {
	for _, name := range []string{os.Getenv("ENROL_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium for the browser tests: hack/chromium.sh installs it on Debian, or says what is missing")
}

// key is the digest of a server's key, once its certificate was found to be from the authority.
func (s Server) key() (string, error) {
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		return "", fmt.Errorf("reading the authority of %s: %w", s.Address, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return "", fmt.Errorf("there is no certificate in %s", s.CAFile)
	}
	dialer := &tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	connection, err := dialer.DialContext(context.Background(), "tcp", s.Address)
	if err != nil {
		return "", fmt.Errorf("looking at the certificate of %s: %w", s.Address, err)
	}
	shown := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
	digest := sha256.Sum256(shown.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(digest[:]), connection.Close()
}

// Tab opens a tab in a browser of somebody's own, with no cookies in it. It closes with the test.
func (b *Browser) Tab(t testing.TB) *Tab {
	t.Helper()
	return open(t, b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithNewWindow(true))
}
