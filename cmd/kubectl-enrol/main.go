// kubectl-enrol is a plugin of kubectl: with it on the PATH, `kubectl enrol` shows and manages organisations.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/enrol-dev/enrol/internal/kubectl"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := kubectl.New(streams, version).ExecuteContext(ctx)
	stop()
	os.Exit(kubectl.Report(os.Stderr, err))
}
