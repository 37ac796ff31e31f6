package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/operatortest"
	"github.com/enrol-dev/enrol/internal/kubectl"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// The people. Their rights come from nothing but what Enrol binds, the platform team's excepted.
const (
	admin    = "admin"
	platform = "platform@example.com"
	ada      = "ada@example.com"  // owns every organisation
	jane     = "jane@example.com" // a developer
	joe      = "joe@example.com"  // a viewer
	eve      = "eve@example.com"  // nobody
)

var (
	update = flag.Bool("update", false, "write testdata anew")

	environment *testenv.Environment
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testenv.RunWith(m, &environment, func() (stop func() error, err error) {
		if err := environment.BindPlatformTeam(platform); err != nil {
			return nil, err
		}
		operator, err := operatortest.Start(environment, operatortest.Options{PublicURL: "https://enrol.example.com"})
		if err != nil {
			return nil, err
		}
		folder, err = os.MkdirTemp("", "kubectl-enrol-")
		return func() error { return errors.Join(operator.Stop(), os.RemoveAll(folder)) }, err
	}))
}

// answer is what a command printed and ended with.
type answer struct {
	out, problems string
	code          int
}

// person runs the command as somebody.
type person struct {
	*testing.T

	kubeconfig string
}

func as(t *testing.T, user string, groups ...string) *person {
	t.Helper()
	if user == admin {
		return &person{T: t, kubeconfig: environment.AdminKubeconfigFile()}
	}
	content, err := environment.Kubeconfig(environment.URL(), user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return &person{T: t, kubeconfig: file}
}

// run runs the command until it ends.
func (p *person) run(args ...string) answer {
	p.Helper()
	var out bytes.Buffer
	got := p.runInto(p.Context(), &out, args...)
	got.out = out.String()
	return got
}

// runInto runs the command until it or the context ends. What it prints goes to the writer.
func (p *person) runInto(ctx context.Context, out io.Writer, args ...string) answer {
	p.Helper()
	var problems bytes.Buffer
	command := kubectl.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: &problems}, "v0.0.0-test")
	// The cache of another control plane on this port knows other kinds.
	command.SetArgs(append(args, "--kubeconfig="+p.kubeconfig, "--cache-dir="+p.TempDir()))
	code := kubectl.Report(&problems, command.ExecuteContext(ctx))
	return answer{problems: problems.String(), code: code}
}

// screen is what a command prints while it runs.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

// shows waits until a text is there.
func (s *screen) shows(t *testing.T, text string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.Contains(s.text.String(), text) {
			return fmt.Errorf("%q is not shown:\n%s", text, s.text.String())
		}
		return nil
	})
}

// fine runs the command, which must do its work, and returns what it printed.
func (p *person) fine(args ...string) string {
	p.Helper()
	got := p.run(args...)
	if got.code != 0 {
		p.Fatalf("%q ended with %d: %s%s", args, got.code, got.out, got.problems)
	}
	return got.out
}

// golden compares an answer with testdata, in which times and random names are replaced.
func golden(t *testing.T, name string, got answer) {
	t.Helper()
	file := filepath.Join("testdata", strings.TrimSuffix(strings.ReplaceAll(t.Name(), "/", "-")+"-"+name, "-")+".txt")
	text := got.out
	if got.code != kubectl.ExitFine {
		text += fmt.Sprintf("--- exit code %d\n", got.code)
	}
	if got.problems != "" {
		text += "--- stderr\n" + got.problems
	}
	text = settled(text)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var (
	timePattern = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	dayPattern  = regexp.MustCompile(`\d{4}-\d\d-\d\d`)
	uidPattern  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	certificate = regexp.MustCompile(`X509SHA256=[0-9a-f]+`)
	urlPattern  = regexp.MustCompile(`https://127\.0\.0\.1:\d+`)
)

// settled puts in the place of what differs between runs something of the same length.
func settled(text string) string {
	text = timePattern.ReplaceAllStringFunc(text, func(string) string { return "2026-11-25T12:00:00Z" })
	text = dayPattern.ReplaceAllString(text, "2026-11-25")
	text = uidPattern.ReplaceAllString(text, "00000000-0000-0000-0000-000000000000")
	text = certificate.ReplaceAllString(text, "X509SHA256=00")
	return urlPattern.ReplaceAllString(text, "https://127.0.0.1:6443")
}

// organisation is one of its own for each test: a home namespace, two projects, and Members jane and joe.
type organisation struct {
	*testing.T

	name     string
	platform client.Client
	admin    client.Client
}

func newOrganisation(t *testing.T, name string, change ...func(*enrolv1alpha1.OrganisationSpec)) *organisation {
	t.Helper()
	o := &organisation{T: t, name: name, platform: environment.As(t, platform), admin: environment.AdminClient(t)}
	spec := enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: ada, Email: ada}}}
	for _, do := range change {
		do(&spec)
	}
	o.create(&enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
	o.project(name + "-web")
	o.project(name + "-data")
	o.member("jane", enrolv1alpha1.MemberSpec{
		Email: jane, Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}, Projects: enrolv1alpha1.Projects{"*"},
	})
	o.member("joe", enrolv1alpha1.MemberSpec{
		Email: joe, Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
		Projects: enrolv1alpha1.Projects{enrolv1alpha1.Project(name + "-web")},
	})
	o.settle()
	return o
}

func (o *organisation) home() string { return "org-" + o.name }

func (o *organisation) create(object client.Object) {
	o.Helper()
	// Repeated as any tool does whose objects overtake their namespace.
	testenv.Eventually(o, func() error { return o.platform.Create(o.Context(), object) })
}

func (o *organisation) project(name string) {
	o.Helper()
	o.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{enrolv1alpha1.LabelOrganisation: o.name},
	}})
}

func (o *organisation) member(name string, spec enrolv1alpha1.MemberSpec) {
	o.Helper()
	o.create(&enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: o.home(), Name: name}, Spec: spec})
}

// settle waits until the operator has come to rest: everything is counted, bound and Ready.
func (o *organisation) settle() {
	o.Helper()
	// At home owner, developer, viewer; in one project cluster-admin, edit, view; in the other cluster-admin, edit.
	const bindings = 8
	o.counts(2, bindings)
	o.ready("jane", enrolv1alpha1.ReasonGranted)
	o.ready("joe", enrolv1alpha1.ReasonGranted)
}

// counts waits until the Organisation is Reconciled and its status counts that many Members and RoleBindings, in two projects.
func (o *organisation) counts(members, bindings int32) {
	o.Helper()
	testenv.Eventually(o, func() error {
		found := &enrolv1alpha1.Organisation{}
		if err := o.admin.Get(o.Context(), client.ObjectKey{Name: o.name}, found); err != nil {
			return err
		}
		s := found.Status
		c := meta.FindStatusCondition(s.Conditions, enrolv1alpha1.ConditionReady)
		if s.Members != members || s.Projects != 2 || s.Bindings != bindings || c == nil || c.Reason != enrolv1alpha1.ReasonReconciled {
			return fmt.Errorf("%s has %d bindings of %d members in %d projects: %+v", o.name, s.Bindings, s.Members, s.Projects, c)
		}
		return nil
	})
}

// ready waits until a Member's Ready has that reason.
func (o *organisation) ready(name, reason string) {
	o.Helper()
	testenv.Eventually(o, func() error {
		m := &enrolv1alpha1.Member{}
		if err := o.admin.Get(o.Context(), client.ObjectKey{Namespace: o.home(), Name: name}, m); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(m.Status.Conditions, enrolv1alpha1.ConditionReady); c == nil || c.Reason != reason {
			return fmt.Errorf("%s is %+v, want %s", name, c, reason)
		}
		return nil
	})
}
