package controllers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	invitations "github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/naming"
	"github.com/enrol-dev/enrol/internal/testenv"
	"github.com/enrol-dev/enrol/internal/token"
)

// TestAnswers goes through who may answer what, and when.
func TestAnswers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invitable()
	mailed := func(l *letter) answer { return answer{link: l.link()} }
	cases := map[string]struct {
		reason string
		// answer is made of the mail's link.
		answer func(*letter) answer
		before func(*fixture, string)
		want   error
		// outcome that the Invitation comes to.
		outcome string
	}{
		"token":    {"whoever has the mail and signs in with the address", mailed, nil, nil, enrolv1alpha1.ReasonAccepted},
		"verified": {"or whom the identity provider vouches for", func(*letter) answer { return answer{person: invitations.Person{EmailVerified: true}} }, nil, nil, enrolv1alpha1.ReasonAccepted},
		"upper": {"in any case of ASCII letters", func(*letter) answer {
			return answer{person: invitations.Person{Username: "u", Email: strings.ToUpper(f.user("upper")), EmailVerified: true}}
		}, nil, nil, enrolv1alpha1.ReasonAccepted},
		"declined": {"or declines", func(l *letter) answer { return answer{link: l.link(), decline: true} }, nil, nil, enrolv1alpha1.ReasonDeclined},
		"neither":  {"nobody vouches, and there is no token", func(*letter) answer { return answer{} }, nil, invitations.ErrNotYours, enrolv1alpha1.ReasonPending},
		"other": {"somebody else who has the mail", func(l *letter) answer {
			return answer{link: l.link(), person: invitations.Person{Email: "eve@example.com"}}
		}, nil, invitations.ErrNotYours, enrolv1alpha1.ReasonPending},
		"eve":     {"somebody else who is vouched for", func(*letter) answer { return verified("eve@example.com") }, nil, invitations.ErrNotYours, enrolv1alpha1.ReasonPending},
		"kelvin":  {"an address that looks alike", func(*letter) answer { return verified("\u212aelvin@" + f.name + ".example.com") }, nil, invitations.ErrNotYours, enrolv1alpha1.ReasonPending},
		"forged":  {"a token that was changed", func(l *letter) answer { return answer{link: changed(l)} }, nil, token.ErrInvalid, enrolv1alpha1.ReasonPending},
		"revoked": {"one that was withdrawn", mailed, revoke, invitations.ErrRevoked, enrolv1alpha1.ReasonRevoked},
		"late":    {"a second too late", func(l *letter) answer { return answer{link: l.link(), at: f.claims(l).Expire} }, nil, invitations.ErrExpired, enrolv1alpha1.ReasonPending},
		"just":    {"the last moment", func(l *letter) answer { return answer{link: l.link(), at: f.claims(l).Expire.Add(-time.Second)} }, nil, nil, enrolv1alpha1.ReasonAccepted},
		"lateverif": {"too late, though vouched for", func(l *letter) answer {
			return answer{person: invitations.Person{EmailVerified: true}, at: f.claims(l).Expire.Add(time.Hour)}
		}, nil, invitations.ErrExpired, enrolv1alpha1.ReasonPending},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := f.sub(t)
			f.invite(name, promise())
			f.invitation(name, enrolv1alpha1.ReasonPending)
			l := f.mails(f.user(name), 1)[0]
			if tc.before != nil {
				tc.before(f, name)
			}
			if err := f.respond(name, tc.answer(&l)); !errors.Is(err, tc.want) {
				t.Fatalf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			f.invitation(name, tc.outcome)
			if tc.outcome == enrolv1alpha1.ReasonAccepted || tc.outcome == enrolv1alpha1.ReasonDeclined {
				if err := f.respond(name, tc.answer(&l)); !errors.Is(err, invitations.ErrAnswered) {
					t.Errorf("%s, twice: got %v", tc.reason, err)
				}
			}
			if tc.outcome != enrolv1alpha1.ReasonAccepted {
				f.as(f.user(name)).mayNot(at(editing, f.in("web")))
				return
			}
			if tc.answer(&l).person.Username == "" {
				f.as(f.user(name)).can(at(editing, f.in("web")))
			}
		})
	}
}

func changed(l *letter) *url.URL {
	link := l.link()
	query := link.Query()
	text := []byte(query.Get("token"))
	text[len(text)/2] ^= 1
	query.Set("token", string(text))
	link.RawQuery = query.Encode()
	return link
}

func revoke(f *fixture, name string) {
	f.Helper()
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}}
	change(f, i, func(i *enrolv1alpha1.Invitation) { i.Spec.Revoked = true })
	f.invitation(name, enrolv1alpha1.ReasonRevoked)
}

// TestSixteenAccept: the link is opened sixteen times at once, as different people. One gets in.
func TestSixteenAccept(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invite("jane", promise())
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	l := f.mails(f.user("jane"), 1)[0]
	var group sync.WaitGroup
	errs := make([]error, 16)
	for k := range errs {
		group.Go(func() {
			errs[k] = f.respond("jane", answer{link: l.link(), person: invitations.Person{Username: fmt.Sprintf("%s-%d", f.name, k)}})
		})
	}
	group.Wait()
	winner := slices.Index(errs, nil)
	for k, err := range errs {
		if k != winner && !apierrors.IsConflict(err) && !errors.Is(err, invitations.ErrAnswered) {
			t.Errorf("number %d: got %v", k, err)
		}
	}
	f.invitation("jane", enrolv1alpha1.ReasonAccepted)
	for k := range errs {
		who := f.as(fmt.Sprintf("%s-%d", f.name, k))
		if k == winner {
			who.can(at(editing, f.in("web")))
		} else {
			who.mayNot(at(editing, f.in("web")))
		}
	}
	if got := f.people(); len(got) != 1 {
		t.Errorf("the Members are %v, want one", got)
	}
}

// TestInvitedAgain: whose membership has expired gets in again by another Invitation. The expired Member stays as it is, even
// where it has the name that the new one would have got.
func TestInvitedAgain(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	spec := developer()
	spec.Username, spec.Email = enrolv1alpha1.Username(f.user("kim")), enrolv1alpha1.Email(f.user("kim"))
	spec.ExpireTime = &metav1.Time{Time: time.Now().Add(-time.Hour).Truncate(time.Second)}
	expired := f.member(naming.Member(f.user("kim")), spec)
	f.ready(expired.Name, enrolv1alpha1.ReasonExpired)

	f.invite("kim", promise())
	f.invitation("kim", enrolv1alpha1.ReasonPending)
	l := f.mails(f.user("kim"), 1)[0]
	if err := f.respond("kim", answer{link: l.link()}); err != nil {
		t.Fatal(err)
	}
	accepted := f.invitation("kim", enrolv1alpha1.ReasonAccepted)
	if member := accepted.Status.Member; member == nil || member.Name == expired.Name {
		t.Errorf("the Member that the Invitation came to is %+v, want another than %s", member, expired.Name)
	}
	f.as(f.user("kim")).can(at(editing, f.in("web")))
	if diff := cmp.Diff(expired.Spec, f.ready(expired.Name, enrolv1alpha1.ReasonExpired).Spec); diff != "" {
		t.Errorf("an existing membership must not change:\n%s", diff)
	}

	// Whom somebody has suspended besides is not to get in again by an Invitation.
	spec.Username, spec.Email, spec.Suspend = enrolv1alpha1.Username(f.user("joe")), enrolv1alpha1.Email(f.user("joe")), true
	f.member("joe", spec)
	f.invite("joe", promise())
	f.invitation("joe", enrolv1alpha1.ReasonAlreadyMember)
}

// TestAlreadyThere: no mail for who is a Member, none for a second Invitation; both tell why.
func TestAlreadyThere(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.member("joe", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer}})
	before := f.ready("joe", enrolv1alpha1.ReasonNoProjects)
	f.invite("joe", promise())
	f.invitation("joe", enrolv1alpha1.ReasonAlreadyMember)
	f.mails(f.user("joe"), 0)
	if err := f.respond("joe", verified(f.user("joe"))); !errors.Is(err, invitations.ErrNotOpen) {
		t.Errorf("there is nothing to accept: got %v", err)
	}

	spec := promise()
	f.invite("jane", spec)
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	spec.Email = enrolv1alpha1.Email(f.user("jane"))
	f.invite("jane-2", spec)
	f.invitation("jane-2", enrolv1alpha1.ReasonAlreadyInvited)
	f.mails(f.user("jane"), 1)
	if err := f.respond("jane-2", verified(f.user("jane"))); !errors.Is(err, invitations.ErrNotOpen) {
		t.Errorf("the other one is to be accepted: got %v", err)
	}
	// It takes its turn when the first one is out of the way.
	revoke(f, "jane")
	f.invitation("jane-2", enrolv1alpha1.ReasonPending)
	f.mails(f.user("jane"), 2)
	// Whoever becomes a member in between stays one as that, and the Invitation is over.
	f.member("jane", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer}})
	f.invitation("jane-2", enrolv1alpha1.ReasonAlreadyMember)
	after := f.ready("joe", enrolv1alpha1.ReasonNoProjects)
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("an existing membership must not change:\n%s", diff)
	}
	if got := len(f.people()); got != 2 {
		t.Errorf("there are %d Members, want 2", got)
	}
}

// TestInviterLosesTheRight: what the inviter may no longer grant is not given, and is once the right is back.
func TestInviterLosesTheRight(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.member("max", enrolv1alpha1.MemberSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}})
	inviter := f.as(f.user("max"))
	inviter.can(testenv.Access{Verb: "grant", Group: "enrol.dev", Resource: "organisationroles", Name: "developer", Namespace: f.home()})
	for _, name := range []string{"jane", "joe"} {
		spec := promise()
		if name == "joe" {
			spec.KubernetesRole = new(enrolv1alpha1.KubernetesRoleView)
		}
		f.inviteAs(inviter, name, spec)
		f.invitation(name, enrolv1alpha1.ReasonPending)
	}
	change(f, &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "max", Namespace: f.home()}},
		func(m *enrolv1alpha1.Member) { m.Spec.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper} })
	inviter.cannot(testenv.Access{Verb: "grant", Group: "enrol.dev", Resource: "organisationroles", Name: "developer", Namespace: f.home()})
	for _, name := range []string{"jane", "joe"} {
		if err := f.respond(name, verified(f.user(name))); err != nil {
			t.Fatal(err)
		}
		i := f.invitation(name, enrolv1alpha1.ReasonInviterMayNotGrant)
		ready := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady)
		want := "organisationroles.enrol.dev/developer"
		if name == "joe" {
			want += ", kubernetesroles.enrol.dev/view"
		}
		if !strings.Contains(ready.Message, want+" in namespace") {
			t.Errorf("the message is %q, want it to name %s", ready.Message, want)
		}
		f.as(f.user(name)).mayNot(at(viewing, f.in("web")))
	}
	if got := len(f.people()); got != 1 {
		t.Errorf("there are %d Members, want 1", got)
	}
}

// TestInviterByGroup: the right to invite may come from a group that the Invitation names.
func TestInviterByGroup(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.member("team", enrolv1alpha1.MemberSpec{Group: enrolv1alpha1.Username(f.name + "-team"), Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}})
	eve := f.as(f.user("eve"), f.name+"-team")
	spec := promise()
	f.inviteAs(eve, "without", spec)
	spec.InvitedBy.Groups = []string{f.name + "-team"}
	f.inviteAs(eve, "with", spec)
	for _, name := range []string{"with", "without"} {
		f.invitation(name, enrolv1alpha1.ReasonPending)
		if err := f.respond(name, verified(f.user(name))); err != nil {
			t.Fatal(err)
		}
	}
	f.invitation("with", enrolv1alpha1.ReasonAccepted)
	f.invitation("without", enrolv1alpha1.ReasonInviterMayNotGrant)
}

// TestOwnership: invitations to become an owner, beside others and in the place of one.
func TestOwnership(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	owning := testenv.Access{Verb: "grant", Group: "enrol.dev", Resource: "organisationroles", Name: "owner", Namespace: f.home()}
	accept := func(name string) {
		t.Helper()
		f.invitation(name, enrolv1alpha1.ReasonPending)
		if err := f.respond(name, verified(f.user(name))); err != nil {
			t.Fatal(err)
		}
		f.invitation(name, enrolv1alpha1.ReasonAccepted)
	}
	ada, jane, kim := f.as(f.user("ada")), f.as(f.user("jane")), f.as(f.user("kim"))

	f.invite("jane", enrolv1alpha1.InvitationSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}})
	accept("jane")
	jane.can(owning)
	ada.can(owning)
	if got := f.people(); len(got) != 0 {
		t.Errorf("the Members are %v; an owner without another role needs none", got)
	}

	f.inviteAs(jane, "kim", enrolv1alpha1.InvitationSpec{
		Type: enrolv1alpha1.InvitationTransferOwnership, Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleDeveloper},
	})
	accept("kim")
	kim.can(owning)
	jane.cannot(owning)
	jane.can(at(inviting, f.home()))
	jane.can(at(editing, f.in("web")))
	jane.cannot(at(binding, f.in("web")))
	o := f.organisationReady(enrolv1alpha1.ReasonReconciled)
	var owners []string
	for _, owner := range o.Spec.Owners {
		owners = append(owners, string(owner.Username))
	}
	if diff := cmp.Diff([]string{f.user("ada"), f.user("kim")}, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	want := []string{f.user("jane") + ": [admin]", f.user("kim") + ": [developer]"}
	testenv.Eventually(t, func() error {
		if diff := cmp.Diff(want, f.people()); diff != "" {
			return errors.New("Members (-want +got):\n" + diff)
		}
		return nil
	})

	// Who is no owner hands nothing over, and one that Git keeps changes there.
	f.inviteAs(f.as(platform), "eve", enrolv1alpha1.InvitationSpec{Type: enrolv1alpha1.InvitationTransferOwnership})
	f.invitation("eve", enrolv1alpha1.ReasonInviterMayNotGrant)
	f.mails(f.user("eve"), 0)
	f.invite("late", enrolv1alpha1.InvitationSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}})
	f.invitation("late", enrolv1alpha1.ReasonPending)
	if err := f.platform.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json",
		[]byte(`{"metadata":{"annotations":{"enrol.dev/managed-in-git":"true"}}}`))); err != nil {
		t.Fatal(err)
	}
	f.invite("git", enrolv1alpha1.InvitationSpec{Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}})
	f.invitation("git", enrolv1alpha1.ReasonManagedByGitOps)
	if err := f.respond("late", verified(f.user("late"))); err != nil {
		t.Fatal(err)
	}
	f.invitation("late", enrolv1alpha1.ReasonManagedByGitOps)
	f.as(f.user("late")).mayNot(owning)
}

// TestResumeIsNoBackDoor: a mark on somebody else's suspended Member does not bring it back.
func TestResumeIsNoBackDoor(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invite("jane", promise())
	i := f.invitation("jane", enrolv1alpha1.ReasonPending)
	m := f.member("joe", enrolv1alpha1.MemberSpec{
		Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}, Projects: enrolv1alpha1.Projects{"*"}, Suspend: true,
	})
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"enrol.dev/invitation":%q}}}`, i.UID)
	if err := f.platform.Patch(t.Context(), m, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	if err := f.respond("jane", verified(f.user("jane"))); err != nil {
		t.Fatal(err)
	}
	f.as(f.user("jane")).can(at(editing, f.in("web")))
	f.invitation("jane", enrolv1alpha1.ReasonAccepted)
	f.as(f.user("joe")).mayNot(at(editing, f.in("web")))
}

// TestNameTaken: a Member of the name that is somebody else's is neither changed nor taken for the person.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, keepAccepted)
	f.invite("jane", promise())
	f.invitation("jane", enrolv1alpha1.ReasonPending)
	name := sha256.Sum256([]byte(f.user("jane")))
	f.member("m-"+hex.EncodeToString(name[:])[:20], enrolv1alpha1.MemberSpec{Username: "squatter"})
	if err := f.respond("jane", verified(f.user("jane"))); err != nil {
		t.Fatal(err)
	}
	i := f.invitation("jane", enrolv1alpha1.ReasonNotAcceptable)
	if c := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionStalled); !strings.Contains(c.Message, "somebody else") {
		t.Errorf("the message is %q", c.Message)
	}
}

// TestAcceptedGoes: with the default retention an accepted Invitation is deleted at once, unless Git keeps it.
func TestAcceptedGoes(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	f.invite("jane", promise())
	f.invite("git", promise())
	f.annotate("git", enrolv1alpha1.AnnotationManagedInGit, "true")
	for _, name := range []string{"jane", "git"} {
		f.invitation(name, enrolv1alpha1.ReasonPending)
		if err := f.respond(name, verified(f.user(name))); err != nil {
			t.Fatal(err)
		}
		f.as(f.user(name)).can(at(editing, f.in("web")))
	}
	f.gone("jane")
	i := f.invitation("git", enrolv1alpha1.ReasonAccepted)
	testenv.Eventually(t, func() error {
		if err := f.admin.Get(t.Context(), client.ObjectKeyFromObject(i), i); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionRetainedByGitOps); c == nil {
			return errors.New("there is no condition RetainedByGitOps")
		}
		return nil
	})
	// A sync that brings a deleted one back mails nobody who is a member.
	f.delete(f.platform, i)
	f.invite("git", promise())
	f.invitation("git", enrolv1alpha1.ReasonAlreadyMember)
	f.mails(f.user("git"), 1)
}
