// Package testenv gives tests a real control plane with Enrol's manifests installed, and clients that act as
// particular people.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/installation"
	"github.com/enrol-dev/enrol/internal/installed"
)

const (
	// SystemNamespace is where config/core installs Enrol.
	SystemNamespace = installed.Namespace
	// OperatorServiceAccount is the operator's identity there.
	OperatorServiceAccount = installed.Operator
	// FacadeServiceAccount is the facade's.
	FacadeServiceAccount = installed.Facade

	// patience bounds how long Eventually waits: far more than anything needs on an idle machine, and than the garbage collector
	// takes to follow a kind that was away (a minute and a half).
	patience = 2 * time.Minute
	interval = 25 * time.Millisecond
)

// Scheme knows Kubernetes' own kinds and Enrol's.
var Scheme = runtime.NewScheme()

func init() {
	utilruntime.Must(clientgoscheme.AddToScheme(Scheme))
	utilruntime.Must(enrolv1alpha1.AddToScheme(Scheme))
}

// Environment is a control plane with config/core applied.
type Environment struct {
	*controlplane.ControlPlane
	// People has an account for each of Options' people; nil without any.
	People *identityprovider.Provider

	dir      string
	planting sync.Once
	tokens   tokens
}

// Options are what an environment has besides.
type Options struct {
	// People who have tokens. With any, an identity provider runs that the API server trusts.
	People []identityprovider.Person
	// RedirectURIs are where the identity provider may send people back to who sign in with a browser.
	RedirectURIs []string
	// Bare leaves the control plane without Enrol.
	Bare bool
	// APIServerArgs are given to the API server besides.
	APIServerArgs []string
}

// Start starts the control plane and installs Enrol as a user would, by `kubectl apply -k`. The operator is not
// started. Call Stop at the end.
func Start(ctx context.Context, options Options) (*Environment, error) {
	// What clients and controllers log is not what tests look at.
	log.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp(memoryFolder(), "enrol-test-")
	if err != nil {
		return nil, err
	}
	e := &Environment{dir: dir}
	if err := e.start(ctx, options); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, options Options) (err error) {
	plane := controlplane.Options{Dir: e.dir, UnsafeNoFsync: true, APIServerArgs: options.APIServerArgs}
	if len(options.People) > 0 {
		e.People, err = identityprovider.Start(ctx, identityprovider.Options{
			Dir: e.dir, People: options.People, RedirectURIs: options.RedirectURIs,
		})
		if err != nil {
			return err
		}
		plane.AuthenticationConfig = e.People.AuthenticationConfigFile()
	}
	if e.ControlPlane, err = controlplane.Start(ctx, plane); err != nil {
		return err
	}
	if err := e.install(ctx, options); err != nil {
		return err
	}
	return e.awaitPeople(ctx)
}

// Stop ends everything that Start started and removes its files.
func (e *Environment) Stop() error {
	if e.ControlPlane != nil {
		e.ControlPlane.Stop()
	}
	if e.People != nil {
		e.People.Stop()
	}
	return os.RemoveAll(e.dir)
}

// Run is for TestMain: it starts an environment, gives it to the tests and stops it again.
func Run(m *testing.M, environment **Environment) int {
	return RunWith(m, environment, func() (func() error, error) {
		return func() error { return nil }, nil
	})
}

// RunWith is Run with something besides that runs during the tests: start is called when the environment is there,
// and what it returns when the tests are over.
func RunWith(m *testing.M, environment **Environment, start func() (stop func() error, err error)) int {
	return report(runWith(m, environment, Options{}, start))
}

// RunWithPeople is RunWith in an environment where SamplePeople have tokens, and can sign in with a browser to where the
// redirect URIs are.
func RunWithPeople(
	m *testing.M, environment **Environment, start func() (stop func() error, err error), redirectURIs ...string,
) int {
	return report(runWith(m, environment, Options{People: SamplePeople(), RedirectURIs: redirectURIs}, start))
}

func report(code int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "test environment:", err)
		return 1
	}
	return code
}

func runWith(
	m *testing.M, environment **Environment, options Options, start func() (func() error, error),
) (code int, err error) {
	e, err := Start(context.Background(), options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.Stop()) }()
	*environment = e
	stop, err := start()
	if err != nil {
		return 0, err
	}
	code = m.Run()
	return code, stop()
}

func (e *Environment) install(ctx context.Context, options Options) error {
	admin, err := e.AdminKubeconfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.AdminKubeconfigFile(), admin, 0o600); err != nil {
		return err
	}
	if options.Bare {
		return nil
	}
	return installation.Apply(ctx, e.ControlPlane, e.AdminKubeconfigFile())
}

// Plant stores an object of Enrol as it would stand in etcd if a rule that it breaks had come later: through one more
// version of its CRD, which validates nothing. Admission policies are asked as ever, as admin.
func (e *Environment) Plant(t testing.TB, object *unstructured.Unstructured) {
	t.Helper()
	e.planting.Do(func() {
		const version = `[{"op": "add", "path": "/spec/versions/-", "value": {"name": "planted", "served": true, ` +
			`"storage": false, "schema": {"openAPIV3Schema": {"type": "object", ` +
			`"x-kubernetes-preserve-unknown-fields": true}}, "subresources": {"status": {}}}}]`
		for _, name := range []string{"organisations.enrol.dev", "members.enrol.dev", "invitations.enrol.dev"} {
			if _, err := e.Kubectl("patch", "crd", name, "--type=json", "--patch", version); err != nil {
				t.Fatal(err)
			}
		}
	})
	planted := object.DeepCopy()
	planted.SetAPIVersion(enrolv1alpha1.SchemeGroupVersion.Group + "/planted")
	Eventually(t, func() error {
		// A client of this moment: an older one has not heard of the version.
		return e.AdminClient(t).Create(context.Background(), planted)
	})
}

// AdminKubeconfigFile is the path of a kubeconfig that may do everything.
func (e *Environment) AdminKubeconfigFile() string { return filepath.Join(e.dir, "admin.kubeconfig") }

// Kubectl runs kubectl as admin and returns what it printed.
func (e *Environment) Kubectl(args ...string) (string, error) {
	path, err := controlplane.Binary("kubectl")
	if err != nil {
		return "", err
	}
	command := exec.Command(path, args...)
	// A cache of its own: the one in the home folder may be of an earlier control plane on this port.
	command.Env = append(os.Environ(), "KUBECONFIG="+e.AdminKubeconfigFile(), "KUBECACHEDIR="+filepath.Join(e.dir, "kubectl-cache"))
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// BindPlatformTeam makes somebody the platform team: may do everything with Enrol's kinds, and make namespaces.
func (e *Environment) BindPlatformTeam(user string) error {
	for _, args := range [][]string{
		{"create", "clusterrolebinding", "platform-enrol", "--clusterrole=enrol:platform", "--user=" + user},
		{"create", "clusterrole", "platform-namespaces", "--resource=namespaces", "--verb=get,list,create,update,patch,delete"},
		{"create", "clusterrolebinding", "platform-namespaces", "--clusterrole=platform-namespaces", "--user=" + user},
	} {
		if _, err := e.Kubectl(args...); err != nil {
			return err
		}
	}
	return nil
}

// AdminClient may do everything: for setting up and looking, never for what is under test.
func (e *Environment) AdminClient(t testing.TB) client.Client {
	t.Helper()
	return e.ClientFor(t, e.Admin())
}

// As is a client of a person.
func (e *Environment) As(t testing.TB, user string, groups ...string) client.Client {
	t.Helper()
	config, err := e.Config(user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	return e.ClientFor(t, config)
}

// ClientFor makes a client of a configuration.
func (e *Environment) ClientFor(t testing.TB, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ServiceAccountConfig is a client configuration with a token of a ServiceAccount.
func (e *Environment) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	const lifetime = time.Hour
	token, err := e.ServiceAccountToken(ctx, namespace, name, lifetime)
	if err != nil {
		return nil, err
	}
	return e.TokenConfig(token), nil
}

// Access is something that somebody may or may not do.
type Access struct {
	Verb, Group, Resource, Name, Namespace string
}

// Can asks the API server, as that person, whether the person may do it.
func Can(ctx context.Context, person client.Client, access Access) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: access.Verb, Group: access.Group, Resource: access.Resource,
			Name: access.Name, Namespace: access.Namespace,
		},
	}}
	if err := person.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking for an access review: %w", err)
	}
	return review.Status.Allowed, nil
}

// Eventually waits until check returns nil.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", patience, err)
		}
		<-time.After(interval)
	}
}

// memoryFolder is a folder in memory where there is one: the tests' data need not reach a disk.
func memoryFolder() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}
