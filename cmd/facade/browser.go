package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/pages"
	"github.com/enrol-dev/enrol/internal/facade/session"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/settings"
	"github.com/enrol-dev/enrol/internal/token"
)

// browsing is what the flags say of what people see in a browser.
type browsing struct {
	tokenKeys, signInConfig      string
	trustedIssuers               words
	clusterServer, clusterCAFile string
}

func (b *browsing) add(flags *flag.FlagSet) {
	flags.StringVar(&b.tokenKeys, "token-keys", "/etc/enrol/token-keys",
		"folder where the Secret "+installed.KeySecret+" is mounted, which the operator makes: the links in mails and the cookies "+
			"of browsers are good by these keys")
	flags.StringVar(&b.signInConfig, "sign-in-config", "",
		"YAML file with the OpenID Connect issuers that people sign in with in a browser; empty: nobody can")
	flags.Var(&b.trustedIssuers, "trust-email-of-issuer",
		"URLs of issuers, with commas between them, that never say whether an address is verified, and whose addresses count "+
			"as verified all the same: whoever can put any address into an account there can answer any invitation")
	flags.StringVar(&b.clusterServer, "cluster-server", "",
		"address of the API server for people, as in https://kubernetes.example.com:6443: new members get a kubeconfig for it, "+
			"with the first issuer to sign in with; empty: they get none")
	flags.StringVar(&b.clusterCAFile, "cluster-ca-file", "",
		"authority of the API server's certificate, in PEM, for that kubeconfig; empty: one that every machine knows")
}

// sessions are those of browsers: without a file that names issuers there are none.
func (b *browsing) sessions(
	cluster *settings.Cluster, keys *token.Keys, reviewer *identity.Reviewer, logger logr.Logger,
) (*session.Sessions, error) {
	o := session.Options{
		PublicURL: cluster.PublicURL, Keys: keys, Reviewer: reviewer, Naming: cluster.Naming(), Clock: clock.RealClock{}, Log: logger,
	}
	if b.signInConfig == "" {
		if len(b.trustedIssuers) > 0 {
			return nil, errors.New("--trust-email-of-issuer needs --sign-in-config")
		}
		return session.New(o)
	}
	var err error
	if o.Issuers, err = session.Load(b.signInConfig, b.trustedIssuers); err != nil {
		return nil, err
	}
	return session.New(o)
}

// cluster is what new members are told of it.
func (b *browsing) cluster(sessions *session.Sessions) (pages.Cluster, error) {
	c := pages.Cluster{Server: b.clusterServer}
	if c.Server == "" || len(sessions.Issuers) == 0 {
		return pages.Cluster{}, nil
	}
	c.Issuer, c.ClientID = sessions.Issuers[0].URL, sessions.Issuers[0].ClientID
	if b.clusterCAFile == "" {
		return c, nil
	}
	var err error
	if c.CA, err = os.ReadFile(b.clusterCAFile); err != nil {
		return pages.Cluster{}, fmt.Errorf("reading the authority of the API server: %w", err)
	}
	return c, nil
}

// words are a flag's value with commas between, which may be given several times.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

// Set adds words.
func (w *words) Set(text string) error {
	*w = append(*w, strings.Split(text, ",")...)
	return nil
}
