// Command run starts a real Kubernetes control plane and an identity provider on this machine, installs Enrol, starts a
// mail server, the operator and the facade, with the rights that they have in a cluster, and applies the samples. It
// stays until a signal ends it, and takes everything it started along. `make run` calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

func main() {
	// The signals stay caught to the end: a second one must not cut the orderly stop short. Whoever cannot wait has
	// SIGKILL, which takes the children along as well.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "kubeconfig":
			return kubeconfig(ctx, args[1:], out)
		case "token":
			return token(ctx, args[1:], out)
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return serve(ctx, o, out)
}

// options of a session.
type options struct {
	root, dir, operator, facade string
	// keep uses what the last session left in dir, else it is wiped.
	keep bool

	port, etcdPort, etcdPeerPort, healthPort, mailPort, peoplePort, facadePort, facadeHealthPort int
}

// publicURL is where the facade answers, and where the links in mails lead.
func (o options) publicURL() string { return "https://" + loopback(o.facadePort) }

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func parse(args []string) (options, error) {
	root, err := controlplane.Root()
	if err != nil {
		return options{}, err
	}
	o := options{root: root}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", defaultDir(root), "`folder` for data, certificates, kubeconfigs and logs")
	flags.StringVar(&o.operator, "operator", filepath.Join(root, "bin", "operator"), "the operator's `binary`")
	flags.StringVar(&o.facade, "facade", filepath.Join(root, "bin", "facade"), "the facade's `binary`")
	flags.BoolVar(&o.keep, "keep", os.Getenv("RUN_KEEP") == "1", "use the data of the last session (RUN_KEEP=1)")
	flags.IntVar(&o.port, "port", 16443, "`port` of the API server")
	flags.IntVar(&o.etcdPort, "etcd-port", 12379, "`port` of etcd")
	flags.IntVar(&o.etcdPeerPort, "etcd-peer-port", 12380, "`port` of etcd for its peers")
	flags.IntVar(&o.healthPort, "health-port", 18081, "`port` of the operator's health checks")
	flags.IntVar(&o.mailPort, "mail-port", 11025, "`port` of the mail server")
	flags.IntVar(&o.peoplePort, "idp-port", 15556, "`port` of the identity provider")
	flags.IntVar(&o.facadePort, "facade-port", 18443, "`port` of the facade")
	flags.IntVar(&o.facadeHealthPort, "facade-health-port", 18082, "`port` of the facade's health checks")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

func defaultDir(root string) string { return filepath.Join(root, "bin", "run") }

// checkPorts makes sure that a second session ends before it touches anything of the first.
func (o options) checkPorts(ctx context.Context) error {
	for _, want := range []struct {
		name string
		port int
	}{
		{"kube-apiserver", o.port},
		{"etcd", o.etcdPort},
		{"etcd (peers)", o.etcdPeerPort},
		{"the operator's health checks", o.healthPort},
		{"the mail server", o.mailPort},
		{"the identity provider", o.peoplePort},
		{"the facade", o.facadePort},
		{"the facade's health checks", o.facadeHealthPort},
	} {
		if _, err := controlplane.FreePort(ctx, want.name, want.port); err != nil {
			return err
		}
	}
	return nil
}
