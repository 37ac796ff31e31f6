package main

import (
	"context"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/process"
)

// startFacade starts the facade with its own ServiceAccount's rights, and waits until it says that it is ready.
func (s *session) startFacade(ctx context.Context) error {
	config, err := s.accountKubeconfig(ctx, installed.Facade, "facade.kubeconfig")
	if err != nil {
		return err
	}
	certFile, keyFile, err := s.plane.ServingFiles("facade")
	if err != nil {
		return err
	}
	signIn, err := s.facadeSignIn()
	if err != nil {
		return err
	}
	health := loopback(s.facadeHealthPort)
	arguments := append([]string{
		"--kubeconfig=" + config,
		"--listen-address=" + loopback(s.facadePort), "--tls-cert-file=" + certFile, "--tls-key-file=" + keyFile,
		"--public-url=" + s.publicURL(), "--username-claim=email",
		"--health-probe-bind-address=" + health,
	}, signIn...)
	s.facade, err = process.Start("facade", s.folder.file("logs/facade.log"), s.options.facade, arguments...)
	if err != nil {
		return err
	}
	return awaitHealth(ctx, s.facade, "http://"+health+"/readyz")
}
