package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/installation"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	tokenLifetime = 24 * time.Hour

	operatorGrace = 15 * time.Second
	// partTimeout bounds what is measured on one control plane.
	partTimeout = 30 * time.Minute
)

// scheme knows Kubernetes' own kinds and Enrol's.
var scheme = runtime.NewScheme()

func init() {
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(enrolv1alpha1.AddToScheme(scheme))
}

// stage is a control plane with Enrol installed, an ordinary user who puts the load on it, and an operator that is
// started and stopped.
type stage struct {
	dir      string
	plane    *controlplane.ControlPlane
	operator *operator
	facade   *facadeProcess
	// people have tokens; nil where nobody needs one.
	people *identityprovider.Provider
	// failed ends what is going on, when a process ended by itself.
	failed context.CancelCauseFunc

	// user is the platform team's: bound to enrol:platform, and to what the references need besides.
	user client.WithWatch
	// clients are the same user's, for what has no type.
	clients kubernetes.Interface
	// populated: there are Organisations, so that an operator makes passes.
	populated atomic.Bool
	// post is a mail server, where one is needed.
	post *mailbox.Server
	// template is a Member that the operator made Ready, for references that write the same.
	template *enrolv1alpha1.Member
}

// onStage runs something on a control plane of its own, which is taken down afterwards, whatever happens. People have tokens
// of an identity provider there.
func (b *bench) onStage(ctx context.Context, people []string, play func(context.Context, *stage) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	ctx, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	dir, err := os.MkdirTemp(memoryFolder(), "enrol-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for the control plane: %w", err)
	}
	s := &stage{dir: dir, failed: failed}
	defer func() {
		s.end()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	b.say("starting a control plane ...")
	if err := s.build(ctx, people); err != nil {
		return err
	}
	err = play(ctx, s)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		// That a process ended says more than what failed because of it.
		return errors.Join(cause, err)
	}
	return err
}

// end stops all that runs.
func (s *stage) end() {
	s.stopFacade()
	s.stopOperator()
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

// raise starts the control plane, with an identity provider if there are people.
func (s *stage) raise(ctx context.Context, people []string) (err error) {
	options := controlplane.Options{Dir: s.dir, UnsafeNoFsync: true}
	if len(people) > 0 {
		var persons []identityprovider.Person
		for _, email := range people {
			persons = append(persons, identityprovider.Person{Email: email})
		}
		s.people, err = identityprovider.Start(ctx, identityprovider.Options{Dir: s.dir, People: persons})
		if err != nil {
			return err
		}
		options.AuthenticationConfig = s.people.AuthenticationConfigFile()
	}
	s.plane, err = controlplane.Start(ctx, options)
	return err
}

// build starts the control plane, installs Enrol and lets the user in.
func (s *stage) build(ctx context.Context, people []string) error {
	if err := s.raise(ctx, people); err != nil {
		return err
	}
	plane := s.plane
	admin, err := plane.AdminKubeconfig()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "admin.kubeconfig")
	if err := os.WriteFile(file, admin, 0o600); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	if err := installation.Apply(ctx, plane, file); err != nil {
		return err
	}
	// What a kubelet would have mounted.
	if err := errors.Join(os.Mkdir(s.keys(), 0o700),
		os.WriteFile(filepath.Join(s.keys(), token.Current), token.NewKey(), 0o600)); err != nil {
		return fmt.Errorf("making the key for links: %w", err)
	}
	if err := s.admitUser(ctx); err != nil {
		return fmt.Errorf("giving the user the rights that the bench needs: %w", err)
	}
	config, err := plane.Config(userName)
	if err != nil {
		return err
	}
	if s.user, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	s.clients, err = kubernetes.NewForConfig(config)
	return err
}

// serverMetrics reads the API server's metrics.
func (s *stage) serverMetrics(ctx context.Context) (metrics, error) {
	text, err := s.clients.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	return text, nil
}

// operator is a running operator.
type operator struct {
	*process.Process

	metricsURL string
	// heapFile is where an observed one answers SIGUSR1.
	heapFile string
	// stopping is closed when its end is no surprise any more.
	stopping chan struct{}
}

// startOperator starts the operator as it runs in a cluster, with its own ServiceAccount's rights.
func (b *bench) startOperator(ctx context.Context, s *stage) error {
	if b.profiles != "" {
		return b.startObserved(ctx, s)
	}
	return s.start(ctx, &operator{}, b.binary, append([]string{
		"--username-claim=email", "--leader-elect=false", "--health-probe-bind-address=0", "--metrics-secure=false",
	}, s.mailFlags()...)...)
}

// startObserved starts the same controllers in this program's binary, where they can be asked for their heap.
func (b *bench) startObserved(ctx context.Context, s *stage) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	heapFile := filepath.Join(s.dir, "operator-heap.json")
	return s.start(ctx, &operator{heapFile: heapFile}, self,
		operatorCommand, "--heap-file="+heapFile, "--profiles="+b.profiles)
}

func (s *stage) start(ctx context.Context, o *operator, path string, args ...string) error {
	kubeconfig, err := s.accountKubeconfig(ctx, installed.Operator)
	if err != nil {
		return err
	}
	port, err := controlplane.FreePort(ctx, "the operator's metrics", 0)
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	o.metricsURL = "http://" + address + "/metrics"
	o.stopping = make(chan struct{})
	args = append(args, "--kubeconfig="+kubeconfig, "--metrics-bind-address="+address, "--token-keys="+s.keys())
	o.Process, err = process.Start("operator", filepath.Join(s.dir, "logs", "operator.log"), path, args...)
	if err != nil {
		return err
	}
	s.operator = o
	s.attend(o.Process, o.stopping)
	return nil
}

// attend ends what is going on when a process ends before it is to.
func (s *stage) attend(p *process.Process, stopping <-chan struct{}) {
	go func() {
		select {
		case <-stopping:
		case <-p.Done():
			s.failed(p.Err())
		}
	}()
}

func (s *stage) keys() string { return filepath.Join(s.dir, "keys") }

// stopOperator ends the operator, if it runs, in an orderly way.
func (s *stage) stopOperator() {
	if s.operator == nil {
		return
	}
	close(s.operator.stopping)
	s.operator.Stop(operatorGrace)
	s.operator = nil
}

// accountKubeconfig is the file of a kubeconfig with a token of one of Enrol's ServiceAccounts.
func (s *stage) accountKubeconfig(ctx context.Context, account string) (string, error) {
	file := filepath.Join(s.dir, account+".kubeconfig")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	token, err := s.plane.ServiceAccountToken(ctx, installed.Namespace, account, tokenLifetime)
	if err != nil {
		return "", err
	}
	content, err := s.plane.TokenKubeconfig(s.plane.URL(), account, token)
	if err != nil {
		return "", err
	}
	return file, os.WriteFile(file, content, 0o600)
}

const (
	restProbe = 250 * time.Millisecond
	// restProof is how long the operator must write nothing to count as at rest.
	restProof = 3 * time.Second
	// firstScrape bounds how long an operator may take until it serves metrics.
	firstScrape = time.Minute
)

// awaitRest waits until the operator has made a pass, if there is an Organisation, and writes nothing any more.
func (s *stage) awaitRest(ctx context.Context) error {
	last, since, begun := -1.0, time.Now(), time.Now()
	for {
		m, err := scrape(ctx, s.operator.metricsURL)
		if err != nil && (ctx.Err() != nil || time.Since(begun) > firstScrape) {
			return err
		}
		starting := err != nil || (s.populated.Load() && m.passes(passes) == 0)
		if sent := m.sent(); starting || sent != last || m.busy(passes)+m.busy(statuses) > 0 {
			last, since = sent, time.Now()
		}
		if time.Since(since) > restProof {
			return nil
		}
		if err := pause(ctx, restProbe); err != nil {
			return err
		}
	}
}

// pause waits, or returns why it is no use.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// memoryFolder is a folder in memory where there is one: a disk's moods are no part of what is measured.
func memoryFolder() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}
