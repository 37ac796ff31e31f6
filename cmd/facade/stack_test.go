package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/operatortest"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const (
	// platform is the platform team, which makes organisations.
	platform = "platform@example.com"
	// publicURL is where links in mails lead.
	publicURL = "https://enrol.example.com"

	ada, jane, joe, kim, maxim, eve = "ada@example.com", "jane@example.com", "joe@example.com", "kim@example.com",
		"max@example.com", "eve@example.com"
)

var (
	environment *testenv.Environment
	operator    *operatortest.Operator
	// mounts is a folder for what the facades have mounted. It outlives an operator.
	mounts string
	// facades are two replicas; most tests talk to the first.
	facades [2]*replica
	// plain serves in clear behind proxies on this machine, and wants TLS from everybody else.
	plain *replica
	// limited lets a caller make one request a minute.
	limited *replica
	// several lets people sign in by several identity providers, and tells new members how to reach the cluster.
	several *replica
	// elsewhere is an identity provider that the API server does not know, where anybody may have any address; narrow is another,
	// which may speak for addresses of one domain, and is at a standstill at times.
	elsewhere, narrow *identityprovider.Provider
)

func TestMain(m *testing.M) {
	os.Exit(testenv.RunWithPeople(m, &environment, func() (stop func() error, err error) {
		if err := environment.BindPlatformTeam(platform); err != nil {
			return nil, err
		}
		if mounts, err = os.MkdirTemp("", "enrol-mounts-"); err != nil {
			return nil, err
		}
		if operator, err = startOperator(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(mounts))
		}
		one, some, err := signIns()
		if err != nil {
			return nil, errors.Join(err, operator.Stop(), os.RemoveAll(mounts))
		}
		replicas := []struct {
			into **replica
			args []string
		}{
			{&facades[0], one},
			{&facades[1], one},
			{&several, some},
			{&plain, []string{"--tls-cert-file=", "--tls-key-file=", "--require-tls", "--trusted-proxies=127.0.0.0/8"}},
			{&limited, []string{"--requests-per-minute=1"}},
		}
		for _, r := range replicas {
			if *r.into, err = startReplica(environment.URL(), r.args...); err != nil {
				return nil, errors.Join(err, operator.Stop())
			}
		}
		return func() error {
			var ended []error
			for _, r := range replicas {
				ended = append(ended, (*r.into).stop())
			}
			elsewhere.Stop()
			narrow.Stop()
			return errors.Join(append(ended, theBrowser.Stop(), operator.Stop(), os.RemoveAll(mounts))...)
		}, nil
	}, publicURL+"/sign-in/callback", severalURL+"/sign-in/callback"))
}

func startOperator() (*operatortest.Operator, error) {
	return operatortest.Start(environment, operatortest.Options{PublicURL: publicURL, KeysFolder: filepath.Join(mounts, "keys")})
}

// replica is a running facade: the program as it is, with nothing but its own ServiceAccount's rights.
type replica struct {
	url    string
	health string
	client *http.Client
	cancel context.CancelFunc
	ended  chan error
	folder string
	// log is what it has logged; nil for a replica that logs where everybody can see it.
	log *logbook
}

// startReplica starts a facade over TLS for the API server at a URL. Later arguments win.
func startReplica(apiServer string, args ...string) (*replica, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{cancel: cancel, ended: make(chan error, 1)}
	if err := r.start(ctx, apiServer, args); err != nil {
		cancel()
		return nil, err
	}
	return r, nil
}

func (r *replica) start(ctx context.Context, apiServer string, args []string) (err error) {
	if r.folder, err = os.MkdirTemp("", "enrol-facade-"); err != nil {
		return err
	}
	token, err := environment.ServiceAccountToken(ctx, testenv.SystemNamespace, testenv.FacadeServiceAccount, time.Hour)
	if err != nil {
		return err
	}
	content, err := environment.TokenKubeconfig(apiServer, testenv.FacadeServiceAccount, token)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(r.folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		return err
	}
	ports := [2]int{}
	for i, name := range []string{"the facade", "its health checks"} {
		if ports[i], err = controlplane.FreePort(ctx, name, 0); err != nil {
			return err
		}
	}
	certFile, keyFile, err := environment.ServingFiles("facade-" + strconv.Itoa(ports[0]))
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + strconv.Itoa(ports[0])
	scheme := "https://"
	if slices.Contains(args, "--tls-cert-file=") {
		scheme = "http://"
	}
	r.url, r.health = scheme+address, "http://127.0.0.1:"+strconv.Itoa(ports[1])
	if r.client, err = trusting(environment.CAFile()); err != nil {
		return err
	}
	arguments := append([]string{
		"--kubeconfig=" + kubeconfig, "--listen-address=" + address, "--tls-cert-file=" + certFile, "--tls-key-file=" + keyFile,
		"--public-url=" + publicURL, "--username-claim=email", "--health-probe-bind-address=" + strings.TrimPrefix(r.health, "http://"),
		"--requests-per-minute=0", "--requests-per-minute-and-source=0",
	}, args...)
	go func() { r.ended <- run(ctx, arguments) }()
	return r.awaitReady(ctx)
}

func (r *replica) awaitReady(ctx context.Context) error {
	const patience = 3 * time.Minute
	deadline := time.After(patience)
	for {
		response, err := http.Get(r.health + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-r.ended:
			return fmt.Errorf("the facade ended: %w", err)
		case <-deadline:
			return errors.New("the facade does not get ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *replica) stop() error {
	r.cancel()
	r.client.CloseIdleConnections()
	return errors.Join(<-r.ended, os.RemoveAll(r.folder))
}

func trusting(caFile string) (*http.Client, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in " + caFile)
	}
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// fixture is an organisation of one test's own.
type fixture struct {
	testing.TB

	name     string
	platform client.Client
	// admin looks, and does what only an administrator of the cluster can do.
	admin client.Client
	// organisation as it was when the test began.
	organisation *enrolv1alpha1.Organisation
}

var counter atomic.Int32

// newOrganisation makes an organisation that ada owns, with projects web and data, and waits until it is ready.
func newOrganisation(t testing.TB, changes ...func(*enrolv1alpha1.Organisation)) *fixture {
	t.Helper()
	f := &fixture{
		TB: t, name: fmt.Sprintf("f%d", counter.Add(1)),
		platform: environment.As(t, platform), admin: environment.AdminClient(t),
	}
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: f.name}}
	o.Spec.DisplayName = "Night Works"
	o.Spec.Owners = []enrolv1alpha1.Owner{{Username: ada, Email: ada}}
	for _, change := range changes {
		change(o)
	}
	f.create(o)
	for _, project := range []string{"web", "data"} {
		f.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: f.project(project), Labels: map[string]string{enrolv1alpha1.LabelOrganisation: f.name},
		}})
	}
	f.organisation = o
	f.eventually(func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		if o.Status.Projects != 2 || o.Status.Namespace == "" {
			return fmt.Errorf("the organisation is not ready: %+v", o.Status)
		}
		return nil
	})
	f.everywhere("/api/v1/organisations/"+f.organisation.Slug()+"/me", ada)
	f.everywhere("/api/v1/organizations/"+f.uid()+"/users/"+ada+"/projects", f.project("web"), f.project("data"))
	return f
}

// everywhere waits until ada reads texts from each replica: what others change they hear of on their own, and of each kind for itself.
func (f *fixture) everywhere(path string, texts ...string) {
	f.Helper()
	for _, r := range []*replica{facades[0], facades[1], several} {
		f.eventually(func() error {
			got := f.on(r).get(ada, path)
			lacks := func(text string) bool { return !strings.Contains(string(got.body), text) }
			if got.status != http.StatusOK || slices.ContainsFunc(texts, lacks) {
				return fmt.Errorf("got %s, want %q in it", got, texts)
			}
			return nil
		})
	}
}

func (f *fixture) home() string { return "org-" + f.name }

func (f *fixture) uid() string { return string(f.organisation.UID) }

func (f *fixture) project(name string) string { return f.name + "-" + name }

func (f *fixture) eventually(check func() error) {
	f.Helper()
	testenv.Eventually(f, check)
}

// create makes an object as the platform team, again while its namespace is not there yet.
func (f *fixture) create(o client.Object) {
	f.Helper()
	f.eventually(func() error { return f.platform.Create(f.Context(), o) })
}

// member makes a Member as the platform team, and waits until the operator has looked at it and all replicas know it.
func (f *fixture) member(name string, spec enrolv1alpha1.MemberSpec) *enrolv1alpha1.Member {
	f.Helper()
	m := &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}, Spec: spec}
	f.create(m)
	f.eventually(func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(m), m); err != nil {
			return err
		}
		if len(m.Status.Conditions) == 0 {
			return errors.New("the Member has no status yet")
		}
		return nil
	})
	// Groups, and people whose time is over, are nobody that could be shown.
	if end := m.Spec.ExpireTime; m.Spec.Group == "" && (end == nil || end.After(time.Now())) {
		f.everywhere(f.versoriMember(string(m.UID)))
	}
	return m
}

// mark changes a Member as the platform team; again when the operator, which has something to say of it, came in between.
func (f *fixture) mark(m *enrolv1alpha1.Member, do func(client.Object)) {
	f.Helper()
	f.eventually(func() error {
		if err := f.platform.Get(f.Context(), client.ObjectKeyFromObject(m), m); err != nil {
			return err
		}
		do(m)
		return f.platform.Update(f.Context(), m)
	})
}

// can asks the API server, as the person, whether the person may do something in a project.
func (f *fixture) can(person, verb, project string) bool {
	f.Helper()
	config, err := environment.PersonConfig(f.Context(), person)
	if err != nil {
		f.Fatal(err)
	}
	allowed, err := testenv.Can(f.Context(), environment.ClientFor(f, config), testenv.Access{
		Verb: verb, Resource: "configmaps", Namespace: f.project(project),
	})
	if err != nil {
		f.Fatal(err)
	}
	return allowed
}

// on is the fixture as seen through a replica.
func (f *fixture) on(r *replica) caller { return caller{TB: f, replica: r} }

func (f *fixture) send(as, method, path, body string) *answer {
	f.Helper()
	return f.on(facades[0]).send(as, method, path, body)
}

// caller calls a replica.
type caller struct {
	testing.TB

	replica *replica
}

func (c caller) get(as, path string) *answer {
	c.Helper()
	return c.send(as, http.MethodGet, path, "")
}

// send sends a body as JSON, or none for "".
func (c caller) send(as, method, path, body string) *answer {
	c.Helper()
	header := http.Header{}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	if as != "" {
		header.Set("Authorization", "Bearer "+tokenOf(c, as))
	}
	return c.do(method, path, header, strings.NewReader(body))
}

func (c caller) do(method, path string, header http.Header, body io.Reader) *answer {
	c.Helper()
	request, err := http.NewRequestWithContext(c.Context(), method, c.replica.url+path, body)
	if err != nil {
		c.Fatal(err)
	}
	request.Header = header
	response, err := c.replica.client.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	return &answer{request: request, status: response.StatusCode, header: response.Header, body: content}
}

// serviceAccounts are callers with tokens of ServiceAccounts: their names begin with a namespace and a slash.
var serviceAccounts sync.Map

// tokenOf is the token of a person, or of a ServiceAccount by namespace/name, which is made if need be.
func tokenOf(t testing.TB, who string) string {
	t.Helper()
	if known, ok := serviceAccounts.Load(who); ok {
		return known.(string)
	}
	namespace, name, isAccount := strings.Cut(who, "/")
	if !isAccount {
		token, err := environment.Token(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := client.IgnoreAlreadyExists(environment.AdminClient(t).Create(t.Context(), account)); err != nil {
		t.Fatal(err)
	}
	token, err := environment.ServiceAccountToken(t.Context(), namespace, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	serviceAccounts.Store(who, token)
	return token
}

// answer is what came back.
type answer struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
}

func (a *answer) String() string {
	return fmt.Sprintf("%s %s: %d %s", a.request.Method, a.request.URL.Path, a.status, bytes.TrimSpace(a.body))
}

// want wants a status, and returns the answer.
func (a *answer) want(t testing.TB, status int) *answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %s, want status %d", a, status)
	}
	return a
}

// read reads the body.
func read[T any](t testing.TB, a *answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	return value
}
