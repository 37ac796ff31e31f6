// Command idp is an OpenID Connect provider for `make run` and for tests: Dex with accounts and clients from a file, and
// everything else in memory. It listens with TLS on loopback until a signal ends it.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	gosundheit "github.com/AppsFlyer/go-sundheit"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
)

const (
	// connectorID and connectorType are Dex's words for accounts that Dex has itself.
	connectorID   = "local"
	connectorType = "local"

	// expiredPath is where tokens come from that have expired already, for tests: <address>/expired/token.
	expiredPath = "/expired"

	keysRotation  = "6h"
	headerTimeout = 5 * time.Second
	stopGrace     = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "idp:", err)
		os.Exit(1)
	}
}

// options of the provider.
type options struct {
	address, path, certFile, keyFile, directory string
	tokenLifetime                               time.Duration
}

// directory is who there is, in Dex's own terms: of an account, the hash is bcrypt's, of cost 10 or more, in base64.
type directory struct {
	People  []storage.Password `json:"people"`
	Clients []storage.Client   `json:"clients"`
}

func run(ctx context.Context, args []string, log io.Writer) error {
	var o options
	flags := flag.NewFlagSet("idp", flag.ContinueOnError)
	flags.StringVar(&o.address, "listen-address", "127.0.0.1:15556", "`host:port` to listen on; the issuer is named for it")
	flags.StringVar(&o.path, "path", "/dex", "`path` of the issuer's URL")
	flags.StringVar(&o.certFile, "tls-cert-file", "", "`file` with the certificate")
	flags.StringVar(&o.keyFile, "tls-key-file", "", "`file` with the certificate's key")
	flags.StringVar(&o.directory, "directory", "", "JSON `file` with the people and the clients")
	flags.DurationVar(&o.tokenLifetime, "token-lifetime", 24*time.Hour, "how long ID tokens are valid")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	handler, err := newHandler(ctx, o, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	return serve(ctx, o, handler)
}

func newHandler(ctx context.Context, o options, logger *slog.Logger) (http.Handler, error) {
	config, err := configuration(ctx, o, logger)
	if err != nil {
		return nil, err
	}
	dex, err := server.NewServer(ctx, config)
	if err != nil {
		return nil, err
	}
	config.Now = func() time.Time { return time.Now().Add(-o.tokenLifetime - time.Hour) }
	past, err := server.NewServer(ctx, config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", dex)
	mux.HandleFunc("POST "+expiredPath+"/token", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = o.path + "/token"
		past.ServeHTTP(w, r)
	})
	return mux, nil
}

func configuration(ctx context.Context, o options, logger *slog.Logger) (server.Config, error) {
	content, err := os.ReadFile(o.directory)
	if err != nil {
		return server.Config{}, fmt.Errorf("reading the people and clients: %w", err)
	}
	var who directory
	if err := json.Unmarshal(content, &who); err != nil {
		return server.Config{}, fmt.Errorf("reading the people and clients in %s: %w", o.directory, err)
	}
	store := memory.New(logger)
	store = storage.WithStaticPasswords(store, who.People, logger)
	store = storage.WithStaticClients(store, who.Clients)
	store = storage.WithStaticConnectors(store, []storage.Connector{
		{ID: connectorID, Type: connectorType, Name: "Email address and password"},
	})
	keys, err := (&signer.LocalConfig{KeysRotationPeriod: keysRotation}).
		Open(ctx, store, o.tokenLifetime, time.Now, logger)
	if err != nil {
		return server.Config{}, fmt.Errorf("making keys to sign with: %w", err)
	}
	return server.Config{
		Issuer:             "https://" + o.address + o.path,
		Storage:            store,
		Signer:             keys,
		IDTokensValidFor:   o.tokenLifetime,
		PasswordConnector:  connectorID, // So that scripts get tokens without a browser.
		SkipApprovalScreen: true,
		Web:                server.WebConfig{Issuer: "Enrol's sample people"},
		HealthChecker:      gosundheit.New(), // Without one, /healthz panics.
		Logger:             logger,
	}, nil
}

// serve answers until the context ends, then finishes what is in flight.
func serve(ctx context.Context, o options, handler http.Handler) error {
	certificate, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.address)
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return s.Shutdown(ctx)
}
