// kubectl-enrol is a plugin of kubectl: with it on the PATH, `kubectl enrol` shows and manages organisations.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/enrol-dev/enrol/internal/kubectl"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// What a library has to log is nothing to whoever waits for an answer.
	log.SetLogger(logr.Discard())
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	err := kubectl.New(streams, version).ExecuteContext(ctx)
	stop()
	os.Exit(kubectl.Report(os.Stderr, err))
}
