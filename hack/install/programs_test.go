package install_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const grace = 20 * time.Second

// folders stands in for the file system of a Pod.
type folders string

func (f folders) of(path string) string { return filepath.Join(string(f), path) }

// programs are the processes of all Deployments of a namespace, as many as their replicas.
type programs struct {
	cluster   *cluster
	namespace string
	mounts    folders
	processes []*process.Process
	// facade is where the first facade listens; "" without one.
	facade string
	// stopMounts ends what keeps folders like mounted Secrets.
	stopMounts func()
}

func (c *cluster) clients(t testing.TB) *kubernetes.Clientset {
	t.Helper()
	clients, err := kubernetes.NewForConfig(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func (c *cluster) deployments(t testing.TB, namespace string) []appsv1.Deployment {
	t.Helper()
	list, err := c.clients(t).AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		t.Fatalf("namespace %s has no Deployment", namespace)
	}
	return list.Items
}

// start does what a kubelet would: it starts the programs of the Deployments, with the arguments that those have, the rights
// of their ServiceAccounts, and the Secrets that they mount; and waits until they are ready.
func (c *cluster) start(t testing.TB, namespace string, mounts folders) *programs {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	p := &programs{cluster: c, namespace: namespace, mounts: mounts, stopMounts: func() { cancel(); group.Wait() }}
	t.Cleanup(p.stop)
	mounted := map[string]bool{}
	for _, d := range c.deployments(t, namespace) {
		for folder, secret := range secretMounts(t, &d.Spec.Template.Spec) {
			if mounted[folder] {
				continue
			}
			mounted[folder] = true
			group.Go(func() {
				if err := c.MountSecret(ctx, namespace, secret, mounts.of(folder)); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			})
			c.settled(t, namespace, secret, mounts.of(folder))
		}
		for i := range *d.Spec.Replicas {
			p.launch(t, &d, int(i))
		}
	}
	return p
}

// settled waits until a Secret that is there is mounted: a kubelet starts no container before.
func (c *cluster) settled(t testing.TB, namespace, secret, folder string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		s, err := c.clients(t).CoreV1().Secrets(namespace).Get(t.Context(), secret, metav1.GetOptions{})
		if err != nil {
			// An optional Secret that is not there is an empty folder.
			_, err := os.Stat(folder)
			return err
		}
		for key := range s.Data {
			if _, err := os.Stat(filepath.Join(folder, key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// secretMounts are the names of Secrets by the folder that they are mounted at. There is no other kind of volume.
func secretMounts(t testing.TB, pod *corev1.PodSpec) map[string]string {
	t.Helper()
	secrets, mounts := map[string]string{}, map[string]string{}
	for _, v := range pod.Volumes {
		if v.Secret == nil || v.Secret.Optional == nil || !*v.Secret.Optional {
			t.Errorf("volume %s must be an optional Secret", v.Name)
			continue
		}
		secrets[v.Name] = v.Secret.SecretName
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		if !m.ReadOnly {
			t.Errorf("%s must be mounted to be read only", m.MountPath)
		}
		mounts[m.MountPath] = secrets[m.Name]
	}
	return mounts
}

var (
	anyAddress = regexp.MustCompile(`^(--[a-z-]+)=:(\d+)$`)
	mountPath  = regexp.MustCompile(`^(--[a-z-]+)=(/etc/enrol/.*)$`)
)

// launch starts one replica and waits until its probes succeed.
func (p *programs) launch(t testing.TB, d *appsv1.Deployment, replica int) {
	t.Helper()
	pod := &d.Spec.Template.Spec
	container := &pod.Containers[0]
	kubeconfig := p.kubeconfig(t, pod.ServiceAccountName)
	ports := map[string]string{}
	args := make([]string, 0, len(container.Args))
	for _, arg := range container.Args {
		arg = strings.ReplaceAll(arg, "$(POD_NAMESPACE)", p.namespace)
		if at := anyAddress.FindStringSubmatch(arg); at != nil {
			port, err := controlplane.FreePort(t.Context(), d.Name, 0)
			if err != nil {
				t.Fatal(err)
			}
			ports[at[2]] = fmt.Sprint("127.0.0.1:", port)
			arg = at[1] + "=" + ports[at[2]]
		}
		if at := mountPath.FindStringSubmatch(arg); at != nil {
			arg = at[1] + "=" + p.mounts.of(at[2])
		}
		args = append(args, arg)
	}
	binary := path(t, "bin", strings.TrimPrefix(container.Command[0], "/"))
	child, err := process.Start(fmt.Sprint(d.Name, "-", replica), filepath.Join(t.TempDir(), "log"), binary,
		append([]string{"--kubeconfig=" + kubeconfig}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	p.processes = append(p.processes, child)
	named := map[string]string{}
	for _, port := range container.Ports {
		named[port.Name] = ports[fmt.Sprint(port.ContainerPort)]
		if named[port.Name] == "" {
			t.Errorf("%s: no flag says to listen at port %s", d.Name, port.Name)
		}
	}
	for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe} {
		succeeds(t, child, "http://"+named[probe.HTTPGet.Port.StrVal]+probe.HTTPGet.Path)
	}
	if pod.ServiceAccountName == testenv.FacadeServiceAccount && p.facade == "" {
		p.facade = "http://" + named["http"]
	}
}

func succeeds(t testing.TB, child *process.Process, url string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		if err := child.Err(); err != nil {
			t.Fatal(err)
		}
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// kubeconfig holds a token of a ServiceAccount, as a kubelet would ask for one.
func (p *programs) kubeconfig(t testing.TB, account string) string {
	t.Helper()
	token, err := p.cluster.ServiceAccountToken(t.Context(), p.namespace, account, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	content, err := p.cluster.TokenKubeconfig(p.cluster.URL(), account, token)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "kubeconfig", string(content))
}

// stop ends all programs, which must have run until now.
func (p *programs) stop() {
	for _, child := range p.processes {
		child.Stop(grace)
	}
	p.processes = nil
	p.stopMounts()
}
