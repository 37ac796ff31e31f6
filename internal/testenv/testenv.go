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
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
)

const (
	// SystemNamespace is where config/default installs Enrol.
	SystemNamespace = "enrol-system"
	// OperatorServiceAccount is the operator's identity there.
	OperatorServiceAccount = "enrol-operator"

	// patience bounds how long Eventually waits: far more than anything needs on an idle machine.
	patience = 60 * time.Second
	interval = 25 * time.Millisecond
)

// Scheme knows Kubernetes' own kinds and Enrol's.
var Scheme = runtime.NewScheme()

func init() {
	utilruntime.Must(clientgoscheme.AddToScheme(Scheme))
	utilruntime.Must(enrolv1alpha1.AddToScheme(Scheme))
}

// Environment is a control plane with config/default applied.
type Environment struct {
	*controlplane.ControlPlane
	dir string
}

// Start starts the control plane and installs Enrol as a user would, by `kubectl apply -k`. The operator is not
// started. Call Stop at the end.
func Start(ctx context.Context) (*Environment, error) {
	dir, err := os.MkdirTemp(memoryFolder(), "enrol-test-")
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, UnsafeNoFsync: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	e := &Environment{ControlPlane: plane, dir: dir}
	if err := e.install(); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// Stop ends everything that Start started and removes its files.
func (e *Environment) Stop() error {
	e.ControlPlane.Stop()
	return os.RemoveAll(e.dir)
}

// Run is for TestMain: it starts an environment, gives it to the tests and stops it again.
func Run(m *testing.M, environment **Environment) int {
	e, err := Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the test environment:", err)
		return 1
	}
	*environment = e
	code := m.Run()
	if err := e.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test environment:", err)
		return 1
	}
	return code
}

func (e *Environment) install() error {
	root, err := controlplane.Root()
	if err != nil {
		return err
	}
	admin, err := e.AdminKubeconfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.AdminKubeconfigFile(), admin, 0o600); err != nil {
		return err
	}
	_, err = e.Kubectl("apply", "--server-side", "-k", filepath.Join(root, "config", "default"))
	if err != nil {
		return err
	}
	_, err = e.Kubectl("wait", "--for=condition=Established", "crd", "-l", "!none", "--timeout=60s")
	return err
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
	command.Env = append(os.Environ(), "KUBECONFIG="+e.AdminKubeconfigFile())
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// AdminClient may do everything: for setting up and looking, never for what is under test.
func (e *Environment) AdminClient(t testing.TB) client.Client { return e.ClientFor(t, e.Admin()) }

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
	clients, err := kubernetes.NewForConfig(e.Admin())
	if err != nil {
		return nil, err
	}
	token, err := clients.CoreV1().ServiceAccounts(namespace).
		CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return e.TokenConfig(token.Status.Token), nil
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
