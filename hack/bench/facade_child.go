package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/subject"
)

// observedFacade serves what cmd/facade serves, and on SIGUSR1 collects garbage and writes down what is left of the heap.
func observedFacade(ctx context.Context, args []string) (err error) {
	var kubeconfig, heapFile, profiles, address, certFile, keyFile string
	flags := flag.NewFlagSet(facadeCommand, flag.ContinueOnError)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "`path` of a kubeconfig")
	flags.StringVar(&heapFile, "heap-file", "", "`file` for the answer to SIGUSR1")
	flags.StringVar(&profiles, "profiles", "", "`folder` for profiles; empty: none")
	addServing(flags, &address, &certFile, &keyFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	objects, handler, err := buildFacade(kubeconfig)
	if err != nil {
		return err
	}
	server, err := edge.NewServer(handler, edge.ServerOptions{
		Log: logr.Discard(), Clock: clock.RealClock{}, CertFile: certFile, KeyFile: keyFile,
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	stop, err := observe(facadeCommand, heapFile, profiles)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	go objects.Run(ctx)
	var serving atomic.Bool
	return server.Run(ctx, listener, &serving)
}

// buildFacade puts a facade together, without limits on how often one may call.
func buildFacade(kubeconfig string) (*store.Store, http.Handler, error) {
	config, err := loadConfig(kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	naming, now := subject.Naming{EmailIsUsername: true}, clock.RealClock{}
	objects, err := store.New(config, naming, now)
	if err != nil {
		return nil, nil, err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	const publicURL = "https://enrol.example.com"
	links, err := invitation.NewLinks(publicURL)
	if err != nil {
		return nil, nil, err
	}
	handler, err := facade.New(facade.Options{
		Domain: domain.New(domain.Options{
			Store: objects, Access: review.New(clients.AuthorizationV1().SubjectAccessReviews(), now),
			Naming: naming, Links: links, Clock: now, Log: logr.Discard(),
		}),
		Reviewer:  identity.NewReviewer(clients.AuthenticationV1().TokenReviews(), naming, now),
		PublicURL: publicURL, Clock: now, Log: logr.Discard(),
	})
	return objects, handler, err
}
