package main_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/kubectl"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "status")
	o.member("lost", enrolv1alpha1.MemberSpec{Email: "lost@example.com", Roles: []enrolv1alpha1.RoleName{"sailor"}})
	o.ready("lost", enrolv1alpha1.ReasonUnknownRole)
	o.counts(3, 8)
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
	t.Run("All", func(t *testing.T) {
		t.Parallel()
		// Other tests have organisations of their own.
		for line := range strings.Lines(as(t, platform).fine("members", "-A")) {
			if cells := strings.Fields(line); len(cells) > 1 && cells[0] == "members" && cells[1] == "late" {
				return
			}
		}
		t.Error("a list of all members must say in which organisation each is")
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
		{"Open", "Nobody would be sent a second one, and so it is not made", ada, to, 1},
		{"Revoked", "The first is withdrawn", ada, []string{"revoke", kim, "--organisation=invite"}, 1},
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
	golden(t, "TooEarly", owner.run("resend", "kim@example.com", "--organisation=resend"))
	earlier := kim.DeepCopy()
	earlier.Status.SendTime = &metav1.Time{Time: kim.Status.SendTime.Add(-invitation.ResendInterval)}
	if err := o.admin.Status().Patch(t.Context(), earlier, client.MergeFrom(kim)); err != nil {
		t.Fatal(err)
	}
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

func TestTree(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "tree")
	as(t, ada).fine("invite", "kim@example.com", "--organisation=tree", "--send-email=false")
	o.pending("kim@example.com")
	for name, who := range map[string]string{"Platform": platform, "Admin": admin, "Owner": ada, "Viewer": joe, "Stranger": eve} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "", as(t, who).run("tree", "tree"))
		})
	}
	t.Run("Bounded", func(t *testing.T) {
		t.Parallel()
		golden(t, "", as(t, admin).run("tree", "tree", "--limit=1"))
	})
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "whoami")
	o.member("team", enrolv1alpha1.MemberSpec{Group: "team", Projects: enrolv1alpha1.Projects{"whoami-data"}})
	o.ready("team", enrolv1alpha1.ReasonGranted)
	const solo = "solo@example.com"
	o.member("solo", enrolv1alpha1.MemberSpec{Email: solo})
	o.ready("solo", enrolv1alpha1.ReasonNoProjects)
	golden(t, "Searched", as(t, solo, "system:masters").run("whoami", "-o", "name"))
	golden(t, "Owner", as(t, ada).run("whoami", "whoami"))
	golden(t, "Viewer", as(t, joe, "team").run("whoami", "whoami"))
	golden(t, "ByNamespace", as(t, joe).run("whoami", "-n", "whoami-web", "-o", "yaml"))
	golden(t, "Stranger", as(t, eve).run("whoami", "whoami"))
	golden(t, "NowhereYet", as(t, eve).run("whoami"))
}

func TestWhy(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "why")
	o.member("asleep", enrolv1alpha1.MemberSpec{Email: joe, Suspend: true})
	o.ready("asleep", enrolv1alpha1.ReasonSuspended)
	if _, err := environment.Kubectl("create", "rolebinding", "old", "-n", "why-web", "--clusterrole=admin", "--user="+joe); err != nil {
		t.Fatal(err)
	}
	golden(t, "Project", as(t, admin).run("why", joe, "-n", "why-web"))
	golden(t, "Home", as(t, admin).run("why", joe, "-n", "org-why"))
	golden(t, "Owner", as(t, admin).run("why", ada, "-n", "why-data"))
	golden(t, "AsOwner", as(t, ada).run("why", jane, "-n", "why-web"))
	golden(t, "JSON", as(t, ada).run("why", joe, "-n", "why-web", "-o", "json"))
	golden(t, "Name", as(t, ada).run("why", joe, "-n", "why-web", "-o", "name"))
	golden(t, "MayNot", as(t, joe).run("why", jane, "-n", "why-data"))
	golden(t, "MayNotEverywhere", as(t, joe).run("why"))
	golden(t, "Nobody", as(t, admin).run("why", eve, "-n", "why-web"))
}

func TestTreeIsFollowed(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "follow")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	follower, out := as(t, admin), &screen{}
	ended := make(chan answer, 1)
	go func() { ended <- follower.runInto(ctx, out, "tree", "follow", "--watch") }()
	out.shows(t, "Member/joe joe@example.com")
	o.member("new", enrolv1alpha1.MemberSpec{Email: "new@example.com", Projects: enrolv1alpha1.Projects{"*"}})
	// Both the Member and, in the end, whom it is bound as.
	out.shows(t, "Member/new new@example.com")
	out.shows(t, "User new@example.com")
	stop()
	if got := <-ended; got.code != kubectl.ExitFine || got.problems != "" {
		t.Errorf("an interrupt must end it well, not with %d: %s", got.code, got.problems)
	}
	golden(t, "NotForMachines", as(t, admin).run("tree", "follow", "--watch", "-o", "json"))
}

// It looks at the whole installation, and so runs before those that run side by side and, in part, change that.
func TestCheck(t *testing.T) {
	o := newOrganisation(t, "check")
	golden(t, "Hidden", as(t, platform).run("check", "check"))
	golden(t, "NoOperator", as(t, admin).run("check", "check"))
	o.lease(time.Now())
	golden(t, "Fine", as(t, admin).run("check", "check"))
	golden(t, "YAML", as(t, admin).run("check", "check", "-o", "yaml"))
	golden(t, "Name", as(t, admin).run("check", "check", "-o", "name"))
	golden(t, "Elsewhere", as(t, admin).run("check", "--organisations=false", "--system-namespace=elsewhere"))

	o.member("lost", enrolv1alpha1.MemberSpec{Email: "lost@example.com", Roles: []enrolv1alpha1.RoleName{"sailor"}})
	o.ready("lost", enrolv1alpha1.ReasonUnknownRole)
	golden(t, "Fault", as(t, admin).run("check", "check"))
	golden(t, "Timeout", as(t, admin).run("check", "check", "--wait", "--timeout=15s"))

	waiting := make(chan answer, 1)
	waiter := as(t, admin)
	go func() { waiting <- waiter.run("check", "check", "--wait", "--timeout=3m") }()
	if err := o.platform.Delete(t.Context(), &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.home(), Name: "lost"},
	}); err != nil {
		t.Fatal(err)
	}
	golden(t, "Waited", <-waiting)
}

// A policy that refuses nothing is a fault, which a script is told of; what somebody may not look at is none. It runs before
// those that run side by side, as whom the policies bind.
func TestCheckPolicies(t *testing.T) {
	newOrganisation(t, "bound").lease(time.Now())
	act := func(action string) {
		t.Helper()
		change := fmt.Sprintf(`{"spec":{"validationActions":[%q]}}`, action)
		_, err := environment.Kubectl("patch", "validatingadmissionpolicybinding", "enrol-grant-roles", "--type=merge", "--patch="+change)
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		act("Deny")
		if got := as(t, admin).run("check", "bound"); got.code != kubectl.ExitFine {
			t.Errorf("the policies are not as they were: %s%s", got.out, got.problems)
		}
	}()
	act("Audit")
	golden(t, "Fault", as(t, admin).run("check", "bound"))
	golden(t, "Wide", as(t, admin).run("check", "--organisations=false", "-o", "wide"))
	golden(t, "JSON", as(t, admin).run("check", "--organisations=false", "-o", "json"))

	const half = "half@example.com"
	for _, args := range [][]string{
		{
			"create", "clusterrole", "half", "--verb=get",
			"--resource=validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions",
		},
		{"create", "clusterrolebinding", "half", "--clusterrole=half", "--user=" + half},
	} {
		if _, err := environment.Kubectl(args...); err != nil {
			t.Fatal(err)
		}
	}
	var got answer
	testenv.Eventually(t, func() error {
		if got = as(t, half).run("check", "--organisations=false"); strings.Contains(got.out, "customresourcedefinitions") ||
			strings.Contains(got.out, "validatingadmissionpolic") {
			return fmt.Errorf("the rights are not known yet: %s", got.out)
		}
		return nil
	})
	golden(t, "HalfHidden", got)
}

// Where nothing is installed yet, check says what is missing, and can wait for it.
func TestCheckNothingInstalled(t *testing.T) {
	t.Parallel()
	bare, err := testenv.Start(t.Context(), testenv.Options{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bare.Stop(); err != nil {
			t.Error(err)
		}
	})
	boss := &person{T: t, kubeconfig: bare.AdminKubeconfigFile()}
	golden(t, "All", boss.run("check"))
	golden(t, "Named", boss.run("check", "acme", "--wait", "--timeout=15s"))
}

// lease is what an operator that acts would hold.
func (o *organisation) lease(renewed time.Time) {
	o.Helper()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: "enrol-operator"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("enrol-operator-0"), LeaseDurationSeconds: new(int32(3600)), RenewTime: &metav1.MicroTime{Time: renewed},
		},
	}
	if err := client.IgnoreAlreadyExists(o.admin.Create(o.Context(), lease)); err != nil {
		o.Fatal(err)
	}
}

// Whatever others write, a terminal gets nothing but text of it, in one line.
func TestHostileText(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "hostile")
	// The CRDs and policies let none of this in; it may have come before them.
	const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eknuL\u2028x\nroot   owner   True"
	environment.Plant(t, &unstructured.Unstructured{Object: map[string]any{
		"kind":     "Member",
		"metadata": map[string]any{"namespace": o.home(), "name": "evil"},
		"spec":     map[string]any{"username": evil, "roles": []any{evil}, "projects": []any{evil}},
	}})
	o.ready("evil", enrolv1alpha1.ReasonSubjectRefused)
	for _, command := range [][]string{
		{"members", "hostile"}, {"members", "hostile", "-o", "wide"}, {"members", "hostile", "-o", "json"},
		{"members", "hostile", "-o", "yaml"}, {"tree", "hostile"}, {"status", "hostile"}, {"why", evil, "-n", "org-hostile"},
		{"check", "hostile"}, {"resend", evil, "--organisation=hostile"}, {"members", evil},
		{"invite", evil, "--organisation=hostile"}, {"whoami", evil}, {"status", "-o", evil},
	} {
		got := as(t, admin).run(command...)
		text := got.out + got.problems
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
			t.Errorf("%q prints %q", command, text[i:min(len(text), i+20)])
		}
		if strings.Contains(text, "\nroot") {
			t.Errorf("%q lets others write lines of their own:\n%s", command, text)
		}
	}
	golden(t, "Members", as(t, admin).run("members", "hostile"))
}

// There may be many thousands of Members: they come in pages, and none gets lost between two.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "crowd")
	const members, clients = 520, 8
	var group errgroup.Group
	group.SetLimit(clients)
	for i := range members {
		group.Go(func() error {
			return o.admin.Create(t.Context(), &enrolv1alpha1.Member{
				ObjectMeta: metav1.ObjectMeta{Namespace: o.home(), Name: fmt.Sprintf("m%03d", i)},
				Spec:       enrolv1alpha1.MemberSpec{Username: enrolv1alpha1.Username(fmt.Sprintf("crowd-%d", i))},
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	const all = members + 2
	if got := strings.Count(as(t, joe).fine("members", "crowd", "-o", "name"), "\n"); got != all {
		t.Errorf("%d Members are listed, want %d", got, all)
	}
	status := as(t, admin).fine("status", "crowd", "-o", "json")
	if !strings.Contains(status, `"kind": "List"`) {
		t.Errorf("status prints no list: %s", status)
	}
	tree := as(t, admin).fine("tree", "crowd", "--limit=3")
	if !strings.Contains(tree, fmt.Sprintf("… %d more Members", all-3)) {
		t.Errorf("a tree must stay small, and say what it leaves out:\n%s", tree)
	}
}
