package main_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "status")
	o.member("lost", enrolv1alpha1.MemberSpec{Email: "lost@example.com", Roles: []enrolv1alpha1.RoleName{"sailor"}})
	o.ready("lost", enrolv1alpha1.ReasonUnknownRole)
	for name, who := range map[string]string{"Platform": platform, "Owner": ada, "Viewer": joe, "Stranger": eve} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "", as(t, who).run("status", "status"))
		})
	}
	t.Run("Name", func(t *testing.T) {
		t.Parallel()
		golden(t, "", as(t, platform).run("status", "status", "-o", "name"))
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "members")
	o.member("late", enrolv1alpha1.MemberSpec{
		Username: "late", ExpireTime: &metav1.Time{Time: metav1.Now().Add(-1e9)}, Projects: enrolv1alpha1.Projects{"*"},
	})
	o.member("team", enrolv1alpha1.MemberSpec{Group: "team", Projects: enrolv1alpha1.Projects{"members-data"}})
	o.ready("late", enrolv1alpha1.ReasonExpired)
	o.ready("team", enrolv1alpha1.ReasonGranted)
	for name, who := range map[string]string{"Platform": platform, "Viewer": joe, "Stranger": eve} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "", as(t, who).run("members", "members"))
		})
	}
	t.Run("Wide", func(t *testing.T) {
		t.Parallel()
		golden(t, "", as(t, ada).run("members", "members", "-o", "wide"))
	})
	t.Run("Name", func(t *testing.T) {
		t.Parallel()
		golden(t, "", as(t, joe).run("members", "members", "-o", "name"))
	})
	t.Run("ByNamespace", func(t *testing.T) {
		t.Parallel()
		golden(t, "", as(t, joe).run("members", "-n", "members-web", "-o", "name"))
	})
}

func TestInvite(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "invite")
	const kim = "kim@example.com"
	to := []string{"invite", kim, "--organisation=invite", "--role=developer"}
	with := func(args ...string) []string { return append(slices.Clone(to), args...) }
	cases := []struct {
		name, reason, who string
		args              []string
		invitations       int
	}{
		{"DryRunServer", "The API server is asked and stores nothing", ada, with("--dry-run=server"), 0},
		{"DryRunClient", "What would be sent is shown and not sent", ada, with("--project=invite-web", "--kubernetes-role=",
			"--message=Hello!", "--dry-run=client", "-o", "yaml"), 0},
		{"Stranger", "Who may not invite is told what is missing", joe, to, 0},
		{"Bad", "What the API server refuses it refuses in a dry run", ada, with("--role=Nonsense!", "--dry-run=server"), 0},
		{"Created", "The owner invites, in whatever case the address is", ada, with("--message=Hello!"), 1},
		{"Again", "The next Invitation has the next number", ada, with("-o", "name"), 2},
	}
	for _, tc := range cases {
		// One after the other: each counts what the ones before left.
		golden(t, tc.name, as(t, tc.who).run(tc.args...))
		o.invitations(tc.reason, tc.invitations)
	}
}

func TestResendAndRevoke(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "resend")
	owner := as(t, ada)
	owner.fine("invite", "kim@example.com", "--organisation=resend")
	kim := o.pending("kim@example.com")

	golden(t, "ResendDryRun", owner.run("resend", kim.Name, "--organisation=resend", "--dry-run=server"))
	golden(t, "RevokeDryRun", owner.run("revoke", kim.Name, "--organisation=resend", "--dry-run=client"))
	if after := o.pending("kim@example.com"); after.ResourceVersion != kim.ResourceVersion {
		t.Error("a dry run must change nothing")
	}
	golden(t, "MayNot", as(t, joe).run("revoke", kim.Name, "--organisation=resend"))
	golden(t, "Resend", owner.run("resend", "Kim@example.com", "--organisation=resend"))
	testenv.Eventually(t, func() error {
		if i := o.pending("kim@example.com"); i.Status.LastHandledResend == "" {
			return errors.New("the operator has not dealt with the resend")
		}
		return nil
	})
	golden(t, "Revoke", owner.run("revoke", "kim@example.com", "--organisation=resend"))
	testenv.Eventually(t, func() error {
		i := o.invitation("kim@example.com")
		if i.Status.Outcome != enrolv1alpha1.InvitationRevoked {
			return fmt.Errorf("the Invitation is %q, want Revoked", i.Status.Outcome)
		}
		return nil
	})
	golden(t, "Finished", owner.run("resend", kim.Name, "--organisation=resend"))
	golden(t, "Nobody", owner.run("revoke", "nobody@example.com", "--organisation=resend"))
}

// invitation is the one Invitation of an address.
func (o *organisation) invitation(email string) *enrolv1alpha1.Invitation {
	o.Helper()
	var list enrolv1alpha1.InvitationList
	if err := o.admin.List(o.Context(), &list, client.InNamespace(o.home()), client.MatchingFields{"spec.email": email}); err != nil {
		o.Fatal(err)
	}
	if len(list.Items) != 1 {
		o.Fatalf("%s has %d Invitations, want one", email, len(list.Items))
	}
	return &list.Items[0]
}

// pending waits until the Invitation waits for an answer.
func (o *organisation) pending(email string) *enrolv1alpha1.Invitation {
	o.Helper()
	var found *enrolv1alpha1.Invitation
	testenv.Eventually(o, func() error {
		found = o.invitation(email)
		c := meta.FindStatusCondition(found.Status.Conditions, enrolv1alpha1.ConditionReady)
		if c == nil || c.Reason != enrolv1alpha1.ReasonPending {
			return fmt.Errorf("the Invitation is %+v, want Pending", c)
		}
		return nil
	})
	return found
}

// invitations counts what is there.
func (o *organisation) invitations(reason string, want int) {
	o.Helper()
	var list enrolv1alpha1.InvitationList
	if err := o.admin.List(o.Context(), &list, client.InNamespace(o.home())); err != nil {
		o.Fatal(err)
	}
	if len(list.Items) != want {
		o.Errorf("%s: there are %d Invitations, want %d", reason, len(list.Items), want)
	}
}
