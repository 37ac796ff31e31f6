// Command bench measures Enrol on a real control plane, each figure beside a reference in the same run: a plain client
// that makes the same writes without an operator. `make bench` calls it. It prints a table and writes every single
// measurement as JSON; docs/benchmarks.md says how to read them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// The bench runs itself for what must be a process of its own.
const (
	operatorCommand = "operator"
	facadeCommand   = "facade"
	bareCommand     = "bare"
	listCommand     = "list"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if len(args) > 0 {
		switch args[0] {
		case operatorCommand:
			return observed(ctx, args[1:])
		case facadeCommand:
			return observedFacade(ctx, args[1:])
		case bareCommand:
			return bare(ctx, args[1:])
		case listCommand:
			return list(ctx, args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	b := &bench{options: o}
	err = b.measure(ctx)
	// What was measured before an error is worth reading, too.
	return errors.Join(err, b.print(out), b.save())
}

// bench is one run.
type bench struct {
	options

	results []*result
}

// measure runs what is wanted. Rows that need the same organisations share a control plane, and no others do.
func (b *bench) measure(ctx context.Context) error {
	for _, part := range []struct {
		rows []string
		run  func(context.Context, *stage) error
		// people have tokens of an identity provider.
		people []string
	}{
		{[]string{rowMembers, rowAccessLag, rowWrites, rowReview, rowRevoke, rowRevokeBusy}, b.oneOrganisation, nil},
		{[]string{rowOrganisations}, b.manyOrganisations, nil},
		{[]string{rowMemory, rowRestart, rowFacadeMemory}, b.manyMembers, nil},
		{[]string{rowInvitations}, b.manyInvitations, nil},
		{[]string{rowPending}, b.pendingInvitations, nil},
		{
			[]string{rowFacadeAdd, rowFacadeList, rowFacadeBatch, rowFacadeInvite, rowFacadeMe},
			b.facadeBesideClient, []string{callerName},
		},
	} {
		if !b.wants(part.rows...) {
			continue
		}
		if err := b.onStage(ctx, part.people, part.run); err != nil {
			return err
		}
	}
	return nil
}

// say tells whoever waits what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
