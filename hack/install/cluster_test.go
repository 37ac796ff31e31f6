package install_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const (
	// platform is the platform team, which makes organisations.
	platform = "platform@example.com"
	// publicURL is the one in docs/install.md.
	publicURL = "https://enrol.example.com"

	ada, jane, kim = "ada@example.com", "jane@example.com", "kim@example.com"
)

// cluster is a control plane that Enrol is installed on and removed from again, with a mail server beside it.
type cluster struct {
	*testenv.Environment

	post *mailbox.Server
	// baseline is all that was there before Enrol.
	baseline []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	environment, err := testenv.Start(t.Context(), testenv.Options{
		People: testenv.SamplePeople(), RedirectURIs: []string{publicURL + "/sign-in/callback"}, Bare: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	// Who may do what is bound before the roles are there, so that it is no part of what an installation leaves.
	if err := environment.BindPlatformTeam(platform); err != nil {
		t.Fatal(err)
	}
	certificate, err := environment.ServingCertificate("mail")
	if err != nil {
		t.Fatal(err)
	}
	post, err := mailbox.Start(t.Context(), mailbox.Options{
		TLS: mailbox.TLS(certificate), Username: "enrol", Password: "correct horse",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.Close)
	c := &cluster{Environment: environment, post: post}
	c.baseline = c.atRest(t)
	return c
}

func (c *cluster) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *cluster) helm(t testing.TB, args ...string) {
	t.Helper()
	command := exec.Command(path(t, "bin", "tools", "helm"), args...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "KUBECONFIG="+c.AdminKubeconfigFile(), "HELM_CACHE_HOME="+home,
		"HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("helm %v: %v\n%s", args, err, out)
	}
}

// passing are objects that come and go by themselves, and kinds that are no objects or deprecated.
var passing = []schema.GroupResource{
	{Resource: "events"}, {Group: "events.k8s.io", Resource: "events"}, {Resource: "componentstatuses"}, {Resource: "endpoints"},
}

// atRest is everything once nothing has come or gone for a while: a control plane makes things still when it serves requests.
func (c *cluster) atRest(t testing.TB) []string {
	t.Helper()
	const calm = 10 * time.Second
	var all []string
	var since time.Time
	testenv.Eventually(t, func() error {
		now, err := c.list(t)
		if err != nil || !slices.Equal(all, now) {
			all, since = now, time.Now()
		}
		if quiet := time.Since(since); err == nil && quiet < calm {
			err = fmt.Errorf("something came or went %s ago", quiet)
		}
		return err
	})
	return all
}

// everything that the API server has, but for what comes and goes by itself.
func (c *cluster) everything(t testing.TB) []string {
	t.Helper()
	all, err := c.list(t)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (c *cluster) list(t testing.TB) ([]string, error) {
	t.Helper()
	server, err := discovery.NewDiscoveryClientForConfig(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	client, err := metadata.NewForConfig(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	// Groups that have just gone are no reason to stop: what the API server has no more leaves nothing behind.
	lists, err := server.ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	var all []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.APIResources {
			resource := version.WithResource(list.APIResources[i].Name)
			if !slices.Contains(list.APIResources[i].Verbs, "list") || slices.Contains(passing, resource.GroupResource()) {
				continue
			}
			objects, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", resource, err)
			}
			for j := range objects.Items {
				o := &objects.Items[j]
				all = append(all, fmt.Sprintf("%s %s/%s", resource.GroupResource(), o.Namespace, o.Name))
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// clean waits until nothing is there but what was there before.
func (c *cluster) clean(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, func() error {
		all, err := c.list(t)
		if err != nil {
			return err
		}
		var left []string
		for _, o := range all {
			if _, before := slices.BinarySearch(c.baseline, o); !before {
				left = append(left, o)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("left over:\n%s", strings.Join(left, "\n"))
		}
		return nil
	})
}

// await waits until kubectl succeeds with that.
func (c *cluster) await(t testing.TB, args ...string) string {
	t.Helper()
	var out string
	testenv.Eventually(t, func() (err error) {
		out, err = c.Kubectl(args...)
		return err
	})
	return out
}

// file writes a file into a folder of the test's own.
func file(t testing.TB, name, content string) string {
	t.Helper()
	written := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(written, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return written
}

// documented is the only block of YAML in docs/install.md that begins like that.
func documented(t testing.TB, beginning string) string {
	t.Helper()
	text, err := os.ReadFile(path(t, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], beginning) {
			found = append(found, block[1])
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/install.md has %d blocks that begin with %q, want 1", len(found), beginning)
	}
	return found[0]
}

// secrets makes those that docs/install.md speaks of.
func (c *cluster) secrets(t testing.TB, namespace string, mounts folders) {
	t.Helper()
	c.kubectl(t, "create", "secret", "generic", "enrol-smtp", "--namespace="+namespace,
		"--from-literal=username=enrol", "--from-literal=password=correct horse", "--from-file=ca.crt="+c.CAFile())
	// There is no kubelet, so that files are elsewhere than in a Pod.
	config := fmt.Sprintf("issuers:\n- {url: %q, clientID: kubernetes, clientSecretFile: %q, caFile: %q}\n",
		c.People.Issuer(), mounts.of("/etc/enrol/sign-in/client-secret"), mounts.of("/etc/enrol/sign-in/ca.crt"))
	c.kubectl(t, "create", "secret", "generic", "enrol-sign-in", "--namespace="+namespace,
		"--from-file=config.yaml="+file(t, "config.yaml", config), "--from-literal=client-secret="+c.People.ClientSecret(),
		"--from-file=ca.crt="+c.CAFile())
}

// restricted asks the API server whether it lets the Pods of all Deployments in, in a namespace that wants them restricted.
func (c *cluster) restricted(t testing.TB, namespace string) {
	t.Helper()
	for _, d := range c.deployments(t, namespace) {
		dryRun := func(change func(*corev1.PodSpec)) error {
			spec := d.Spec.Template.Spec.DeepCopy()
			change(spec)
			client := c.clients(t).CoreV1().Pods(namespace)
			_, err := client.Create(t.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: d.Name, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations},
				Spec:       *spec,
			}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		}
		// The API server takes a moment to hear of labels and ServiceAccounts.
		testenv.Eventually(t, func() error {
			err := dryRun(func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil })
			if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted:latest"`) {
				return fmt.Errorf("a Pod of %s with all capabilities must be refused: %w", d.Name, err)
			}
			return nil
		})
		if err := dryRun(func(*corev1.PodSpec) {}); err != nil {
			t.Errorf("a Pod of %s is refused: %v", d.Name, err)
		}
		if s := d.Spec.Template.Spec.Containers[0].SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s must not write to its root", d.Name)
		}
	}
}

// collected waits until the garbage collector follows Organisations, which a deletion in the foreground waits for. It looks for
// new kinds every half minute; a kind that was away for less than that it tries again after up to a minute.
func (c *cluster) collected(t testing.TB) {
	t.Helper()
	canary := &enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "canary"},
		Spec:       enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: ada}}},
	}
	if err := c.AdminClient(t).Create(t.Context(), canary); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "delete", "organisation", canary.Name, "--cascade=foreground", "--timeout=3m")
}
