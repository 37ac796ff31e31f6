package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/settings"
	"github.com/enrol-dev/enrol/internal/token"
)

// leaseName is the Lease that decides which of several operators acts.
const leaseName = "enrol-operator"

// configuration is what the flags say.
type configuration struct {
	cluster                       settings.Cluster
	namespace                     string
	metricsAddress, healthAddress string
	tokenKeys                     string
	mail                          mailFlags
	leaderElect, versioning       bool
}

func parse(args []string) (*configuration, error) {
	c := &configuration{}
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	c.cluster.Add(flags)
	flags.StringVar(&c.namespace, "namespace", "enrol-system",
		"namespace of the installation: holds the Lease, and is never a project")
	flags.BoolVar(&c.leaderElect, "leader-elect", true, "let only one of several operators act")
	flags.StringVar(&c.metricsAddress, "metrics-bind-address", "0",
		"address to serve Prometheus metrics at over plain HTTP; 0: not at all")
	flags.StringVar(&c.healthAddress, "health-probe-bind-address", "0",
		"address to serve /healthz and /readyz at; 0: not at all")
	flags.StringVar(&c.tokenKeys, "token-keys", "/etc/enrol/token-keys",
		"folder where the Secret enrol-token-keys is mounted, which the operator makes when there is none")
	c.mail.add(flags)
	flags.BoolVar(&c.versioning, "version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("must have flags only, not %q", flags.Args())
	}
	return c, c.cluster.Check()
}

// run runs the operator until the context ends.
func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if c.versioning {
		fmt.Println(version)
		return nil
	}
	logger := c.cluster.Logger()
	options, err := c.options(logger)
	if err != nil {
		return err
	}
	mgr, err := c.manager()
	if err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, options); err != nil {
		return err
	}
	logger.Info("Starting", "version", version)
	return mgr.Start(ctx)
}

// options are what the controllers are told.
func (c *configuration) options(logger logr.Logger) (controllers.Options, error) {
	links, err := c.cluster.Links()
	if err != nil {
		return controllers.Options{}, err
	}
	mails, err := c.mail.mail(logger)
	if err != nil {
		return controllers.Options{}, err
	}
	return controllers.Options{
		Naming:    c.cluster.Naming(),
		Namespace: c.namespace,
		Links:     links,
		Keys:      token.OpenKeys(c.tokenKeys, time.Now),
		Mail:      mails,
		Tracking:  c.cluster.Tracking(),
		Clock:     clock.RealClock{},
	}, nil
}

func (c *configuration) manager() (ctrl.Manager, error) {
	config, err := c.cluster.ClientConfig()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := enrolv1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(c.namespace),
		Client:                        controllers.ClientOptions(),
		LeaderElection:                c.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       c.namespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: c.metricsAddress},
		HealthProbeBindAddress:        c.healthAddress,
	})
	if err != nil {
		return nil, err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return mgr, mgr.AddReadyzCheck("ping", healthz.Ping)
}
