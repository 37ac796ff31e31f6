package gitops_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// gitOpsVariable has TestGitOps run.
const gitOpsVariable = "ENROL_TEST_GITOPS"

// stack is a session of `make run`, a Git repository, and Argo CD's engine.
type stack struct {
	*testing.T

	root, run, dir, repository string
	// env is what the session gives to scripts.
	env map[string]string
	// admin looks; account is whom the engine acts as, with that kubeconfig.
	admin, account client.Client
	kubeconfig     string
	engine         *process.Process
	engineURL      string
	syncs          int
	people         map[string]client.Client
}

func newStack(t *testing.T) *stack {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{T: t, root: root, dir: t.TempDir(), repository: t.TempDir(), people: map[string]client.Client{}}
	s.startSession()
	config, err := clientcmd.BuildConfigFromFlags("", s.env["KUBECONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	s.admin = s.client(config)
	s.layOutRepository()
	return s
}

func (s *stack) client(config *rest.Config) client.Client {
	s.Helper()
	c, err := client.New(config, client.Options{Scheme: testenv.Scheme})
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// startSession starts `make run` as it is, on ports of its own.
func (s *stack) startSession() {
	s.Helper()
	bin := s.TempDir()
	s.run = filepath.Join(bin, "run")
	for name, source := range map[string]string{"run": "./hack/run", "operator": "./cmd/operator", "facade": "./cmd/facade"} {
		build := exec.CommandContext(s.Context(), "go", "build", "-o", filepath.Join(bin, name), source)
		build.Dir = s.root
		if out, err := build.CombinedOutput(); err != nil {
			s.Fatalf("building %s: %v\n%s", source, err, out)
		}
	}
	args := []string{"--dir", s.dir, "--operator", filepath.Join(bin, "operator"), "--facade", filepath.Join(bin, "facade")}
	for _, flag := range []string{
		"port", "etcd-port", "etcd-peer-port", "health-port", "mail-port", "idp-port", "facade-port", "facade-health-port",
	} {
		args = append(args, "--"+flag, strconv.Itoa(s.freePort()))
	}
	session, err := process.Start("run", filepath.Join(bin, "run.log"), s.run, args...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { session.Stop(time.Minute) })
	testenv.Eventually(s, func() error {
		if err := session.Err(); err != nil {
			s.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(s.dir, "env"))
		if err != nil {
			return err
		}
		s.env = map[string]string{}
		for line := range strings.Lines(string(content)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			s.env[name] = value
		}
		return nil
	})
}

func (s *stack) freePort() int {
	s.Helper()
	port, err := controlplane.FreePort(s.Context(), "a test", 0)
	if err != nil {
		s.Fatal(err)
	}
	return port
}

// command runs a program and returns what it prints.
func (s *stack) command(dir, name string, args ...string) string {
	s.Helper()
	command := exec.CommandContext(s.Context(), name, args...)
	command.Dir = dir
	// No setting of whoever runs this counts.
	command.Env = append(os.Environ(), "KUBECONFIG="+s.env["KUBECONFIG"], "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := command.CombinedOutput()
	if err != nil {
		s.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (s *stack) kubectl(args ...string) string {
	s.Helper()
	return s.command(s.root, s.env["ENROL_KUBECTL"], args...)
}

func (s *stack) git(args ...string) {
	s.Helper()
	s.command(s.repository, "git", append([]string{"-c", "user.name=Ada", "-c", "user.email=" + ada}, args...)...)
}

// wave is a line of the sample that the engine's own command has no use for: Argo CD looks at what is there before each
// wave, and that command once for a sync, so that it waits for ever for what it made in the first. hack/gitops tries waves.
var wave = regexp.MustCompile(`(?m)^ *argocd\.argoproj\.io/sync-wave: .*\n`)

// sample is the sample repository with another organisation in the place of acme, by file.
func sample(t *testing.T, lower, upper string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("repository/acme/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample: %v", err)
	}
	contents := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(file)] = strings.NewReplacer("acme", lower, "Acme", upper).Replace(string(content))
	}
	return contents
}

// layOutRepository makes a Git repository of the sample, with the marks that Argo CD puts on what it applies.
func (s *stack) layOutRepository() {
	s.Helper()
	s.git("init", "--quiet", "--initial-branch=main")
	for file, text := range sample(s.T, "night", "Night") {
		text = wave.ReplaceAllString(text, "")
		documents := strings.Split(text, "---\n")
		for i, document := range documents {
			documents[i] = s.track(document)
		}
		s.commit(s.T, file, strings.Join(documents, "---\n"))
	}
}

// track adds Argo CD's annotation to an object, and leaves the text as it is besides.
func (s *stack) track(document string) string {
	s.Helper()
	var o unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
		s.Fatal(err)
	}
	kind := o.GroupVersionKind()
	mark := fmt.Sprintf("    argocd.argoproj.io/tracking-id: night:%s/%s:%s/%s\n", kind.Group, kind.Kind, o.GetNamespace(), o.GetName())
	return strings.Replace(document, "  annotations:\n", "  annotations:\n"+mark, 1)
}

func (s *stack) read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.repository, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (s *stack) commit(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.repository, file), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s.git("add", "--all")
	s.git("commit", "--quiet", "--message=Change "+file)
}

// edit replaces a text that must be there.
func (s *stack) edit(t *testing.T, file, from, to string) {
	t.Helper()
	content := s.read(t, file)
	if !strings.Contains(content, from) {
		t.Fatalf("%s does not say %q", file, from)
	}
	s.commit(t, file, strings.Replace(content, from, to, 1))
}

func (s *stack) remove(t *testing.T, file string) {
	t.Helper()
	s.git("rm", "--quiet", file)
	s.git("commit", "--quiet", "--message=Remove "+file)
}

// startEngine starts the engine with the sample's ServiceAccount. Argo CD reads with another account than it writes with;
// the engine's own command has one, which therefore may read everything.
func (s *stack) startEngine() {
	s.Helper()
	s.kubectl("create", "namespace", "argocd")
	s.kubectl("apply", "-f", "config/samples/gitops/rbac.yaml", "-f", "config/samples/gitops/argocd/service_account.yaml")
	s.kubectl("create", "clusterrole", "read-everything", "--verb=get,list,watch", "--resource=*.*")
	s.kubectl("create", "clusterrolebinding", "read-everything", "--clusterrole=read-everything",
		"--serviceaccount=argocd:organisations-sync")
	token := strings.TrimSpace(s.kubectl("create", "token", "organisations-sync", "--namespace=argocd", "--duration=1h"))
	config, err := clientcmd.LoadFromFile(s.env["KUBECONFIG"])
	if err != nil {
		s.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.ClientCertificate, user.ClientCertificateData, user.ClientKey, user.ClientKeyData = "", nil, "", nil
		user.Token = token
	}
	s.kubeconfig = filepath.Join(s.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, s.kubeconfig); err != nil {
		s.Fatal(err)
	}
	account, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		s.Fatal(err)
	}
	s.account = s.client(account)
	port := strconv.Itoa(s.freePort())
	s.engineURL = "http://127.0.0.1:" + port
	s.engine, err = process.Start("engine", filepath.Join(s.TempDir(), "engine.log"), filepath.Join(s.root, "bin", "tools", "gitops-agent"),
		s.repository, "--kubeconfig="+s.kubeconfig, "--port="+port, "--default-namespace=default", "--resync-seconds=3600")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.engine.Stop(10 * time.Second) })
}

func (s *stack) engineLog() string {
	content, err := os.ReadFile(s.engine.LogFile)
	if err != nil {
		return err.Error()
	}
	const most = 8000
	return string(content[max(0, len(content)-most):])
}

// sync has the engine sync, and wants it to do all that Git says.
func (s *stack) sync(t *testing.T) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.engineURL+"/api/v1/sync", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	s.awaitSync(t)
}

// awaitSync waits for the end of the next sync, which prints a line for each object.
func (s *stack) awaitSync(t *testing.T) {
	t.Helper()
	s.syncs++
	var printed string
	testenv.Eventually(t, func() error {
		if err := s.engine.Err(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(s.engine.LogFile)
		if err != nil {
			return err
		}
		if strings.Contains(string(content), "Failed to") {
			t.Fatalf("the engine failed:\n%s", s.engineLog())
		}
		parts := strings.Split(string(content), "\nRESOURCE ")
		if len(parts) != s.syncs+1 {
			return fmt.Errorf("%d syncs have ended, want %d", len(parts)-1, s.syncs)
		}
		printed = parts[s.syncs]
		return nil
	})
	for _, fault := range []string{"forbidden", "error", "denied", "invalid", "refused"} {
		if strings.Contains(printed, fault) {
			t.Fatalf("the sync says:\n%s", printed)
		}
	}
}

// token is a person's ID token.
func (s *stack) token(person string) string {
	s.Helper()
	return strings.TrimSpace(s.command(s.root, s.run, "token", "--dir", s.dir, "--", person))
}

func (s *stack) person(t *testing.T, email string) client.Client {
	t.Helper()
	if known, ok := s.people[email]; ok {
		return known
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.env["KUBECONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	config = rest.AnonymousClientConfig(config)
	config.BearerToken = s.token(email)
	s.people[email] = s.client(config)
	return s.people[email]
}

// accept accepts over HTTP, as the person.
func (s *stack) accept(t *testing.T, person string, invitation *enrolv1alpha1.Invitation) {
	t.Helper()
	authority, err := os.ReadFile(s.env["CA_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	o := &enrolv1alpha1.Organisation{}
	if err := s.admin.Get(t.Context(), client.ObjectKey{Name: "night"}, o); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("%s/organization/%s/inviteMember/%s", s.env["ENROL_URL"], o.UID, invitation.UID)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token(person))
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Fatalf("POST %s as %s: %s", url, person, response.Status)
	}
}
