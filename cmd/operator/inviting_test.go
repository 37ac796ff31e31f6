package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

// killPatience bounds how long a test waits until the moment comes at which an operator is killed.
const killPatience = 3 * time.Minute

// crashes runs a story once to see which writes it consists of, then once for each of them with the operator killed just
// before it, and started again. Story prepares what the operator is to do, and check says whether it was done.
func crashes(t *testing.T, p *postOffice, story func(i *invited), check func(i *invited, killed bool)) {
	t.Helper()
	once := func(name string, kill int) []string {
		i := p.invite(t, name)
		story(i)
		proxy := newProxy(t, i.organisation, kill)
		operator := p.start(t, "--kubeconfig="+proxy.kubeconfig(t))
		proxy.arm(operator)
		if kill >= 0 {
			select {
			case <-operator.Done():
			case <-time.After(killPatience):
				t.Fatalf("%s: write %d never came", name, kill)
			}
			operator = p.start(t)
		}
		check(i, kill >= 0)
		operator.Kill()
		<-operator.Done()
		return proxy.writes()
	}
	prefix := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	writes := once(prefix+"-whole", -1)
	if len(writes) < 2 {
		t.Fatalf("the story consists of %q", writes)
	}
	for kill, write := range writes {
		t.Logf("killed before %s", write)
		once(fmt.Sprintf("%s-%d", prefix, kill), kill)
	}
}

// TestKilledWhileSending: no mail is lost, there is at most one more than wanted, and that is the same mail.
func TestKilledWhileSending(t *testing.T) {
	p := newPostOffice(t)
	crashes(t, p, func(i *invited) { p.reinvite(t, i, enrolv1alpha1.InvitationSpec{}) }, func(i *invited, killed bool) {
		i.ready(enrolv1alpha1.ReasonPending)
		i.mails(t, killed)
	})
	for _, stage := range []string{"from", "data", "taken"} {
		i := p.invite(t, "killed-"+stage)
		operator := p.start(t)
		p.kill(i.email, stage, operator)
		select {
		case <-operator.Done():
		case <-time.After(killPatience):
			t.Fatalf("the mail never got to %s", stage)
		}
		again := p.start(t)
		i.ready(enrolv1alpha1.ReasonPending)
		i.mails(t, stage != "from")
		again.Kill()
		<-again.Done()
	}
}

// TestKilledWhileAccepting: the Member is there in the end, once, and able to work.
func TestKilledWhileAccepting(t *testing.T) {
	p := newPostOffice(t)
	t.Run("join", func(t *testing.T) {
		crashes(t, p, func(i *invited) {
			p.pend(t, i)
			i.accept(t)
		}, func(i *invited, _ bool) {
			i.finished(t)
			i.can(t, true)
			i.members(t, "kim@"+i.organisation+".example.com [developer]")
		})
	})
	t.Run("transfer", func(t *testing.T) {
		crashes(t, p, func(i *invited) {
			p.reinvite(t, i, enrolv1alpha1.InvitationSpec{Type: enrolv1alpha1.InvitationTransferOwnership})
			p.pend(t, i)
			i.accept(t)
		}, func(i *invited, _ bool) {
			i.finished(t)
			i.members(t, "ada@example.com [admin]")
			o := &enrolv1alpha1.Organisation{}
			if err := i.admin.Get(t.Context(), client.ObjectKey{Name: i.organisation}, o); err != nil {
				t.Fatal(err)
			}
			if len(o.Spec.Owners) != 1 || string(o.Spec.Owners[0].Email) != i.email {
				t.Errorf("the owners are %+v", o.Spec.Owners)
			}
		})
	})
}

// TestRemovedMeanwhile: who was removed while nobody acted does not come back.
func TestRemovedMeanwhile(t *testing.T) {
	p := newPostOffice(t)
	i := p.invite(t, "removed")
	p.pend(t, i)
	i.accept(t)
	// The writes are: the Member, the status, and then the Member again.
	proxy := newProxy(t, i.organisation, 2)
	operator := p.start(t, "--kubeconfig="+proxy.kubeconfig(t))
	proxy.arm(operator)
	<-operator.Done()

	var members enrolv1alpha1.MemberList
	if err := i.admin.List(t.Context(), &members, client.InNamespace("org-"+i.organisation)); err != nil {
		t.Fatal(err)
	}
	if len(members.Items) != 1 || !members.Items[0].Spec.Suspend {
		t.Fatalf("killed after %q, the Members are %+v", proxy.writes(), members.Items)
	}
	i.can(t, false)
	if err := i.admin.Delete(t.Context(), &members.Items[0]); err != nil {
		t.Fatal(err)
	}
	again := p.start(t)
	i.finished(t)
	i.members(t)
	again.Kill()
	<-again.Done()
}

// TestKeys: the key for links is made when there is none; a rotation leaves old links alive until the previous key goes.
func TestKeys(t *testing.T) {
	p := newPostOffice(t)
	p.start(t)
	first := p.invite(t, "keys-first")
	first.ready(enrolv1alpha1.ReasonPending)
	firstLink := first.mails(t, false)[0]
	holds := func(link, when string, want bool) {
		t.Helper()
		testenv.Eventually(t, func() error {
			ring, err := p.keys.Ring()
			if err != nil {
				return err
			}
			if _, err := ring.Verify(linkUID(link), linkToken(link)); (err == nil) != want {
				return fmt.Errorf("%s: the link holds: %t, want %t", when, err == nil, want)
			}
			return nil
		})
	}
	holds(firstLink, "at first", true)

	admin := environment.AdminClient(t)
	secret := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: testenv.SystemNamespace, Name: installed.KeySecret}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{token.Current: token.NewKey(), token.Previous: secret.Data[token.Current]}
	if err := admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	p.mounted(t, secret.Data)
	holds(firstLink, "after a rotation", true)
	second := p.invite(t, "keys-second")
	second.ready(enrolv1alpha1.ReasonPending)
	secondLink := second.mails(t, false)[0]

	delete(secret.Data, token.Previous)
	if err := admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	holds(firstLink, "without the previous key", false)
	holds(secondLink, "without the previous key", true)

	if err := admin.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	holds(secondLink, "with a new Secret", false)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	p.mounted(t, secret.Data)
	second.sentEarlier(t)
	second.annotate(t, enrolv1alpha1.AnnotationResend, "heal")
	testenv.Eventually(t, func() error {
		if got := len(p.server.MailsTo(second.email)); got != 2 {
			return fmt.Errorf("%d mails, want 2", got)
		}
		return nil
	})
	holds(second.links()[1], "after a resend", true)
}

// TestPassword: a wrong password is a clear condition, and the right one is read without a restart.
func TestPassword(t *testing.T) {
	p := newPostOffice(t)
	p.credentials(t, "wrong")
	p.start(t)
	i := p.invite(t, "password")
	stalled := meta.FindStatusCondition(i.ready(enrolv1alpha1.ReasonMailServerUnusable).Status.Conditions, enrolv1alpha1.ConditionStalled)
	if stalled == nil || !strings.Contains(stalled.Message, "535") || !strings.Contains(stalled.Message, "next attempt at 20") {
		t.Errorf("Stalled is %+v", stalled)
	}
	p.credentials(t, p.password)
	i.sentEarlier(t)
	i.annotate(t, enrolv1alpha1.AnnotationResend, "now")
	i.ready(enrolv1alpha1.ReasonPending)
	i.mails(t, false)
}

// TestCertificate: to a mail server with another certificate nothing is said, no password and no mail.
func TestCertificate(t *testing.T) {
	p := newPostOffice(t)
	other := filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(other, otherAuthority(t), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(t, "--smtp-ca-file="+other)
	i := p.invite(t, "certificate")
	i.ready(enrolv1alpha1.ReasonMailServerUnusable)
	if counts := p.server.Counts(); counts.Named+counts.Authenticated+counts.Refused > 0 {
		t.Errorf("the mail server was told something: %+v", counts)
	}
}

// TestTemplates: templates of one's own are used, and when they break the last good ones stay.
func TestTemplates(t *testing.T) {
	p := newPostOffice(t)
	admin := environment.AdminClient(t)
	own := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "enrol-mail-templates"},
		Data:       map[string]string{"subject.txt": "Come to {{.Organisation}}"},
	}
	if err := admin.Create(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Delete(context.Background(), own) })
	p.start(t)
	i := p.invite(t, "templates-good")
	i.ready(enrolv1alpha1.ReasonPending)
	i.mails(t, false)
	subject := "Subject: Come to templates-good"
	if got := string(p.server.MailsTo(i.email)[0].Content); !strings.Contains(got, subject) {
		t.Errorf("the mail is not of the template:\n%s", got)
	}
	own.Data["body.txt"] = "line one\nline two {{.Link}}\n{{.Nonsense}}\n"
	if err := admin.Update(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error {
		var events eventsv1.EventList
		if err := admin.List(t.Context(), &events, client.InNamespace(testenv.SystemNamespace)); err != nil {
			return err
		}
		for k := range events.Items {
			if events.Items[k].Reason == "TemplatesBroken" && strings.Contains(events.Items[k].Note, "body.txt:3") {
				return nil
			}
		}
		return errors.New("no event names the line")
	})
	i = p.invite(t, "templates-broken")
	pending := i.ready(enrolv1alpha1.ReasonPending)
	i.mails(t, false)
	if got := string(p.server.MailsTo(i.email)[0].Content); !strings.Contains(got, "Subject: Come to templates-broken") {
		t.Errorf("the last good template is not in use:\n%s", got)
	}
	c := meta.FindStatusCondition(pending.Status.Conditions, enrolv1alpha1.ConditionTemplatesBroken)
	if c == nil || !strings.Contains(c.Message, "body.txt:3") {
		t.Errorf("TemplatesBroken is %+v", c)
	}
}

// TestNoTokenAnywhere looks for the tokens of mails wherever they must not be.
func TestNoTokenAnywhere(t *testing.T) {
	p := newPostOffice(t)
	port, err := controlplane.FreePort(t.Context(), "metrics", 0)
	if err != nil {
		t.Fatal(err)
	}
	metrics := fmt.Sprint("127.0.0.1:", port)
	operator := p.start(t, "--verbose", "--metrics-bind-address="+metrics, "--metrics-secure=false")
	var tokens []string
	for _, name := range []string{"secret-accepted", "secret-pending", "secret-refused"} {
		i := p.invite(t, name)
		if name == "secret-refused" {
			p.refuse(i.email)
			i.ready(enrolv1alpha1.ReasonMailRefused)
			continue
		}
		i.ready(enrolv1alpha1.ReasonPending)
		tokens = append(tokens, linkToken(i.mails(t, false)[0]))
		if name == "secret-accepted" {
			i.accept(t)
			i.finished(t)
		}
	}
	places := map[string]string{}
	for _, kind := range []string{"organisations,members,invitations", "events.events.k8s.io", "configmaps,serviceaccounts,rolebindings"} {
		out, err := environment.Kubectl("get", kind, "-A", "-o", "yaml", "--show-managed-fields")
		if err != nil {
			t.Fatal(err)
		}
		places[kind] = out
	}
	response, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	places["metrics"] = string(body)
	log, err := os.ReadFile(operator.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	places["log"] = string(log)
	mac := regexp.MustCompile(`token=|token"?:`)
	for place, text := range places {
		if len(text) < 100 {
			t.Errorf("there is nothing to search in %s: %s", place, text)
		}
		for _, secret := range tokens {
			// No part of the MAC, which is the last half.
			for k := len(secret) / 2; k+16 <= len(secret); k += 8 {
				if strings.Contains(text, secret[k:k+16]) {
					t.Errorf("%s has a part of a token", place)
				}
			}
		}
		if place != "metrics" && mac.MatchString(text) {
			t.Errorf("%s speaks of a token: %s", place, mac.FindString(text))
		}
	}
	if slices.Contains(tokens, "") {
		t.Error("a mail has no token")
	}
}
