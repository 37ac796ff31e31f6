package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

const facade = "enrol-facade"

// ourselves are the operator and the facade, both cluster-admin: what refuses them is the policy and nothing else.
func ourselves(t *testing.T) map[string]client.Client {
	t.Helper()
	clients := map[string]client.Client{}
	for _, name := range []string{testenv.OperatorServiceAccount, facade} {
		create(t,
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: name}},
			&rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "test:" + name},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: testenv.SystemNamespace, Name: name}},
			})
		clients[name] = serviceAccount(t, testenv.SystemNamespace, name)
		waitFor(t, clients[name], testenv.Access{Verb: "*", Group: "*", Resource: "*"})
	}
	return clients
}

// ours is a RoleBinding as the operator makes it.
func ours(namespace, organisation, clusterRole string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      "enrol:" + organisation + ":" + clusterRole + ":0",
			Labels: map[string]string{
				enrolv1alpha1.LabelManagedBy:    enrolv1alpha1.ManagedBy,
				enrolv1alpha1.LabelOrganisation: organisation,
			},
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "jane@example.com"}},
	}
}

func ownedBy(organisation string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: enrolv1alpha1.SchemeGroupVersion.String(), Kind: "Organisation", Name: organisation, UID: "1",
	}}
}

func TestOurselvesRoleBindings(t *testing.T) {
	t.Parallel()
	clients := ourselves(t)
	project := map[string]string{enrolv1alpha1.LabelOrganisation: "self"}
	create(t, homeOf("self"), homeOf("other"), namespace("self-web", project), namespace("nobodys", nil),
		namespace("org-fake", map[string]string{enrolv1alpha1.LabelHomeOf: "self"}),
		namespace("kube-project", project),
		namespace("others-web", map[string]string{enrolv1alpha1.LabelOrganisation: "other"}),
		namespace("org-both", map[string]string{enrolv1alpha1.LabelHomeOf: "both", enrolv1alpha1.LabelOrganisation: "self"}))
	for _, name := range []string{"default", testenv.SystemNamespace} {
		if _, err := environment.Kubectl("label", "namespace", name, enrolv1alpha1.LabelOrganisation+"=self"); err != nil {
			t.Fatal(err)
		}
	}
	subjects := func(subjects ...rbacv1.Subject) func(*rbacv1.RoleBinding) {
		return func(b *rbacv1.RoleBinding) { b.Subjects = subjects }
	}
	user := func(name string) rbacv1.Subject {
		return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}
	}
	group := func(name string) rbacv1.Subject {
		return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}
	}
	var full []rbacv1.Subject
	for i := range 500 {
		full = append(full, user(fmt.Sprintf("%0251d-%03d", i, i)))
	}
	named := func(name string) func(*rbacv1.RoleBinding) { return func(b *rbacv1.RoleBinding) { b.Name = name } }

	creations := map[string]struct {
		reason  string
		as      string
		binding *rbacv1.RoleBinding
		change  func(*rbacv1.RoleBinding)
		want    []string
	}{
		"Edit":           {reason: "A Kubernetes role in a project.", binding: ours("self-web", "self", "edit")},
		"ClusterAdmin":   {reason: "The highest, too.", binding: ours("self-web", "self", "cluster-admin")},
		"Mapped":         {reason: "A mapped ClusterRole may have colons in its name.", binding: ours("self-web", "self", "team:deployer")},
		"Viewer":         {reason: "An organisation role at home.", binding: ours("org-self", "self", "enrol:viewer")},
		"Owner":          {reason: "The highest, too.", binding: ours("org-self", "self", "enrol:owner")},
		"Shard":          {reason: "Any number.", binding: ours("self-web", "self", "edit"), change: named("enrol:self:edit:17")},
		"Owned":          {reason: "Owned by the Organisation, as all are.", binding: ours("self-web", "self", "edit"), change: func(b *rbacv1.RoleBinding) { b.OwnerReferences = ownedBy("self") }},
		"Group":          {reason: "Groups are bound as well.", binding: ours("self-web", "self", "edit"), change: subjects(group("team"))},
		"Full":           {reason: "500 of the longest names stay within the budget.", binding: ours("self-web", "self", "edit"), change: subjects(full...)},
		"Nobody":         {reason: "A binding may be empty.", binding: ours("self-web", "self", "edit"), change: subjects()},
		"Facade":         {reason: "The facade writes no RBAC.", as: facade, binding: ours("self-web", "self", "edit"), want: []string{"the facade must not"}},
		"EditAtHome":     {reason: "With edit at home somebody could do there what no organisation role allows.", binding: ours("org-self", "self", "edit"), want: []string{"roleRef.name edit", "only in projects"}},
		"AdminAtHome":    {reason: "With cluster-admin at home anybody makes Members.", binding: ours("org-self", "self", "cluster-admin"), want: []string{"roleRef.name cluster-admin", "only in projects"}},
		"HomeAndProject": {reason: "A home namespace is no project, whatever the other label says.", binding: ours("org-both", "self", "edit"), want: []string{"that are no home namespace"}},
		"OwnerInProject": {reason: "An organisation role is for the home namespace.", binding: ours("self-web", "self", "enrol:owner"), want: []string{"roleRef.name enrol:owner", "namespace org-self"}},
		"OwnerElsewhere": {reason: "For its own.", binding: ours("org-other", "self", "enrol:owner"), want: []string{"namespace org-self"}},
		"OwnerMisnamed":  {reason: "The label alone makes no home.", binding: ours("org-fake", "self", "enrol:owner"), want: []string{"namespace org-self"}},
		"Platform":       {reason: "Nor does any other of ours leave home.", binding: ours("self-web", "self", "enrol:platform"), want: []string{"namespace org-self"}},
		"NotAProject":    {reason: "Nobody adopted this namespace.", binding: ours("nobodys", "self", "edit"), want: []string{"enrol.dev/organisation: self"}},
		"OthersProject":  {reason: "Somebody else did.", binding: ours("others-web", "self", "edit"), want: []string{"enrol.dev/organisation: self"}},
		"Default":        {reason: "Protected, whatever the label says.", binding: ours("default", "self", "edit"), want: []string{"must not be protected, as default is"}},
		"KubeProject":    {reason: "Protected, whatever the label says.", binding: ours("kube-project", "self", "edit"), want: []string{"must not be protected, as kube-project is"}},
		"System":         {reason: "Nobody gets a right where the operator itself lives.", binding: ours(testenv.SystemNamespace, "self", "edit"), want: []string{"must not be protected, as enrol-system is"}},
		"KubeSystem":     {reason: "bind by resourceNames would allow it.", binding: ours("kube-system", "self", "cluster-admin"), want: []string{"only in projects"}},
		"Role":           {reason: "A Role of somebody in the project.", binding: ours("self-web", "self", "edit"), change: func(b *rbacv1.RoleBinding) { b.RoleRef.Kind = "Role" }, want: []string{"roleRef.kind must be ClusterRole"}},
		"NotManaged":     {reason: "Unlabelled, nobody would know whose it is.", binding: ours("self-web", "self", "edit"), change: func(b *rbacv1.RoleBinding) { delete(b.Labels, enrolv1alpha1.LabelManagedBy) }, want: []string{"metadata.labels", enrolv1alpha1.LabelManagedBy}},
		"NoOrganisation": {reason: "Nor for whom.", binding: ours("self-web", "self", "edit"), change: func(b *rbacv1.RoleBinding) { delete(b.Labels, enrolv1alpha1.LabelOrganisation) }, want: []string{"metadata.labels", enrolv1alpha1.LabelOrganisation}},
		"NoNumber":       {reason: "The name ends in a number.", binding: ours("self-web", "self", "edit"), change: named("enrol:self:edit:x"), want: []string{"metadata.name must be enrol:self:edit:<number>"}},
		"EmptyNumber":    {reason: "The name ends in a number.", binding: ours("self-web", "self", "edit"), change: named("enrol:self:edit:"), want: []string{"metadata.name must be"}},
		"NoShard":        {reason: "The name ends in a number.", binding: ours("self-web", "self", "edit"), change: named("enrol:self:edit"), want: []string{"metadata.name must be"}},
		"OthersName":     {reason: "The name is the Organisation's.", binding: ours("self-web", "self", "edit"), change: named("enrol:other:edit:0"), want: []string{"metadata.name must be enrol:self:edit:<number>"}},
		"OtherRole":      {reason: "And the ClusterRole's.", binding: ours("self-web", "self", "edit"), change: named("enrol:self:view:0"), want: []string{"metadata.name must be enrol:self:edit:<number>"}},
		"Masters":        {reason: "Never Kubernetes' own groups.", binding: ours("self-web", "self", "edit"), change: subjects(user("x"), group("system:masters")), want: []string{"subjects must not have a name that starts with 'system:'"}},
		"MastersInCase":  {reason: "In any case.", binding: ours("self-web", "self", "edit"), change: subjects(group("SYSTEM:authenticated")), want: []string{"subjects must not"}},
		"SystemUser":     {reason: "Nor users.", binding: ours("self-web", "self", "edit"), change: subjects(user("system:serviceaccount:default:default")), want: []string{"subjects must not"}},
		"Account":        {reason: "Nor ServiceAccounts.", binding: ours("self-web", "self", "edit"), change: subjects(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "default", Name: "default"}), want: []string{"subjects must be of kind User or Group"}},
	}
	for name, tc := range creations {
		t.Run("Create/"+name, func(t *testing.T) {
			t.Parallel()
			if tc.as == "" {
				tc.as = testenv.OperatorServiceAccount
			}
			if tc.change != nil {
				tc.change(tc.binding)
			}
			checkAnswer(t, tc.reason, clients[tc.as].Create(context.Background(), tc.binding, client.DryRunAll), tc.want)
		})
	}

	foreign := func(b *rbacv1.RoleBinding) { b.Labels = nil }
	stripped := func(b *rbacv1.RoleBinding) { b.Labels, b.OwnerReferences = nil, ownedBy("self") }
	tampered := subjects(user("x"), group("system:authenticated"))
	changes := map[string]struct {
		reason string
		as     string
		// before is what admin makes of a binding of ours.
		before func(*rbacv1.RoleBinding)
		// after is what is made of it then; nil deletes it.
		after func(*rbacv1.RoleBinding)
		want  []string
	}{
		"Add":              {reason: "Another subject.", after: subjects(user("x"), user("z"))},
		"Empty":            {reason: "None left.", after: subjects()},
		"Delete":           {reason: "What is no longer wanted."},
		"PutRight":         {reason: "Somebody tampered with the subjects.", before: tampered, after: subjects(user("x"))},
		"DeleteTampered":   {reason: "Somebody tampered with the subjects.", before: tampered},
		"LabelAgain":       {reason: "Somebody stripped the labels; the owner is still there.", before: stripped, after: func(b *rbacv1.RoleBinding) { b.Labels = ours("", "self", "edit").Labels }},
		"DeleteStripped":   {reason: "Somebody stripped the labels; the owner is still there.", before: stripped},
		"OwnAgain":         {reason: "Orphaned; the labels are still there.", after: func(b *rbacv1.RoleBinding) { b.OwnerReferences = ownedBy("self") }},
		"AddSystem":        {reason: "Not on an update either.", after: tampered, want: []string{"subjects must not"}},
		"Strip":            {reason: "What is ours stays marked.", after: func(b *rbacv1.RoleBinding) { b.Labels = nil }, want: []string{"metadata.labels"}},
		"TakeForeign":      {reason: "Somebody else's of that name.", before: foreign, after: func(b *rbacv1.RoleBinding) { b.Labels = ours("", "self", "edit").Labels }, want: []string{"must be a RoleBinding that Enrol made for Organisation self"}},
		"TakeOthers":       {reason: "That of another Organisation.", before: func(b *rbacv1.RoleBinding) { b.Labels[enrolv1alpha1.LabelOrganisation] = "other" }, after: func(b *rbacv1.RoleBinding) { b.Labels = ours("", "self", "edit").Labels }, want: []string{"for Organisation self"}},
		"DeleteForeign":    {reason: "Somebody else's of that name.", before: foreign, want: []string{"must be a RoleBinding that Enrol made"}},
		"DeleteHalf":       {reason: "One of the labels is not enough.", before: func(b *rbacv1.RoleBinding) { delete(b.Labels, enrolv1alpha1.LabelManagedBy) }, want: []string{"must be a RoleBinding that Enrol made"}},
		"DeleteOtherOwner": {reason: "An Organisation of another group is none of ours.", before: func(b *rbacv1.RoleBinding) { stripped(b); b.OwnerReferences[0].APIVersion = "example.com/v1" }, want: []string{"must be a RoleBinding that Enrol made"}},
		"DeleteOtherKind":  {reason: "Nor is another kind.", before: func(b *rbacv1.RoleBinding) { stripped(b); b.OwnerReferences[0].Kind = "Unknown" }, want: []string{"must be a RoleBinding that Enrol made"}},
		"FacadeUpdates":    {reason: "The facade writes no RBAC.", as: facade, after: subjects(user("x")), want: []string{"the facade must not"}},
		"FacadeDeletes":    {reason: "Nor does it take any away.", as: facade, want: []string{"the facade must not"}},
	}
	for name, tc := range changes {
		t.Run("Change/"+name, func(t *testing.T) {
			t.Parallel()
			if tc.as == "" {
				tc.as = testenv.OperatorServiceAccount
			}
			n := namespace("self-"+strings.ToLower(name), project)
			b := ours(n.Name, "self", "edit")
			if tc.before != nil {
				tc.before(b)
			}
			create(t, n)
			if tc.after == nil {
				// Bindings must go where the namespace is no longer a project, too.
				b.Namespace = "nobodys"
				b.Name += "-" + strings.ToLower(name)
			}
			b.OwnerReferences = existing(t, b.OwnerReferences)
			create(t, b)
			version := b.ResourceVersion
			var err error
			if tc.after == nil {
				err = clients[tc.as].Delete(context.Background(), b)
			} else {
				tc.after(b)
				b.OwnerReferences = existing(t, b.OwnerReferences)
				err = clients[tc.as].Update(context.Background(), b)
			}
			checkAnswer(t, tc.reason, err, tc.want)
			if len(tc.want) > 0 {
				checkUnchanged(t, tc.reason, b, version)
			}
		})
	}
	t.Run("Change/Unlabelled", func(t *testing.T) {
		t.Parallel()
		b := ours("nobodys", "self", "edit")
		create(t, b)
		b.Subjects = append(b.Subjects, user("z"))
		checkAnswer(t, "Where the namespace is no longer a project a binding is deleted, not changed.",
			clients[testenv.OperatorServiceAccount].Update(context.Background(), b), []string{"only in projects"})
	})
	for name, b := range map[string]*rbacv1.RoleBinding{
		"Unlabelled": ours("nobodys", "self", "edit"), "Protected": ours("default", "self", "edit"),
		"Home": ours("org-self", "self", "edit"), "Misnamed": ours("self-web", "self", "edit"),
	} {
		t.Run("Change/Emptied"+name, func(t *testing.T) {
			t.Parallel()
			b.Name += "-emptied"
			create(t, b)
			given := b.DeepCopy()
			given.Subjects = append(given.Subjects, user("z"))
			checkAnswer(t, "It must not name anybody then.",
				clients[testenv.OperatorServiceAccount].Update(context.Background(), given), []string{"must"})
			b.Subjects = nil
			checkAnswer(t, "Where a finalizer would hold it, a binding is emptied, whatever it is called and wherever it is.",
				clients[testenv.OperatorServiceAccount].Update(context.Background(), b), nil)
		})
	}

	for name, object := range map[string]client.Object{
		"ClusterRole":        &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "enrol:self"}},
		"ClusterRoleBinding": boundEverywhere("self", "view"),
		"Role":               &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "self-web", Name: "enrol:self:edit:0"}},
	} {
		t.Run("Other/"+name, func(t *testing.T) {
			t.Parallel()
			create(t, object)
			version := object.GetResourceVersion()
			ctx, reason := context.Background(), "No other kind of RBAC is ours to write."
			for as, want := range map[string]string{
				testenv.OperatorServiceAccount: "must be a RoleBinding", facade: "the facade must not write RBAC",
			} {
				fresh := object.DeepCopyObject().(client.Object)
				fresh.SetName(object.GetName() + "-new")
				fresh.SetResourceVersion("")
				checkAnswer(t, reason, clients[as].Create(ctx, fresh), []string{want})
				changed := object.DeepCopyObject().(client.Object)
				changed.SetLabels(map[string]string{"a": "b"})
				checkAnswer(t, reason, clients[as].Update(ctx, changed), []string{want})
				checkAnswer(t, reason, clients[as].Delete(ctx, changed), []string{want})
			}
			checkUnchanged(t, reason, object, version)
		})
	}
}

// existing makes ownerReferences name an object that is there, or the garbage collector deletes what they are on.
func existing(t *testing.T, references []metav1.OwnerReference) []metav1.OwnerReference {
	t.Helper()
	for i, reference := range references {
		if reference.APIVersion != enrolv1alpha1.SchemeGroupVersion.String() || reference.Kind != "Organisation" {
			continue
		}
		organisation := &enrolv1alpha1.Organisation{}
		create(t, newOrganisation(t, reference.Name))
		if err := environment.AdminClient(t).Get(context.Background(), client.ObjectKey{Name: reference.Name}, organisation); err != nil {
			t.Fatal(err)
		}
		references[i].UID = organisation.UID
	}
	return references
}

func newOrganisation(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"spec": parse(t, "{displayName: Some, owners: [{username: ada}], roles: [{name: lead, basedOn: admin}]}"),
	}}
	object.SetGroupVersionKind(enrolv1alpha1.SchemeGroupVersion.WithKind("Organisation"))
	object.SetName(name)
	object.SetLabels(map[string]string{"team": "a"})
	return object
}

func TestOurselvesKinds(t *testing.T) {
	t.Parallel()
	clients := ourselves(t)
	create(t, homeOf("kinds"))
	const operator = testenv.OperatorServiceAccount
	set := func(value any, path ...string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
				t.Error(err)
			}
		}
	}
	owners := set([]any{map[string]any{"username": "joe"}}, "spec", "owners")
	conditions := set([]any{map[string]any{
		"type": "Ready", "status": "True", "reason": "Granted", "message": "", "lastTransitionTime": "2030-01-01T00:00:00Z",
	}}, "status", "conditions")
	const (
		createIt = "create"
		deleteIt = "delete"
		status   = "status"
		update   = "update"
	)
	onlyOperator := []string{"the operator must change only spec.owners of Organisations, statuses, and what comes of an Invitation"}
	onlyFacade := []string{"the facade must change only spec.owners of Organisations and the status of Members"}
	cases := map[string]struct {
		reason string
		as     string
		kind   string
		verb   string
		change func(*unstructured.Unstructured)
		want   []string
	}{
		"OperatorTransfers":  {reason: "A transfer changes the owners.", as: operator, kind: "Organisation", verb: update, change: owners},
		"FacadeTransfers":    {reason: "The facade changes them after an access review.", as: facade, kind: "Organisation", verb: update, change: owners},
		"OperatorRenames":    {reason: "All else in the spec is the platform team's.", as: operator, kind: "Organisation", verb: update, change: set("Other", "spec", "displayName"), want: []string{"spec must stay as it is, owners excepted"}},
		"OperatorMaps":       {reason: "A field that was not there is a change.", as: operator, kind: "Organisation", verb: update, change: set([]any{map[string]any{"name": "view", "clusterRole": "edit"}}, "spec", "kubernetesRoles"), want: []string{"spec must stay"}},
		"OperatorRemoves":    {reason: "So is one that is not there any more.", as: operator, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { unstructured.RemoveNestedField(u.Object, "spec", "displayName") }, want: []string{"spec must stay"}},
		"FacadeMixes":        {reason: "Owners do not cover for the rest.", as: facade, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { owners(u); set(true, "spec", "suspend")(u) }, want: []string{"spec must stay"}},
		"OperatorLabels":     {reason: "Nor is metadata ours.", as: operator, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"team": "b"}) }, want: []string{"metadata.labels"}},
		"OperatorAnnotates":  {reason: "Nor is metadata ours.", as: operator, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"a": "b"}) }, want: []string{"annotations"}},
		"FacadeFinalizes":    {reason: "Nor is metadata ours.", as: facade, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { u.SetFinalizers([]string{"enrol.dev/a"}) }, want: []string{"finalizers"}},
		"FacadeOwns":         {reason: "Nor is metadata ours.", as: facade, kind: "Organisation", verb: update, change: func(u *unstructured.Unstructured) { u.SetOwnerReferences(ownedBy("a")) }, want: []string{"ownerReferences"}},
		"OperatorCreates":    {reason: "Organisations are the platform team's.", as: operator, kind: "Organisation", verb: createIt, want: append(onlyOperator, "CREATE organisations")},
		"FacadeCreates":      {reason: "Organisations are the platform team's.", as: facade, kind: "Organisation", verb: createIt, want: append(onlyFacade, "CREATE organisations")},
		"OperatorDeletes":    {reason: "Organisations are the platform team's.", as: operator, kind: "Organisation", verb: deleteIt, want: append(onlyOperator, "DELETE organisations")},
		"FacadeDeletes":      {reason: "Organisations are the platform team's.", as: facade, kind: "Organisation", verb: deleteIt, want: append(onlyFacade, "DELETE organisations")},
		"OperatorReports":    {reason: "The status is the operator's.", as: operator, kind: "Organisation", verb: status, change: conditions},
		"FacadeReports":      {reason: "The status is the operator's.", as: facade, kind: "Organisation", verb: status, change: conditions, want: append(onlyFacade, "UPDATE organisations/status")},
		"OperatorReportsMbr": {reason: "The status is the operator's.", as: operator, kind: "Member", verb: status, change: conditions},
		"FacadeReportsMbr":   {reason: "The conditions are the operator's.", as: facade, kind: "Member", verb: status, change: conditions, want: []string{"status must stay as it is, username and usernameEmail excepted"}},
		"FacadeRecords": {reason: "The facade records who signed in.", as: facade, kind: "Member", verb: status, change: func(u *unstructured.Unstructured) {
			set("jane", "status", "username")(u)
			set("jane@example.com", "status", "usernameEmail")(u)
		}},
		"FacadeMixesMbr": {reason: "And nothing with it.", as: facade, kind: "Member", verb: status, change: func(u *unstructured.Unstructured) {
			set("jane", "status", "username")(u)
			set("edit", "status", "kubernetesRole")(u)
		}, want: []string{"status must stay"}},
		"FacadeRemovesStatus": {reason: "Taking something away is a change.", as: facade, kind: "Member", verb: status, change: func(u *unstructured.Unstructured) {
			unstructured.RemoveNestedField(u.Object, "status", "kubernetesRole")
		}, want: []string{"status must stay"}},
		"OperatorUpdatesMbr": {reason: "A Member's spec is its people's.", as: operator, kind: "Member", verb: update, change: set(true, "spec", "suspend"), want: []string{"must only resume"}},
		"OperatorLabelsMbr":  {reason: "So is its metadata.", as: operator, kind: "Member", verb: update, change: func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"a": "b"}) }, want: []string{"metadata.labels", "must stay"}},
		"OperatorCreatesMbr": {reason: "Nobody invited it.", as: operator, kind: "Member", verb: createIt, want: []string{"must be suspended"}},
		"OperatorDeletesMbr": {reason: "Nor does it delete any.", as: operator, kind: "Member", verb: deleteIt, want: append(onlyOperator, "DELETE members")},
		"FacadeUpdatesMbr":   {reason: "The facade writes with its callers' rights.", as: facade, kind: "Member", verb: update, change: set(true, "spec", "suspend"), want: append(onlyFacade, "UPDATE members")},
		"FacadeCreatesMbr":   {reason: "The facade writes with its callers' rights.", as: facade, kind: "Member", verb: createIt, want: append(onlyFacade, "CREATE members")},
		"FacadeDeletesMbr":   {reason: "The facade writes with its callers' rights.", as: facade, kind: "Member", verb: deleteIt, want: append(onlyFacade, "DELETE members")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c := context.Background(), clients[tc.as]
			object := newOrganisation(t, "kinds-"+strings.ToLower(name))
			if tc.kind == "Member" {
				object = member(t, "org-kinds", strings.ToLower(name), "{username: x}")
			}
			if tc.verb == createIt {
				checkAnswer(t, tc.reason, c.Create(ctx, object, client.DryRunAll), tc.want)
				return
			}
			create(t, object)
			if tc.kind == "Member" {
				set("view", "status", "kubernetesRole")(object)
				if err := environment.AdminClient(t).Status().Update(ctx, object); err != nil {
					t.Fatal(err)
				}
			}
			version := object.GetResourceVersion()
			if tc.change != nil {
				tc.change(object)
			}
			var err error
			switch tc.verb {
			case update:
				err = c.Update(ctx, object)
			case status:
				err = c.Status().Update(ctx, object)
			case deleteIt:
				err = c.Delete(ctx, object)
			}
			checkAnswer(t, tc.reason, err, tc.want)
			if len(tc.want) > 0 {
				checkUnchanged(t, tc.reason, object, version)
			}
		})
	}
}

func TestOurselvesNamespaces(t *testing.T) {
	t.Parallel()
	clients := ourselves(t)
	const operator = testenv.OperatorServiceAccount
	labels := func(labels map[string]string) func(*corev1.Namespace) {
		return func(n *corev1.Namespace) { n.Labels = labels }
	}
	creations := map[string]struct {
		reason    string
		as        string
		namespace *corev1.Namespace
		want      []string
	}{
		"Home":        {reason: "The operator makes home namespaces.", as: operator, namespace: homeOf("made")},
		"Facade":      {reason: "The facade makes none.", as: facade, namespace: homeOf("made"), want: []string{"the facade must not write Namespaces"}},
		"Unlabelled":  {reason: "The name alone makes no home.", as: operator, namespace: namespace("org-made", nil), want: []string{"metadata.labels must have enrol.dev/home-of"}},
		"EmptyLabel":  {reason: "No Organisation has an empty name.", as: operator, namespace: namespace("org-made", map[string]string{enrolv1alpha1.LabelHomeOf: ""}), want: []string{"metadata.labels must have enrol.dev/home-of"}},
		"Misnamed":    {reason: "Nor does the label.", as: operator, namespace: namespace("made", map[string]string{enrolv1alpha1.LabelHomeOf: "made"}), want: []string{"metadata.name must be org-<organisation>"}},
		"AlsoProject": {reason: "Home namespaces are no projects.", as: operator, namespace: namespace("org-made", map[string]string{enrolv1alpha1.LabelHomeOf: "made", enrolv1alpha1.LabelOrganisation: "made"}), want: []string{"metadata.labels must not have enrol.dev/organisation"}},
		"Project":     {reason: "Projects are the platform team's.", as: operator, namespace: namespace("made", map[string]string{enrolv1alpha1.LabelOrganisation: "made"}), want: []string{"metadata.name must be"}},
	}
	for name, tc := range creations {
		t.Run("Create/"+name, func(t *testing.T) {
			t.Parallel()
			checkAnswer(t, tc.reason, clients[tc.as].Create(context.Background(), tc.namespace, client.DryRunAll), tc.want)
		})
	}

	annotate := func(n *corev1.Namespace) {
		n.Annotations = map[string]string{enrolv1alpha1.AnnotationOrganisationUID: "1"}
	}
	stay := []string{"spec, metadata.labels, ownerReferences and finalizers must stay as they are"}
	changes := map[string]struct {
		reason string
		as     string
		before func(*corev1.Namespace)
		// change is made to a home namespace; nil deletes it.
		change func(*corev1.Namespace)
		want   []string
	}{
		"Annotate":        {reason: "The Organisation's UID is noted.", as: operator, change: annotate},
		"AnnotateForeign": {reason: "Not on somebody else's namespace.", as: operator, before: labels(nil), change: annotate, want: []string{"metadata.labels must have enrol.dev/home-of"}},
		"AnnotateProject": {reason: "Nor on a project.", as: operator, before: labels(map[string]string{enrolv1alpha1.LabelOrganisation: "a"}), change: annotate, want: []string{"metadata.labels must have enrol.dev/home-of"}},
		"Adopt":           {reason: "The label is the platform team's to set.", as: operator, before: labels(nil), change: func(n *corev1.Namespace) { labels(homeOf(strings.TrimPrefix(n.Name, "org-")).Labels)(n) }, want: stay},
		"Release":         {reason: "And to remove.", as: operator, change: labels(nil), want: []string{"metadata.labels"}},
		"Label":           {reason: "No other label is ours.", as: operator, change: func(n *corev1.Namespace) { n.Labels["pod-security.kubernetes.io/enforce"] = "privileged" }, want: stay},
		"Own":             {reason: "It would be deleted with the Organisation.", as: operator, change: func(n *corev1.Namespace) { n.OwnerReferences = ownedBy("a") }, want: stay},
		"Finalize":        {reason: "It would never go.", as: operator, change: func(n *corev1.Namespace) { n.Finalizers = []string{"enrol.dev/a"} }, want: stay},
		"Delete":          {reason: "The garbage collector deletes it, or nobody.", as: operator, want: []string{"the operator must only create and annotate Namespaces"}},
		"FacadeAnnotates": {reason: "The facade writes none.", as: facade, change: annotate, want: []string{"the facade must not write Namespaces"}},
		"FacadeDeletes":   {reason: "The facade writes none.", as: facade, want: []string{"the facade must not write Namespaces"}},
	}
	for name, tc := range changes {
		t.Run("Change/"+name, func(t *testing.T) {
			t.Parallel()
			n := homeOf("changed-" + strings.ToLower(name))
			if tc.before != nil {
				tc.before(n)
			}
			create(t, n)
			version := n.ResourceVersion
			var err error
			if tc.change == nil {
				err = clients[tc.as].Delete(context.Background(), n)
			} else {
				tc.change(n)
				err = clients[tc.as].Update(context.Background(), n)
			}
			checkAnswer(t, tc.reason, err, tc.want)
			if len(tc.want) > 0 {
				checkUnchanged(t, tc.reason, n, version)
			}
		})
	}

	t.Run("Subresources", func(t *testing.T) {
		t.Parallel()
		ctx := context.Background()
		n := homeOf("subresources")
		create(t, n)
		config, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, operator)
		if err != nil {
			t.Fatal(err)
		}
		c, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		version, want := n.ResourceVersion, []string{"the operator must only create and annotate Namespaces"}
		annotate(n)
		_, err = c.CoreV1().Namespaces().UpdateStatus(ctx, n, metav1.UpdateOptions{})
		checkAnswer(t, "Not by the status.", err, want)
		_, err = c.CoreV1().Namespaces().Finalize(ctx, n, metav1.UpdateOptions{})
		checkAnswer(t, "Nor by finalize.", err, want)
		checkUnchanged(t, "Refused.", n, version)
	})
}
