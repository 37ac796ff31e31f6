// Package install_test installs Enrol in every way that is offered on a real control plane, uses it with exactly the
// arguments and rights of the installation, and removes it again. There is no kubelet: the test starts the programs.
package install_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestInstall(t *testing.T) {
	if os.Getenv("ENROL_TEST_INSTALL") == "" {
		t.Skip("`make install-test` runs it")
	}
	c := newCluster(t)
	// One after another: an installation is the cluster's, and what one leaves behind is in the way of the next.
	_ = t.Run("Manifest", func(t *testing.T) { manifest(t, c) }) &&
		t.Run("HighAvailability", func(t *testing.T) { highAvailability(t, c) }) &&
		t.Run("WithoutFacade", func(t *testing.T) { withoutFacade(t, c) }) &&
		t.Run("Chart", func(t *testing.T) { chart(t, c) })
}

// manifest: one command, and it works; mails and links come with what docs/install.md says to add. Removed in order.
func manifest(t *testing.T, c *cluster) {
	t.Helper()
	const namespace = testenv.SystemNamespace
	mounts := folders(t.TempDir())
	c.kubectl(t, "apply", "--server-side", "--filename", path(t, "dist", "install.yaml"))
	c.restricted(t, namespace)
	p := c.start(t, namespace, mounts)
	o := c.organise(t, "manifest")
	o.members(t)
	p.calls(t, o)
	o.bounds(t, namespace)
	o.invites(t)
	o.stalled(t, enrolv1alpha1.ReasonLinkNotAllowed, "--public-url")
	p.stop()

	c.secrets(t, namespace, mounts)
	c.kubectl(t, "apply", "--server-side", "--kustomize", c.overlay(t, "dist/install.yaml"))
	p = c.start(t, namespace, mounts)
	p.signsIn(t)
	o.mailed(t)
	p.accepts(t, o)

	removeOrganisations(t, c)
	o.denied(t)
	c.kubectl(t, "delete", "--filename", path(t, "dist", "install.yaml"))
	p.stop()
	o.remove(t)
	c.clean(t)
}

// highAvailability: two of each. Removed in the wrong order, and in haste: the operator first, then everything at once, before
// the garbage collector has heard of Organisations. What that leaves is found by labels.
func highAvailability(t *testing.T, c *cluster) {
	t.Helper()
	const namespace = testenv.SystemNamespace
	mounts := folders(t.TempDir())
	overlay := c.overlay(t, "config/overlays/high-availability")
	c.kubectl(t, "apply", "--server-side", "--kustomize", overlay)
	c.secrets(t, namespace, mounts)
	c.restricted(t, namespace)
	p := c.start(t, namespace, mounts)
	if len(p.processes) != 4 {
		t.Errorf("%d programs run, want 4", len(p.processes))
	}
	o := c.organise(t, "available")
	o.members(t)
	o.invites(t)
	o.mailed(t)
	p.accepts(t, o)

	c.kubectl(t, "delete", "deployment", "enrol-operator", "--namespace="+namespace)
	p.stop()
	c.kubectl(t, "delete", "--ignore-not-found", "--kustomize", overlay)
	c.kubectl(t, "delete", "rolebindings", "--all-namespaces", "--selector=app.kubernetes.io/managed-by=enrol")
	c.kubectl(t, "delete", "namespaces", "--selector=enrol.dev/home-of")
	o.denied(t)
	o.remove(t)
	c.clean(t)
}

// withoutFacade: no trace of the facade, and all else works. Removed in order.
func withoutFacade(t *testing.T, c *cluster) {
	t.Helper()
	const namespace = testenv.SystemNamespace
	folder := path(t, "config", "overlays", "without-facade")
	c.kubectl(t, "apply", "--server-side", "--kustomize", folder)
	for _, name := range c.everything(t) {
		// The roles that organisations have are no part of it.
		if strings.Contains(name, "facade") {
			t.Errorf("%s is there", name)
		}
	}
	c.restricted(t, namespace)
	p := c.start(t, namespace, folders(t.TempDir()))
	o := c.organise(t, "alone")
	o.members(t)

	removeOrganisations(t, c)
	o.denied(t)
	c.kubectl(t, "delete", "--kustomize", folder)
	p.stop()
	o.remove(t)
	c.clean(t)
}

// chart: in a namespace of another name, with the values that docs/install.md shows. Removed with objects left: Helm leaves
// the CRDs, and they go at the end.
func chart(t *testing.T, c *cluster) {
	t.Helper()
	const namespace = "membership"
	mounts := folders(t.TempDir())
	values := strings.ReplaceAll(documented(t, "publicURL:"), "smtp.example.com:587", c.post.Address())
	c.helm(t, "install", "enrol", path(t, "dist", "chart"), "--namespace", namespace, "--create-namespace",
		"--values", file(t, "values.yaml", values))
	c.kubectl(t, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	c.secrets(t, namespace, mounts)
	c.restricted(t, namespace)
	p := c.start(t, namespace, mounts)
	o := c.organise(t, "charted")
	o.members(t)
	p.calls(t, o)
	p.signsIn(t)
	o.bounds(t, namespace)
	o.invites(t)
	o.mailed(t)
	p.accepts(t, o)
	// The API server knows every field that any value leads to.
	all := template(t, namespace, "--values", path(t, "hack", "install", "testdata", "everything.yaml"))
	c.kubectl(t, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict",
		"--filename", file(t, "everything.yaml", string(all)))
	// An upgrade changes nothing that runs.
	c.helm(t, "upgrade", "enrol", path(t, "dist", "chart"), "--namespace", namespace, "--reuse-values")

	c.helm(t, "uninstall", "enrol", "--namespace", namespace)
	p.stop()
	o.granted(t, jane)
	c.collected(t)
	c.kubectl(t, "delete", "crd", "organisations.enrol.dev", "members.enrol.dev", "invitations.enrol.dev")
	c.kubectl(t, "delete", "namespace", namespace)
	o.denied(t)
	o.remove(t)
	c.clean(t)
}

// overlay is the kustomization that docs/install.md shows, over other manifests and with this mail server.
func (c *cluster) overlay(t testing.TB, base string) string {
	t.Helper()
	text := strings.ReplaceAll(documented(t, "apiVersion: kustomize"), "smtp.example.com:587", c.post.Address())
	kustomization := file(t, "kustomization.yaml", text)
	var manifests []byte
	if strings.HasSuffix(base, ".yaml") {
		content, err := os.ReadFile(path(t, base))
		if err != nil {
			t.Fatal(err)
		}
		manifests = content
	} else {
		manifests = kustomize(t, base)
	}
	folder := filepath.Dir(kustomization)
	if err := os.WriteFile(filepath.Join(folder, "install.yaml"), manifests, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// removeOrganisations is what docs/install.md says to do first.
func removeOrganisations(t testing.TB, c *cluster) {
	t.Helper()
	c.kubectl(t, "delete", "organisations", "--all", "--cascade=foreground")
	c.kubectl(t, "wait", "--for=delete", "rolebindings", "--all-namespaces", "--selector=app.kubernetes.io/managed-by=enrol", "--timeout=3m")
}

// organisation is one that an installation is tried out with.
type organisation struct {
	*cluster

	name string
}

// organise makes one as the platform team, with a project.
func (c *cluster) organise(t testing.TB, name string) *organisation {
	t.Helper()
	o := &organisation{cluster: c, name: name}
	o.apply(t, fmt.Sprintf(`
apiVersion: enrol.dev/v1alpha1
kind: Organisation
metadata: {name: %[1]s}
spec: {owners: [{username: %[2]s, email: %[2]s}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s-web, labels: {enrol.dev/organisation: %[1]s}}
`, name, ada))
	return o
}

// apply is the platform team's doing: where a namespace or the CRDs are not there yet, again.
func (o *organisation) apply(t testing.TB, manifests string) {
	t.Helper()
	kubeconfig, err := o.Kubeconfig(o.URL(), platform)
	if err != nil {
		t.Fatal(err)
	}
	o.await(t, "apply", "--kubeconfig", file(t, "kubeconfig", string(kubeconfig)), "--server-side",
		"--filename", file(t, "manifests.yaml", manifests))
}

// members: Jane is one, and has what the role gives.
func (o *organisation) members(t testing.TB) {
	t.Helper()
	o.apply(t, fmt.Sprintf(`
apiVersion: enrol.dev/v1alpha1
kind: Member
metadata: {name: jane, namespace: org-%s}
spec: {username: %s, roles: [developer], projects: ["*"]}
`, o.name, jane))
	o.granted(t, jane)
}

func (o *organisation) granted(t testing.TB, person string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		if !o.can(t, person) {
			return fmt.Errorf("%s may not create ConfigMaps", person)
		}
		return nil
	})
}

// denied: nobody has access any more.
func (o *organisation) denied(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, func() error {
		for _, person := range []string{ada, jane, kim} {
			if o.can(t, person) {
				return fmt.Errorf("%s may still create ConfigMaps", person)
			}
		}
		return nil
	})
}

func (o *organisation) can(t testing.TB, person string) bool {
	t.Helper()
	allowed, err := testenv.Can(t.Context(), o.As(t, person), testenv.Access{
		Verb: "create", Resource: "configmaps", Namespace: o.name + "-web",
	})
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}

// bounds: the policies are those of this namespace's operator.
func (o *organisation) bounds(t testing.TB, namespace string) {
	t.Helper()
	config, err := o.ServiceAccountConfig(t.Context(), namespace, testenv.OperatorServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := o.TokenKubeconfig(o.URL(), testenv.OperatorServiceAccount, config.BearerToken)
	if err != nil {
		t.Fatal(err)
	}
	path := file(t, "kubeconfig", string(kubeconfig))
	// The API server takes a moment to enforce a policy that was applied.
	testenv.Eventually(t, func() error {
		_, err := o.Kubectl("create", "rolebinding", "captured", "--kubeconfig", path,
			"--namespace="+o.name+"-web", "--clusterrole=cluster-admin", "--user=eve@example.com", "--dry-run=server")
		if err == nil || !strings.Contains(err.Error(), "enrol-self-rbac") {
			return fmt.Errorf("the policy must bound the operator of namespace %s: %w", namespace, err)
		}
		return nil
	})
}

// invites Kim.
func (o *organisation) invites(t testing.TB) {
	t.Helper()
	o.apply(t, fmt.Sprintf(`
apiVersion: enrol.dev/v1alpha1
kind: Invitation
metadata: {name: kim, namespace: org-%s}
spec: {email: %s, roles: [developer], kubernetesRole: edit, projects: ["*"], invitedBy: {username: %s}}
`, o.name, kim, ada))
}

// stalled: the Invitation says what is missing.
func (o *organisation) stalled(t testing.TB, reason, hint string) {
	t.Helper()
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Namespace: "org-" + o.name, Name: "kim"}}
	testenv.Eventually(t, func() error {
		if err := o.AdminClient(t).Get(t.Context(), client.ObjectKeyFromObject(i), i); err != nil {
			return err
		}
		stalled := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionStalled)
		if stalled == nil || stalled.Reason != reason || !strings.Contains(stalled.Message, hint) {
			return fmt.Errorf("the conditions are %+v", i.Status.Conditions)
		}
		return nil
	})
}

// mailed: Kim gets a mail with a link.
func (o *organisation) mailed(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, func() error {
		for _, mail := range o.post.MailsTo(kim) {
			if bytes.Contains(mail.Content, []byte(publicURL+"/invitations?")) && bytes.Contains(mail.Content, []byte(o.name)) {
				return nil
			}
		}
		return fmt.Errorf("there is no mail among %d", len(o.post.Mails()))
	})
}

// calls: the facade knows the owner by the token.
func (p *programs) calls(t testing.TB, o *organisation) {
	t.Helper()
	testenv.Eventually(t, func() error {
		return p.call(t, ada, http.MethodGet, "/api/v1/organisations/"+o.name+"/me", nil)
	})
}

// accepts: Kim answers through the facade, and may work.
func (p *programs) accepts(t testing.TB, o *organisation) {
	t.Helper()
	i := &enrolv1alpha1.Invitation{}
	if err := o.AdminClient(t).Get(t.Context(), client.ObjectKey{Namespace: "org-" + o.name, Name: "kim"}, i); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		err := p.call(t, kim, http.MethodPost, "/api/v1/invitations/"+string(i.UID)+"/respond", map[string]bool{"accept": true})
		if err != nil && o.can(t, kim) {
			// It was accepted before, and carried out when the facade had lost patience: then it is gone.
			return nil
		}
		return err
	})
	o.granted(t, kim)
}

// signsIn: a browser is sent to the identity provider.
func (p *programs) signsIn(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.facade+"/sign-in", http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if to := response.Header.Get("Location"); !strings.HasPrefix(to, p.cluster.People.Issuer()) {
			return fmt.Errorf("/sign-in leads to %q (%s), want the identity provider", to, response.Status)
		}
		return nil
	})
}

func (p *programs) call(t testing.TB, person, method, path string, body any) error {
	t.Helper()
	token, err := p.cluster.Token(t.Context(), person)
	if err != nil {
		return err
	}
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(t.Context(), method, p.facade+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return nil
}

// remove takes the project away, which is nobody's but the platform team's.
func (o *organisation) remove(t testing.TB) {
	t.Helper()
	o.kubectl(t, "delete", "namespace", o.name+"-web")
}
