package main_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// watched is both programs as they are shipped, with all that tells how they are.
type watched struct {
	t                                *testing.T
	office                           *postOffice
	traces                           *traces
	operatorMetrics, facadeMetrics   string
	operatorProfiles, facadeProfiles string
	facade                           string
	operatorProcess, facadeProcess   *process.Process
	// scraper may read metrics, stranger is a ServiceAccount without that right, and platform may do all that Enrol is about.
	scraper, stranger, platform string
	client                      *http.Client
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{
		t: t, office: newPostOffice(t), traces: newTraces(t),
		scraper: account(t, "scraper", "enrol:metrics-reader"), stranger: account(t, "stranger", ""),
		platform: account(t, "robot", "enrol:platform"),
		// The programs make certificates of their own.
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
	t.Cleanup(w.client.CloseIdleConnections)
	addresses := make([]string, 6)
	for i := range addresses {
		port, err := controlplane.FreePort(t.Context(), "a program", 0)
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	w.operatorMetrics, w.facadeMetrics = "https://"+addresses[0]+"/metrics", "https://"+addresses[1]+"/metrics"
	w.operatorProfiles, w.facadeProfiles = "http://"+addresses[2], "http://"+addresses[3]
	w.facade = "http://" + addresses[4]
	w.operatorProcess = w.office.start(t, "--verbose", "--metrics-bind-address="+addresses[0],
		"--pprof-bind-address="+addresses[2], "--tracing-endpoint="+w.traces.server.URL)
	w.startFacade("--listen-address="+addresses[4], "--metrics-bind-address="+addresses[1],
		"--pprof-bind-address="+addresses[3], "--tracing-endpoint="+w.traces.server.URL, "--health-probe-bind-address="+addresses[5],
		"--requests-per-minute=30", "--trusted-proxies="+proxyAddress+"/32")
	for url, status := range map[string]int{
		"http://" + addresses[5] + "/readyz": http.StatusOK,
		w.operatorMetrics:                    http.StatusUnauthorized,
		w.facadeMetrics:                      http.StatusUnauthorized,
	} {
		testenv.Eventually(t, func() error {
			response, err := w.client.Get(url)
			if err != nil {
				return errors.Join(err, w.operatorProcess.Err(), w.facadeProcess.Err())
			}
			_ = response.Body.Close()
			if response.StatusCode != status {
				return fmt.Errorf("%s answers %s", url, response.Status)
			}
			return nil
		})
	}
	return w
}

func (w *watched) startFacade(args ...string) {
	w.t.Helper()
	folder := w.t.TempDir()
	path := filepath.Join(folder, "facade")
	if out, err := exec.Command("go", "build", "-o", path, "../facade").CombinedOutput(); err != nil {
		w.t.Fatalf("building the facade: %v: %s", err, out)
	}
	config, err := environment.ServiceAccountConfig(w.t.Context(), testenv.SystemNamespace, testenv.FacadeServiceAccount)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := environment.TokenKubeconfig(environment.URL(), testenv.FacadeServiceAccount, config.BearerToken)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.facadeProcess, err = process.Start("facade", filepath.Join(folder, "facade.log"), path,
		append([]string{"--kubeconfig=" + file, "--username-claim=email", "--public-url=https://enrol.example.com"}, args...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.facadeProcess.Stop(10 * time.Second) })
}

// account is a token of a ServiceAccount that a ClusterRole is bound to everywhere.
func account(t *testing.T, name, clusterRole string) string {
	t.Helper()
	admin := environment.AdminClient(t)
	object := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := client.IgnoreAlreadyExists(admin.Create(t.Context(), object)); err != nil {
		t.Fatal(err)
	}
	if clusterRole != "" {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: name}},
		}
		if err := client.IgnoreAlreadyExists(admin.Create(t.Context(), binding)); err != nil {
			t.Fatal(err)
		}
	}
	token, err := environment.ServiceAccountToken(t.Context(), "default", name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get answers a status and a body.
func (w *watched) get(url, token string, header ...string) (int, []byte) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, body
}

// scrape reads metrics as whoever may.
func (w *watched) scrape(t *testing.T, url string) (text []byte, families map[string]*dto.MetricFamily) {
	t.Helper()
	status, text := w.get(url, w.scraper)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d %s", url, status, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return text, families
}

const (
	traceOfCaller = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceOfProxy  = "0af7651916cd43dd8448eb211c80319c"
	// proxyAddress is that of a proxy that the facade trusts.
	proxyAddress = "127.0.0.2"
)

// story lets everything happen that there are metrics for.
func (w *watched) story() {
	w.t.Helper()
	i := w.office.invite(w.t, "watched")
	i.ready(enrolv1alpha1.ReasonPending)
	i.accept(w.t)
	i.finished(w.t)
	i.can(w.t, true)
	w.refusals(i)
	// Somebody deletes a RoleBinding, and somebody adds to one.
	bindings := func() []rbacv1.RoleBinding {
		var all rbacv1.RoleBindingList
		if err := i.admin.List(w.t.Context(), &all, client.InNamespace("watched-web")); err != nil {
			w.t.Fatal(err)
		}
		return all.Items
	}
	for _, meddle := range []func(*rbacv1.RoleBinding) error{
		func(b *rbacv1.RoleBinding) error { return i.admin.Delete(w.t.Context(), b) },
		func(b *rbacv1.RoleBinding) error {
			b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "eve@example.com"})
			return i.admin.Update(w.t.Context(), b)
		},
	} {
		before := bindings()
		if err := meddle(before[0].DeepCopy()); err != nil {
			w.t.Fatal(err)
		}
		testenv.Eventually(w.t, func() error {
			for _, b := range bindings() {
				if b.Name == before[0].Name && b.ResourceVersion != before[0].ResourceVersion && len(b.Subjects) == len(before[0].Subjects) {
					return nil
				}
			}
			return errors.New("the RoleBinding is not put right")
		})
	}
	w.forge(i)
	// The person leaves.
	var members enrolv1alpha1.MemberList
	if err := i.admin.List(w.t.Context(), &members, client.InNamespace("org-watched")); err != nil {
		w.t.Fatal(err)
	}
	for k := range members.Items {
		if err := i.admin.Delete(w.t.Context(), &members.Items[k]); err != nil {
			w.t.Fatal(err)
		}
	}
	i.can(w.t, false)
	if err := i.admin.Create(w.t.Context(), &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: "org-watched", Name: "jim"}, Spec: enrolv1alpha1.MemberSpec{Username: "jim@example.com"},
	}); err != nil {
		w.t.Fatal(err)
	}
	o := &enrolv1alpha1.Organisation{}
	if err := i.admin.Get(w.t.Context(), client.ObjectKey{Name: "watched"}, o); err != nil {
		w.t.Fatal(err)
	}
	w.talk("/api/v1/organizations/" + string(o.UID) + "/users")
}

// forge makes a RoleBinding that looks like Enrol's.
func (w *watched) forge(i *invited) {
	w.t.Helper()
	forged := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "watched-web", Name: "forged", Labels: map[string]string{
			enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy, enrolv1alpha1.LabelOrganisation: "watched",
		}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "eve@example.com"}},
	}
	if err := i.admin.Create(w.t.Context(), forged); err != nil {
		w.t.Fatal(err)
	}
	testenv.Eventually(w.t, func() error {
		if err := i.admin.Get(w.t.Context(), client.ObjectKeyFromObject(forged), forged); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the forged RoleBinding is still there: %w", err)
		}
		return nil
	})
}

// refusals are a mail that is refused, and an Organisation that is.
func (w *watched) refusals(i *invited) {
	w.t.Helper()
	w.office.refuse("kim@unheard.example.com")
	w.office.invite(w.t, "unheard").ready(enrolv1alpha1.ReasonMailRefused)
	rival := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "rival"}}
	rival.Spec.Slug, rival.Spec.Owners = "watched", []enrolv1alpha1.Owner{{Username: "ada@example.com"}}
	if err := i.admin.Create(w.t.Context(), rival); err != nil {
		w.t.Fatal(err)
	}
	testenv.Eventually(w.t, func() error {
		if err := i.admin.Get(w.t.Context(), client.ObjectKeyFromObject(rival), rival); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(rival.Status.Conditions, enrolv1alpha1.ConditionStalled) {
			return errors.New("the rival is not refused")
		}
		return nil
	})
}

// talk asks the facade things, with secrets in all places where a client may write.
func (w *watched) talk(users string) {
	w.t.Helper()
	list := w.facade + users
	for range 2 {
		if status, body := w.get(list, w.platform, "Traceparent", "00-"+traceOfCaller+"-00f067aa0ba902b7-01"); status != http.StatusOK {
			w.t.Fatalf("listing members: %d %s", status, body)
		}
	}
	for _, q := range []struct {
		path, token string
		status      int
	}{
		{users + "?q=kim@watched.example.com", "", http.StatusUnauthorized},
		{users, "SECRET", http.StatusUnauthorized},
		{"/api/v1/organisations/watched/me", w.stranger, http.StatusNotFound},
		{"/api/v1/organizations/watched/users/kim@watched.example.com", w.stranger, http.StatusMethodNotAllowed},
		{"/kim@watched.example.com/SECRET", "", http.StatusNotFound},
		{"/docs", "", http.StatusOK},
		{"/organisations/watched", "", 0},
	} {
		if status, body := w.get(w.facade+q.path, q.token); q.status != 0 && status != q.status {
			w.t.Errorf("%s answers %d %s, want %d", q.path, status, body, q.status)
		}
	}
	w.proxied(list)
	for range 40 {
		if status, _ := w.get(list, w.stranger); status == http.StatusTooManyRequests {
			return
		}
	}
	w.t.Error("nobody is limited")
}

// proxied asks as a trusted proxy does that makes traces.
func (w *watched) proxied(url string) {
	w.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxyAddress)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	direct := w.client
	defer func() { w.client = direct }()
	w.client = &http.Client{Transport: transport, Timeout: time.Minute}
	if status, body := w.get(url, w.platform, "Traceparent", "00-"+traceOfProxy+"-00f067aa0ba902b7-01"); status != http.StatusOK {
		w.t.Fatalf("listing members: %d %s", status, body)
	}
}

// traces takes what is sent by OTLP over HTTP.
type traces struct {
	server *httptest.Server

	mu    sync.Mutex
	raw   [][]byte
	spans map[string][]*tracev1.Span
}

func newTraces(t *testing.T) *traces {
	t.Helper()
	c := &traces{spans: map[string][]*tracev1.Span{}}
	c.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collectortrace.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(body, request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			http.Error(rw, "no traces", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body)
		for _, of := range request.GetResourceSpans() {
			service := ""
			for _, a := range of.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range of.GetScopeSpans() {
				c.spans[service] = append(c.spans[service], scope.GetSpans()...)
			}
		}
		rw.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.server.Close)
	return c
}

// find is a span of a service, and its parent if that is known.
func (c *traces) find(service, name string) (span, parent *tracev1.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans[service] {
		if s.GetName() != name {
			continue
		}
		span = s
		for _, p := range c.spans[service] {
			if bytes.Equal(p.GetSpanId(), s.GetParentSpanId()) {
				return s, p
			}
		}
	}
	return span, nil
}

// has tells whether a service has sent a span of a trace. The lock must be held.
func (c *traces) has(service, trace string) bool {
	return slices.ContainsFunc(c.spans[service], func(s *tracev1.Span) bool { return fmt.Sprintf("%x", s.GetTraceId()) == trace })
}
