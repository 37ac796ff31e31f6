package main_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const platform = "platform@example.com"

var (
	environment *testenv.Environment
	// binary is the operator as it is shipped.
	binary string
	// kubeconfig holds a token of the operator's ServiceAccount.
	kubeconfig string
)

func TestMain(m *testing.M) {
	os.Exit(testenv.RunWith(m, &environment, func() (func() error, error) {
		dir, err := os.MkdirTemp("", "enrol-operator-")
		if err != nil {
			return nil, err
		}
		stop := func() error { return os.RemoveAll(dir) }
		binary, kubeconfig = filepath.Join(dir, "operator"), filepath.Join(dir, "kubeconfig")
		build := exec.Command("go", "build", "-o", binary, ".")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("building the operator: %w: %s", err, out), stop())
		}
		return stop, errors.Join(environment.BindPlatformTeam(platform), writeKubeconfig())
	}))
}

func writeKubeconfig() error {
	config, err := environment.ServiceAccountConfig(
		context.Background(), testenv.SystemNamespace, testenv.OperatorServiceAccount)
	if err != nil {
		return err
	}
	text, err := environment.TokenKubeconfig(environment.URL(), testenv.OperatorServiceAccount, config.BearerToken)
	if err != nil {
		return err
	}
	return os.WriteFile(kubeconfig, text, 0o600)
}

func start(t *testing.T, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start("operator", filepath.Join(t.TempDir(), "operator.log"), binary,
		append([]string{"--kubeconfig=" + kubeconfig, "--username-claim=email"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	return p
}

// crowd is an Organisation with a project and many Members.
type crowd struct {
	t        *testing.T
	name     string
	platform client.Client
	admin    client.Client
}

func newCrowd(t *testing.T, name string) *crowd {
	t.Helper()
	c := &crowd{t: t, name: name, platform: environment.As(t, platform), admin: environment.AdminClient(t)}
	c.create(&enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: "ada@example.com"}}},
	})
	c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name + "-web", Labels: map[string]string{enrolv1alpha1.LabelOrganisation: name},
	}})
	return c
}

func (c *crowd) create(o client.Object) {
	c.t.Helper()
	testenv.Eventually(c.t, func() error { return c.platform.Create(c.t.Context(), o) })
}

func (c *crowd) member(i int) *enrolv1alpha1.Member {
	return &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("m", i), Namespace: "org-" + c.name},
		Spec: enrolv1alpha1.MemberSpec{
			Username: enrolv1alpha1.Username(fmt.Sprintf("%s-%d", c.name, i)), Projects: enrolv1alpha1.Projects{"*"},
		},
	}
}

// burst makes Members from one number to another, by 8 clients at once.
func (c *crowd) burst(from, to int) {
	c.t.Helper()
	const clients = 8
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			for i := from + n; i < to; i += clients {
				c.create(c.member(i))
			}
		})
	}
	group.Wait()
}

// converges waits until just those Members have access, and each status says so.
func (c *crowd) converges(from, to int) {
	c.t.Helper()
	want := map[string]bool{}
	for i := from; i < to; i++ {
		want[fmt.Sprintf("%s-%d", c.name, i)] = true
	}
	testenv.Eventually(c.t, func() error {
		got := map[string]bool{}
		var bindings rbacv1.RoleBindingList
		if err := c.admin.List(c.t.Context(), &bindings, client.InNamespace(c.name+"-web")); err != nil {
			return err
		}
		for _, b := range bindings.Items {
			for _, s := range b.Subjects {
				if b.RoleRef.Name == "view" {
					got[s.Name] = true
				}
			}
		}
		if !maps.Equal(want, got) {
			return fmt.Errorf("%d have access, want %d", len(got), len(want))
		}
		var members enrolv1alpha1.MemberList
		if err := c.admin.List(c.t.Context(), &members, client.InNamespace("org-"+c.name)); err != nil {
			return err
		}
		for _, m := range members.Items {
			if len(m.Status.Conditions) != 1 || m.Status.Conditions[0].Reason != enrolv1alpha1.ReasonGranted {
				return fmt.Errorf("the status of %s is %+v", m.Name, m.Status)
			}
		}
		return nil
	})
}

// versions of all that an operator writes.
func (c *crowd) versions() map[string]string {
	c.t.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{
		&rbacv1.RoleBindingList{}, &enrolv1alpha1.MemberList{}, &enrolv1alpha1.OrganisationList{}, &corev1.NamespaceList{},
	} {
		if err := c.admin.List(c.t.Context(), list); err != nil {
			c.t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			o := item.(client.Object)
			versions[fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())] = o.GetResourceVersion()
			return nil
		}); err != nil {
			c.t.Fatal(err)
		}
	}
	return versions
}

// settled are the versions once the operator has come to rest.
func (c *crowd) settled() map[string]string {
	c.t.Helper()
	const calm = 3 * time.Second
	var last map[string]string
	var since time.Time
	testenv.Eventually(c.t, func() error {
		now := c.versions()
		if !maps.Equal(last, now) {
			last, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < calm {
			return fmt.Errorf("the last change was %s ago", quiet)
		}
		return nil
	})
	return last
}

// leader is the identity that holds the Lease; "" while nobody does.
func leader(t *testing.T) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := environment.AdminClient(t).Get(t.Context(),
		client.ObjectKey{Namespace: testenv.SystemNamespace, Name: "enrol-operator"}, lease); err != nil {
		return ""
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// Two operators run, the one that acts is killed in a burst, and people leave while nobody acts: the other takes over,
// nobody keeps a right, and once all is done neither it nor another start writes anything.
func TestTheLeaderIsKilledInABurst(t *testing.T) {
	first := start(t)
	testenv.Eventually(t, func() error {
		if leader(t) == "" {
			return errors.New("nobody leads")
		}
		return nil
	})
	killed := leader(t)
	second := start(t)
	c := newCrowd(t, "killed")
	c.burst(0, 100)
	var group sync.WaitGroup
	group.Go(func() { c.burst(100, 400) })
	first.Kill()
	group.Wait()
	for i := range 50 {
		if err := c.platform.Delete(t.Context(), c.member(i)); err != nil {
			t.Fatal(err)
		}
	}
	c.converges(50, 400)
	if now := leader(t); now == killed || now == "" {
		t.Errorf("the Lease is held by %q, killed was %q", now, killed)
	}

	before := c.settled()
	second.Stop(10 * time.Second)
	third := start(t)
	c.burst(400, 401)
	c.converges(50, 401)
	after := c.settled()
	// One Member more touches the last shard at home and in the project, its own status and the Organisation's.
	changed := 0
	for key, version := range before {
		if after[key] != version {
			changed++
		}
	}
	if changed > 3 {
		t.Errorf("a restart and one Member more wrote %d objects: %s", changed, cmp.Diff(before, after))
	}
	third.Stop(10 * time.Second)

	// Bindings that lose their Organisation while nobody looks do not outlive the next start.
	if err := c.platform.Delete(t.Context(), &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: c.name}},
		client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		t.Fatal(err)
	}
	start(t)
	testenv.Eventually(t, func() error {
		var bindings rbacv1.RoleBindingList
		if err := c.admin.List(t.Context(), &bindings, client.InNamespace(c.name+"-web")); err != nil {
			return err
		}
		if len(bindings.Items) > 0 {
			return fmt.Errorf("%d RoleBindings are left", len(bindings.Items))
		}
		return nil
	})
}

// The API server is away for a minute. An operator that leads gives up by then, as it must, and is started again.
func TestTheAPIServerIsAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var keeper sync.WaitGroup
	keeper.Go(func() {
		for ctx.Err() == nil {
			p := start(t)
			select {
			case <-p.Done():
			case <-ctx.Done():
			}
		}
	})
	defer keeper.Wait()
	defer cancel()

	c := newCrowd(t, "away")
	c.burst(0, 100)
	c.converges(0, 100)
	if err := environment.RestartAPIServer(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		member := c.member(i)
		testenv.Eventually(t, func() error { return client.IgnoreNotFound(c.platform.Delete(t.Context(), member)) })
	}
	c.burst(100, 120)
	c.converges(10, 120)
}

func TestFlags(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"UnknownFlag":   {[]string{"--nonsense"}, "flag provided but not defined: -nonsense"},
		"Argument":      {[]string{"start"}, "must have flags only"},
		"UsernameClaim": {[]string{"--username-claim=sub"}, "--username-claim must be 'email' or empty"},
		"SystemPrefix":  {[]string{"--username-prefix=System:"}, "must not start with 'system:'"},
		"NoKubeconfig":  {[]string{"--kubeconfig=/does/not/exist"}, "finding the API server"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, binary, tc.args...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v: %v, %s, want exit status 1 and %q", tc.args, err, out, tc.want)
			}
		})
	}
	if out, err := exec.Command(binary, "--version").Output(); err != nil || strings.TrimSpace(string(out)) == "" {
		t.Errorf("--version: %s, %v", out, err)
	}
}
