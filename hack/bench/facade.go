package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/process"
)

const (
	// callers call the facade at a time, or the API server in its place.
	callers = 8
	// facadeOrganisation is where they call, as its owner, with the token of a person.
	facadeOrganisation = "facade"
	callerName         = "owner@" + facadeOrganisation + ".example.com"
	// roundsOfCalls take turns with as many of the reference, so that what else the machine does meets both.
	roundsOfCalls = 10
)

// facadeProcess is a running facade.
type facadeProcess struct {
	*process.Process

	url string
	// heapFile is where an observed one answers SIGUSR1.
	heapFile string
	stopping chan struct{}
}

// startFacade starts the facade as it runs in a cluster, with its own ServiceAccount's rights and over TLS, but for the limits
// on how often one may call.
func (b *bench) startFacade(ctx context.Context, s *stage) error {
	if b.profiles != "" {
		return b.startObservedFacade(ctx, s)
	}
	return s.startFacade(ctx, &facadeProcess{}, b.facade,
		"--username-claim=email", "--public-url=https://enrol.example.com",
		"--requests-per-minute=0", "--requests-per-minute-and-source=0")
}

// startObservedFacade starts the same in this program's binary, where it can be asked for its heap.
func (b *bench) startObservedFacade(ctx context.Context, s *stage) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	heapFile := filepath.Join(s.dir, "facade-heap.json")
	return s.startFacade(ctx, &facadeProcess{heapFile: heapFile}, self,
		facadeCommand, "--heap-file="+heapFile, "--profiles="+b.profiles)
}

func (s *stage) startFacade(ctx context.Context, f *facadeProcess, path string, args ...string) error {
	kubeconfig, err := s.accountKubeconfig(ctx, installed.Facade)
	if err != nil {
		return err
	}
	serving, err := s.servingArguments(ctx, f)
	if err != nil {
		return err
	}
	args = append(append(args, "--kubeconfig="+kubeconfig), serving...)
	f.Process, err = process.Start("facade", filepath.Join(s.dir, "logs", "facade.log"), path, args...)
	if err != nil {
		return err
	}
	f.stopping = make(chan struct{})
	s.facade = f
	s.attend(f.Process, f.stopping)
	return s.awaitFacade(ctx)
}

// servingArguments give a server a free port on loopback and a certificate.
func (s *stage) servingArguments(ctx context.Context, f *facadeProcess) ([]string, error) {
	port, err := controlplane.FreePort(ctx, "the facade", 0)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := s.plane.ServingFiles("facade")
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	f.url = "https://" + address
	return []string{"--listen-address=" + address, "--tls-cert-file=" + certFile, "--tls-key-file=" + keyFile}, nil
}

// awaitFacade waits until a request of the facade's own account is answered, which is once the caches are filled.
func (s *stage) awaitFacade(ctx context.Context) error {
	token, err := s.plane.ServiceAccountToken(ctx, installed.Namespace, installed.Facade, tokenLifetime)
	if err != nil {
		return err
	}
	c, err := s.callerOf(token)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstScrape)
	defer cancel()
	for {
		_, err := c.call(ctx, http.MethodGet, s.facade.url+"/api/v1/memberships", nil)
		if err == nil {
			return nil
		}
		if pause(ctx, startProbe) != nil {
			return fmt.Errorf("waiting for the facade: %w", err)
		}
	}
}

func (s *stage) stopFacade() {
	if s.facade == nil {
		return
	}
	close(s.facade.stopping)
	s.facade.Stop(operatorGrace)
	s.facade = nil
}

// caller calls HTTP APIs with a token.
type caller struct {
	token string
	http  *http.Client
}

// callerOf is a client that keeps its connections, one for each of those that call at a time.
func (s *stage) callerOf(token string) (*caller, error) {
	authority, err := os.ReadFile(s.plane.CAFile())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("the authority's file holds no certificate")
	}
	return &caller{token: token, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: callers,
	}}}, nil
}

// call sends a request and reads the answer, which must be a good one, to its end.
func (c *caller) call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header["Authorization"] = []string{"Bearer " + c.token}
	if body != nil {
		request.Header["Content-Type"] = []string{"application/json"}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, request.URL.Path, response.Status, text)
	}
	return text, err
}

// facadeStage is a stage with a facade, and somebody who calls it or the API server.
type facadeStage struct {
	*stage
	*caller

	o organisation
	// made is the Organisation, whose owner the caller is.
	made *enrolv1alpha1.Organisation
	// plain is the API server for the same token.
	plain client.Client
}

// facadeBesideClient measures calls of the facade beside a plain client that makes the same requests of the API server as the
// same user. Operator and facade run during both.
func (b *bench) facadeBesideClient(ctx context.Context, s *stage) error {
	f, err := b.openFacade(ctx, s)
	if err != nil {
		return err
	}
	for _, row := range []struct {
		name    string
		measure func(context.Context, *facadeStage) error
	}{
		{rowFacadeAdd, b.facadeAdd},
		{rowFacadeInvite, b.facadeInvite},
		{rowFacadeMe, b.facadeMe},
		{rowFacadeBatch, b.facadeBatch},
		{rowFacadeList, b.facadeList},
	} {
		if !b.wants(row.name) {
			continue
		}
		if err := row.measure(ctx, f); err != nil {
			return fmt.Errorf("measuring %s: %w", row.name, err)
		}
	}
	return nil
}

// openFacade starts what is needed, and makes the organisation.
func (b *bench) openFacade(ctx context.Context, s *stage) (*facadeStage, error) {
	if err := s.startPost(ctx); err != nil {
		return nil, err
	}
	if err := b.startOperator(ctx, s); err != nil {
		return nil, err
	}
	f := &facadeStage{stage: s, o: organisation{name: facadeOrganisation, projects: projectsOfOne}}
	var err error
	if f.made, err = s.makeOrganisation(ctx, f.o); err != nil {
		return nil, err
	}
	const manyMails = 100_000
	f.made.Spec.Invitations.MaxPer24Hours = new(int32(manyMails))
	if err := s.user.Update(ctx, f.made); err != nil {
		return nil, fmt.Errorf("allowing mails: %w", err)
	}
	if err := b.startFacade(ctx, s); err != nil {
		return nil, err
	}
	token, err := s.people.Token(ctx, callerName)
	if err != nil {
		return nil, err
	}
	if err := s.plane.AwaitToken(ctx, token); err != nil {
		return nil, err
	}
	if f.caller, err = s.callerOf(token); err != nil {
		return nil, err
	}
	if f.plain, err = client.New(s.plane.TokenConfig(token), client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	return f, s.awaitRest(ctx)
}

// side is one of two ways to do the same.
type side func(ctx context.Context, i int) error

// inTurns has each side do n times what it does, by the callers, in rounds that take turns, and returns how long each single
// one took, in milliseconds. Numbers start at first, and are the same for both.
func inTurns(ctx context.Context, first, n int, sides [2]side) (took [2][]float64, err error) {
	var mu sync.Mutex
	for round := range roundsOfCalls {
		from, to := first+round*n/roundsOfCalls, first+(round+1)*n/roundsOfCalls
		for turn := range sides {
			which := (round + turn) % len(sides)
			if err := parallelBy(ctx, callers, to-from, func(ctx context.Context, i int) error {
				begun := time.Now()
				err := sides[which](ctx, from+i)
				lasted := milliseconds(time.Since(begun))
				mu.Lock()
				defer mu.Unlock()
				took[which] = append(took[which], lasted)
				return err
			}); err != nil {
				return took, err
			}
		}
	}
	return took, nil
}
