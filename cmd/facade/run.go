package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/enrol-dev/enrol/internal/facade"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/metrics"
	"github.com/enrol-dev/enrol/internal/facade/review"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/settings"
	"github.com/enrol-dev/enrol/internal/telemetry"
	"github.com/enrol-dev/enrol/internal/token"
)

// configuration is what the flags say.
type configuration struct {
	cluster                         settings.Cluster
	telemetry                       telemetry.Flags
	listenAddress, healthAddress    string
	certFile, keyFile               string
	requireTLS                      bool
	asking                          settings.Asking
	proxies                         edge.Proxies
	origins                         edge.Origins
	callersPerMinute, sourcesMinute int
	drainDelay                      time.Duration
	browsing                        browsing
}

// flags are those of the facade.
func (c *configuration) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("facade", flag.ContinueOnError)
	c.cluster.Add(flags)
	c.telemetry.Add(flags)
	flags.StringVar(&c.listenAddress, "listen-address", ":8443", "address to serve the APIs at")
	flags.StringVar(&c.healthAddress, "health-probe-bind-address", "0",
		"address to serve /healthz and /readyz at; 0: not at all")
	flags.StringVar(&c.certFile, "tls-cert-file", "",
		"certificate to serve with, in PEM, read again when it changes; empty: plain HTTP, for use behind an ingress")
	flags.StringVar(&c.keyFile, "tls-key-file", "", "key of that certificate")
	flags.BoolVar(&c.requireTLS, "require-tls", false,
		"answer 426 to what came in clear, by the word of a trusted proxy as well; requests from this machine excepted")
	flags.Var(&c.proxies, "trusted-proxies",
		"networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto count, with commas between them")
	flags.Var(&c.origins, "cors-allowed-origins",
		"origins that browsers may call from, with commas between them; empty: none")
	const perCaller, perSource = 3000, 12000
	flags.IntVar(&c.callersPerMinute, "requests-per-minute", perCaller, "how many requests a caller may make in a minute; 0: no limit")
	flags.IntVar(&c.sourcesMinute, "requests-per-minute-and-source", perSource,
		"how many requests may come from an address, or an IPv6 network of 64 bits, in a minute; 0: no limit")
	flags.DurationVar(&c.drainDelay, "drain-delay", 0,
		"how long to go on after readiness has become false at the end: as long as load balancers need to see it")
	c.browsing.add(flags)
	c.asking.Add(flags)
	return flags
}

func parse(args []string) (*configuration, error) {
	c := &configuration{}
	if err := settings.Parse(c.flags(), args); err != nil {
		return nil, err
	}
	if c.callersPerMinute < 0 || c.sourcesMinute < 0 || c.drainDelay < 0 {
		return nil, errors.New("limits and delays must not be negative")
	}
	return c, errors.Join(c.cluster.Check(), c.telemetry.Check())
}

// run runs the facade until the context ends.
func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if asked, err := c.asking.Answer(os.Stdout, version, new(configuration).flags()); asked {
		return err
	}
	stopTracing, err := c.telemetry.StartTracing(ctx, installed.Facade, version)
	if err != nil {
		return err
	}
	metrics.Build.Say("facade", version)
	return errors.Join(c.run(ctx), stopTracing())
}

// run runs a configured facade until the context ends.
func (c *configuration) run(ctx context.Context) error {
	logger := c.cluster.Logger()
	config, err := c.cluster.ClientConfig()
	if err != nil {
		return err
	}
	config.UserAgent = installed.Facade + "/" + version
	objects, err := store.New(config, c.cluster.Naming(), clock.RealClock{})
	if err != nil {
		return err
	}
	handler, err := c.handler(config, objects, logger)
	if err != nil {
		return err
	}
	watching, err := c.watching(config)
	if err != nil {
		return err
	}
	logger.Info("Starting", "version", version)
	// What serves those who watch the facade lasts as long as the facade; should it fail, so does the facade.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, start := range watching {
		group.Go(func() error { return start(ctx) })
	}
	group.Go(func() error {
		defer cancel()
		return c.serve(ctx, handler, objects, logger)
	})
	return group.Wait()
}

// watching is what serves metrics and profiles.
func (c *configuration) watching(config *rest.Config) ([]func(context.Context) error, error) {
	all := []func(context.Context) error{c.telemetry.Profiles().Start}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	served, err := server.NewServer(c.telemetry.MetricsServer(), config, client)
	if err != nil {
		return nil, fmt.Errorf("preparing to serve metrics: %w", err)
	}
	if served != nil {
		all = append(all, served.Start)
	}
	return all, nil
}

// handler puts the facade together.
func (c *configuration) handler(config *rest.Config, objects *store.Store, logger logr.Logger) (http.Handler, error) {
	clients, err := kubernetes.NewForConfig(store.ForCalls(config))
	if err != nil {
		return nil, err
	}
	links, err := c.cluster.Links()
	if err != nil {
		return nil, err
	}
	now := clock.RealClock{}
	reviewer := identity.NewReviewer(clients.AuthenticationV1().TokenReviews(), c.cluster.Naming(), now)
	keys := token.OpenKeys(c.browsing.tokenKeys, now.Now)
	sessions, err := c.browsing.sessions(&c.cluster, keys, reviewer, logger)
	if err != nil {
		return nil, err
	}
	cluster, err := c.browsing.cluster(sessions)
	if err != nil {
		return nil, err
	}
	d := domain.New(domain.Options{
		Store: objects, Keys: keys,
		Access: review.New(clients.AuthorizationV1().SubjectAccessReviews(), now),
		Naming: c.cluster.Naming(), Links: links, Tracking: c.cluster.Tracking(), Clock: now, Log: logger,
	})
	sessions.Recognise = d.Recognise
	return facade.New(facade.Options{
		Domain: d, Reviewer: reviewer, Sessions: sessions, Cluster: cluster,
		PublicURL: c.cluster.PublicURL, RequireTLS: c.requireTLS, TrustedProxies: c.proxies, Origins: c.origins,
		CallersPerMinute: c.callersPerMinute, SourcesPerMinute: c.sourcesMinute, Clock: now, Log: logger,
	})
}

// serve runs the caches, the server and the health checks. It is ready once the caches are filled.
func (c *configuration) serve(ctx context.Context, handler http.Handler, objects *store.Store, logger logr.Logger) error {
	server, err := edge.NewServer(handler, edge.ServerOptions{
		Log: logger, Clock: clock.RealClock{}, CertFile: c.certFile, KeyFile: c.keyFile, DrainDelay: c.drainDelay,
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.listenAddress)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	var serving atomic.Bool
	serving.Store(true)
	// Caches and health checks outlive the server: requests in flight read, and somebody has to say that nothing more is taken.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, running := errgroup.WithContext(background)
	group.Go(func() error {
		objects.Run(running)
		return nil
	})
	group.Go(func() error {
		return serveHealth(running, c.healthAddress, func() bool { return serving.Load() && objects.Synced() })
	})
	group.Go(func() error {
		defer stop()
		inService, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(running, cancel)()
		return server.Run(inService, listener, &serving)
	})
	return group.Wait()
}
