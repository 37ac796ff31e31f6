package main_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// bare is a control plane on which a test installs Enrol piece by piece.
type bare struct {
	*testenv.Environment
	t *testing.T
	// health is where the operator answers probes.
	health string
	log    string
}

func newBare(t *testing.T, apiServerArgs ...string) *bare {
	t.Helper()
	e, err := testenv.Start(t.Context(), testenv.Options{Bare: true, APIServerArgs: apiServerArgs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &bare{Environment: e, t: t}
}

// manifests is a folder of config.
func manifests(t *testing.T, folder string) string {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "config", folder)
}

func (b *bare) kubectl(args ...string) {
	b.t.Helper()
	if _, err := b.Kubectl(args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bare) apply(folders ...string) {
	b.t.Helper()
	for _, folder := range folders {
		b.kubectl("apply", "--server-side", "--force-conflicts", "-k", manifests(b.t, folder))
	}
}

// start starts an operator with the rights of the ServiceAccount in a namespace.
func (b *bare) start(namespace string, args ...string) *process.Process {
	b.t.Helper()
	config, err := b.ServiceAccountConfig(b.t.Context(), namespace, testenv.OperatorServiceAccount)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := b.TokenKubeconfig(b.URL(), testenv.OperatorServiceAccount, config.BearerToken)
	if err != nil {
		b.t.Fatal(err)
	}
	dir := b.t.TempDir()
	file := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
	port, err := controlplane.FreePort(b.t.Context(), "probes", 0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.health, b.log = fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(dir, "operator.log")
	p, err := process.Start("operator", b.log, binary, append([]string{
		"--kubeconfig=" + file, "--username-claim=email", "--namespace=" + namespace, "--health-probe-bind-address=" + b.health,
	}, args...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { p.Stop(10 * time.Second) })
	return p
}

// probe waits until a probe answers with a code.
func (b *bare) probe(path string, want int) {
	b.t.Helper()
	testenv.Eventually(b.t, func() error {
		request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+b.health+path, http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		if answer.StatusCode != want {
			return fmt.Errorf("%s answers %d, want %d: %s", path, answer.StatusCode, want, text)
		}
		return nil
	})
}

// logged waits for a line of the log that has all words.
func (b *bare) logged(words ...string) {
	b.t.Helper()
	log := b.log
	testenv.Eventually(b.t, func() error {
		content, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			if containsAll(line, words) {
				return nil
			}
		}
		return fmt.Errorf("the log has no line with %q:\n%s", words, content)
	})
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// organisation makes an Organisation with a project, and ada as its owner.
func (b *bare) organisation(name string) {
	b.t.Helper()
	admin := b.AdminClient(b.t)
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "org-" + name, Labels: map[string]string{enrolv1alpha1.LabelHomeOf: name}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name + "-web", Labels: map[string]string{enrolv1alpha1.LabelOrganisation: name}}},
		&enrolv1alpha1.Organisation{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: "ada@example.com"}}},
		},
	} {
		testenv.Eventually(b.t, func() error { return client.IgnoreAlreadyExists(admin.Create(b.t.Context(), o)) })
	}
}

func (b *bare) member(organisation, name string) *enrolv1alpha1.Member {
	b.t.Helper()
	m := &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: "org-" + organisation, Name: name},
		Spec: enrolv1alpha1.MemberSpec{
			Username: enrolv1alpha1.Username(name + "@example.com"),
			Roles:    []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}, Projects: enrolv1alpha1.Projects{"*"},
		},
	}
	// The API server takes a moment to serve a CRD that was applied.
	testenv.Eventually(b.t, func() error { return b.AdminClient(b.t).Create(b.t.Context(), m) })
	return m
}

// says waits until the object's Ready has a reason.
func (b *bare) says(object client.Object, conditions func() []metav1.Condition, reason string) {
	b.t.Helper()
	testenv.Eventually(b.t, func() error {
		if err := b.AdminClient(b.t).Get(b.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(conditions(), enrolv1alpha1.ConditionReady); c == nil || c.Reason != reason {
			return fmt.Errorf("%s says %+v, want reason %s", object.GetName(), conditions(), reason)
		}
		return nil
	})
}

func (b *bare) organisationSays(name, reason string) {
	b.t.Helper()
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: name}}
	b.says(o, func() []metav1.Condition { return o.Status.Conditions }, reason)
}

func (b *bare) memberSays(m *enrolv1alpha1.Member, reason string) {
	b.t.Helper()
	b.says(m, func() []metav1.Condition { return m.Status.Conditions }, reason)
}

// works waits until somebody may work in the Organisation's project, or may not.
func (b *bare) works(organisation, name string, want bool) {
	b.t.Helper()
	person := b.As(b.t, name+"@example.com")
	testenv.Eventually(b.t, func() error {
		got, err := testenv.Can(b.t.Context(), person, testenv.Access{
			Verb: "create", Resource: "configmaps", Namespace: organisation + "-web"})
		if err == nil && got != want {
			return fmt.Errorf("%s may work: %t, want %t", name, got, want)
		}
		return err
	})
}

// tells waits for an event about the operator's Deployment.
func (b *bare) tells(namespace, reason string) {
	b.t.Helper()
	testenv.Eventually(b.t, func() error {
		var events eventsv1.EventList
		if err := b.AdminClient(b.t).List(b.t.Context(), &events, client.InNamespace(namespace)); err != nil {
			return err
		}
		for _, e := range events.Items {
			if e.Reason == reason && e.Regarding.Kind == "Deployment" && e.Regarding.Name == "enrol-operator" {
				return nil
			}
		}
		return fmt.Errorf("there are %d events, and none says %s", len(events.Items), reason)
	})
}

// finds waits until that is found for an installation, looked at as an admin would.
func (b *bare) finds(namespace string, want ...string) {
	b.t.Helper()
	// The API server takes a moment to serve what was applied.
	testenv.Eventually(b.t, func() error {
		findings, err := preflight.Check(b.t.Context(), b.Admin(), namespace)
		if err != nil {
			return err
		}
		var got []string
		for _, f := range findings {
			got = append(got, f.Reason)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("found %v, want %v: %+v", got, want, findings)
		}
		return nil
	})
}

// TestPieceByPiece: an operator that is there before CRDs and policies says what it waits for, gives nothing before they are
// there, and needs no restart; nor does it when a policy goes and comes back.
func TestPieceByPiece(t *testing.T) {
	t.Parallel()
	b := newBare(t)
	b.finds(testenv.SystemNamespace, preflight.PoliciesMissing, preflight.CRDsMissing)
	b.apply("namespace", "rbac")
	operator := b.start(testenv.SystemNamespace)
	b.probe("/healthz", http.StatusOK)
	b.probe("/readyz", http.StatusInternalServerError)
	b.logged("Waiting: CRDs are missing", "apply the manifests")
	b.tells(testenv.SystemNamespace, preflight.CRDsMissing)

	b.apply("crd")
	b.organisation("acme")
	b.organisationSays("acme", enrolv1alpha1.ReasonPoliciesMissing)
	b.logged("Nobody is given anything new", "enrol-grant-roles")
	jane := b.member("acme", "jane")
	b.memberSays(jane, enrolv1alpha1.ReasonPoliciesMissing)
	b.works("acme", "jane", false)
	b.works("acme", "ada", false)
	b.probe("/readyz", http.StatusInternalServerError)

	b.apply("policy")
	b.works("acme", "jane", true)
	b.works("acme", "ada", true)
	b.organisationSays("acme", enrolv1alpha1.ReasonReconciled)
	b.memberSays(jane, enrolv1alpha1.ReasonGranted)
	b.probe("/readyz", http.StatusOK)
	b.finds(testenv.SystemNamespace)
	b.tells(testenv.SystemNamespace, "Fit")

	b.kubectl("delete", "validatingadmissionpolicybinding", "enrol-grant-roles")
	b.organisationSays("acme", enrolv1alpha1.ReasonPoliciesMissing)
	joe := b.member("acme", "joe")
	b.memberSays(joe, enrolv1alpha1.ReasonPoliciesMissing)
	b.works("acme", "joe", false)
	b.works("acme", "ada", true)
	if err := b.AdminClient(t).Delete(t.Context(), jane); err != nil {
		t.Fatal(err)
	}
	b.works("acme", "jane", false)

	b.apply("policy")
	b.works("acme", "joe", true)
	b.works("acme", "ada", true)
	b.memberSays(joe, enrolv1alpha1.ReasonGranted)
	if err := operator.Err(); err != nil {
		t.Errorf("the operator must not restart: %v", err)
	}
}

// TestNoPolicies: on an API server that knows no admission policies nothing is given, unless the platform team says so.
func TestNoPolicies(t *testing.T) {
	t.Parallel()
	b := newBare(t, "--runtime-config=admissionregistration.k8s.io/v1=false",
		"--disable-admission-plugins=ValidatingAdmissionPolicy,MutatingAdmissionPolicy,ValidatingAdmissionWebhook,MutatingAdmissionWebhook")
	b.apply("namespace", "rbac", "crd")
	b.finds(testenv.SystemNamespace, preflight.PoliciesUnsupported)
	b.organisation("acme")
	operator := b.start(testenv.SystemNamespace)
	b.organisationSays("acme", enrolv1alpha1.ReasonPoliciesMissing)
	b.logged("Nobody is given anything new", "has no ValidatingAdmissionPolicies", "--allow-without-policies")
	b.works("acme", "ada", false)
	operator.Stop(10 * time.Second)

	b.start(testenv.SystemNamespace, "--allow-without-policies")
	b.organisationSays("acme", enrolv1alpha1.ReasonReconciled)
	b.logged("has no ValidatingAdmissionPolicies", "INFO")
	b.tells(testenv.SystemNamespace, preflight.PoliciesUnsupported)
	b.works("acme", "ada", true)
	b.probe("/readyz", http.StatusOK)
}

// TestOlderCRDs: an operator that was upgraded before its CRDs says so and gives nothing until they are.
func TestOlderCRDs(t *testing.T) {
	t.Parallel()
	b := newBare(t)
	b.apply("default")
	older := []string{"patch", "crd", "members.enrol.dev", "--type=json", "--patch",
		`[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/expireTime"}]`}
	b.kubectl(older...)
	b.finds(testenv.SystemNamespace, preflight.CRDsOutdated)
	b.organisation("acme")
	b.start(testenv.SystemNamespace)
	b.organisationSays("acme", enrolv1alpha1.ReasonInstallationOutdated)
	b.logged("the CRDs are older than the operator", "spec.expireTime")
	b.works("acme", "ada", false)

	b.apply("crd")
	b.organisationSays("acme", enrolv1alpha1.ReasonReconciled)
	b.works("acme", "ada", true)

	b.kubectl("patch", "crd", "members.enrol.dev", "--type=json", "--patch",
		`[{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/nickname", "value": {"type": "string"}}]`)
	b.finds(testenv.SystemNamespace, preflight.CRDsNewer)
	b.logged("the CRDs are newer than the operator", "spec.nickname", "INFO")
	b.organisationSays("acme", enrolv1alpha1.ReasonReconciled)
	b.probe("/readyz", http.StatusOK)

	// Forbidden to look, as by rights of an earlier version.
	b.kubectl("patch", "clusterrole", "enrol:operator", "--type=json", "--patch", `[{"op": "remove", "path": "/rules/1"}]`)
	b.organisationSays("acme", enrolv1alpha1.ReasonInstallationOutdated)
	b.logged("the operator may not look at the cluster")
	b.works("acme", "ada", true)
}

// second renders an installation in another namespace.
func (b *bare) second(namespace string, folders ...string) string {
	b.t.Helper()
	var all []string
	for _, folder := range folders {
		text, err := b.Kubectl("kustomize", manifests(b.t, folder))
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(text, testenv.SystemNamespace, namespace))
	}
	return strings.Join(all, "\n---\n")
}

func (b *bare) applyText(text string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "manifests.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.kubectl("apply", "--server-side", "-f", file)
}

// TestTwoInstallations: of two in one cluster, the one that the policies name acts, and the other says so and waits, even
// while the first is down. It takes over when the first is uninstalled and its own policies are applied.
func TestTwoInstallations(t *testing.T) {
	t.Parallel()
	const two = "enrol-two"
	b := newBare(t)
	b.apply("default")
	first := b.start(testenv.SystemNamespace)
	b.organisation("acme")
	b.works("acme", "ada", true)

	// The second has rights of its own, by other names.
	b.kubectl("create", "namespace", two)
	b.applyText(strings.ReplaceAll(b.second(two, "rbac"), "name: enrol:", "name: two:"))
	b.finds(two, preflight.AnotherInstallation)
	second := b.start(two)
	b.logged("Waiting: the cluster belongs to the installation in namespace", testenv.SystemNamespace)
	b.probe("/healthz", http.StatusOK)
	b.probe("/readyz", http.StatusInternalServerError)

	first.Stop(10 * time.Second)
	b.organisation("globex")
	quiet := time.Now().Add(3 * time.Second)
	testenv.Eventually(t, func() error {
		o := &enrolv1alpha1.Organisation{}
		if err := b.AdminClient(t).Get(t.Context(), client.ObjectKey{Name: "globex"}, o); err != nil {
			t.Fatal(err)
		}
		if len(o.Status.Conditions) > 0 {
			t.Fatalf("the second must do nothing: %+v", o.Status)
		}
		if time.Now().Before(quiet) {
			return errors.New("watching still")
		}
		return nil
	})

	b.kubectl("delete", "-k", manifests(t, "policy"))
	b.kubectl("delete", "clusterrolebinding", "enrol:operator")
	b.organisationSays("globex", enrolv1alpha1.ReasonPoliciesMissing)
	b.works("acme", "ada", true)
	b.applyText(b.second(two, "policy"))
	b.works("globex", "ada", true)
	b.organisationSays("globex", enrolv1alpha1.ReasonReconciled)
	b.probe("/readyz", http.StatusOK)
	b.finds(two)
	if err := second.Err(); err != nil {
		t.Errorf("the second must not restart: %v", err)
	}

	// Applied once more, the first has the cluster again, and the second ends and says why.
	b.apply("policy")
	b.logged("the cluster belongs to the installation in namespace", testenv.SystemNamespace)
	testenv.Eventually(t, func() error {
		if second.Err() == nil {
			return errors.New("the second still runs")
		}
		return nil
	})
}

// TestNotEnforced: policies that the API server keeps and does not enforce are as good as none.
func TestNotEnforced(t *testing.T) {
	t.Parallel()
	b := newBare(t, "--disable-admission-plugins=ValidatingAdmissionPolicy")
	b.apply("default")
	b.finds(testenv.SystemNamespace)
	b.organisation("acme")
	b.start(testenv.SystemNamespace)
	b.organisationSays("acme", enrolv1alpha1.ReasonPoliciesMissing)
	b.logged("lets through what they refuse", "admission plugin")
	b.works("acme", "ada", false)
}
