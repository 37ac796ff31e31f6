package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/process"
)

const (
	// tokenLifetime is long because nobody renews the token; it dies with the control plane's key anyway.
	tokenLifetime = 365 * 24 * time.Hour

	healthTimeout = time.Minute
	probeInterval = 100 * time.Millisecond
)

// startOperator starts the operator with its own ServiceAccount's rights, and waits until it says that it is ready.
func (s *session) startOperator(ctx context.Context) error {
	config, err := s.accountKubeconfig(ctx, installed.Operator, "operator.kubeconfig")
	if err != nil {
		return err
	}
	health := loopback(s.healthPort)
	arguments := append([]string{
		"--kubeconfig=" + config,
		"--username-claim=email",
		"--health-probe-bind-address=" + health, "--metrics-bind-address=0",
	}, s.operatorMail()...)
	s.operator, err = process.Start("operator", s.folder.file("logs/operator.log"), s.options.operator, arguments...)
	if err != nil {
		return err
	}
	return awaitHealth(ctx, s.operator, "http://"+health+"/readyz")
}

// accountKubeconfig writes a kubeconfig with a token of one of Enrol's ServiceAccounts.
func (s *session) accountKubeconfig(ctx context.Context, account, file string) (string, error) {
	token, err := s.plane.ServiceAccountToken(ctx, installed.Namespace, account, tokenLifetime)
	if err != nil {
		return "", err
	}
	content, err := s.plane.TokenKubeconfig(s.plane.URL(), account, token)
	if err != nil {
		return "", err
	}
	return s.folder.write(file, content)
}

// awaitHealth waits until the URL answers 200.
func awaitHealth(ctx context.Context, p *process.Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	for {
		last := probe(ctx, url)
		if last == nil {
			return nil
		}
		select {
		case <-p.Done():
			return p.Err()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", p.Name, ctx.Err(), last)
		case <-time.After(probeInterval):
		}
	}
}

func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
