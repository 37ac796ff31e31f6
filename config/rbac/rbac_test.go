// Package rbac_test asks a real API server what the roles of this folder allow: no less and no more.
package rbac_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

const home = "org-rbac"

const (
	read  = "get list watch"
	write = "create update patch delete"
)

// asked are the things that everybody is asked about, each as group/resource or group/resource:name, with the verbs.
var asked = func() map[string]string {
	all := map[string]string{}
	const verbs = read + " " + write + " deletecollection grant adopt bind escalate impersonate"
	for _, thing := range []string{
		"members", "invitations", "organisations", "members/status", "invitations/status", "organisations/status",
		"organisationroles", "organisationroles:owner", "organisationroles:admin", "organisationroles:developer",
		"organisationroles:billing-admin", "organisationroles:viewer", "organisationroles:lead",
		"kubernetesroles", "kubernetesroles:cluster-admin", "kubernetesroles:edit", "kubernetesroles:view",
		"organisationgroups", "organisationgroups:web", "organisations:acme",
	} {
		all["enrol.dev/"+thing] = verbs
	}
	for _, thing := range []string{"clusterroles", "roles", "clusterroles:cluster-admin", "clusterroles:edit", "clusterroles:view",
		"clusterroles:enrol:owner", "clusterroles:enrol:platform", "clusterroles:system:node", "rolebindings", "clusterrolebindings"} {
		all["rbac.authorization.k8s.io/"+thing] = read + " " + write + " bind escalate"
	}
	for _, thing := range []string{
		"/namespaces", "/namespaces/finalize", "/namespaces/status", "/secrets", "/configmaps", "/pods", "/pods/exec",
		"/serviceaccounts", "/serviceaccounts/token", "/nodes", "/events", "apps/deployments",
		"events.k8s.io/events", "coordination.k8s.io/leases", "authentication.k8s.io/tokenreviews",
		"authorization.k8s.io/subjectaccessreviews", "certificates.k8s.io/certificatesigningrequests",
		"apiextensions.k8s.io/customresourcedefinitions", "admissionregistration.k8s.io/validatingadmissionpolicies",
	} {
		all[thing] = read + " " + write
	}
	for _, thing := range []string{"/users", "/groups", "/serviceaccounts:default", "authentication.k8s.io/userextras", "authentication.k8s.io/uids"} {
		all[thing] = "impersonate"
	}
	return all
}()

// readMembers is what the three lower roles allow.
var readMembers = map[string]string{"enrol.dev/members": read}

func TestRoles(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: home, Labels: map[string]string{v1alpha1.LabelHomeOf: "rbac"},
	}}); err != nil {
		t.Fatal(err)
	}
	config, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.OperatorServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	facadeConfig, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.FacadeServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	facade := environment.ClientFor(t, facadeConfig)
	all := "get list watch create update patch delete"
	cases := map[string]struct {
		reason string
		// clusterRole is bound to a new person, in the home namespace or everywhere; "" binds nothing.
		clusterRole string
		everywhere  bool
		// client is used instead of a new person's.
		client client.Client
		// namespace that is asked about; left out, the home namespace.
		namespace string
		want      map[string]string
	}{
		"Owner": {reason: "Owners manage Members and Invitations and grant everything.", clusterRole: "enrol:owner", want: map[string]string{
			"enrol.dev/members": all, "enrol.dev/invitations": all,
			"enrol.dev/organisationroles": "grant", "enrol.dev/kubernetesroles": "grant", "enrol.dev/organisationgroups": "grant",
			"enrol.dev/organisationroles:owner": "grant", "enrol.dev/organisationroles:admin": "grant",
			"enrol.dev/organisationroles:developer": "grant", "enrol.dev/organisationroles:billing-admin": "grant",
			"enrol.dev/organisationroles:viewer": "grant", "enrol.dev/organisationroles:lead": "grant",
			"enrol.dev/kubernetesroles:cluster-admin": "grant", "enrol.dev/kubernetesroles:edit": "grant",
			"enrol.dev/kubernetesroles:view": "grant", "enrol.dev/organisationgroups:web": "grant",
		}},
		"Admin": {reason: "Admins manage them too, and grant what is not above them.", clusterRole: "enrol:admin", want: map[string]string{
			"enrol.dev/members": all, "enrol.dev/invitations": all,
			"enrol.dev/organisationroles:admin":     "grant",
			"enrol.dev/organisationroles:developer": "grant", "enrol.dev/organisationroles:billing-admin": "grant",
			"enrol.dev/organisationroles:viewer": "grant",
			"enrol.dev/kubernetesroles:edit":     "grant", "enrol.dev/kubernetesroles:view": "grant",
		}},
		"Developer":    {reason: "Developers see who is there.", clusterRole: "enrol:developer", want: readMembers},
		"BillingAdmin": {reason: "Billing admins see who is there.", clusterRole: "enrol:billing-admin", want: readMembers},
		"Viewer":       {reason: "Viewers see who is there.", clusterRole: "enrol:viewer", want: readMembers},
		"Platform": {reason: "The platform team does everything with the three kinds, but not write their status.", clusterRole: "enrol:platform", everywhere: true, want: map[string]string{
			"enrol.dev/members": all + " deletecollection", "enrol.dev/invitations": all + " deletecollection",
			"enrol.dev/organisations": all + " deletecollection adopt", "enrol.dev/organisations:acme": all + " deletecollection adopt",
			"enrol.dev/members/status": "get", "enrol.dev/invitations/status": "get", "enrol.dev/organisations/status": "get",
			"enrol.dev/organisationroles": "grant", "enrol.dev/kubernetesroles": "grant", "enrol.dev/organisationgroups": "grant",
			"enrol.dev/organisationroles:owner": "grant", "enrol.dev/organisationroles:admin": "grant",
			"enrol.dev/organisationroles:developer": "grant", "enrol.dev/organisationroles:billing-admin": "grant",
			"enrol.dev/organisationroles:viewer": "grant", "enrol.dev/organisationroles:lead": "grant",
			"enrol.dev/kubernetesroles:cluster-admin": "grant", "enrol.dev/kubernetesroles:edit": "grant",
			"enrol.dev/kubernetesroles:view": "grant", "enrol.dev/organisationgroups:web": "grant",
		}},
		"Reader": {reason: "A reader sees the three kinds.", clusterRole: "enrol:reader", everywhere: true, want: map[string]string{
			"enrol.dev/members": read, "enrol.dev/invitations": read,
			"enrol.dev/organisations": read, "enrol.dev/organisations:acme": read,
		}},
		"Stranger": {reason: "Nobody in particular may do nothing.", want: map[string]string{}},
		"Operator": {reason: "The operator has what it needs; the policies narrow it further.", client: environment.ClientFor(t, config), want: operator(nil)},
		"OperatorAtHome": {reason: "In its own namespace it elects a leader, makes the key for links and reads templates.", client: environment.ClientFor(t, config), namespace: testenv.SystemNamespace, want: operator(map[string]string{
			"coordination.k8s.io/leases": "create", "coordination.k8s.io/leases:enrol-operator": "get update patch create",
			"/events": "create patch", "/secrets": "create", "/configmaps:enrol-mail-templates": read,
		})},
		"MetricsReader": {reason: "Who scrapes metrics may do nothing else.", clusterRole: "enrol:metrics-reader", everywhere: true, want: map[string]string{}},
		"Facade": {reason: "The facade asks and reads, and writes four things as itself; the policies narrow it further.", client: facade, want: map[string]string{
			"enrol.dev/members": read, "enrol.dev/invitations": read,
			"enrol.dev/organisations": read + " update", "enrol.dev/organisations:acme": read + " update",
			"enrol.dev/invitations/status": "update", "enrol.dev/members/status": "update",
			"authentication.k8s.io/tokenreviews": "create", "authorization.k8s.io/subjectaccessreviews": "create",
			"/namespaces": "list watch", "rbac.authorization.k8s.io/rolebindings": "list",
			"rbac.authorization.k8s.io/clusterroles:enrol:owner": "get", "rbac.authorization.k8s.io/clusterroles:enrol:admin": "get",
			"rbac.authorization.k8s.io/clusterroles:enrol:developer": "get", "rbac.authorization.k8s.io/clusterroles:enrol:billing-admin": "get",
			"rbac.authorization.k8s.io/clusterroles:enrol:viewer": "get",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.namespace == "" {
				tc.namespace = home
			}
			if tc.client == nil {
				user := strings.ToLower(name) + "@example.com"
				tc.client = environment.As(t, user)
				bind(t, user, tc.clusterRole, tc.everywhere)
			}
			things := make([]string, 0, len(asked))
			for thing := range asked {
				things = append(things, thing)
			}
			for thing := range tc.want {
				if asked[thing] == "" {
					things = append(things, thing)
				}
			}
			for _, thing := range things {
				verbs := asked[thing]
				if verbs == "" {
					verbs = read + " " + write
				}
				// The authoriser hears of a new binding a moment later.
				if want := strings.Fields(tc.want[thing]); len(want) > 0 {
					testenv.Eventually(t, func() error { return must(ctx, tc.client, access(want[0], thing, tc.namespace)) })
				}
				for verb := range strings.FieldsSeq(verbs) {
					allowed, err := testenv.Can(ctx, tc.client, access(verb, thing, tc.namespace))
					if err != nil {
						t.Fatal(err)
					}
					if want := slices.Contains(strings.Fields(tc.want[thing]), verb); allowed != want {
						t.Errorf("%s\n%s %s: allowed is %t, want %t", tc.reason, verb, thing, allowed, want)
					}
				}
			}
		})
	}
}

// operator is what the operator may do in every namespace, and more in some.
func operator(more map[string]string) map[string]string {
	all := map[string]string{
		"/namespaces":             "create get list patch watch",
		"enrol.dev/members":       read + " create patch",
		"enrol.dev/invitations":   read + " delete",
		"enrol.dev/organisations": read + " patch", "enrol.dev/organisations:acme": read + " patch",
		"enrol.dev/members/status":                              "patch",
		"enrol.dev/organisations/status":                        "patch",
		"enrol.dev/invitations/status":                          "patch",
		"authentication.k8s.io/tokenreviews":                    "create",
		"authorization.k8s.io/subjectaccessreviews":             "create",
		"events.k8s.io/events":                                  "create patch",
		"rbac.authorization.k8s.io/rolebindings":                "create delete get list update watch",
		"rbac.authorization.k8s.io/clusterroles":                read,
		"rbac.authorization.k8s.io/clusterroles:cluster-admin":  read + " bind",
		"rbac.authorization.k8s.io/clusterroles:edit":           read + " bind",
		"rbac.authorization.k8s.io/clusterroles:view":           read + " bind",
		"rbac.authorization.k8s.io/clusterroles:enrol:owner":    read + " bind",
		"rbac.authorization.k8s.io/clusterroles:enrol:platform": read,
		"rbac.authorization.k8s.io/clusterroles:system:node":    read,
		// What it looks at to tell whether the cluster is fit for it.
		"rbac.authorization.k8s.io/clusterrolebindings:enrol:operator":                          "get",
		"apiextensions.k8s.io/customresourcedefinitions:members.enrol.dev":                      "get",
		"admissionregistration.k8s.io/validatingadmissionpolicies:enrol-self-rbac":              "get",
		"admissionregistration.k8s.io/validatingadmissionpolicybindings:enrol-self-rbac":        "get",
		"admissionregistration.k8s.io/validatingadmissionpolicybindings:enrol-namespace-labels": "get",
	}
	maps.Copy(all, more)
	return all
}

func bind(t *testing.T, user, clusterRole string, everywhere bool) {
	t.Helper()
	if clusterRole == "" {
		return
	}
	meta := metav1.ObjectMeta{Name: user}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	var binding client.Object = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	if !everywhere {
		meta.Namespace = home
		binding = &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	}
	if err := environment.AdminClient(t).Create(context.Background(), binding); err != nil {
		t.Fatal(err)
	}
}

// access reads group/resource:name.
func access(verb, thing, namespace string) testenv.Access {
	group, rest, _ := strings.Cut(thing, "/")
	resource, name, _ := strings.Cut(rest, ":")
	return testenv.Access{Verb: verb, Group: group, Resource: resource, Name: name, Namespace: namespace}
}

type refusedError testenv.Access

func (e refusedError) Error() string { return e.Verb + " " + e.Resource + " is not allowed" }

func must(ctx context.Context, c client.Client, a testenv.Access) error {
	allowed, err := testenv.Can(ctx, c, a)
	if err == nil && !allowed {
		return refusedError(a)
	}
	return err
}

// TestOperatorAtWork: with the rights of this folder, and under the policies, the operator can do its work.
func TestOperatorAtWork(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	config, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.OperatorServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	operator := environment.ClientFor(t, config)
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	organisation := &v1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "work"},
		Spec:       v1alpha1.OrganisationSpec{Owners: []v1alpha1.Owner{{Username: "ada"}}},
	}
	check("creating an Organisation", admin.Create(ctx, organisation))
	project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "work-web", Labels: map[string]string{v1alpha1.LabelOrganisation: "work"},
	}}
	check("creating a project", admin.Create(ctx, project))

	owner := []metav1.OwnerReference{*metav1.NewControllerRef(organisation, v1alpha1.SchemeGroupVersion.WithKind("Organisation"))}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: organisation.HomeNamespace(), Labels: map[string]string{v1alpha1.LabelHomeOf: "work"}, OwnerReferences: owner,
	}}
	check("creating the home namespace", operator.Create(ctx, namespace))
	noted := namespace.DeepCopy()
	noted.Annotations = map[string]string{v1alpha1.AnnotationOrganisationUID: string(organisation.UID)}
	check("noting the UID", operator.Patch(ctx, noted, client.MergeFrom(namespace)))
	member := &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "jane"}, Spec: v1alpha1.MemberSpec{Username: "jane"},
	}
	check("creating a Member", admin.Create(ctx, member))
	for in, clusterRole := range map[string]string{
		namespace.Name: "enrol:owner", project.Name: "cluster-admin",
	} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: in, Name: "enrol:work:" + clusterRole + ":0", OwnerReferences: owner,
				Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelOrganisation: "work"},
			},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
		}
		check("binding "+clusterRole, operator.Create(ctx, binding))
		binding.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "ada"}}
		check("adding a subject", operator.Update(ctx, binding))
		check("unbinding "+clusterRole, operator.Delete(ctx, binding))
	}
	status := client.RawPatch("application/merge-patch+json", []byte(`{"status": {"observedGeneration": 1}}`))
	check("reporting on the Organisation", operator.Status().Patch(ctx, organisation, status))
	check("reporting on the Member", operator.Status().Patch(ctx, member, status))

	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "work-other"}}
	check("creating a foreign namespace", admin.Create(ctx, foreign))
	adopted := foreign.DeepCopy()
	adopted.Labels[v1alpha1.LabelOrganisation] = "work"
	if err := operator.Patch(ctx, adopted, client.MergeFrom(foreign)); !apierrors.IsForbidden(err) {
		t.Errorf("labelling a namespace: got %v, want Forbidden", err)
	}
}

// TestNothingSpreads looks at the rules themselves: at what no question would find.
func TestNothingSpreads(t *testing.T) {
	t.Parallel()
	ctx, admin := context.Background(), environment.AdminClient(t)
	clusterRoles, roles := &rbacv1.ClusterRoleList{}, &rbacv1.RoleList{}
	if err := admin.List(ctx, clusterRoles); err != nil {
		t.Fatal(err)
	}
	if err := admin.List(ctx, roles); err != nil {
		t.Fatal(err)
	}
	rules := map[string][]rbacv1.PolicyRule{}
	for _, role := range roles.Items {
		if strings.HasPrefix(role.Name, "enrol:") {
			rules[role.Namespace+"/"+role.Name] = role.Rules
		}
	}
	for _, role := range clusterRoles.Items {
		if !strings.HasPrefix(role.Name, "enrol:") {
			for _, rule := range role.Rules {
				if slices.Contains(rule.APIGroups, "enrol.dev") {
					t.Errorf("%s, a role of Kubernetes, has a rule on enrol.dev: %v", role.Name, rule)
				}
			}
			continue
		}
		rules[role.Name] = role.Rules
		for label := range role.Labels {
			if strings.HasPrefix(label, "rbac.authorization.k8s.io/aggregate-to-") {
				t.Errorf("%s is aggregated by label %s", role.Name, label)
			}
		}
		if role.AggregationRule != nil {
			t.Errorf("%s takes in other roles, and anybody's rights with them", role.Name)
		}
	}
	if len(rules) < 9 {
		t.Fatalf("only %d roles of ours are there", len(rules))
	}
	for name, rules := range rules {
		for _, rule := range rules {
			for _, verb := range []string{"*", "escalate", "impersonate"} {
				if slices.Contains(rule.Verbs, verb) {
					t.Errorf("%s has verb %s", name, verb)
				}
			}
			if slices.Contains(rule.APIGroups, "*") || slices.ContainsFunc(rule.Resources, func(r string) bool { return strings.Contains(r, "*") }) {
				t.Errorf("%s has a wildcard: %v", name, rule)
			}
			if slices.Contains(rule.Verbs, "bind") && len(rule.ResourceNames) == 0 {
				t.Errorf("%s may bind every role", name)
			}
		}
	}
}
