package controllers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	invitations "github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// TestInvite is the main story: from an address to somebody who can work.
func TestInvite(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted, func(o *enrolv1alpha1.OrganisationSpec) { o.DisplayName = "Acme Corporation" })
	spec := promise()
	spec.Message = "Welcome aboard"
	f.invite("jane", spec)
	jane := f.as(f.user("jane"))
	pending := f.invitation("jane", enrolv1alpha1.ReasonPending)

	letters := f.mails(f.user("jane"), 1)
	mail := &letters[0]
	for _, want := range []string{"Acme Corporation", f.user("ada"), "Your role: Developer", "all of them", "> Welcome aboard"} {
		if !strings.Contains(mail.text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, mail.text)
		}
	}
	if got := mail.header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted is %q", got)
	}
	if got := mail.header.Get("Message-Id"); got != pending.Status.Mail.MessageID {
		t.Errorf("Message-ID is %q, want %q", got, pending.Status.Mail.MessageID)
	}
	claims := f.claims(mail)
	if claims.SendNumber != 1 || !claims.Expire.Equal(pending.Status.ExpireTime.Time) || claims.Invitation != string(pending.UID) {
		t.Errorf("the token is for %+v, and the Invitation %+v", claims, pending.Status)
	}
	if got := pending.Status.ExpireTime.Sub(pending.Status.SendTime.Time); got != 7*24*time.Hour {
		t.Errorf("it can be answered for %s, want 7 days", got)
	}
	jane.mayNot(at(editing, f.in("web")))

	if err := f.respond("jane", answer{link: mail.link()}); err != nil {
		t.Fatal(err)
	}
	jane.can(at(editing, f.in("web")))
	jane.cannot(at(inviting, f.home()))
	accepted := f.invitation("jane", enrolv1alpha1.ReasonAccepted)
	m := &enrolv1alpha1.Member{}
	if err := f.admin.Get(t.Context(), client.ObjectKey{Namespace: f.home(), Name: accepted.Status.Member.Name}, m); err != nil {
		t.Fatal(err)
	}
	ada := f.user("ada")
	want := enrolv1alpha1.MemberSpec{
		Username: enrolv1alpha1.Username(f.user("jane")), Email: enrolv1alpha1.Email(f.user("jane")),
		Roles: spec.Roles, Projects: spec.Projects, InvitedBy: &enrolv1alpha1.Inviter{Username: ada},
	}
	if diff := cmp.Diff(want, m.Spec); diff != "" {
		t.Errorf("the Member (-promised +made):\n%s", diff)
	}
	if string(m.UID) != accepted.Status.Member.UID {
		t.Errorf("the Invitation is for Member %s, and there is %s", accepted.Status.Member.UID, m.UID)
	}
	f.delete(f.as(ada).client, accepted)
	f.gone("jane")
	jane.can(at(editing, f.in("web")))
}

// TestWhatIsNotSent goes through what keeps an Invitation from being mailed.
func TestWhatIsNotSent(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) {
		o.Invitations.AllowedLinkOrigins = []string{"https://good.example.com", "http://localhost:3000"}
	})
	f.invitable()
	link := func(url string) enrolv1alpha1.InvitationSpec {
		return enrolv1alpha1.InvitationSpec{AcceptURL: url}
	}
	cases := map[string]struct {
		spec    enrolv1alpha1.InvitationSpec
		reason  string
		message string
		mails   int
	}{
		"allowed":       {link("https://good.example.com/join?a=b"), enrolv1alpha1.ReasonPending, "", 1},
		"allowed-port":  {link("http://localhost:3000/join#top"), enrolv1alpha1.ReasonPending, "", 1},
		"allowed-own":   {link(publicURL + "/elsewhere"), enrolv1alpha1.ReasonPending, "", 1},
		"allowed-443":   {link("https://GOOD.example.com:443/"), enrolv1alpha1.ReasonPending, "", 1},
		"scheme-less":   {link("//e.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "must start with https://", 0},
		"backslash":     {link(`/\e.example.com`), enrolv1alpha1.ReasonLinkNotAllowed, "backslashes", 0},
		"backslashes":   {link(`https://good.example.com\@e.com`), enrolv1alpha1.ReasonLinkNotAllowed, "backslashes", 0},
		"opaque":        {link("https:e.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "must start with https://", 0},
		"one-slash":     {link("https:/good.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "must start with https://", 0},
		"userinfo":      {link("https://good.example.com@e.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "user", 0},
		"own-user":      {link("https://a:b@good.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "user", 0},
		"suffix":        {link("https://evilgood.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"prefix":        {link("https://good.example.com.evil.org"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"subdomain":     {link("https://x.good.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"other-port":    {link("https://good.example.com:8443"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"other-scheme":  {link("http://good.example.com"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"dot":           {link("https://good.example.com./"), enrolv1alpha1.ReasonLinkNotAllowed, "origin", 0},
		"encoded-host":  {link("https://good.example.com%2f%2fe.org"), enrolv1alpha1.ReasonLinkNotAllowed, "must", 0},
		"encoded-path":  {link("https://good.example.com/%2f%2fe.org"), enrolv1alpha1.ReasonLinkNotAllowed, "encoded", 0},
		"encoded":       {link("%2f%2fe.org"), enrolv1alpha1.ReasonLinkNotAllowed, "must", 0},
		"script":        {link("javascript:alert(1)"), enrolv1alpha1.ReasonLinkNotAllowed, "must start with https://", 0},
		"data":          {link("data:text/html,x"), enrolv1alpha1.ReasonLinkNotAllowed, "must start with https://", 0},
		"own-token":     {link("https://good.example.com/?token=mine"), enrolv1alpha1.ReasonLinkNotAllowed, "query", 0},
		"sign-in":       {enrolv1alpha1.InvitationSpec{SignInURL: "https://e.org"}, enrolv1alpha1.ReasonLinkNotAllowed, "signInURL", 0},
		"good-sign-in":  {enrolv1alpha1.InvitationSpec{SignInURL: "https://good.example.com/in"}, enrolv1alpha1.ReasonPending, "", 1},
		"unknown-role":  {enrolv1alpha1.InvitationSpec{Roles: []enrolv1alpha1.RoleName{"pilot"}}, enrolv1alpha1.ReasonUnknownRole, `no role "pilot"`, 0},
		"unknown-group": {enrolv1alpha1.InvitationSpec{Groups: []enrolv1alpha1.GroupName{"web"}}, enrolv1alpha1.ReasonUnknownGroup, `no group "web"`, 0},
		"no-mail":       {enrolv1alpha1.InvitationSpec{SendEmail: new(false)}, enrolv1alpha1.ReasonPending, "no mail was wanted", 0},
		"refused":       {enrolv1alpha1.InvitationSpec{}, enrolv1alpha1.ReasonMailRefused, "550", 0},
		"deferred":      {enrolv1alpha1.InvitationSpec{}, enrolv1alpha1.ReasonMailDeferred, "451", 0},
		"hanging":       {enrolv1alpha1.InvitationSpec{}, enrolv1alpha1.ReasonMailDeferred, "timeout", 0},
		"dropped":       {enrolv1alpha1.InvitationSpec{}, enrolv1alpha1.ReasonMailUnconfirmed, "may have arrived", 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := f.sub(t)
			f.invite(name, tc.spec)
			i := f.invitation(name, tc.reason)
			ready := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady)
			if !strings.Contains(ready.Message, tc.message) {
				t.Errorf("the message is %q, want it to contain %q", ready.Message, tc.message)
			}
			letters := f.mails(f.user(name), tc.mails)
			if len(letters) == 2 && letters[0].header.Get("Message-Id") != letters[1].header.Get("Message-Id") {
				t.Error("a second copy must have the Message-ID of the first")
			}
			if name == "no-mail" && i.Status.SendNumber != 1 {
				t.Error("without a mail, everything else is the same")
			}
			if len(letters) == 1 && tc.spec.AcceptURL != "" {
				u := letters[0].link()
				if !strings.HasPrefix(strings.ToLower(u.String()), strings.ToLower(strings.TrimSuffix(tc.spec.AcceptURL, "#top"))) {
					t.Errorf("the link is %s, want it to lead to %s", u, tc.spec.AcceptURL)
				}
				f.claims(&letters[0])
			}
		})
	}
}

// TestDomains: only the domains that the Organisation allows, and no others that end alike.
func TestDomains(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) {
		o.Invitations.AllowedEmailDomains = []string{"good.example.com"}
	})
	for name, email := range map[string]enrolv1alpha1.Email{
		"other": "j@example.org", "suffix": "j@evilgood.example.com", "sub": "j@x.good.example.com",
	} {
		f.invite(name, enrolv1alpha1.InvitationSpec{Email: email})
		f.invitation(name, enrolv1alpha1.ReasonDomainNotAllowed)
	}
	f.invite("good", enrolv1alpha1.InvitationSpec{Email: "j@good.example.com"})
	f.invitation("good", enrolv1alpha1.ReasonPending)
	// Once the rule allows it, it is sent without anybody's help.
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) {
		o.Invitations.AllowedEmailDomains = append(o.Invitations.AllowedEmailDomains, "example.org")
	})
	f.invitation("other", enrolv1alpha1.ReasonPending)
	// And a rule that comes later holds for what is open.
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) {
		o.Invitations.AllowedEmailDomains = []string{"example.org"}
	})
	f.invitation("good", enrolv1alpha1.ReasonDomainNotAllowed)
	if err := f.respond("good", verified("j@good.example.com")); !errors.Is(err, invitations.ErrNotAllowed) {
		t.Errorf("accepting against the rules: got %v", err)
	}
	if err := f.respond("suffix", verified("j@evilgood.example.com")); !errors.Is(err, invitations.ErrNotAllowed) {
		t.Errorf("accepting against the rules: got %v", err)
	}
}

// TestHeaders: nobody who invites makes a header or a recipient. What the API server lets through is nasty enough.
func TestHeaders(t *testing.T) {
	t.Parallel()
	nasty := `Acme" <eve@example.com>, Bcc: eve@example.com =?utf-8?q?=0d=0aBcc:eve@example.com?=`
	f := newOrganisation(t, func(o *enrolv1alpha1.OrganisationSpec) { o.DisplayName = nasty })
	spec := promise()
	spec.Message = `</blockquote><script>alert(1)</script> . ` + nasty
	f.invite("jane", spec)
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	letters := f.mails(f.user("jane"), 1)
	l := &letters[0]
	if captured := post.MailsTo(f.user("jane")); len(captured[0].To) != 1 {
		t.Errorf("the recipients are %v, want the one", captured[0].To)
	}
	var names []string
	for fields := l.header.Fields(); fields.Next(); {
		names = append(names, fields.Key())
	}
	slices.Sort(names)
	want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	to, err := l.header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != f.user("jane") {
		t.Errorf("To is %v, %v", to, err)
	}
	if subject, err := l.header.Subject(); err != nil || !strings.Contains(subject, strings.ReplaceAll(nasty, "=?", "= ?")) {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	if strings.Contains(l.html, "<script>") || strings.Contains(l.html, "<eve@") {
		t.Errorf("what somebody wrote is markup:\n%s", l.html)
	}
	if got := len(post.MailsTo("eve@example.com")); got != 0 {
		t.Errorf("eve got %d mails", got)
	}
}

// TestResend: another mail, another link, another week; and not too many of them.
func TestResend(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invite("jane", promise())
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	first := f.mails(f.user("jane"), 1)[0]

	f.annotate("jane", enrolv1alpha1.AnnotationResend, "too soon")
	limited := f.handled("jane", "too soon")
	c := meta.FindStatusCondition(limited.Status.Conditions, enrolv1alpha1.ConditionRateLimited)
	if c == nil || !strings.Contains(c.Message, "ask again at "+limited.Status.SendTime.Add(time.Minute).UTC().Format(time.RFC3339)) {
		t.Errorf("RateLimited is %+v, want it to say when to ask again", c)
	}
	f.mails(f.user("jane"), 1)

	f.sentEarlier("jane", 2*time.Minute)
	f.annotate("jane", enrolv1alpha1.AnnotationResend, "now")
	again := f.handled("jane", "now")
	if meta.FindStatusCondition(again.Status.Conditions, enrolv1alpha1.ConditionRateLimited) != nil {
		t.Error("RateLimited must go with the next resend")
	}
	second := f.mails(f.user("jane"), 2)[1]
	if first.header.Get("Message-Id") == second.header.Get("Message-Id") {
		t.Error("another mail has another Message-ID")
	}
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	if err := f.respond("jane", answer{link: first.link()}); !errors.Is(err, invitations.ErrNotYours) {
		t.Errorf("the first link: got %v, want it to be dead", err)
	}
	for k := range 5 {
		f.sentEarlier("jane", 2*time.Minute)
		f.annotate("jane", enrolv1alpha1.AnnotationResend, fmt.Sprint(k))
		f.handled("jane", fmt.Sprint(k))
		if k < 4 {
			f.mails(f.user("jane"), 3+k)
			f.invitation("jane", enrolv1alpha1.ReasonPending)
		}
	}
	last := f.handled("jane", "4")
	c = meta.FindStatusCondition(last.Status.Conditions, enrolv1alpha1.ConditionRateLimited)
	if c == nil || !strings.Contains(c.Message, "5 times") || last.Status.SendNumber != 6 {
		t.Errorf("the sixth resend: RateLimited is %+v, send number %d", c, last.Status.SendNumber)
	}
	letters := f.mails(f.user("jane"), 6)
	if err := f.respond("jane", answer{link: letters[5].link()}); err != nil {
		t.Fatal(err)
	}
	f.as(f.user("jane")).can(at(editing, f.in("web")))
}

// TestQuota: the 51st mail within 24 hours is not sent, and deleting does not help.
func TestQuota(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invitable()
	for k := range 50 {
		name := fmt.Sprintf("n%d", k)
		i := f.invite(name, enrolv1alpha1.InvitationSpec{})
		if k%2 == 0 {
			f.invitation(name, enrolv1alpha1.ReasonPending)
			f.delete(f.platform, i)
		}
	}
	testenv.Eventually(t, func() error {
		o := &enrolv1alpha1.Organisation{}
		if err := f.admin.Get(t.Context(), client.ObjectKey{Name: f.name}, o); err != nil {
			return err
		}
		count := 0
		for _, hour := range o.Status.Mails {
			count += int(hour.Count)
		}
		if count != 50 {
			return fmt.Errorf("%d mails are counted, want 50", count)
		}
		return nil
	})
	f.invite("n50", enrolv1alpha1.InvitationSpec{})
	i := f.invitation("n50", enrolv1alpha1.ReasonRateLimited)
	ready := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady)
	if !strings.Contains(ready.Message, "it may cause more at 20") || meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionStalled) == nil {
		t.Errorf("the conditions are %+v", i.Status.Conditions)
	}
	f.mails(f.user("n50"), 0)
	f.invite("silent", enrolv1alpha1.InvitationSpec{SendEmail: new(false)})
	f.invitation("silent", enrolv1alpha1.ReasonPending)
	// More are allowed: it is sent without anybody's help.
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.Invitations.MaxPer24Hours = new(int32(51)) })
	f.mails(f.user("n50"), 1)
	f.changeOrganisation(func(o *enrolv1alpha1.OrganisationSpec) { o.Invitations.MaxPer24Hours = new(int32(0)) })
	f.invite("never", enrolv1alpha1.InvitationSpec{})
	f.invitation("never", enrolv1alpha1.ReasonRateLimited)
}

// TestExpires: nobody answers in time, a resend opens it again, and after the retention it is deleted.
func TestExpires(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invite("jane", promise())
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	first := f.mails(f.user("jane"), 1)[0]
	week := 7*24*time.Hour + time.Minute
	f.earlier("jane", week)
	expired := f.invitation("jane", enrolv1alpha1.ReasonExpired)
	if !expired.Status.CompletionTime.Equal(expired.Status.ExpireTime) {
		t.Errorf("it was finished at %s, and expired at %s", expired.Status.CompletionTime, expired.Status.ExpireTime)
	}
	if err := f.respond("jane", verified(f.user("jane"))); !errors.Is(err, invitations.ErrExpired) {
		t.Errorf("too late: got %v", err)
	}
	// Not even whoever writes the status past that check.
	late := expired.DeepCopy()
	late.Status.AcceptedBy = &enrolv1alpha1.InvitationAnswer{
		Username: "jane", Email: expired.Spec.Email, Time: *expired.Status.SendTime,
	}
	if err := f.facade().Status().Update(t.Context(), late); err == nil {
		t.Error("an expired Invitation was accepted")
	}

	f.annotate("jane", enrolv1alpha1.AnnotationResend, "again")
	again := f.handled("jane", "again")
	if again.Status.Outcome != "" || again.Status.ExpireTime.Before(&metav1.Time{Time: time.Now().Add(6 * 24 * time.Hour)}) {
		t.Errorf("a resend must give another week: %+v", again.Status)
	}
	second := f.mails(f.user("jane"), 2)[1]
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	if err := f.respond("jane", answer{link: first.link()}); !errors.Is(err, invitations.ErrNotYours) {
		t.Errorf("the first link: got %v", err)
	}
	f.claims(&second)

	f.earlier("jane", week)
	f.invitation("jane", enrolv1alpha1.ReasonExpired)
	f.earlier("jane", 60*24*time.Hour)
	f.gone("jane")
	testenv.Eventually(t, func() error {
		if o := f.organisationReady(enrolv1alpha1.ReasonReconciled); o.Status.Invitations != 0 {
			return fmt.Errorf("the status counts %d Invitations", o.Status.Invitations)
		}
		return nil
	})
}
