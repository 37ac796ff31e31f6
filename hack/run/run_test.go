package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/internal/browsertest"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const (
	startPatience = 3 * time.Minute
	stopPatience  = time.Minute
)

// TestSession is what `make run` promises, from the first start to what is left after the last.
func TestSession(t *testing.T) {
	s := newSessionUnderTest(t)
	s.start(t)
	admin := s.envClient(t)
	mark := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if err := admin.Create(t.Context(), mark); err != nil {
		t.Fatal(err)
	}

	t.Run("people have what the samples give them", s.checkAccess)
	t.Run("the invitation's mail lies in the mailbox", s.checkMail)
	t.Run("people have tokens", s.checkTokens)
	t.Run("the facade answers", s.checkFacade)
	t.Run("the pages' commands print what the pages say", s.checkPrinted)
	passwords := s.read(t, passwordsName)
	t.Run("a second one on the same ports names the port", func(t *testing.T) {
		s.checkRefused(t, fmt.Sprintf("port %s for kube-apiserver is taken", s.ports[0]), s.args())
	})
	t.Run("a second one in the same folder is refused", func(t *testing.T) {
		s.checkRefused(t, "another `make run` uses "+s.dir, []string{
			"--dir", s.dir, "--port=0", "--etcd-port=0", "--etcd-peer-port=0", "--health-port=0", "--mail-port=0",
			"--idp-port=0", "--facade-port=0", "--facade-health-port=0",
		})
	})
	t.Run("and the first goes on", s.checkAccess)

	t.Run("kim takes the way in", s.checkWayIn)
	t.Run("SIGTERM ends everything", func(t *testing.T) {
		s.running.Stop(stopPatience)
		if err := s.running.Wait(t.Context()); err != nil {
			t.Errorf("must end without an error: %v", err)
		}
		s.checkNothingLeft(t)
	})

	s.start(t, "--keep")
	t.Run("keep keeps the data", func(t *testing.T) {
		if err := s.envClient(t).Get(t.Context(), client.ObjectKeyFromObject(mark), mark); err != nil {
			t.Error(err)
		}
	})
	t.Run("and the passwords", func(t *testing.T) {
		if again := s.read(t, passwordsName); again != passwords {
			t.Errorf("must keep them, but before:\n%s\nafter:\n%s", passwords, again)
		}
		s.checkTokens(t)
	})
	t.Run("the end of one process is the end of all", func(t *testing.T) {
		for pid, command := range s.processes(t) {
			if strings.Contains(command, "etcd\x00--name") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), stopPatience)
		defer cancel()
		err := s.running.Wait(ctx)
		if err == nil || !strings.Contains(err.Error(), "etcd ended: signal: killed") {
			t.Errorf("must fail and say that etcd was killed, got: %v", err)
		}
		s.checkNothingLeft(t)
	})
}

// sessionUnderTest runs the program as it is, so that signals and exit codes are the real ones.
type sessionUnderTest struct {
	binary, operator, facade, dir string
	ports                         [8]string
	running                       *process.Process
	// log is what the program prints.
	log string
}

func newSessionUnderTest(t *testing.T) *sessionUnderTest {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	s := &sessionUnderTest{dir: t.TempDir()}
	bin := t.TempDir()
	s.binary, s.operator, s.facade = filepath.Join(bin, "run"), filepath.Join(bin, "operator"), filepath.Join(bin, "facade")
	for path, source := range map[string]string{
		s.binary: "./hack/run", s.operator: "./cmd/operator", s.facade: "./cmd/facade",
	} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", path, source)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", source, err, out)
		}
	}
	for i := range s.ports {
		port, err := controlplane.FreePort(t.Context(), "a test", 0)
		if err != nil {
			t.Fatal(err)
		}
		s.ports[i] = strconv.Itoa(port)
	}
	return s
}

func (s *sessionUnderTest) args(more ...string) []string {
	return append([]string{
		"--dir", s.dir, "--operator", s.operator, "--port", s.ports[0], "--etcd-port", s.ports[1],
		"--etcd-peer-port", s.ports[2], "--health-port", s.ports[3], "--mail-port", s.ports[4],
		"--facade", s.facade, "--idp-port", s.ports[5], "--facade-port", s.ports[6], "--facade-health-port", s.ports[7],
	}, more...)
}

// start starts the program and waits until it prints ready.
func (s *sessionUnderTest) start(t *testing.T, more ...string) {
	t.Helper()
	s.log = filepath.Join(t.TempDir(), "log")
	running, err := process.Start("run", s.log, s.binary, s.args(more...)...)
	if err != nil {
		t.Fatal(err)
	}
	s.running = running
	t.Cleanup(func() { running.Stop(stopPatience) })
	deadline := time.After(startPatience)
	for {
		out, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(out), "\nready\n") {
			return
		}
		select {
		case <-running.Done():
			t.Fatal(running.Err())
		case <-deadline:
			t.Fatalf("not ready after %s:\n%s", startPatience, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// envClient is a client with the kubeconfig that the file env names.
func (s *sessionUnderTest) envClient(t *testing.T) client.Client {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$1" && cat "$KUBECONFIG"`, "sh",
		filepath.Join(s.dir, envName)).CombinedOutput()
	if err != nil {
		t.Fatalf("reading env: %v\n%s", err, out)
	}
	return clientFrom(t, out)
}

func clientFrom(t *testing.T, kubeconfig []byte) client.Client {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, kubeconfig)
	}
	c, err := client.New(config, client.Options{Scheme: testenv.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkMail reads the mail that the sample Invitation leads to, where the env file says that it is.
func (s *sessionUnderTest) checkMail(t *testing.T) {
	content := s.mail(t)
	for _, want := range []string{"To: <kim@example.com>", "ada@example.com invites you to Acme Corporation", s.env(t, "ENROL_URL") + "/invitations"} {
		if !strings.Contains(content, want) {
			t.Errorf("the mail does not say %q:\n%s", want, content)
		}
	}
}

// mail is the one that invites to acme.
func (s *sessionUnderTest) mail(t *testing.T) string {
	t.Helper()
	mails, err := filepath.Glob(filepath.Join(s.env(t, "MAILBOX"), "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range mails {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "to Acme Corporation") {
			found = append(found, string(content))
		}
	}
	if len(found) != 1 {
		t.Fatalf("of the mails %v, %d invite to acme, want one", mails, len(found))
	}
	return found[0]
}

// checkWayIn goes from the mail to kubectl as kim does: with a browser, the printed password, and the README's commands.
func (s *sessionUnderTest) checkWayIn(t *testing.T) {
	const kim, project = "kim@example.com", "acme-web"
	people, err := identityprovider.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var servers []browsertest.Server
	for _, name := range []string{"ENROL_URL", "ENROL_ISSUER"} {
		u, err := url.Parse(s.env(t, name))
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, browsertest.Server{Address: u.Host, CAFile: s.env(t, "CA_FILE")})
	}
	browser, err := browsertest.Start(browsertest.Options{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Stop(); err != nil {
			t.Error(err)
		}
	})
	link := regexp.MustCompile(regexp.QuoteMeta(s.env(t, "ENROL_URL")) + `/invitations\?\S+`).FindString(s.mail(t))
	tab := browser.Tab(t)
	tab.Open(link).Wants(http.StatusOK, "Join Acme Corporation", "ada@example.com")
	tab.Click("main a.button")
	tab.SignIn(people, kim).Wants(http.StatusOK, "You answer as "+kim)
	page := tab.Click("button[value=accept]").Wants(http.StatusOK, "You are a member of Acme Corporation")
	config, err := clientcmd.BuildConfigFromFlags("", s.env(t, "KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	if server := "server: " + config.Host; !strings.Contains(page.Text, server) {
		t.Errorf("the page must say how to use it, with %q, but says:\n%s", server, page.Text)
	}

	out, err := exec.CommandContext(t.Context(), s.binary, "kubeconfig", "--dir", s.dir, "--", kim).Output()
	if err != nil {
		t.Fatal(err)
	}
	person := clientFrom(t, out)
	testenv.Eventually(t, func() error {
		return person.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kim-was-here", Namespace: project}})
	})
	elsewhere := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kim-was-here", Namespace: "default"}}
	if err := person.Create(t.Context(), elsewhere); !apierrors.IsForbidden(err) {
		t.Errorf("elsewhere kim must be forbidden, but got %v", err)
	}
}

// env is a value in the file env.
func (s *sessionUnderTest) env(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(s.read(t, envName)) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("env has no %s", name)
	return ""
}

// read reads a file of the session that is for its owner alone.
func (s *sessionUnderTest) read(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s is %s, want it to be for its owner alone", name, info.Mode())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// checkTokens gets a token as a script would, and looks whether the printed passwords are those of the people.
func (s *sessionUnderTest) checkTokens(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), s.binary, "token", "--dir", s.dir, "--", "jane@example.com").Output()
	if err != nil {
		t.Fatal(err)
	}
	s.checkToken(t, strings.TrimSuffix(string(out), "\n"), "jane@example.com")

	printed, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(s.read(t, passwordsName)) {
		if !strings.Contains(string(printed), line) {
			t.Errorf("must print %q, but printed:\n%s", line, printed)
		}
		email, password, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.checkPassword(t, email, password)
	}

	err = exec.CommandContext(t.Context(), s.binary, "token", "--dir", s.dir, "--", "stranger@example.com").Run()
	if err == nil {
		t.Error("who has no account must have no token")
	}
}

// checkToken asks the API server whose token it is.
func (s *sessionUnderTest) checkToken(t *testing.T, token, want string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.env(t, "KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config = rest.AnonymousClientConfig(config)
	config.BearerToken = token
	c, err := client.New(config, client.Options{Scheme: testenv.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	user := review.Status.UserInfo
	if verified := user.Extra["enrol.dev/verified-email"]; user.Username != want || !slices.Equal(verified, []string{want}) {
		t.Errorf("the API server sees %v, want %s with that address verified", user, want)
	}
}

// checkPassword looks whether a password is the one that the provider where env says takes.
func (s *sessionUnderTest) checkPassword(t *testing.T, email, password string) {
	t.Helper()
	people, err := identityprovider.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.env(t, "ENROL_ISSUER"); got != people.Issuer() {
		t.Errorf("ENROL_ISSUER is %s, want %s", got, people.Issuer())
	}
	want := identityprovider.Person{Email: email, Password: password}
	if !slices.ContainsFunc(people.People(), func(p identityprovider.Person) bool { return cmp.Equal(p, want) }) {
		t.Errorf("%s must have the password %s", email, password)
	}
}

// checkFacade calls the facade as curl does: with what env says, and nothing else.
func (s *sessionUnderTest) checkFacade(t *testing.T) {
	authority, err := os.ReadFile(s.env(t, "CA_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer c.CloseIdleConnections()
	out, err := exec.CommandContext(t.Context(), s.binary, "token", "--dir", s.dir, "--", "jane@example.com").Output()
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{strings.TrimSpace(string(out)): http.StatusOK, "nonsense": http.StatusUnauthorized} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			s.env(t, "ENROL_URL")+"/api/v1/organisations/acme/me", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s answers %s, want %d", request.URL, response.Status, want)
		}
	}
}

func (s *sessionUnderTest) checkAccess(t *testing.T) {
	for _, row := range []struct {
		user, groups, verb, namespace string
		want, token                   bool
	}{
		{"ada@example.com", "", "delete", "acme-data", true, true},
		{"jane@example.com", "", "create", "acme-web", true, true},
		{"jane@example.com", "", "create", "default", false, true},
		{"jane@example.com", "system:masters", "create", "default", true, false},
		{"joe@example.com", "", "get", "acme-web", true, true},
		{"joe@example.com", "", "create", "acme-web", false, true},
		{"kim@example.com", "", "get", "acme-web", false, true},
		{platformUser, "", "create", "acme-web", false, false},
	} {
		out, err := exec.CommandContext(t.Context(), s.binary, "kubeconfig", "--dir", s.dir, "--groups", row.groups,
			"--", row.user).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "\n    token: "); got != row.token {
			t.Errorf("the kubeconfig of %s has a token: %v, want %v", row.user, got, row.token)
		}
		access := testenv.Access{Verb: row.verb, Resource: "configmaps", Namespace: row.namespace}
		person := clientFrom(t, out)
		// The API server takes a moment to hear of what the operator gives.
		testenv.Eventually(t, func() error {
			got, err := testenv.Can(t.Context(), person, access)
			if err == nil && got != row.want {
				err = fmt.Errorf("%s may %s in %s: %v, want %v", row.user, row.verb, row.namespace, got, row.want)
			}
			return err
		})
	}
}

// checkRefused starts the program a second time: it must say why not and touch nothing.
func (s *sessionUnderTest) checkRefused(t *testing.T, want string, args []string) {
	t.Helper()
	before := s.snapshot(t)
	out, err := exec.CommandContext(t.Context(), s.binary, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("must fail and say %q, got %v and:\n%s", want, err, out)
	}
	if after := s.snapshot(t); after != before {
		t.Errorf("must touch nothing, but before:\n%s\nafter:\n%s", before, after)
	}
}

// snapshot lists the files that only a start writes.
func (s *sessionUnderTest) snapshot(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"*", "pki/*", "etcd/*"} {
		files, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.IsDir() {
				fmt.Fprintln(&all, file)
				continue
			}
			fmt.Fprintln(&all, file, info.ModTime().UnixNano(), info.Size())
		}
	}
	return all.String()
}

func (s *sessionUnderTest) checkNothingLeft(t *testing.T) {
	t.Helper()
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("must leave no process, but left %v", left)
	}
	if _, err := os.Stat(filepath.Join(s.dir, envName)); !os.IsNotExist(err) {
		t.Errorf("must remove env, so that no script takes it for that of a running session: %v", err)
	}
}

// processes are the command lines of all processes that name the session's folder, by process id.
func (s *sessionUnderTest) processes(t *testing.T) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("there is no /proc to find processes in")
	}
	found := map[int]string{}
	for _, file := range files {
		// A process that ends meanwhile is no fault.
		command, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(command), s.dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = string(command)
	}
	return found
}

func TestAssignment(t *testing.T) {
	cases := map[string]struct {
		reason string
		value  string
		want   string
	}{
		"Plain": {
			reason: "What needs no quotes is readable for programs that are no shell, too",
			value:  "/home/jane/enrol/bin/run/admin.kubeconfig",
			want:   "NAME=/home/jane/enrol/bin/run/admin.kubeconfig\n",
		},
		"Quoted": {
			reason: "A shell must read the value as it is",
			value:  "/home/o'neill/my $folder",
			want:   `NAME='/home/o'\''neill/my $folder'` + "\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := assignment("NAME", tc.value); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}
