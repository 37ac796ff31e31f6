// Package controlplane starts a real Kubernetes control plane on loopback: etcd, kube-apiserver and
// kube-controller-manager, each with the least rights that it needs.
package controlplane

import (
	"context"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"

	"github.com/enrol-dev/enrol/internal/process"
)

const (
	// startTimeout bounds how long the whole control plane may take; it needs 8 seconds on 2 idle cores.
	startTimeout = 3 * time.Minute
	stopGrace    = 15 * time.Second

	// adminUser is in system:masters, which skips RBAC: only for setting things up.
	adminUser  = "enrol-admin"
	adminGroup = "system:masters"
)

// Options say where a control plane keeps its things and how it is reached.
type Options struct {
	// Dir holds data, certificates, kubeconfigs and logs. What an earlier control plane left there is used again.
	Dir string
	// Ports on 127.0.0.1; 0 takes a free one.
	Port, EtcdPort, EtcdPeerPort int
	// AuthenticationConfig is the file with the API server's AuthenticationConfiguration: whose tokens it takes besides
	// those of ServiceAccounts, and besides client certificates. Without one it takes nobody's. Each issuer in it should
	// answer before Start is called: the API server tries one that does not only every 10 seconds.
	AuthenticationConfig string
	// APIServerArgs are given to the API server besides.
	APIServerArgs []string
	// UnsafeNoFsync makes etcd faster and its data worthless after a crash of the machine.
	UnsafeNoFsync bool
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	dir       string
	port      int
	clients   *authority
	admin     *rest.Config
	processes []*process.Process
	apiserver func() (*process.Process, error)
}

// Start starts the control plane and returns when it serves requests, its built-in ClusterRoles are aggregated and
// its controllers run. On an error nothing is left running.
func Start(ctx context.Context, options Options) (_ *ControlPlane, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if options.Dir, err = filepath.Abs(options.Dir); err != nil {
		return nil, err
	}
	c, err := Open(options.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	ports := []*int{&options.Port, &options.EtcdPort, &options.EtcdPeerPort}
	for i, name := range []string{"kube-apiserver", "etcd", "etcd (peers)"} {
		if *ports[i], err = FreePort(ctx, name, *ports[i]); err != nil {
			return nil, err
		}
	}
	c.port = options.Port
	if c.admin, err = c.Config(adminUser, adminGroup); err != nil {
		return nil, err
	}
	if err := c.startEtcd(options); err != nil {
		return nil, err
	}
	if err := c.startAPIServer(ctx, options); err != nil {
		return nil, err
	}
	return c, c.startControllerManager(ctx)
}

// Open gives access to the control plane of a folder, for issuing kubeconfigs; it starts nothing.
func Open(dir string) (*ControlPlane, error) {
	pki := filepath.Join(dir, "pki")
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return nil, err
	}
	clients, err := openAuthority(pki, "ca")
	if err != nil {
		return nil, err
	}
	return &ControlPlane{dir: dir, clients: clients}, nil
}

// Stop ends all processes, last started first.
func (c *ControlPlane) Stop() {
	for _, p := range slices.Backward(c.processes) {
		p.Stop(stopGrace)
	}
	c.processes = nil
}

// Processes are the programs that run, in the order of their start.
func (c *ControlPlane) Processes() []*process.Process { return c.processes }

// Admin is a client configuration that may do everything: for setting up, never for what is under test.
func (c *ControlPlane) Admin() *rest.Config { return rest.CopyConfig(c.admin) }

// AdminKubeconfig is the same as a kubeconfig.
func (c *ControlPlane) AdminKubeconfig() ([]byte, error) {
	return c.Kubeconfig(c.URL(), adminUser, adminGroup)
}

// Kubectl runs kubectl with a kubeconfig file and returns when it has ended; an error has what it printed last.
func (c *ControlPlane) Kubectl(ctx context.Context, kubeconfig string, args ...string) error {
	path, err := Binary("kubectl")
	if err != nil {
		return err
	}
	// A cache of its own: the one in the home folder may be of an earlier control plane on this port.
	options := []string{"--kubeconfig=" + kubeconfig, "--cache-dir=" + filepath.Join(c.dir, "kubectl-cache")}
	p, err := process.Start("kubectl "+strings.Join(args, " "), filepath.Join(c.dir, "logs", "kubectl-"+args[0]+".log"),
		path, append(options, args...)...)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// URL is where the API server answers.
func (c *ControlPlane) URL() string { return "https://127.0.0.1:" + strconv.Itoa(c.port) }

// Config is a client configuration of a person, who proves to be that user by a client certificate.
func (c *ControlPlane) Config(user string, groups ...string) (*rest.Config, error) {
	kubeconfig, err := c.Kubeconfig(c.URL(), user, groups...)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	// The API server's own priority and fairness decides, not the client.
	config.QPS = -1
	return config, nil
}

// ServiceAccountToken is a token of a ServiceAccount that is good for so long.
func (c *ControlPlane) ServiceAccountToken(
	ctx context.Context, namespace, name string, lifetime time.Duration,
) (string, error) {
	clients, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return "", err
	}
	seconds := int64(lifetime.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return token.Status.Token, nil
}

// TokenConfig is a client configuration that holds a bearer token.
func (c *ControlPlane) TokenConfig(token string) *rest.Config {
	return &rest.Config{
		Host:            c.URL(),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.clients.file},
		QPS:             -1,
	}
}

// Kubeconfig is the kubeconfig of a person at the API server with the given URL, with a client certificate that
// names user and groups.
func (c *ControlPlane) Kubeconfig(url, user string, groups ...string) ([]byte, error) {
	der, key, err := c.clients.sign(pkix.Name{CommonName: user, Organization: groups})
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %s: %w", user, err)
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	return c.kubeconfig(url, user, &clientcmdapi.AuthInfo{
		ClientCertificateData: certificatePEM(der), ClientKeyData: keyPEM,
	})
}

// TokenKubeconfig is a kubeconfig for the API server with the given URL, with a bearer token.
func (c *ControlPlane) TokenKubeconfig(url, user, token string) ([]byte, error) {
	return c.kubeconfig(url, user, &clientcmdapi.AuthInfo{Token: token})
}

func (c *ControlPlane) kubeconfig(url, user string, auth *clientcmdapi.AuthInfo) ([]byte, error) {
	const name = "enrol"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: url, CertificateAuthorityData: certificatePEM(c.clients.certificate.Raw),
	}
	config.AuthInfos[user] = auth
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	return clientcmd.Write(*config)
}

// startEtcd gives etcd an authority of its own: a certificate of a person must not open the store.
func (c *ControlPlane) startEtcd(options Options) error {
	pki := filepath.Join(c.dir, "pki")
	store, err := openAuthority(pki, "etcd-ca")
	if err != nil {
		return err
	}
	certFile, keyFile, err := store.issue(pki, "etcd", pkix.Name{CommonName: "etcd"})
	if err != nil {
		return err
	}
	url := "https://127.0.0.1:" + strconv.Itoa(options.EtcdPort)
	peerURL := "https://127.0.0.1:" + strconv.Itoa(options.EtcdPeerPort)
	args := []string{
		"--name=enrol", "--data-dir=" + filepath.Join(c.dir, "etcd"),
		"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=enrol=" + peerURL,
		"--cert-file=" + certFile, "--key-file=" + keyFile, "--client-cert-auth", "--trusted-ca-file=" + store.file,
		"--peer-cert-file=" + certFile, "--peer-key-file=" + keyFile,
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + store.file,
		"--quota-backend-bytes=8589934592", "--auto-compaction-retention=5m", "--log-level=warn",
	}
	if options.UnsafeNoFsync {
		args = append(args, "--unsafe-no-fsync")
	}
	_, err = c.start("etcd", args...)
	return err
}

func (c *ControlPlane) startAPIServer(ctx context.Context, options Options) error {
	pki := filepath.Join(c.dir, "pki")
	certFile, keyFile, err := c.clients.issue(pki, "kube-apiserver", pkix.Name{CommonName: "kube-apiserver"})
	if err != nil {
		return err
	}
	tokenKey := filepath.Join(pki, "service-accounts.key")
	if _, _, err := keyutil.LoadOrGenerateKeyFile(tokenKey); err != nil {
		return fmt.Errorf("making the key for ServiceAccount tokens: %w", err)
	}
	args := []string{
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(options.Port),
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--tls-cert-file=" + certFile, "--tls-private-key-file=" + keyFile,
		"--client-ca-file=" + c.clients.file, "--authorization-mode=RBAC",
		"--etcd-servers=https://127.0.0.1:" + strconv.Itoa(options.EtcdPort),
		"--etcd-cafile=" + filepath.Join(pki, "etcd-ca.crt"),
		"--etcd-certfile=" + filepath.Join(pki, "etcd.crt"), "--etcd-keyfile=" + filepath.Join(pki, "etcd.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + tokenKey, "--service-account-signing-key-file=" + tokenKey,
	}
	if options.AuthenticationConfig != "" {
		args = append(args, "--authentication-config="+options.AuthenticationConfig)
	}
	args = append(args, options.APIServerArgs...)
	c.apiserver = func() (*process.Process, error) { return c.start("kube-apiserver", args...) }
	p, err := c.apiserver()
	if err != nil {
		return err
	}
	return c.waitReady(ctx, p)
}

// AwaitToken returns when the API server accepts a token. It says that it is ready before it has fetched the keys of
// those whose tokens it is configured to take, after a restart as well.
func (c *ControlPlane) AwaitToken(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client, err := kubernetes.NewForConfig(c.TokenConfig(token))
	if err != nil {
		return err
	}
	return c.poll(ctx, "the API server to accept a token", func(ctx context.Context) error {
		review := &authenticationv1.SelfSubjectReview{}
		_, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, review, metav1.CreateOptions{})
		return err
	})
}

// RestartAPIServer stops the API server, waits for outage, and starts it again: what clients see of a bad day.
func (c *ControlPlane) RestartAPIServer(ctx context.Context, outage time.Duration) error {
	for i, p := range c.processes {
		if p.Name == "kube-apiserver" {
			p.Stop(stopGrace)
			c.processes = append(c.processes[:i], c.processes[i+1:]...)
			break
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(outage):
	}
	p, err := c.apiserver()
	if err != nil {
		return err
	}
	return c.waitReady(ctx, p)
}

// startControllerManager runs the controllers that access control leans on, each with its own ServiceAccount: with
// one shared admin identity, policies on what those controllers do would go untested.
func (c *ControlPlane) startControllerManager(ctx context.Context) error {
	kubeconfig, err := c.Kubeconfig(c.URL(), "system:kube-controller-manager")
	if err != nil {
		return err
	}
	file := filepath.Join(c.dir, "kube-controller-manager.kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return err
	}
	p, err := c.start("kube-controller-manager",
		"--kubeconfig="+file, "--leader-elect=false", "--secure-port=0",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+filepath.Join(c.dir, "pki", "service-accounts.key"),
		"--root-ca-file="+c.clients.file,
		"--kube-api-qps=1000", "--kube-api-burst=2000",
		"--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller,"+
			"clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return err
	}
	return c.poll(ctx, p.Name, func(ctx context.Context) error {
		view, err := client.RbacV1().ClusterRoles().Get(ctx, "view", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(view.Rules) == 0 {
			return errors.New("ClusterRole view has no rules yet")
		}
		_, err = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (c *ControlPlane) start(name string, args ...string) (*process.Process, error) {
	path, err := Binary(name)
	if err != nil {
		return nil, err
	}
	p, err := process.Start(name, filepath.Join(c.dir, "logs", name+".log"), path, args...)
	if err != nil {
		return nil, err
	}
	c.processes = append(c.processes, p)
	return p, nil
}

func (c *ControlPlane) waitReady(ctx context.Context, p *process.Process) error {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return err
	}
	return c.poll(ctx, p.Name, func(ctx context.Context) error {
		var code int
		client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&code)
		if code != http.StatusOK {
			return fmt.Errorf("/readyz answers %d", code)
		}
		return nil
	})
}

// poll calls ready until it returns nil, any process ends or the context does: an API server without its etcd would be
// waited for in vain.
func (c *ControlPlane) poll(ctx context.Context, what string, ready func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		for _, running := range c.processes {
			if err := running.Err(); err != nil {
				return false, err
			}
		}
		last = ready(ctx)
		return last == nil, nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("waiting for %s: %w (last: %w)", what, err, last)
	}
	return err
}

// Ports are looked for below those that the kernel gives to outgoing connections: between here and the server's start
// one of these could be given away.
const firstPort, lastPort = 20_000, 32_000

// FreePort finds a free port on 127.0.0.1, or checks that the wanted one is free; name says for what. The port is let go
// again at once: the server that is started next takes it.
func FreePort(ctx context.Context, name string, port int) (int, error) {
	if port != 0 {
		return port, checkPort(ctx, name, port)
	}
	const tries = 50
	var last error
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if last = checkPort(ctx, name, port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("after %d tries: %w", tries, last)
}

func checkPort(ctx context.Context, name string, port int) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return fmt.Errorf("port %d for %s is taken (is Enrol running already?): %w", port, name, err)
	}
	return listener.Close()
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: der})
}
