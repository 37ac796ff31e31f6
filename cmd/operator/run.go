package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

// leaseName is the Lease that decides which of several operators acts.
const leaseName = "enrol-operator"

// configuration is what the flags say.
type configuration struct {
	kubeconfig, namespace            string
	usernameClaim                    string
	usernamePrefix, groupsPrefix     string
	metricsAddress, healthAddress    string
	publicURL, tokenKeys             string
	argocdLabels                     bool
	mail                             mailFlags
	leaderElect, verbose, versioning bool
}

func parse(args []string) (*configuration, error) {
	c := &configuration{}
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.StringVar(&c.kubeconfig, "kubeconfig", "",
		"path of a kubeconfig; empty: $KUBECONFIG, else the Pod's own ServiceAccount")
	flags.StringVar(&c.namespace, "namespace", "enrol-system",
		"namespace of the installation: holds the Lease, and is never a project")
	flags.StringVar(&c.usernameClaim, "username-claim", "",
		"claim of the identity provider that the API server takes usernames from; only 'email' means something: "+
			"a Member with an address and no username is bound by the address. Wrong where people choose their usernames")
	flags.StringVar(&c.usernamePrefix, "username-prefix", "",
		"what the API server puts in front of usernames (its --oidc-username-prefix)")
	flags.StringVar(&c.groupsPrefix, "groups-prefix", "",
		"what the API server puts in front of groups (its --oidc-groups-prefix)")
	flags.BoolVar(&c.leaderElect, "leader-elect", true, "let only one of several operators act")
	flags.StringVar(&c.metricsAddress, "metrics-bind-address", "0",
		"address to serve Prometheus metrics at over plain HTTP; 0: not at all")
	flags.StringVar(&c.healthAddress, "health-probe-bind-address", "0",
		"address to serve /healthz and /readyz at; 0: not at all")
	flags.StringVar(&c.publicURL, "public-url", "",
		"where people reach Enrol, as in https://enrol.example.com: links in mails lead there; empty: each Invitation "+
			"that is mailed needs an acceptURL of an origin that its Organisation allows")
	flags.StringVar(&c.tokenKeys, "token-keys", "/etc/enrol/token-keys",
		"folder where the Secret enrol-token-keys is mounted, which the operator makes when there is none")
	flags.BoolVar(&c.argocdLabels, "argocd-label-tracking", false,
		"take the label app.kubernetes.io/instance for a mark of Argo CD; for installations that track by label")
	c.mail.add(flags)
	flags.BoolVar(&c.verbose, "verbose", false, "log what is of use only when looking for a fault")
	flags.BoolVar(&c.versioning, "version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("must have flags only, not %q", flags.Args())
	}
	return c, c.check()
}

// check refuses what no operator can run with.
func (c *configuration) check() error {
	if c.usernameClaim != "" && c.usernameClaim != "email" {
		return fmt.Errorf("--username-claim must be 'email' or empty, not %q", c.usernameClaim)
	}
	for _, prefix := range []string{c.usernamePrefix, c.groupsPrefix} {
		if strings.HasPrefix(strings.ToLower(prefix), "system:") {
			return fmt.Errorf("a prefix must not start with 'system:', as %q does", prefix)
		}
	}
	if _, err := invitation.NewLinks(c.publicURL); err != nil {
		return fmt.Errorf("--public-url %w", err)
	}
	return nil
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
	level := slog.LevelInfo
	if c.verbose {
		level = slog.LevelDebug
	}
	logger := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)

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
	links, err := invitation.NewLinks(c.publicURL)
	if err != nil {
		return controllers.Options{}, err
	}
	mails, err := c.mail.mail(logger)
	if err != nil {
		return controllers.Options{}, err
	}
	return controllers.Options{
		Naming: subject.Naming{
			UsernamePrefix: c.usernamePrefix, GroupsPrefix: c.groupsPrefix, EmailIsUsername: c.usernameClaim == "email",
		},
		Namespace: c.namespace,
		Links:     links,
		Keys:      token.OpenKeys(c.tokenKeys, time.Now),
		Mail:      mails,
		Tracking:  gitops.Tracking{ArgoLabels: c.argocdLabels},
		Clock:     clock.RealClock{},
	}, nil
}

func (c *configuration) manager() (ctrl.Manager, error) {
	config, err := c.clientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
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

func (c *configuration) clientConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, err
	}
	// Fairness among clients is the API server's business.
	config.QPS = -1
	return config, nil
}
