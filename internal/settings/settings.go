// Package settings holds the flags that the operator and the facade share: both must be told the same about the cluster.
package settings

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/subject"
)

// claimEmail is the one claim that means something to Enrol.
const claimEmail = "email"

// Cluster is what a program must be told about the cluster that it runs for.
type Cluster struct {
	// PublicURL is where people reach Enrol.
	PublicURL string

	kubeconfig                   string
	usernameClaim                string
	usernamePrefix, groupsPrefix string
	argocdLabels, verbose        bool
}

// Add adds the flags.
func (c *Cluster) Add(flags *flag.FlagSet) {
	flags.StringVar(&c.kubeconfig, "kubeconfig", "",
		"path of a kubeconfig; empty: $KUBECONFIG, else the Pod's own ServiceAccount")
	flags.StringVar(&c.usernameClaim, "username-claim", "",
		"claim of the identity provider that the API server takes usernames from; only 'email' means something: "+
			"a Member with an address and no username is bound by the address. Wrong where people choose their usernames")
	flags.StringVar(&c.usernamePrefix, "username-prefix", "",
		"what the API server puts in front of usernames (its --oidc-username-prefix)")
	flags.StringVar(&c.groupsPrefix, "groups-prefix", "",
		"what the API server puts in front of groups (its --oidc-groups-prefix)")
	flags.StringVar(&c.PublicURL, "public-url", "",
		"where people reach Enrol, as in https://enrol.example.com: links in mails lead there; empty: each Invitation "+
			"that is mailed needs an acceptURL of an origin that its Organisation allows")
	flags.BoolVar(&c.argocdLabels, "argocd-label-tracking", false,
		"take the label app.kubernetes.io/instance for a mark of Argo CD; for installations that track by label")
	flags.BoolVar(&c.verbose, "verbose", false, "log what is of use only when looking for a fault")
}

// Check refuses what no program can run with.
func (c *Cluster) Check() error {
	if c.usernameClaim != "" && c.usernameClaim != claimEmail {
		return fmt.Errorf("--username-claim must be 'email' or empty, not %q", c.usernameClaim)
	}
	for _, prefix := range []string{c.usernamePrefix, c.groupsPrefix} {
		if strings.HasPrefix(strings.ToLower(prefix), "system:") {
			return fmt.Errorf("a prefix must not start with 'system:', as %q does", prefix)
		}
	}
	if _, err := c.Links(); err != nil {
		return fmt.Errorf("--public-url %w", err)
	}
	return nil
}

// Links says where the links in mails may lead to.
func (c *Cluster) Links() (invitation.Links, error) { return invitation.NewLinks(c.PublicURL) }

// Naming says how the API server derives usernames and groups.
func (c *Cluster) Naming() subject.Naming {
	return subject.Naming{
		UsernamePrefix: c.usernamePrefix, GroupsPrefix: c.groupsPrefix, EmailIsUsername: c.usernameClaim == claimEmail,
	}
}

// Tracking says how to see what is kept in Git.
func (c *Cluster) Tracking() gitops.Tracking { return gitops.Tracking{ArgoLabels: c.argocdLabels} }

// Logger is what the program, and the libraries that it uses, log to: JSON, to standard error.
func (c *Cluster) Logger() logr.Logger {
	level := slog.LevelInfo
	if c.verbose {
		level = slog.LevelDebug
	}
	logger := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	return logger
}

// ClientConfig is how to reach the API server.
func (c *Cluster) ClientConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	// Fairness among clients is the API server's business.
	config.QPS = -1
	return config, nil
}
