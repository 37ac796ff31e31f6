package controllers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	invitations "github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

// invite makes an Invitation as the owner ada. The address is that of the name, unless the spec has one.
func (f *fixture) invite(name string, spec enrolv1alpha1.InvitationSpec) *enrolv1alpha1.Invitation {
	f.Helper()
	return f.inviteAs(f.as(f.user("ada")), name, spec)
}

func (f *fixture) inviteAs(who *person, name string, spec enrolv1alpha1.InvitationSpec) *enrolv1alpha1.Invitation {
	f.Helper()
	if spec.Email == "" {
		spec.Email = enrolv1alpha1.Email(f.user(name))
	}
	spec.InvitedBy.Username = who.who
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}, Spec: spec}
	who.can(testenv.Access{Verb: "create", Group: "enrol.dev", Resource: "invitations", Namespace: f.home()})
	testenv.Eventually(f, func() error { return who.client.Create(f.Context(), i) })
	return i
}

// promise is what most tests invite to.
func promise() enrolv1alpha1.InvitationSpec {
	return enrolv1alpha1.InvitationSpec{
		Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper}, Projects: enrolv1alpha1.Projects{"*"},
	}
}

// invitation waits until the Invitation's Ready has that reason, and returns it.
func (f *fixture) invitation(name, reason string) *enrolv1alpha1.Invitation {
	f.Helper()
	i := &enrolv1alpha1.Invitation{}
	testenv.Eventually(f, func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
			return err
		}
		return expect(i.Status.Conditions, i.Generation, reason)
	})
	return i
}

// letter is a mail that was captured, as a mail client reads it.
type letter struct {
	header     mail.Header
	text, html string
}

// mails waits until the address has got that many mails, and reads them.
func (f *fixture) mails(address string, want int) []letter {
	f.Helper()
	var letters []letter
	testenv.Eventually(f, func() error {
		captured := post.MailsTo(address)
		if len(captured) != want {
			return fmt.Errorf("%s has %d mails, want %d", address, len(captured), want)
		}
		letters = nil
		for _, m := range captured {
			l, err := read(m.Content)
			if err != nil {
				return err
			}
			letters = append(letters, l)
		}
		return nil
	})
	return letters
}

func read(content []byte) (letter, error) {
	reader, err := mail.CreateReader(bytes.NewReader(content))
	if err != nil {
		return letter{}, err
	}
	l := letter{header: reader.Header}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return letter{}, err
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return letter{}, err
		}
		if kind, _, _ := part.Header.(*mail.InlineHeader).ContentType(); kind == "text/html" {
			l.html = string(body)
		} else {
			l.text = string(body)
		}
	}
}

var linkPattern = regexp.MustCompile(`https?://\S+[?&]token=\S+`)

// link is the one with the token.
func (l *letter) link() *url.URL {
	u, err := url.Parse(linkPattern.FindString(l.text))
	if err != nil {
		return &url.URL{}
	}
	return u
}

// answer is what somebody answers an Invitation with.
type answer struct {
	// link of the mail; nil for none.
	link *url.URL
	// person who signed in; by default whom the Invitation is for, unverified.
	person invitations.Person
	// at that time; by default now.
	at      time.Time
	decline bool
}

// respond answers as the facade does: with its ServiceAccount, after verifying the token, from what it reads live.
func (f *fixture) respond(name string, a answer) error {
	f.Helper()
	attempt := invitations.Attempt{Invitation: &enrolv1alpha1.Invitation{}, Organisation: &enrolv1alpha1.Organisation{}, Now: a.at}
	facade := f.facade()
	if a.link != nil {
		ring, err := keys.Ring()
		if err != nil {
			return err
		}
		query := a.link.Query()
		claims, err := ring.Verify(query.Get("invitation"), query.Get("token"))
		if err != nil {
			return err
		}
		attempt.Token = &claims
	}
	if err := facade.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, attempt.Invitation); err != nil {
		return err
	}
	if err := facade.Get(f.Context(), client.ObjectKey{Name: f.name}, attempt.Organisation); err != nil {
		return err
	}
	attempt.Person = a.person
	if attempt.Person.Email == "" {
		attempt.Person.Email = string(attempt.Invitation.Spec.Email)
	}
	if attempt.Person.Username == "" {
		attempt.Person.Username = attempt.Person.Email
	}
	if attempt.Now.IsZero() {
		attempt.Now = time.Now()
	}
	links, err := invitations.NewLinks(publicURL)
	if err != nil {
		return err
	}
	attempt.Links = links
	respond := attempt.Accept
	if a.decline {
		respond = attempt.Decline
	}
	answered, err := respond()
	if err != nil {
		return err
	}
	return facade.Status().Update(f.Context(), answered)
}

// facade is a client with the facade's rights and no others.
func (f *fixture) facade() client.Client {
	f.Helper()
	config, err := environment.ServiceAccountConfig(f.Context(), testenv.SystemNamespace, testenv.FacadeServiceAccount)
	if err != nil {
		f.Fatal(err)
	}
	return environment.ClientFor(f, config)
}

// verified is an answer of somebody whose address the identity provider vouches for.
func verified(email string) answer {
	return answer{person: invitations.Person{Username: email, Email: email, EmailVerified: true}}
}

// gone waits until the Invitation is deleted.
func (f *fixture) gone(name string) {
	f.Helper()
	testenv.Eventually(f, func() error {
		err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, &enrolv1alpha1.Invitation{})
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil {
			return fmt.Errorf("Invitation %s is still there", name)
		}
		return nil
	})
}

// keepAccepted has accepted Invitations stay, so that a test can look at them.
func keepAccepted(o *enrolv1alpha1.OrganisationSpec) {
	o.Invitations.AcceptedRetentionSeconds = new(int64(3600))
}

// claims are what the token of a mail says.
func (f *fixture) claims(l *letter) token.Claims {
	f.Helper()
	ring, err := keys.Ring()
	if err != nil {
		f.Fatal(err)
	}
	claims, err := ring.Verify(l.link().Query().Get("invitation"), l.link().Query().Get("token"))
	if err != nil {
		f.Fatalf("the link %s does not hold: %v", l.link(), err)
	}
	return claims
}

// annotate sets an annotation as somebody who may.
func (f *fixture) annotate(name, key, value string) {
	f.Helper()
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)
	if err := f.platform.Patch(f.Context(), i, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		f.Fatal(err)
	}
}

// people lists the Members of the home namespace by name, with their roles.
func (f *fixture) people() []string {
	f.Helper()
	var members enrolv1alpha1.MemberList
	if err := f.admin.List(f.Context(), &members, client.InNamespace(f.home())); err != nil {
		f.Fatal(err)
	}
	var lines []string
	for i := range members.Items {
		m := &members.Items[i]
		line := fmt.Sprintf("%s: %v", m.Spec.Username, m.Spec.Roles)
		if m.Spec.Suspend {
			line += " suspended"
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}

// invitable waits until ada may invite, so that subtests need not.
func (f *fixture) invitable() {
	f.Helper()
	f.as(f.user("ada")).can(testenv.Access{Verb: "create", Group: "enrol.dev", Resource: "invitations", Namespace: f.home()})
}

// sub is the fixture for a subtest.
func (f *fixture) sub(t testing.TB) *fixture {
	t.Helper()
	sub := *f
	sub.TB = t
	return &sub
}

// handled waits until a resend was dealt with, and returns the Invitation.
func (f *fixture) handled(name, request string) *enrolv1alpha1.Invitation {
	f.Helper()
	i := &enrolv1alpha1.Invitation{}
	testenv.Eventually(f, func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
			return err
		}
		if i.Status.LastHandledResend != request {
			return fmt.Errorf("the last resend is %q, want %q", i.Status.LastHandledResend, request)
		}
		return nil
	})
	return i
}

// sentEarlier has the Invitation sent that much earlier, as if the time had passed.
func (f *fixture) sentEarlier(name string, earlier time.Duration) {
	f.Helper()
	testenv.Eventually(f, func() error {
		i := &enrolv1alpha1.Invitation{}
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
			return err
		}
		i.Status.SendTime = &metav1.Time{Time: i.Status.SendTime.Add(-earlier)}
		return f.admin.Status().Update(f.Context(), i)
	})
}

// earlier has everything about the Invitation happen that much earlier, as if the time had passed.
func (f *fixture) earlier(name string, earlier time.Duration) {
	f.Helper()
	testenv.Eventually(f, func() error {
		i := &enrolv1alpha1.Invitation{}
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
			return err
		}
		for _, at := range []*metav1.Time{i.Status.SendTime, i.Status.ExpireTime, i.Status.CompletionTime} {
			if at != nil {
				at.Time = at.Add(-earlier)
			}
		}
		return f.admin.Status().Update(f.Context(), i)
	})
}
