package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 40 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10

	// shutdownTimeout is how long a server waits for requests in flight where nothing else is said.
	shutdownTimeout = 30 * time.Second
)

// ServerOptions for NewServer.
type ServerOptions struct {
	Log   logr.Logger
	Clock clock.Clock
	// CertFile and KeyFile are in PEM, and read again when they change. Both empty: no TLS.
	CertFile, KeyFile string
	// DrainDelay is how long requests are still taken after readiness became false: as long as load balancers need to see it.
	DrainDelay time.Duration
	// ShutdownTimeout is how long requests in flight may then take; 0: half a minute.
	ShutdownTimeout time.Duration
}

// Server is an HTTP server with limits, of HTTP/1.1 and with TLS HTTP/2.
type Server struct {
	options      ServerOptions
	http         *http.Server
	certificates *certwatcher.CertWatcher
}

// NewServer is a server that does not listen yet. It fails if there is one of certificate and key only, or they cannot be read.
func NewServer(handler http.Handler, o ServerOptions) (*Server, error) {
	if o.ShutdownTimeout == 0 {
		o.ShutdownTimeout = shutdownTimeout
	}
	s := &Server{options: o, http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(complaints(o.Log), "", 0),
	}}
	if o.CertFile == "" && o.KeyFile == "" {
		return s, nil
	}
	if o.CertFile == "" || o.KeyFile == "" {
		return nil, errors.New("a certificate must come with its key, and a key with its certificate")
	}
	var err error
	if s.certificates, err = certwatcher.New(o.CertFile, o.KeyFile); err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificates.GetCertificate}
	return s, nil
}

// Run serves until the context is done. Then ready becomes false, requests are still taken during the drain delay, and those
// in flight finish, or are cut at the timeout, which is an error. The listener is closed at the end.
func (s *Server) Run(ctx context.Context, listener net.Listener, ready *atomic.Bool) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving: %w", err)
		}
		return nil
	})
	if s.certificates != nil {
		group.Go(func() error {
			if err := s.certificates.Start(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("watching the certificate: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		ready.Store(false)
		return s.end(context.WithoutCancel(ctx))
	})
	return group.Wait()
}

func (s *Server) serve(listener net.Listener) error {
	if s.certificates == nil {
		return s.http.Serve(listener)
	}
	return s.http.ServeTLS(listener, "", "")
}

func (s *Server) end(ctx context.Context) error {
	if s.options.DrainDelay > 0 {
		<-s.options.Clock.After(s.options.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.ShutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("waiting for requests in flight: %w", err), s.http.Close())
	}
	return nil
}

// complaints takes what net/http has to say about connections: mostly about clients that break off, hence for debugging.
type complaints logr.Logger

func (c complaints) Write(text []byte) (int, error) {
	logr.Logger(c).V(1).Info("The HTTP server complained", "complaint", strings.TrimSpace(string(text)))
	return len(text), nil
}
