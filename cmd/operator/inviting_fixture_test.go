package main_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/mailbox"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

// postOffice is a mail server, and what an operator needs to use it.
type postOffice struct {
	server           *mailbox.Server
	folder, password string
	keys             *token.Keys

	mu sync.Mutex
	// deadly says at which stage of which recipient's mail which operator is killed.
	deadly map[string]*process.Process
	// refused are recipients whose mails are refused.
	refused map[string]bool
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	p := &postOffice{
		folder: t.TempDir(), password: "correct horse",
		deadly: map[string]*process.Process{}, refused: map[string]bool{},
	}
	certificate, err := environment.ServingCertificate("mail")
	if err != nil {
		t.Fatal(err)
	}
	p.server, err = mailbox.Start(t.Context(), mailbox.Options{
		TLS: mailbox.TLS(certificate), Username: "enrol", Password: p.password, Behave: p.behave,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.server.Close)
	p.credentials(t, p.password)
	mounted := filepath.Join(p.folder, "keys")
	done := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		_ = environment.MountSecret(ctx, testenv.SystemNamespace, installed.KeySecret, mounted)
	}()
	t.Cleanup(func() { stop(); <-done })
	p.keys = token.OpenKeys(mounted, time.Now)
	return p
}

// mounted waits until the files are those of the Secret with the keys, and whoever has read them before does so again.
func (p *postOffice) mounted(t *testing.T, data map[string][]byte) {
	t.Helper()
	testenv.Eventually(t, func() error {
		for _, name := range []string{token.Current, token.Previous} {
			content, err := os.ReadFile(filepath.Join(p.folder, "keys", name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if !bytes.Equal(content, data[name]) {
				return fmt.Errorf("the file %s is not what the Secret has", name)
			}
		}
		return nil
	})
	// Files are read again after a second.
	<-time.After(1500 * time.Millisecond)
}

func (p *postOffice) credentials(t *testing.T, password string) {
	t.Helper()
	for name, content := range map[string]string{"username": "enrol", "password": password} {
		if err := os.WriteFile(filepath.Join(p.folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *postOffice) behave(stage mailbox.Stage, recipient string) mailbox.Behaviour {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused[recipient] && stage == mailbox.To {
		return mailbox.Refuse
	}
	key := recipient + " " + string(stage)
	if stage == mailbox.From {
		// Nobody is named yet; there is one mail at a time.
		for waiting := range p.deadly {
			if strings.HasSuffix(waiting, " from") {
				key = waiting
			}
		}
	}
	if operator := p.deadly[key]; operator != nil {
		delete(p.deadly, key)
		operator.Kill()
		<-operator.Done()
	}
	return mailbox.Proceed
}

// kill has an operator killed when a mail gets to that stage.
func (p *postOffice) kill(recipient, stage string, operator *process.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadly[recipient+" "+stage] = operator
}

func (p *postOffice) refuse(recipient string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[recipient] = true
}

// start starts an operator that sends through the office. Later arguments win.
func (p *postOffice) start(t *testing.T, args ...string) *process.Process {
	t.Helper()
	return start(t, append([]string{
		"--leader-elect=false", "--public-url=https://enrol.example.com", "--token-keys=" + filepath.Join(p.folder, "keys"),
		"--mail-transport=smtp", "--mail-from=Enrol <enrol@example.com>", "--smtp-address=" + p.server.Address(),
		"--smtp-credentials=" + p.folder, "--smtp-ca-file=" + environment.CAFile(),
	}, args...)...)
}

// pend has an operator bring an Invitation to Pending, and ends it.
func (p *postOffice) pend(t *testing.T, i *invited) {
	t.Helper()
	operator := p.start(t)
	i.ready(enrolv1alpha1.ReasonPending)
	operator.Kill()
	<-operator.Done()
}

// invited is an Invitation in an Organisation of its own.
type invited struct {
	t                   *testing.T
	office              *postOffice
	organisation, email string
	admin               client.Client
}

func (p *postOffice) invite(t *testing.T, organisation string) *invited {
	t.Helper()
	i := &invited{
		t: t, office: p, organisation: organisation, admin: environment.AdminClient(t),
		email: "kim@" + organisation + ".example.com",
	}
	home := "org-" + organisation
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home, Labels: map[string]string{enrolv1alpha1.LabelHomeOf: organisation}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: organisation + "-web", Labels: map[string]string{enrolv1alpha1.LabelOrganisation: organisation}}},
		&enrolv1alpha1.Organisation{
			ObjectMeta: metav1.ObjectMeta{Name: organisation},
			Spec: enrolv1alpha1.OrganisationSpec{
				Owners:      []enrolv1alpha1.Owner{{Username: "ada@example.com"}},
				Invitations: enrolv1alpha1.InvitationPolicy{AcceptedRetentionSeconds: new(int64(3600))},
			},
		},
		i.object(enrolv1alpha1.InvitationSpec{
			Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}, Projects: enrolv1alpha1.Projects{"*"},
		}),
	} {
		testenv.Eventually(t, func() error { return client.IgnoreAlreadyExists(i.admin.Create(t.Context(), o)) })
	}
	return i
}

func (i *invited) object(spec enrolv1alpha1.InvitationSpec) *enrolv1alpha1.Invitation {
	spec.Email, spec.InvitedBy.Username = enrolv1alpha1.Email(i.email), "ada@example.com"
	return &enrolv1alpha1.Invitation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "org-" + i.organisation, Name: "kim"}, Spec: spec,
	}
}

// reinvite invites to something else, once the Organisation is in force.
func (p *postOffice) reinvite(t *testing.T, i *invited, spec enrolv1alpha1.InvitationSpec) {
	t.Helper()
	if err := i.admin.Delete(t.Context(), i.object(spec)); err != nil {
		t.Fatal(err)
	}
	operator := p.start(t)
	testenv.Eventually(t, func() error {
		o := &enrolv1alpha1.Organisation{}
		if err := i.admin.Get(t.Context(), client.ObjectKey{Name: i.organisation}, o); err != nil {
			return err
		}
		if o.Status.Namespace == "" {
			return fmt.Errorf("Organisation %s is not in force", i.organisation)
		}
		return nil
	})
	operator.Kill()
	<-operator.Done()
	if err := i.admin.Create(t.Context(), i.object(spec)); err != nil {
		t.Fatal(err)
	}
}

func (i *invited) get(t *testing.T) *enrolv1alpha1.Invitation {
	t.Helper()
	found := i.object(enrolv1alpha1.InvitationSpec{})
	if err := i.admin.Get(t.Context(), client.ObjectKeyFromObject(found), found); err != nil {
		t.Fatal(err)
	}
	return found
}

// ready waits for a reason of Ready.
func (i *invited) ready(reason string) *enrolv1alpha1.Invitation {
	i.t.Helper()
	var found *enrolv1alpha1.Invitation
	testenv.Eventually(i.t, func() error {
		found = i.get(i.t)
		for _, c := range found.Status.Conditions {
			if c.Type == enrolv1alpha1.ConditionReady && c.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("the conditions of %s are %+v, want reason %s", i.organisation, found.Status.Conditions, reason)
	})
	return found
}

// mails are the links of the mails: one, or two alike where a copy is allowed.
func (i *invited) mails(t *testing.T, copyAllowed bool) []string {
	t.Helper()
	links := i.links()
	if len(links) == 0 || len(links) > 2 || (len(links) == 2 && !copyAllowed) {
		t.Fatalf("%s: there are %d mails", i.organisation, len(links))
	}
	ids := map[string]bool{}
	for _, m := range i.office.server.MailsTo(i.email) {
		ids[messageID.FindString(string(m.Content))] = true
	}
	if len(slices.Compact(slices.Clone(links))) != 1 || len(ids) != 1 {
		t.Errorf("%s: copies of a mail must be alike: %v %v", i.organisation, links, ids)
	}
	return links
}

var (
	messageID   = regexp.MustCompile(`Message-ID: \S+`)
	linkPattern = regexp.MustCompile(`https://enrol\.example\.com/invitations\?\S+`)
)

func (i *invited) links() []string {
	var links []string
	for _, m := range i.office.server.MailsTo(i.email) {
		links = append(links, linkPattern.FindString(string(m.Content)))
	}
	return links
}

func linkUID(link string) string   { return query(link, "invitation") }
func linkToken(link string) string { return query(link, "token") }

func query(link, key string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get(key)
}

// accept records an acceptance, as the facade may.
func (i *invited) accept(t *testing.T) {
	t.Helper()
	config, err := environment.ServiceAccountConfig(t.Context(), testenv.SystemNamespace, testenv.FacadeServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	found := i.get(t)
	found.Status.AcceptedBy = &enrolv1alpha1.InvitationAnswer{
		Username: enrolv1alpha1.Username(i.email), Email: enrolv1alpha1.Email(i.email), Time: metav1.Now(),
	}
	if err := environment.ClientFor(t, config).Status().Update(t.Context(), found); err != nil {
		t.Fatal(err)
	}
}

// finished waits until the acceptance is carried out, to the last step.
func (i *invited) finished(t *testing.T) {
	t.Helper()
	i.ready(enrolv1alpha1.ReasonAccepted)
	testenv.Eventually(t, func() error {
		var members enrolv1alpha1.MemberList
		if err := i.admin.List(t.Context(), &members, client.InNamespace("org-"+i.organisation)); err != nil {
			return err
		}
		for _, m := range members.Items {
			if m.Spec.Suspend || m.Status.ObservedGeneration != m.Generation {
				return fmt.Errorf("Member %s is not settled", m.Name)
			}
		}
		return nil
	})
}

// members compares the Members with lines of username and roles.
func (i *invited) members(t *testing.T, want ...string) {
	t.Helper()
	var members enrolv1alpha1.MemberList
	if err := i.admin.List(t.Context(), &members, client.InNamespace("org-"+i.organisation)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range members.Items {
		got = append(got, fmt.Sprintf("%s %v", m.Spec.Username, m.Spec.Roles))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the Members are %q, want %q", i.organisation, got, want)
	}
}

// can waits until whoever was invited may work in the project, or asks once whether that is impossible.
func (i *invited) can(t *testing.T, want bool) {
	t.Helper()
	person := environment.As(t, i.email)
	access := testenv.Access{Verb: "create", Resource: "configmaps", Namespace: i.organisation + "-web"}
	testenv.Eventually(t, func() error {
		got, err := testenv.Can(t.Context(), person, access)
		if err == nil && got != want {
			return fmt.Errorf("%s may work: %t, want %t", i.email, got, want)
		}
		return err
	})
}

func (i *invited) annotate(t *testing.T, key, value string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)
	if err := i.admin.Patch(t.Context(), i.get(t), client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}

// sentEarlier has the Invitation sent an hour ago, as if the time had passed.
func (i *invited) sentEarlier(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, func() error {
		found := i.get(t)
		found.Status.SendTime = &metav1.Time{Time: time.Now().Add(-time.Hour)}
		return i.admin.Status().Update(t.Context(), found)
	})
}

// proxy stands between an operator and the API server, and kills the operator before its nth write about an
// Organisation gets there.
type proxy struct {
	server       *httptest.Server
	organisation string
	deadly       int
	armed        chan struct{}
	operator     *process.Process

	mu sync.Mutex
	// seen are the writes but for those that failed, which whoever made them repeats.
	seen []string
}

func newProxy(t *testing.T, organisation string, deadly int) *proxy {
	t.Helper()
	target, err := url.Parse(environment.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(environment.TokenConfig(""))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{organisation: organisation, deadly: deadly, armed: make(chan struct{})}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted, deadly := p.note(r)
		if deadly {
			<-p.armed
			p.operator.Kill()
			<-p.operator.Done()
			return
		}
		answered := &answered{ResponseWriter: w}
		forward.ServeHTTP(answered, r)
		if noted && answered.status >= http.StatusMultipleChoices {
			p.failed(r)
		}
	}))
	// With TLS, or the operator would keep its token to itself.
	certificate, err := environment.ServingCertificate("proxy")
	if err != nil {
		t.Fatal(err)
	}
	p.server.TLS = mailbox.TLS(certificate)
	p.server.StartTLS()
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

// note notes a write that is part of the story, and tells whether it must not get there.
func (p *proxy) note(r *http.Request) (noted, deadly bool) {
	if r.Method == http.MethodGet {
		return false, false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	home := "/org-" + p.organisation + "/"
	about := strings.Contains(r.URL.Path, home+"invitations/") || strings.Contains(r.URL.Path, home+"members") &&
		!strings.HasSuffix(r.URL.Path, "/status") || strings.HasSuffix(r.URL.Path, "/organisations/"+p.organisation) ||
		strings.HasSuffix(r.URL.Path, "/organisations/"+p.organisation+"/status") && bytes.Contains(body, []byte(`"mails"`))
	if !about {
		return false, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, write(r))
	return true, len(p.seen)-1 == p.deadly
}

// failed takes a write back that was noted.
func (p *proxy) failed(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.Index(p.seen, write(r)); at >= 0 {
		p.seen = slices.Delete(p.seen, at, at+1)
	}
}

func write(r *http.Request) string { return r.Method + " " + r.URL.Path }

// answered notes the status of an answer.
type answered struct {
	http.ResponseWriter

	status int
}

// WriteHeader notes the status.
func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for whoever flushes.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (p *proxy) writes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// arm says whom to kill.
func (p *proxy) arm(operator *process.Process) {
	p.operator = operator
	close(p.armed)
}

// kubeconfig leads to the proxy.
func (p *proxy) kubeconfig(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(content), environment.URL(), p.server.URL)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// otherAuthority is a certificate that nothing here is signed by.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "other"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
}
