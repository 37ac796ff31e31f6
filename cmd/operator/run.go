package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/settings"
	"github.com/enrol-dev/enrol/internal/telemetry"
	"github.com/enrol-dev/enrol/internal/token"
)

// configuration is what the flags say.
type configuration struct {
	cluster                      settings.Cluster
	telemetry                    telemetry.Flags
	namespace                    string
	healthAddress                string
	tokenKeys                    string
	mail                         mailFlags
	asking                       settings.Asking
	leaderElect, withoutPolicies bool
}

// flags are those of the operator.
func (c *configuration) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	c.cluster.Add(flags)
	c.telemetry.Add(flags)
	flags.StringVar(&c.namespace, "namespace", installed.Namespace,
		"namespace of the installation: holds the Lease, and is never a project")
	flags.BoolVar(&c.leaderElect, "leader-elect", true, "let only one of several operators act")
	flags.StringVar(&c.healthAddress, "health-probe-bind-address", "0",
		"address to serve /healthz and /readyz at; 0: not at all")
	flags.StringVar(&c.tokenKeys, "token-keys", "/etc/enrol/token-keys",
		"folder where the Secret "+installed.KeySecret+" is mounted, which the operator makes when there is none")
	flags.BoolVar(&c.withoutPolicies, "allow-without-policies", false,
		"give access although the admission policies that say who may grant what are not there; only where everybody who "+
			"may write Members, Invitations and labels of Namespaces is trusted with everything")
	c.mail.add(flags)
	c.asking.Add(flags)
	return flags
}

func parse(args []string) (*configuration, error) {
	c := &configuration{}
	if err := settings.Parse(c.flags(), args); err != nil {
		return nil, err
	}
	return c, errors.Join(c.cluster.Check(), c.telemetry.Check())
}

// run runs the operator until the context ends.
func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if asked, err := c.asking.Answer(os.Stdout, version, new(configuration).flags()); asked {
		return err
	}
	stopTracing, err := c.telemetry.StartTracing(ctx, installed.Operator, version)
	if err != nil {
		return err
	}
	metrics.Build.Say("operator", version)
	return errors.Join(c.operate(ctx), stopTracing())
}

// operate runs the controllers until the context ends.
func (c *configuration) operate(ctx context.Context) error {
	logger := c.cluster.Logger()
	options, err := c.options(logger)
	if err != nil {
		return err
	}
	guard, err := c.await(ctx, logger)
	if err != nil || ctx.Err() != nil {
		return err
	}
	options.Guard = guard
	mgr, err := c.manager(guard, ctrl.Options{
		LeaderElection: c.leaderElect, LeaderElectionID: installed.Operator, LeaderElectionNamespace: c.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(guard); err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, options); err != nil {
		return err
	}
	if err := mgr.Add(c.telemetry.Profiles()); err != nil {
		return err
	}
	logger.Info("Starting", "version", version)
	return mgr.Start(ctx)
}

// await returns when the cluster is fit for an operator, or the context is done. It waits within a manager of its own, so
// that the probes are answered: the controllers cannot be set up where there are no CRDs.
func (c *configuration) await(ctx context.Context, logger logr.Logger) (*preflight.Guard, error) {
	config, err := c.cluster.ClientConfig()
	if err != nil {
		return nil, err
	}
	guard, err := preflight.NewGuard(config, preflight.GuardOptions{
		Namespace: c.namespace, WithoutPolicies: c.withoutPolicies, Logger: logger.WithName("preflight"),
	})
	if err != nil || guard.Passes(ctx) {
		return guard, err
	}
	// It leads nothing, so that each of several operators sees for itself.
	mgr, err := c.manager(guard, ctrl.Options{})
	if err != nil {
		return nil, err
	}
	waiting, done := context.WithCancel(ctx)
	defer done()
	err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		defer done()
		guard.Await(ctx)
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return guard, mgr.Start(waiting)
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

// manager is one with those options that serves probes and metrics.
func (c *configuration) manager(guard *preflight.Guard, options ctrl.Options) (ctrl.Manager, error) {
	config, err := c.cluster.ClientConfig()
	if err != nil {
		return nil, err
	}
	telemetry.TraceCalls(config)
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := enrolv1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	options.Scheme = scheme
	options.Cache = controllers.CacheOptions(c.namespace)
	options.Client = controllers.ClientOptions()
	options.Metrics = c.telemetry.MetricsServer()
	options.HealthProbeBindAddress = c.healthAddress
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	guard.Record(mgr.GetEventRecorder("enrol.dev/preflight"))
	return mgr, mgr.AddReadyzCheck("preflight", guard.Ready)
}
