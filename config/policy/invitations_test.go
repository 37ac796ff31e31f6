package policy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// invitation is an Invitation whose spec is given as YAML.
func invitation(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	object := member(t, namespace, name, spec)
	object.SetKind("Invitation")
	return object
}

// TestInviting asks who may invite whom to what, and in whose name.
func TestInviting(t *testing.T) {
	t.Parallel()
	home, clients := people(t, "inviting")
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "inviter"}},
		bound(home, "system:serviceaccount:default:inviter", "enrol:admin"))
	const account = "system:serviceaccount:default:inviter"
	clients[account] = serviceAccount(t, "default", "inviter")
	grouped := environment.As(t, admin, "team", "others")
	waitFor(t, grouped, testenv.Access{Verb: "create", Group: "enrol.dev", Resource: "invitations", Namespace: home})
	clients["grouped"] = grouped
	for _, who := range []string{account, owner, admin} {
		waitFor(t, clients[who], testenv.Access{Verb: "create", Group: "enrol.dev", Resource: "invitations", Namespace: home})
	}
	stranger := environment.As(t, "stranger@example.com")

	role := func(name string) string { return "grant on organisationroles.enrol.dev/" + name }
	from := func(who string) string { return "{email: j@example.com, invitedBy: {username: '" + who + "'}" }
	cases := map[string]struct {
		reason string
		as     string
		client client.Client
		in     string
		spec   string
		change func(*unstructured.Unstructured)
		// want is what the refusal says; rbac is true where RBAC itself refuses.
		want []string
		rbac bool
	}{
		"Owner":             {reason: "An owner invites to everything.", as: owner, spec: from(owner) + ", roles: [owner, admin], kubernetesRole: cluster-admin, groups: [web]}"},
		"OwnerHandsOver":    {reason: "And hands ownership over.", as: owner, spec: from(owner) + ", type: TransferOwnership}"},
		"Admin":             {reason: "An admin invites to what an admin may grant.", as: admin, spec: from(admin) + ", roles: [admin, viewer], kubernetesRole: edit}"},
		"AdminDefault":      {reason: "Or to the default role.", as: admin, spec: from(admin) + "}"},
		"Account":           {reason: "ServiceAccounts may be inviters.", as: account, spec: from(account) + ", roles: [viewer]}"},
		"OwnGroups":         {reason: "Groups that the inviter is in may be recorded.", as: "grouped", spec: "{email: j@example.com, invitedBy: {username: " + admin + ", groups: [team]}}"},
		"OwnAddress":        {reason: "A username that is an address is proof of it.", as: admin, spec: "{email: j@example.com, invitedBy: {username: " + admin + ", email: " + admin + "}}"},
		"PlatformForOthers": {reason: "Git names the inviter.", as: platform, spec: from(owner) + ", roles: [owner]}"},
		"AdminToOwner":      {reason: "Nobody invites above themselves.", as: admin, spec: from(admin) + ", roles: [owner]}", want: []string{role("owner")}},
		"AdminHandsOver":    {reason: "A transfer makes an owner.", as: admin, spec: from(admin) + ", type: TransferOwnership}", want: []string{role("owner")}},
		"AdminHandsOverAs":  {reason: "With another role beside it, too.", as: admin, spec: from(admin) + ", type: TransferOwnership, roles: [viewer]}", want: []string{role("owner")}},
		"AdminToCustom":     {reason: "Nor to roles that the platform team did not name.", as: admin, spec: from(admin) + ", roles: [lead]}", want: []string{role("lead")}},
		"AdminToHighest":    {reason: "Nor to the highest Kubernetes role.", as: admin, spec: from(admin) + ", kubernetesRole: cluster-admin}", want: []string{"grant on kubernetesroles.enrol.dev/cluster-admin"}},
		"AdminToGroup":      {reason: "Nor to a group.", as: admin, spec: from(admin) + ", groups: [web]}", want: []string{"grant on organisationgroups.enrol.dev/web"}},
		"Forged":            {reason: "Nobody invites in somebody else's name: the owner's right would be asked.", as: admin, spec: from(owner) + "}", want: []string{"spec.invitedBy must name", "username " + admin}},
		"OwnerForges":       {reason: "Not even an owner.", as: owner, spec: from(admin) + "}", want: []string{"spec.invitedBy must name"}},
		"ForgedGroup":       {reason: "Nor with somebody else's groups.", as: admin, spec: "{email: j@example.com, invitedBy: {username: " + admin + ", groups: ['system:masters']}}", want: []string{"spec.invitedBy must name"}},
		"OthersGroup":       {reason: "Of several groups, each counts.", as: "grouped", spec: "{email: j@example.com, invitedBy: {username: " + admin + ", groups: [team, root]}}", want: []string{"spec.invitedBy must name"}},
		"ForgedAddress":     {reason: "The mail says who it is from.", as: admin, spec: "{email: j@example.com, invitedBy: {username: " + admin + ", email: ceo@example.com}}", want: []string{"spec.invitedBy must name"}},
		"Developer":         {reason: "A developer invites nobody.", as: developer, spec: from(developer) + "}", want: []string{"cannot create"}, rbac: true},
		"Stranger":          {reason: "Nor does a stranger.", client: stranger, spec: from("stranger@example.com") + "}", want: []string{"cannot create"}, rbac: true},
		"Elsewhere":         {reason: "Only in home namespaces.", as: platform, in: "default", spec: from(owner) + "}", want: []string{"must be the home namespace"}},
		"Finalizer":         {reason: "A finalizer would keep the namespace.", as: owner, spec: from(owner) + "}", change: func(i *unstructured.Unstructured) { i.SetFinalizers([]string{"example.com/keep"}) }, want: []string{"adopt"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.client == nil {
				tc.client = clients[tc.as]
			}
			if tc.in == "" {
				tc.in = home
			}
			i := invitation(t, tc.in, strings.ToLower(name), tc.spec)
			if tc.change != nil {
				tc.change(i)
			}
			err := tc.client.Create(context.Background(), i)
			if tc.rbac {
				if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), tc.want[0]) {
					t.Errorf("%s\ngot %v", tc.reason, err)
				}
				return
			}
			checkAnswer(t, tc.reason, err, tc.want)
		})
	}
}

// TestInvitingAfterwards asks who may change, revoke and delete Invitations.
func TestInvitingAfterwards(t *testing.T) {
	t.Parallel()
	home, clients := people(t, "afterwards")
	const (
		plain  = "{email: j@example.com, invitedBy: {username: x}, roles: [viewer]}"
		better = "{email: j@example.com, invitedBy: {username: x}, type: TransferOwnership}"
	)
	revoke := func(i *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(i.Object, true, "spec", "revoked")
	}
	link := func(i *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(i.Object, "https://example.com/x", "spec", "acceptURL")
	}
	resend := func(i *unstructured.Unstructured) {
		i.SetAnnotations(map[string]string{enrolv1alpha1.AnnotationResend: "now"})
	}
	owned := func(i *unstructured.Unstructured) {
		i.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "1"}})
	}
	cases := map[string]struct {
		reason, as, spec string
		// change is made to the Invitation; nil deletes it.
		change func(*unstructured.Unstructured)
		want   []string
	}{
		"AdminRevokes":      {"what an admin may grant, an admin may take", admin, plain, revoke, nil},
		"AdminDeletes":      {"that is revoking, too", admin, plain, nil, nil},
		"AdminMovesLink":    {"a resend may change the link", admin, plain, link, nil},
		"AdminResends":      {"asking for a mail gives nobody anything", admin, better, resend, nil},
		"OwnerRevokes":      {"an owner takes everything", owner, better, revoke, nil},
		"AdminRevokesOwner": {"an admin does not take what an owner offers", admin, better, revoke, []string{"organisationroles.enrol.dev/owner"}},
		"AdminDeletesOwner": {"nor by deleting it", admin, better, nil, []string{"organisationroles.enrol.dev/owner"}},
		"AdminLinkOfOwner":  {"nor sends the next owner elsewhere", admin, better, link, []string{"organisationroles.enrol.dev/owner"}},
		"AdminOrphans":      {"nor by way of the garbage collector", admin, better, owned, []string{"organisationroles.enrol.dev/owner"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := invitation(t, home, strings.ToLower(name), tc.spec)
			create(t, i)
			waitFor(t, clients[tc.as], testenv.Access{Verb: "delete", Group: "enrol.dev", Resource: "invitations", Namespace: home})
			version := i.GetResourceVersion()
			var err error
			if tc.change == nil {
				err = clients[tc.as].Delete(context.Background(), i)
			} else {
				changed := i.DeepCopy()
				tc.change(changed)
				err = clients[tc.as].Update(context.Background(), changed)
			}
			checkAnswer(t, tc.reason, err, tc.want)
			if tc.want != nil {
				checkUnchanged(t, tc.reason, i, version)
			}
		})
	}
}

// TestOurselvesInviting asks what the operator and the facade may do about Invitations, whatever RBAC says.
func TestOurselvesInviting(t *testing.T) {
	t.Parallel()
	const operator = testenv.OperatorServiceAccount
	clients := ourselves(t)
	create(t, homeOf("answers"))
	home := "org-answers"
	mark := map[string]string{enrolv1alpha1.AnnotationInvitation: "uid"}
	made := func(name string) *enrolv1alpha1.Member {
		return &enrolv1alpha1.Member{
			ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name, Annotations: mark},
			Spec: enrolv1alpha1.MemberSpec{
				Username: "jane", Roles: []enrolv1alpha1.RoleName{"admin"}, Projects: enrolv1alpha1.Projects{"*"}, Suspend: true,
			},
		}
	}
	creations := map[string]struct {
		reason, as string
		change     func(*enrolv1alpha1.Member)
		want       []string
	}{
		"Made":        {"what was accepted", operator, func(*enrolv1alpha1.Member) {}, nil},
		"Unsuspended": {"nothing that gives access at once", operator, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false }, []string{"must be suspended"}},
		"Unmarked":    {"nothing that comes from no Invitation", operator, func(m *enrolv1alpha1.Member) { m.Annotations = nil }, []string{"annotation enrol.dev/invitation"}},
		"Labelled":    {"nobody's labels", operator, func(m *enrolv1alpha1.Member) { m.Labels = mark }, []string{"no labels"}},
		"Owned":       {"Argo CD would not prune it", operator, func(m *enrolv1alpha1.Member) { m.OwnerReferences = ownedBy("x") }, []string{"ownerReferences"}},
		"Facade":      {"the facade acts with its caller's rights", facade, func(*enrolv1alpha1.Member) {}, []string{"the facade must change only"}},
	}
	for name, tc := range creations {
		t.Run("Create/"+name, func(t *testing.T) {
			t.Parallel()
			m := made("made-" + strings.ToLower(name))
			tc.change(m)
			checkAnswer(t, tc.reason, clients[tc.as].Create(context.Background(), m), tc.want)
		})
	}
	updates := map[string]struct {
		reason, as     string
		before, change func(*enrolv1alpha1.Member)
		want           []string
	}{
		"Resume":     {"what was accepted", operator, nil, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false }, nil},
		"Others":     {"nobody else's Member", operator, func(m *enrolv1alpha1.Member) { m.Annotations = nil }, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false }, []string{"only resume"}},
		"Suspend":    {"nobody loses access by it", operator, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false }, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = true }, []string{"only resume"}},
		"Raise":      {"nobody is raised by it", operator, nil, func(m *enrolv1alpha1.Member) { m.Spec.Suspend, m.Spec.Roles[0] = false, "viewer" }, []string{"only resume"}},
		"AddProject": {"nor by a field more", operator, nil, func(m *enrolv1alpha1.Member) { m.Spec.Suspend, m.Spec.Email = false, "x@example.com" }, []string{"only resume"}},
		"Mark":       {"the mark stays", operator, nil, func(m *enrolv1alpha1.Member) { m.Spec.Suspend, m.Annotations = false, nil }, []string{"annotations"}},
		"Facade":     {"the facade acts with its caller's rights", facade, nil, func(m *enrolv1alpha1.Member) { m.Spec.Suspend = false }, []string{"the facade must change only"}},
	}
	for name, tc := range updates {
		t.Run("Update/"+name, func(t *testing.T) {
			t.Parallel()
			m := made("updated-" + strings.ToLower(name))
			if tc.before != nil {
				tc.before(m)
			}
			create(t, m)
			changed := m.DeepCopy()
			tc.change(changed)
			checkAnswer(t, tc.reason, clients[tc.as].Update(context.Background(), changed), tc.want)
		})
	}
	by := &enrolv1alpha1.InvitationAnswer{Username: "jane", Email: "j@example.com", Time: metav1.Now()}
	statuses := map[string]struct {
		reason, as     string
		before, change func(*enrolv1alpha1.InvitationStatus)
		want           []string
	}{
		"Accept":  {"the facade records who accepts", facade, nil, func(s *enrolv1alpha1.InvitationStatus) { s.AcceptedBy = by }, nil},
		"Decline": {"or declines", facade, nil, func(s *enrolv1alpha1.InvitationStatus) { s.DeclinedBy = by }, nil},
		"FacadeExtends": {"and nothing else", facade, nil, func(s *enrolv1alpha1.InvitationStatus) {
			s.ExpireTime = &metav1.Time{Time: time.Now().Add(9e9 * time.Second)}
		}, []string{"status must stay"}},
		"FacadeFinishes":   {"nor how it ends", facade, nil, func(s *enrolv1alpha1.InvitationStatus) { s.Outcome = "Revoked" }, []string{"status must stay"}},
		"FacadeAndMore":    {"nor both in one", facade, nil, func(s *enrolv1alpha1.InvitationStatus) { s.AcceptedBy, s.SendNumber = by, 7 }, []string{"status must stay"}},
		"Operator":         {"the operator says where it stands", operator, nil, func(s *enrolv1alpha1.InvitationStatus) { s.SendNumber = 2 }, nil},
		"OperatorAnswers":  {"and answers for nobody", operator, nil, func(s *enrolv1alpha1.InvitationStatus) { s.AcceptedBy = by }, []string{"answers for nobody"}},
		"OperatorDeclines": {"either way", operator, nil, func(s *enrolv1alpha1.InvitationStatus) { s.DeclinedBy = by }, []string{"answers for nobody"}},
	}
	for name, tc := range statuses {
		t.Run("Status/"+name, func(t *testing.T) {
			t.Parallel()
			i := &enrolv1alpha1.Invitation{
				ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "status-" + strings.ToLower(name)},
				Spec:       enrolv1alpha1.InvitationSpec{Email: "j@example.com", InvitedBy: enrolv1alpha1.Inviter{Username: "x"}},
			}
			create(t, i)
			i.Status.ExpireTime = &metav1.Time{Time: time.Now().Add(time.Hour)}
			if err := environment.AdminClient(t).Status().Update(context.Background(), i); err != nil {
				t.Fatal(err)
			}
			version := i.ResourceVersion
			changed := i.DeepCopy()
			tc.change(&changed.Status)
			checkAnswer(t, tc.reason, clients[tc.as].Status().Update(context.Background(), changed), tc.want)
			if tc.want != nil {
				checkUnchanged(t, tc.reason, i, version)
			}
		})
	}
	t.Run("Delete", func(t *testing.T) {
		t.Parallel()
		i := invitation(t, home, "finished", "{email: j@example.com, invitedBy: {username: x}}")
		create(t, i)
		checkAnswer(t, "nobody's open Invitation", clients[operator].Delete(context.Background(), i), []string{"must be finished"})
		checkAnswer(t, "nor the facade any", clients[facade].Delete(context.Background(), i), []string{"the facade must change only"})
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"outcome":"Revoked","completionTime":"2026-01-01T00:00:00Z"}}`))
		if err := environment.AdminClient(t).Status().Patch(context.Background(), i, patch); err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, "a finished one", clients[operator].Delete(context.Background(), i), nil)
	})
	t.Run("Create", func(t *testing.T) {
		t.Parallel()
		for _, as := range []string{operator, facade} {
			i := invitation(t, home, "own", "{email: j@example.com, invitedBy: {username: 'system:serviceaccount:enrol-system:"+as+"'}}")
			checkAnswer(t, "they invite nobody", clients[as].Create(context.Background(), i), []string{"must change only"})
		}
	})
}

// TestOurselvesSecrets: the operator makes one Secret, and that is all.
func TestOurselvesSecrets(t *testing.T) {
	t.Parallel()
	clients := ourselves(t)
	secret := func(namespace, name string, kind corev1.SecretType) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: kind}
	}
	const operator, system = testenv.OperatorServiceAccount, testenv.SystemNamespace
	foreign := secret(system, "foreign", corev1.SecretTypeOpaque)
	create(t, foreign)
	cases := map[string]struct {
		reason, as string
		do         func(client.Client) error
		want       []string
	}{
		"Key": {"the key for links", operator, func(c client.Client) error {
			return c.Create(t.Context(), secret(system, "enrol-token-keys", "Opaque"))
		}, nil},
		"Other": {"no other", operator, func(c client.Client) error { return c.Create(t.Context(), secret(system, "other", "Opaque")) }, []string{"only create enrol-token-keys"}},
		"Elsewhere": {"nor elsewhere", operator, func(c client.Client) error {
			return c.Create(t.Context(), secret("default", "enrol-token-keys", "Opaque"))
		}, []string{"only create"}},
		"Token": {"one of this type would be filled with a ServiceAccount's token", operator, func(c client.Client) error {
			s := secret(system, "enrol-token-keys", corev1.SecretTypeServiceAccountToken)
			s.Annotations = map[string]string{corev1.ServiceAccountNameKey: operator}
			return c.Create(t.Context(), s)
		}, []string{"of type Opaque"}},
		"Change": {"nor change one", operator, func(c client.Client) error {
			return c.Patch(t.Context(), foreign.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"data":{"a":"Yg=="}}`)))
		}, []string{"only create"}},
		"Delete": {"nor delete one", operator, func(c client.Client) error { return c.Delete(t.Context(), foreign.DeepCopy()) }, []string{"only create"}},
		"Facade": {"the facade none at all", facade, func(c client.Client) error {
			return c.Create(t.Context(), secret(system, "enrol-token-keys", "Opaque"))
		}, []string{"the facade none"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkAnswer(t, tc.reason, tc.do(clients[tc.as]), tc.want)
		})
	}
}
