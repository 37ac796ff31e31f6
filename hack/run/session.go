package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/installation"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/process"
)

const (
	envName = "env"

	// platformUser is the platform team: bound to enrol:platform by platform_team.yaml, and no cluster admin.
	platformUser = "platform@example.com"
	organisation = "acme"

	operatorGrace = 15 * time.Second
	facadeGrace   = 15 * time.Second
	// readyTimeout bounds how long the operator may take for the samples; it needs a second or two.
	readyTimeout = "--timeout=2m"
)

// session is a running control plane with Enrol.
type session struct {
	options

	folder           *folder
	out              io.Writer
	people           *identityprovider.Provider
	plane            *controlplane.ControlPlane
	post             *mailbox.Server
	operator, facade *process.Process
	// admin and platform are the files of kubeconfigs.
	admin, platform string
}

// serve runs a session until a signal ends it, which is no error, or one of its processes.
func serve(signalled context.Context, o options, out io.Writer) error {
	if err := o.checkPorts(signalled); err != nil {
		return err
	}
	folder, err := openFolder(o.dir)
	if err != nil {
		return err
	}
	defer folder.close()
	if !o.keep {
		if err := folder.wipe(); err != nil {
			return err
		}
	}
	// A script that waits for this file must not find that of an earlier session.
	folder.remove(envName)
	s := &session{options: o, folder: folder, out: out}
	defer s.stop()
	ctx, cancel := context.WithCancelCause(signalled)
	defer cancel(nil)
	err = s.start(ctx, cancel)
	if err == nil {
		<-ctx.Done()
	}
	if signalled.Err() != nil {
		s.say("stopping ...")
		return nil
	}
	// What a step failed of matters less than the process that ended and thereby made it fail.
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// start brings everything up, in order, and says so. It calls failed as soon as a process ends.
func (s *session) start(ctx context.Context, failed context.CancelCauseFunc) error {
	for _, step := range []struct {
		text string
		do   func(context.Context) error
	}{
		{"starting an identity provider ...", s.startPeople},
		{"starting etcd, kube-apiserver and kube-controller-manager ...", s.startControlPlane},
		{"installing Enrol from config/core ...", s.install},
		{"starting a mail server ...", s.startPost},
		{"starting the operator ...", func(ctx context.Context) error {
			s.mountKeys(ctx, failed)
			return s.startOperator(ctx)
		}},
		{"starting the facade ...", s.startFacade},
		{"applying config/samples as " + platformUser + " ...", s.applySamples},
	} {
		s.say(step.text)
		running := s.processes()
		if err := step.do(ctx); err != nil {
			return err
		}
		for _, p := range s.processes()[len(running):] {
			go func() {
				<-p.Done()
				failed(p.Err())
			}()
		}
	}
	if err := s.writeEnv(); err != nil {
		return err
	}
	s.say(s.hints())
	s.say("ready")
	return nil
}

// processes are those that run, in the order of their start.
func (s *session) processes() []*process.Process {
	var all []*process.Process
	if s.people != nil {
		all = append(all, s.people.Process())
	}
	if s.plane != nil {
		all = append(all, s.plane.Processes()...)
	}
	for _, p := range []*process.Process{s.operator, s.facade} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// stop ends the facade first, so that it can answer what is in flight, then the operator, so that it can give up its
// lease, then what both lean on.
func (s *session) stop() {
	s.folder.remove(envName)
	s.facade.Stop(facadeGrace)
	s.operator.Stop(operatorGrace)
	if s.post != nil {
		s.post.Close()
	}
	if s.plane != nil {
		s.plane.Stop()
	}
	if s.people != nil {
		s.people.Stop()
	}
}

func (s *session) startControlPlane(ctx context.Context) error {
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Dir: s.folder.path, Port: s.port, EtcdPort: s.etcdPort, EtcdPeerPort: s.etcdPeerPort,
		AuthenticationConfig: s.people.AuthenticationConfigFile(),
	})
	if err != nil {
		return err
	}
	s.plane = plane
	if err := s.awaitPeople(ctx); err != nil {
		return err
	}
	admin, err := plane.AdminKubeconfig()
	if err != nil {
		return err
	}
	if s.admin, err = s.folder.write(adminKubeconfig, admin); err != nil {
		return err
	}
	platform, err := plane.Kubeconfig(plane.URL(), platformUser)
	if err != nil {
		return err
	}
	s.platform, err = s.folder.write("platform.kubeconfig", platform)
	return err
}

func (s *session) install(ctx context.Context) error {
	if err := installation.Apply(ctx, s.plane, s.admin); err != nil {
		return err
	}
	team := filepath.Join(s.root, "hack", "run", "platform_team.yaml")
	return s.plane.Kubectl(ctx, s.admin, "apply", "--server-side", "-f", team)
}

func (s *session) applySamples(ctx context.Context) error {
	samples := filepath.Join(s.root, "config", "samples")
	if err := s.plane.Kubectl(ctx, s.platform, "apply", "-k", samples); err != nil {
		return err
	}
	for _, file := range []string{"organisation.yaml", "members.yaml", "invitation.yaml"} {
		file = filepath.Join(samples, file)
		if err := s.plane.Kubectl(ctx, s.platform, "wait", "--for=condition=Ready", "-f", file, readyTimeout); err != nil {
			return fmt.Errorf("the operator, whose log is %s, does not get the samples ready: %w", s.operator.LogFile, err)
		}
	}
	return nil
}

func (s *session) say(text string) { _, _ = fmt.Fprintln(s.out, text) }
