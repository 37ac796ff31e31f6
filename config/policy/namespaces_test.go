package policy_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestMembersLiveInHomeNamespaces(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		namespace *corev1.Namespace
		want      []string
	}{
		"Home":      {reason: "Named and labelled, it is one.", namespace: homeOf("where")},
		"Unlabeled": {reason: "The name alone makes none.", namespace: namespace("org-unlabelled", nil), want: []string{"metadata.namespace", "unlike org-unlabelled"}},
		"Misnamed":  {reason: "The label alone makes none.", namespace: namespace("where-else", map[string]string{enrolv1alpha1.LabelHomeOf: "else"}), want: []string{"unlike where-else"}},
		"Another":   {reason: "Name and label must agree.", namespace: namespace("org-one", map[string]string{enrolv1alpha1.LabelHomeOf: "two"}), want: []string{"unlike org-one"}},
		"Empty":     {reason: "No Organisation has an empty name.", namespace: namespace("org-empty", map[string]string{enrolv1alpha1.LabelHomeOf: ""}), want: []string{"unlike org-empty"}},
		"Project":   {reason: "A project is none.", namespace: namespace("where-project", map[string]string{enrolv1alpha1.LabelOrganisation: "where"}), want: []string{"unlike where-project"}},
		"Default":   {reason: "Nor is a namespace of Kubernetes.", namespace: namespace("default", nil), want: []string{"unlike default"}},
		"Ours":      {reason: "Nor is Enrol's own.", namespace: namespace(testenv.SystemNamespace, nil), want: []string{"unlike enrol-system"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			create(t, tc.namespace)
			// As admin, whom no other policy refuses.
			err := environment.AdminClient(t).Create(context.Background(),
				member(t, tc.namespace.Name, "m", "{username: x}"), client.DryRunAll)
			checkAnswer(t, tc.reason, err, tc.want)
		})
	}
}

// The people who write Namespaces.
const (
	// local holds cluster-admin in one namespace.
	local = "local@example.com"
	// namespaces may write all Namespaces and adopt for nobody.
	namespaces = "namespaces@example.com"
	// adopter may do so too, and adopt for Organisation mine.
	adopter = "adopter@example.com"
	// team is the platform team: namespaces and enrol:platform.
	team = "team@example.com"
)

func TestNamespaceLabels(t *testing.T) {
	t.Parallel()
	write := rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"}, Verbs: []string{"*"},
	}
	create(t,
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "test:namespaces"}, Rules: []rbacv1.PolicyRule{write}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "test:adopter"}, Rules: []rbacv1.PolicyRule{write, {
			APIGroups: []string{"enrol.dev"}, Resources: []string{"organisations"}, ResourceNames: []string{"mine"}, Verbs: []string{"adopt"},
		}}},
		boundEverywhere(namespaces, "test:namespaces"), boundEverywhere(adopter, "test:adopter"),
		boundEverywhere(team, "test:namespaces"), boundEverywhere(team, "enrol:platform"))
	project := func(organisation string) map[string]string {
		return map[string]string{enrolv1alpha1.LabelOrganisation: organisation}
	}
	home := func(organisation string) map[string]string {
		return map[string]string{enrolv1alpha1.LabelHomeOf: organisation}
	}
	adopt := func(organisation, label string) []string {
		return []string{"adopt on organisations.enrol.dev/" + organisation + " ", label}
	}
	cases := map[string]struct {
		reason        string
		as            string
		before, after map[string]string
		want          []string
	}{
		"SetProject":        {reason: "It would bind the members of another organisation here.", as: local, after: project("theirs"), want: adopt("theirs", enrolv1alpha1.LabelOrganisation)},
		"RemoveProject":     {reason: "It would take the access of members.", as: local, before: project("theirs"), want: adopt("theirs", enrolv1alpha1.LabelOrganisation)},
		"ChangeProject":     {reason: "It does both.", as: local, before: project("mine"), after: project("theirs"), want: adopt("mine", enrolv1alpha1.LabelOrganisation)},
		"SetHome":           {reason: "Its Members would count.", as: local, after: home("theirs"), want: adopt("theirs", enrolv1alpha1.LabelHomeOf)},
		"RemoveHome":        {reason: "Its Members would count no more.", as: local, before: home("theirs"), want: adopt("theirs", enrolv1alpha1.LabelHomeOf)},
		"ChangeHome":        {reason: "It does both.", as: local, before: home("mine"), after: home("theirs"), want: adopt("mine", enrolv1alpha1.LabelHomeOf)},
		"OtherLabel":        {reason: "Other labels are free.", as: local, before: project("theirs"), after: map[string]string{enrolv1alpha1.LabelOrganisation: "theirs", "team": "a"}},
		"OtherLabels":       {reason: "Where none of ours is, too.", as: local, after: map[string]string{"team": "a"}},
		"AdopterSets":       {reason: "Adopting for mine.", as: adopter, after: project("mine")},
		"AdopterRemoves":    {reason: "And letting go again.", as: adopter, before: project("mine")},
		"AdopterTakes":      {reason: "theirs must agree.", as: adopter, before: project("theirs"), after: project("mine"), want: adopt("theirs", enrolv1alpha1.LabelOrganisation)},
		"AdopterGives":      {reason: "theirs must agree.", as: adopter, before: project("mine"), after: project("theirs"), want: adopt("theirs", enrolv1alpha1.LabelOrganisation)},
		"AdopterTakesHome":  {reason: "theirs must agree.", as: adopter, before: home("theirs"), after: home("mine"), want: adopt("theirs", enrolv1alpha1.LabelHomeOf)},
		"AdopterGivesHome":  {reason: "theirs must agree.", as: adopter, before: home("mine"), after: home("theirs"), want: adopt("theirs", enrolv1alpha1.LabelHomeOf)},
		"AdopterSetsHome":   {reason: "The same verb for both labels.", as: adopter, after: home("mine")},
		"AdopterSetsNobody": {reason: "An empty value names nobody.", as: adopter, after: project("")},
		"TeamChanges":       {reason: "The platform team adopts for all.", as: team, before: project("mine"), after: project("theirs")},
		"TeamChangesHome":   {reason: "The platform team adopts for all.", as: team, before: home("mine"), after: home("theirs")},
	}
	endpoints := map[string]func(context.Context, *kubernetes.Clientset, *corev1.Namespace) error{
		"namespaces": func(ctx context.Context, c *kubernetes.Clientset, n *corev1.Namespace) error {
			_, err := c.CoreV1().Namespaces().Update(ctx, n, metav1.UpdateOptions{})
			return err
		},
		"status": func(ctx context.Context, c *kubernetes.Clientset, n *corev1.Namespace) error {
			_, err := c.CoreV1().Namespaces().UpdateStatus(ctx, n, metav1.UpdateOptions{})
			return err
		},
		"finalize": func(ctx context.Context, c *kubernetes.Clientset, n *corev1.Namespace) error {
			_, err := c.CoreV1().Namespaces().Finalize(ctx, n, metav1.UpdateOptions{})
			return err
		},
	}
	clients := map[string]*kubernetes.Clientset{}
	for _, user := range []string{local, namespaces, adopter, team} {
		config, err := environment.Config(user)
		if err != nil {
			t.Fatal(err)
		}
		if clients[user], err = kubernetes.NewForConfig(config); err != nil {
			t.Fatal(err)
		}
	}
	asLocal := environment.As(t, local)
	person(t, adopter, testenv.Access{Verb: "adopt", Group: "enrol.dev", Resource: "organisations", Name: "mine"})
	person(t, team, testenv.Access{Verb: "adopt", Group: "enrol.dev", Resource: "organisations"})
	person(t, team, testenv.Access{Verb: "update", Resource: "namespaces"})
	person(t, namespaces, testenv.Access{Verb: "create", Resource: "namespaces"})

	for name, tc := range cases {
		for endpoint, update := range endpoints {
			t.Run(name+"/"+endpoint, func(t *testing.T) {
				t.Parallel()
				n := namespace("labels-"+strings.ToLower(name)+"-"+endpoint, tc.before)
				create(t, n, bound(n.Name, local, "cluster-admin"))
				waitFor(t, asLocal, testenv.Access{Verb: "update", Resource: "namespaces", Namespace: n.Name, Name: n.Name})
				version := n.ResourceVersion
				n.Labels = map[string]string{corev1.LabelMetadataName: n.Name}
				maps.Copy(n.Labels, tc.after)
				checkAnswer(t, tc.reason, update(context.Background(), clients[tc.as], n), tc.want)
				if len(tc.want) > 0 {
					checkUnchanged(t, tc.reason, n, version)
				}
			})
		}
	}
	for endpoint, update := range endpoints {
		t.Run("UID/"+endpoint, func(t *testing.T) {
			t.Parallel()
			n := namespace("labels-uid-"+endpoint, home("mine"))
			create(t, n, bound(n.Name, local, "cluster-admin"))
			waitFor(t, asLocal, testenv.Access{Verb: "update", Resource: "namespaces", Namespace: n.Name, Name: n.Name})
			version := n.ResourceVersion
			n.Annotations = map[string]string{enrolv1alpha1.AnnotationOrganisationUID: "x"}
			reason := "Another UID withdraws the access of the Organisation."
			checkAnswer(t, reason, update(context.Background(), clients[local], n.DeepCopy()),
				[]string{"adopt", "organisations.enrol.dev/mine", enrolv1alpha1.AnnotationOrganisationUID})
			checkUnchanged(t, reason, n, version)
			checkAnswer(t, "Who adopts may hand it over.", update(context.Background(), clients[adopter], n), nil)
		})
	}
	for name, tc := range cases {
		if tc.before != nil || tc.as == local {
			continue
		}
		t.Run(name+"/create", func(t *testing.T) {
			t.Parallel()
			_, err := clients[tc.as].CoreV1().Namespaces().Create(context.Background(),
				namespace("created-"+strings.ToLower(name), tc.after), metav1.CreateOptions{})
			checkAnswer(t, tc.reason, err, tc.want)
		})
	}
	for label, labels := range map[string]map[string]string{
		enrolv1alpha1.LabelOrganisation: project("theirs"), enrolv1alpha1.LabelHomeOf: home("theirs"),
	} {
		t.Run("Creator/"+label, func(t *testing.T) {
			t.Parallel()
			for user, want := range map[string][]string{
				namespaces: adopt("theirs", label), adopter: adopt("theirs", label), team: nil,
			} {
				_, err := clients[user].CoreV1().Namespaces().Create(context.Background(),
					namespace("org-theirs-new", labels), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				checkAnswer(t, user+": creating with the label is setting it.", err, want)
			}
		})
	}
}
