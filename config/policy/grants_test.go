package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/internal/testenv"
)

// The people of every organisation of these tests.
const (
	owner     = "owner@example.com"
	admin     = "admin@example.com"
	developer = "developer@example.com"
	// lead is an admin who may also grant the custom role lead, the group web and what is numbered, and no other.
	lead = "lead@example.com"
	// platform holds enrol:platform in the whole cluster.
	platform = "platform@example.com"
	// root has every right on Members in one namespace and may grant nothing.
	root = "root@example.com"
	// collector and cleaner are Kubernetes' own.
	collector = "generic-garbage-collector"
	cleaner   = "namespace-controller"
)

// numbered are 16 names of roles or groups: as many as an old and a new Member can have together.
func numbered() []string {
	var all []string
	for i := range 16 {
		all = append(all, "n"+strconv.Itoa(i))
	}
	return all
}

// people makes a home namespace and clients of its people.
func people(t *testing.T, organisation string) (home string, _ map[string]client.Client) {
	t.Helper()
	home = "org-" + organisation
	create(t, homeOf(organisation),
		bound(home, owner, "enrol:owner"), bound(home, admin, "enrol:admin"), bound(home, lead, "enrol:admin"),
		bound(home, developer, "enrol:developer"), bound(home, lead, "test:lead"), bound(home, root, "test:members"),
		boundEverywhere(platform, "enrol:platform"),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "test:lead"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"enrol.dev"}, Resources: []string{"organisationroles", "organisationgroups"},
			ResourceNames: append(numbered(), "lead", "web"), Verbs: []string{"grant"},
		}}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "test:members"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"enrol.dev"}, Resources: []string{"members"}, Verbs: []string{"*"},
		}}},
	)
	write := testenv.Access{Verb: "delete", Group: "enrol.dev", Resource: "members", Namespace: home}
	grant := testenv.Access{Verb: "grant", Group: "enrol.dev", Resource: "organisationroles", Name: "lead", Namespace: home}
	clients := map[string]client.Client{
		owner: person(t, owner, write), admin: person(t, admin, write), lead: person(t, lead, grant),
		platform: person(t, platform, write), root: person(t, root, write), developer: environment.As(t, developer),
	}
	waitFor(t, clients[lead], write)
	for _, name := range []string{collector, cleaner} {
		clients[name] = serviceAccount(t, metav1.NamespaceSystem, name)
	}
	return home, clients
}

func TestGrants(t *testing.T) {
	t.Parallel()
	home, clients := people(t, "grants")
	role := func(name string) string {
		return "grant on organisationroles.enrol.dev/" + name + " in namespace org-grants"
	}
	kubernetesRole := func(name string) string { return "grant on kubernetesroles.enrol.dev/" + name }
	group := func(name string) string { return "grant on organisationgroups.enrol.dev/" + name }
	spec := func(s string) func(*unstructured.Unstructured) {
		return func(m *unstructured.Unstructured) { m.Object["spec"] = parse(t, s) }
	}
	labelled := func(m *unstructured.Unstructured) {
		m.SetLabels(map[string]string{"team": "a"})
		m.SetAnnotations(map[string]string{"note": "b"})
	}
	finalizer := func(m *unstructured.Unstructured) { m.SetFinalizers([]string{"example.com/keep"}) }
	owned := func(m *unstructured.Unstructured) {
		m.SetOwnerReferences([]metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "0d2f7f9e-0000-4000-8000-000000000000"},
		})
	}
	const (
		better    = "{username: x, roles: [owner-like], kubernetesRole: cluster-admin}"
		grouped   = "{username: x, roles: [viewer], groups: [data]}"
		plain     = "{username: x, roles: [viewer]}"
		suspended = "{username: x, roles: [owner-like], kubernetesRole: cluster-admin, suspend: true}"
	)
	roles := func(prefix string) string {
		var all []string
		for i := range 8 {
			all = append(all, prefix+strconv.Itoa(i))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}

	cases := map[string]struct {
		reason string
		as     string
		// before is the spec of the Member that is there; "" creates one with the spec after.
		before, after string
		// change is made to the Member that is there; nil and no after delete it.
		change func(*unstructured.Unstructured)
		want   []string
	}{
		"OwnerCreates":          {reason: "An owner grants everything.", as: owner, after: "{username: x, roles: [admin, lead], kubernetesRole: cluster-admin, groups: [web]}"},
		"PlatformCreates":       {reason: "The platform team grants everything.", as: platform, after: "{username: x, roles: [admin, lead], kubernetesRole: cluster-admin, groups: [web]}"},
		"AdminCreatesEach":      {reason: "An admin grants what an admin may.", as: admin, after: "{username: x, roles: [admin, developer, billing-admin, viewer], kubernetesRole: edit}"},
		"AdminCreatesView":      {reason: "An admin grants view.", as: admin, after: "{username: x, roles: [viewer], kubernetesRole: view}"},
		"AdminCreatesNone":      {reason: "Giving no Kubernetes role needs no grant.", as: admin, after: `{username: x, roles: [viewer], kubernetesRole: ""}`},
		"AdminCreatesDefault":   {reason: "An admin may grant each role that can be the default.", as: admin, after: "{username: x}"},
		"AdminCreatesEmpty":     {reason: "An empty list is the default too.", as: admin, after: "{username: x, roles: []}"},
		"AdminCreatesAdmin":     {reason: "cluster-admin is for owners to grant.", as: admin, after: "{username: x, roles: [viewer], kubernetesRole: cluster-admin}", want: []string{kubernetesRole("cluster-admin")}},
		"AdminCreatesOwn":       {reason: "A custom role is for owners to grant until a rule names it.", as: admin, after: "{username: x, roles: [viewer, lead]}", want: []string{role("lead")}},
		"LeadCreatesOwn":        {reason: "A rule names lead.", as: lead, after: "{username: x, roles: [viewer, lead]}"},
		"LeadCreatesOther":      {reason: "The rule names no other.", as: lead, after: "{username: x, roles: [lead, chief]}", want: []string{role("chief")}},
		"AdminCreatesGroup":     {reason: "An admin grants no group.", as: admin, after: "{username: x, roles: [viewer], groups: [web]}", want: []string{group("web")}},
		"LeadCreatesGroup":      {reason: "A rule names web.", as: lead, after: "{username: x, roles: [viewer], groups: [web]}"},
		"LeadCreatesGroups":     {reason: "Every index of the list is asked.", as: lead, after: "{username: x, roles: [viewer], groups: [web, data]}", want: []string{group("data")}},
		"LeadAddsGroup":         {reason: "Old and new are asked.", as: lead, before: "{username: x, roles: [viewer], groups: [web]}", after: "{username: x, roles: [viewer], groups: [data]}", want: []string{group("data")}},
		"AdminRaisesView":       {reason: "Old and new are asked.", as: admin, before: "{username: x, roles: [viewer], kubernetesRole: view}", after: "{username: x, roles: [viewer], kubernetesRole: cluster-admin}", want: []string{kubernetesRole("cluster-admin")}},
		"AdminCreatesEighth":    {reason: "Every index of the list is asked.", as: admin, after: "{username: x, roles: [viewer, admin, developer, billing-admin, chief]}", want: []string{role("chief")}},
		"OwnerCreatesEight":     {reason: "As many roles and groups as there may be stay within the budget.", as: owner, after: "{username: x, roles: " + roles("r") + ", groups: " + roles("g") + ", kubernetesRole: edit}"},
		"RootCreatesDefault":    {reason: "Without roles the default is asked, not nothing.", as: root, after: "{username: x}", want: []string{role("viewer")}},
		"RootCreatesEmpty":      {reason: "Nor does an empty list ask nothing.", as: root, after: "{username: x, roles: []}", want: []string{role("viewer")}},
		"RootRaisesToDefault":   {reason: "Emptying the list gives the default.", as: root, before: plain, after: "{username: x}", want: []string{role("viewer")}},
		"AdminRaises":           {reason: "Giving more is granting.", as: admin, before: plain, after: "{username: x, roles: [viewer], kubernetesRole: cluster-admin}", want: []string{kubernetesRole("cluster-admin")}},
		"AdminDemotes":          {reason: "Nobody takes what they may not give.", as: admin, before: better, after: plain, want: []string{role("owner-like")}},
		"AdminTakesAdmin":       {reason: "Nor a Kubernetes role.", as: admin, before: "{username: x, roles: [viewer], kubernetesRole: cluster-admin}", after: plain, want: []string{kubernetesRole("cluster-admin")}},
		"AdminTakesGroup":       {reason: "Nor a group.", as: admin, before: "{username: x, roles: [viewer], groups: [web]}", after: plain, want: []string{group("web")}},
		"AdminSuspends":         {reason: "Suspending takes everything.", as: admin, before: better, after: suspended, want: []string{role("owner-like")}},
		"AdminResumes":          {reason: "Resuming gives everything.", as: admin, before: suspended, after: better, want: []string{role("owner-like")}},
		"AdminRenames":          {reason: "Another username is another person.", as: admin, before: better, after: "{username: z, roles: [owner-like], kubernetesRole: cluster-admin}", want: []string{role("owner-like")}},
		"AdminDeletes":          {reason: "Deleting takes everything.", as: admin, before: better, want: []string{role("owner-like")}},
		"AdminDeletesAdmin":     {reason: "The Kubernetes role alone counts too.", as: admin, before: "{username: x, roles: [viewer], kubernetesRole: cluster-admin}", want: []string{kubernetesRole("cluster-admin")}},
		"AdminDeletesGroup":     {reason: "The group alone counts too.", as: admin, before: "{username: x, roles: [viewer], groups: [web]}", want: []string{group("web")}},
		"AdminDeletesPlain":     {reason: "An admin removes a viewer.", as: admin, before: plain},
		"AdminChangesPlain":     {reason: "An admin promotes a viewer.", as: admin, before: plain, after: "{username: x, roles: [admin], kubernetesRole: edit}"},
		"OwnerDemotes":          {reason: "An owner takes everything.", as: owner, before: better, after: plain},
		"OwnerSuspends":         {reason: "An owner suspends everybody.", as: owner, before: better, after: suspended},
		"OwnerDeletes":          {reason: "An owner removes everybody.", as: owner, before: better},
		"OwnerSwapsAll":         {reason: "Old and new, 16 of each, stay within the budget.", as: owner, before: "{username: x, roles: " + roles("r") + ", groups: " + roles("g") + ", kubernetesRole: edit}", after: "{username: x, roles: " + roles("s") + ", groups: " + roles("h") + ", kubernetesRole: view}"},
		"AdminSwapsLast":        {reason: "The last index of old and new is asked.", as: lead, before: "{username: x, roles: [lead, admin]}", after: "{username: x, roles: [viewer, developer, billing-admin, admin, chief]}", want: []string{role("chief")}},
		"RootChangesLabels":     {reason: "Labels and annotations give nothing.", as: root, before: better, change: labelled},
		"AdminChangesLabels":    {reason: "Labels and annotations give nothing.", as: admin, before: better, change: labelled},
		"AdminForgesOwner":      {reason: "The garbage collector would delete the Member.", as: admin, before: better, change: owned, want: []string{role("owner-like")}},
		"AdminForgesFinalizer":  {reason: "The finalizer would keep the Member.", as: admin, before: better, change: finalizer, want: []string{role("owner-like")}},
		"RootForgesOwner":       {reason: "Having every right on Members helps nothing.", as: root, before: plain, change: owned, want: []string{role("viewer")}},
		"AdminFinalizesPlain":   {reason: "Of somebody not above them an admin may.", as: admin, before: plain, change: finalizer},
		"OwnerFinalizes":        {reason: "An owner may.", as: owner, before: better, change: finalizer},
		"AdminChangesNothing":   {reason: "An update that changes nothing takes nothing.", as: admin, before: better, change: func(*unstructured.Unstructured) {}},
		"AdminProlongsExpiry":   {reason: "The time is part of what is given.", as: admin, before: "{username: x, roles: [owner-like], expireTime: '2030-01-01T00:00:00Z'}", after: "{username: x, roles: [owner-like]}", want: []string{role("owner-like")}},
		"AdminAddsProject":      {reason: "More projects are more access.", as: admin, before: better, change: spec("{username: x, roles: [owner-like], kubernetesRole: cluster-admin, projects: ['*']}"), want: []string{role("owner-like")}},
		"PlatformDeletes":       {reason: "The platform team removes everybody.", as: platform, before: better},
		"OwnerTakesOddKRole":    {reason: "No Kubernetes role is nothing to ask for.", as: owner, before: `{username: x, kubernetesRole: ""}`, after: "{username: x}"},
		"AdminSwapsKubernetes":  {reason: "Both Kubernetes roles are asked.", as: admin, before: "{username: x, roles: [viewer], kubernetesRole: view}", after: "{username: x, roles: [viewer], kubernetesRole: edit}"},
		"RootSwapsKubernetes":   {reason: "Both Kubernetes roles are asked.", as: lead, before: "{username: x, roles: [lead], kubernetesRole: cluster-admin}", after: "{username: x, roles: [lead], kubernetesRole: edit}", want: []string{kubernetesRole("cluster-admin")}},
		"AdminTakesAwayDefault": {reason: "Old roles that are left out are the default.", as: root, before: "{username: x}", after: "{username: x, roles: [admin]}", want: []string{role("viewer")}},
		"AdminLabelsGrouped":    {reason: "Labels take no group.", as: admin, before: grouped, change: labelled},
		"AdminOwnsGrouped":      {reason: "An ownerReference takes the group.", as: admin, before: grouped, change: owned, want: []string{group("data")}},
		"CollectorDelGrouped":   {reason: "The same exemptions hold for groups.", as: collector, before: grouped},
		"CollectorOrphansGrp":   {reason: "The same exemptions hold for groups.", as: collector, before: grouped, change: owned},
		"CollectorDeletes":      {reason: "The garbage collector deletes what is owned by something deleted.", as: collector, before: better},
		"CollectorOrphans":      {reason: "It removes ownerReferences.", as: collector, before: better, change: owned},
		"CollectorFinalizes":    {reason: "It removes finalizers.", as: collector, before: better, change: finalizer},
		"CollectorGives":        {reason: "It changes no spec.", as: collector, before: plain, after: better, want: []string{role("viewer")}},
		"CollectorMixes":        {reason: "Not along with finalizers either.", as: collector, before: plain, change: func(m *unstructured.Unstructured) { finalizer(m); spec(better)(m) }, want: []string{role("viewer")}},
		"CleanerDeletes":        {reason: "The namespace controller deletes what is in a namespace.", as: cleaner, before: better},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c := context.Background(), clients[tc.as]
			m := member(t, home, strings.ToLower(name), "{}")
			if tc.before == "" {
				m.Object["spec"] = parse(t, tc.after)
				checkAnswer(t, tc.reason, c.Create(ctx, m), tc.want)
				if err := environment.AdminClient(t).Get(ctx, client.ObjectKeyFromObject(m), m); len(tc.want) > 0 && !apierrors.IsNotFound(err) {
					t.Errorf("%s\nafter a refusal: %v, want NotFound", tc.reason, err)
				}
				return
			}
			m.Object["spec"] = parse(t, tc.before)
			create(t, m)
			version := m.GetResourceVersion()
			var err error
			switch {
			case tc.change != nil:
				tc.change(m)
				err = c.Update(ctx, m)
			case tc.after != "":
				m.Object["spec"] = parse(t, tc.after)
				err = c.Update(ctx, m)
			default:
				err = c.Delete(ctx, m)
			}
			checkAnswer(t, tc.reason, err, tc.want)
			if len(tc.want) > 0 {
				checkUnchanged(t, tc.reason, m, version)
			}
		})
	}

	t.Run("DeveloperReads", func(t *testing.T) {
		t.Parallel()
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(member(t, home, "", "{}").GroupVersionKind())
		waitFor(t, clients[developer], testenv.Access{Verb: "list", Group: "enrol.dev", Resource: "members", Namespace: home})
		if err := clients[developer].List(context.Background(), list, client.InNamespace(home)); err != nil {
			t.Error(err)
		}
		// RBAC already says no, before any policy.
		if err := clients[developer].Create(context.Background(), member(t, home, "by-developer", plain)); !apierrors.IsForbidden(err) {
			t.Errorf("got %v, want Forbidden", err)
		}
	})
}

// TestEveryIndexIsAsked: the policies have a validation per index of the lists, and each must do its work.
func TestEveryIndexIsAsked(t *testing.T) {
	t.Parallel()
	home, clients := people(t, "index")
	for _, list := range []string{"roles", "groups"} {
		for i := range 16 {
			t.Run(list+"/"+strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				names := numbered()
				names[i] = "other"
				spec := func(names []string) string {
					text := "{username: x, " + list + ": [" + strings.Join(names, ", ") + "]"
					if list == "groups" {
						text += ", roles: [viewer]"
					}
					return text + "}"
				}
				m := member(t, home, list+strconv.Itoa(i), spec(names[:8]))
				create(t, m)
				version := m.GetResourceVersion()
				m.Object["spec"] = parse(t, spec(names[8:]))
				checkAnswer(t, "lead may grant all but the one.", clients[lead].Update(context.Background(), m),
					[]string{"grant on organisation" + list + ".enrol.dev/other in namespace " + home})
				checkUnchanged(t, "Refused.", m, version)
			})
		}
	}
}

// TestGrantsByOtherVerbs covers the ways to write a Member besides create, update and delete.
func TestGrantsByOtherVerbs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home, clients := people(t, "verbs")
	const better = "{username: x, roles: [viewer], kubernetesRole: cluster-admin}"
	want := []string{"grant on kubernetesroles.enrol.dev/cluster-admin in namespace org-verbs"}

	applied := member(t, home, "applied", better)
	err := clients[admin].Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("test"))
	checkAnswer(t, "A server-side apply that creates is a creation.", err, want)

	m := member(t, home, "patched", better)
	create(t, m)
	version := m.GetResourceVersion()
	for name, patch := range map[string]string{
		"ownerReferences": `{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}]}}`,
		"finalizers":      `{"metadata": {"finalizers": ["example.com/keep"]}}`,
		"spec":            `{"spec": {"suspend": true}}`,
	} {
		err := clients[admin].Patch(ctx, m.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
		checkAnswer(t, "A patch of "+name+" is an update.", err, want)
	}
	collection := &unstructured.Unstructured{}
	collection.SetGroupVersionKind(m.GroupVersionKind())
	err = clients[root].DeleteAllOf(ctx, collection, client.InNamespace(home))
	checkAnswer(t, "Of a collection each Member is asked for.", err, []string{"grant on organisationroles.enrol.dev/viewer"})
	checkUnchanged(t, "None of these changed anything.", m, version)
}

// A finalizer from the start would keep the Member, its namespace and the next Organisation of the name.
func TestFinalizersFromTheStart(t *testing.T) {
	t.Parallel()
	home, clients := people(t, "finalizers")
	for user, want := range map[string][]string{
		admin: {"adopt on organisations.enrol.dev/finalizers", "metadata.finalizers"}, platform: nil,
	} {
		m := member(t, home, "held", "{username: x, roles: [viewer]}")
		m.SetFinalizers([]string{"example.com/keep"})
		err := clients[user].Create(context.Background(), m, client.DryRunAll)
		checkAnswer(t, user+" makes a Member with a finalizer.", err, want)
	}
}

// TestGrantsOnOddMembers covers Members from before a rule existed: whoever may grant everything can clean up, nobody
// else gets past.
func TestGrantsOnOddMembers(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 20 {
		many = append(many, "role"+strconv.Itoa(i))
	}
	home, clients := people(t, "odd")
	cases := map[string]struct {
		reason string
		spec   string
		// want of lead, who may grant viewer, admin, lead and the group web.
		want []string
	}{
		"ManyRoles":      {reason: "Roles past the last index count.", spec: "{username: x, roles: [" + strings.Join(many, ", ") + "]}", want: []string{"must hold"}},
		"ManyViewers":    {reason: "Even if those before the last index may be granted.", spec: "{username: x, roles: [viewer" + strings.Repeat(", viewer", 17) + "]}", want: []string{"must hold the verb grant on all organisationroles.enrol.dev in namespace org-odd"}},
		"ManyGroups":     {reason: "Groups past the last index count.", spec: "{username: x, roles: [viewer], groups: [web" + strings.Repeat(", web", 17) + "]}", want: []string{"must hold the verb grant on all organisationgroups.enrol.dev in namespace org-odd"}},
		"OwnerRole":      {reason: "owner is for owners to take.", spec: "{username: x, roles: [owner]}", want: []string{"grant on organisationroles.enrol.dev/owner"}},
		"StrangeRole":    {reason: "A name that is no name is nobody's to grant but by a rule for all.", spec: `{username: x, roles: ["admin/../*\n%2f"]}`, want: []string{"must hold the verb grant on every one of organisationroles.enrol.dev"}},
		"StrangeKRole":   {reason: "The same for a Kubernetes role.", spec: `{username: x, roles: [viewer], kubernetesRole: "edit "}`, want: []string{"grant on kubernetesroles.enrol.dev/edit "}},
		"NullRoles":      {reason: "Null is the default.", spec: "{username: x, roles: null, groups: null, kubernetesRole: null}"},
		"SystemUsername": {reason: "Who it was does not matter.", spec: "{username: 'system:masters', roles: [viewer]}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			for _, by := range []string{lead, root, owner} {
				m := member(t, home, strings.ToLower(name)+"-"+strings.Split(by, "@")[0], tc.spec)
				environment.Plant(t, m)
				want := map[string][]string{lead: tc.want, root: {"must hold"}, owner: nil}[by]
				checkAnswer(t, by+": "+tc.reason, clients[by].Delete(ctx, m), want)
			}
		})
	}

	t.Run("Text", func(t *testing.T) {
		t.Parallel()
		m := member(t, home, "text", "{username: x, roles: [viewer]}")
		environment.Plant(t, m)
		// Plant goes past the CRD and not past the policies, to which a text is no list of roles.
		m.SetName("text-roles")
		m.SetResourceVersion("")
		m.SetAPIVersion("enrol.dev/planted")
		m.Object["spec"] = map[string]any{"username": "x", "roles": "viewer"}
		testenv.Eventually(t, func() error {
			if err := environment.AdminClient(t).Create(context.Background(), m.DeepCopy()); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
				return fmt.Errorf("got %w, want a refusal", err)
			}
			return nil
		})
	})
}

// TestDeletionFinishes covers what Kubernetes' own controllers do to Members: refused, they would try for ever. The
// garbage collector looks for new CRDs every 30 seconds: that is what this test waits for.
func TestDeletionFinishes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	gone := func(t *testing.T, object client.Object) {
		t.Helper()
		c := environment.AdminClient(t)
		testenv.Eventually(t, func() error {
			err := c.Get(ctx, client.ObjectKeyFromObject(object), object)
			if err == nil {
				return errors.New(object.GetName() + " is still there")
			}
			return client.IgnoreNotFound(err)
		})
	}

	t.Run("Namespace", func(t *testing.T) {
		t.Parallel()
		home := homeOf("deleted")
		create(t, home)
		for i := range 30 {
			create(t, member(t, home.Name, "m"+strconv.Itoa(i), "{username: x, roles: [admin], kubernetesRole: cluster-admin, groups: [web]}"))
		}
		if err := environment.AdminClient(t).Delete(ctx, home); err != nil {
			t.Fatal(err)
		}
		gone(t, home)
	})
	t.Run("Foreground", func(t *testing.T) {
		t.Parallel()
		home, clients := people(t, "foreground")
		m := member(t, home, "m", "{username: x, roles: [admin], kubernetesRole: cluster-admin}")
		create(t, m)
		if err := clients[owner].Delete(ctx, m, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
			t.Fatal(err)
		}
		gone(t, m)
	})
	t.Run("OwnerReference", func(t *testing.T) {
		t.Parallel()
		m, _ := ownedMember(t, "collected", metav1.DeletePropagationBackground)
		gone(t, m)
	})
	t.Run("OwnerReferenceInForeground", func(t *testing.T) {
		t.Parallel()
		m, parent := ownedMember(t, "foreground-owned", metav1.DeletePropagationForeground)
		gone(t, m)
		gone(t, parent)
	})
}

// ownedMember makes a Member that is owned by a ConfigMap, and deletes the ConfigMap.
func ownedMember(t *testing.T, organisation string, how metav1.DeletionPropagation) (m, parent client.Object) {
	t.Helper()
	home := homeOf(organisation)
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "parent"}}
	create(t, home, configMap)
	u := member(t, home.Name, "m", "{username: x, roles: [admin], kubernetesRole: cluster-admin}")
	block := true
	u.SetOwnerReferences([]metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: configMap.Name, UID: configMap.UID, BlockOwnerDeletion: &block},
	})
	create(t, u)
	err := environment.AdminClient(t).Delete(context.Background(), configMap, client.PropagationPolicy(how))
	if err != nil {
		t.Fatal(err)
	}
	return u, configMap
}
