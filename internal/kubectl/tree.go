package kubectl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

type treeCommand struct {
	*plugin

	output output
	limit  int64
	watch  bool
}

func newTree(p *plugin) *cobra.Command {
	c := &treeCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "tree [ORGANISATION]",
		Short: "Show an organisation with its namespaces, Members, Invitations and RoleBindings",
		Long: "Show an organisation with its namespaces, Members, Invitations and RoleBindings, and who these name.\n\n" +
			"What you may not read is left out, and said to be. For machines: the same objects as a list.",
		Example:           "  kubectl enrol tree acme\n  kubectl enrol tree acme --watch",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeOrganisations(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), strings.Join(args, ""))
		},
	}
	c.output.add(cmd)
	cmd.Flags().Int64Var(&c.limit, "limit", 50, "show at most so many of each kind in a place")
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "show it anew whenever it changes, until interrupted")
	return cmd
}

func (c *treeCommand) run(ctx context.Context, organisation string) error {
	if err := c.output.check(); err != nil {
		return err
	}
	if c.watch && !c.output.forPeople() {
		return usageError{fmt.Errorf("--watch shows a tree, not --output=%s", c.output.format)}
	}
	if c.limit < 1 {
		return usageError{fmt.Errorf("--limit must be at least 1, not %d", c.limit)}
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	if organisation, err = s.organisation(ctx, organisation); err != nil {
		return err
	}
	if c.watch {
		return c.follow(ctx, s, organisation)
	}
	g, err := gather(ctx, s, organisation, c.limit)
	if err != nil {
		return err
	}
	if !c.output.forPeople() {
		return c.output.many(c.streams.Out, g.objects)
	}
	return c.print(c.streams.Out, g)
}

func (c *treeCommand) print(w io.Writer, g *garden) error {
	table := columns("Name", "Ready", "Reason", "+Message")
	g.root.rows(table, "", "")
	return c.output.table(w, table)
}

func (c *treeCommand) text(ctx context.Context, s *session, organisation string) (string, error) {
	g, err := gather(ctx, s, organisation, c.limit)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = c.print(&b, g)
	return b.String(), err
}

// node is a line of a tree.
type node struct {
	text     string
	ready    metav1.Condition
	children []*node
}

func (n *node) add(format string, args ...any) *node {
	child := &node{text: fmt.Sprintf(format, args...)}
	n.children = append(n.children, child)
	return child
}

// rows adds a node and what is below to a table. The first prefix is the node's, the second that of what is below.
func (n *node) rows(table *sheet, own, below string) {
	table.row(own+n.text, string(n.ready.Status), n.ready.Reason, n.ready.Message)
	for i, child := range n.children {
		if i == len(n.children)-1 {
			child.rows(table, below+"└─", below+"  ")
		} else {
			child.rows(table, below+"├─", below+"│ ")
		}
	}
}

// garden is a tree that grows.
type garden struct {
	session *session
	name    string
	limit   int64

	root    *node
	objects []client.Object
	// readable tells whether anything was.
	readable bool
}

// gather reads what an organisation consists of, as far as that may be read.
func gather(ctx context.Context, s *session, name string, limit int64) (*garden, error) {
	g := &garden{session: s, name: name, limit: limit, root: &node{text: "Organisation/" + name}}
	refused, err := g.organisation(ctx)
	if err != nil {
		return nil, err
	}
	at := g.root.add("Namespace/%s (home)", home(name))
	for _, part := range []func(context.Context, *node) error{g.members, g.invitations, g.homeBindings} {
		if err := part(ctx, at); err != nil {
			return nil, err
		}
	}
	if err := g.projects(ctx); err != nil {
		return nil, err
	}
	if !g.readable {
		return nil, refused
	}
	return g, nil
}

// organisation returns why it must not be read, if that is so.
func (g *garden) organisation(ctx context.Context) (refused, err error) {
	o := &enrolv1alpha1.Organisation{}
	err = g.session.Get(ctx, client.ObjectKey{Name: g.name}, o)
	if apierrors.IsForbidden(err) {
		g.root.text += " (needs the right to get organisations.enrol.dev)"
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	g.readable = true
	g.objects = append(g.objects, o)
	g.root.ready, _ = isReady(o, o.Status.Conditions, o.Status.ObservedGeneration)
	for _, owner := range o.Spec.Owners {
		g.root.add("owner %s", owner.Username)
	}
	return nil, nil
}

// list lists the first of a kind, and says below the node what is not shown. It returns false where nothing may be read.
func (g *garden) list(ctx context.Context, at *node, what string, list client.ObjectList, options ...client.ListOption) (bool, error) {
	err := g.session.List(ctx, list, append(options, client.Limit(g.limit))...)
	if apierrors.IsForbidden(err) {
		at.add("(%s are not shown: that needs the right to list them here)", what)
		return false, nil
	}
	g.readable = g.readable || err == nil
	return err == nil, err
}

// more says that there is more of a list.
func (g *garden) more(at *node, what string, list client.ObjectList) {
	if list.GetContinue() == "" {
		return
	}
	if rest := list.GetRemainingItemCount(); rest != nil {
		at.add("… %d more %s", *rest, what)
		return
	}
	at.add("… more %s", what)
}

func (g *garden) members(ctx context.Context, at *node) error {
	list := &enrolv1alpha1.MemberList{}
	if ok, err := g.list(ctx, at, "Members", list, client.InNamespace(home(g.name))); !ok {
		return err
	}
	for i := range list.Items {
		m := &list.Items[i]
		n := at.add("Member/%s %s", m.Name, person(m))
		n.ready, _ = isReady(m, m.Status.Conditions, m.Status.ObservedGeneration)
		g.objects = append(g.objects, m)
	}
	g.more(at, "Members", list)
	return nil
}

func (g *garden) invitations(ctx context.Context, at *node) error {
	list := &enrolv1alpha1.InvitationList{}
	if ok, err := g.list(ctx, at, "Invitations", list, client.InNamespace(home(g.name))); !ok {
		return err
	}
	for i := range list.Items {
		invitation := &list.Items[i]
		n := at.add("Invitation/%s %s", invitation.Name, invitation.Spec.Email)
		n.ready, _ = isReady(invitation, invitation.Status.Conditions, invitation.Status.ObservedGeneration)
		g.objects = append(g.objects, invitation)
	}
	g.more(at, "Invitations", list)
	return nil
}

func (g *garden) homeBindings(ctx context.Context, at *node) error {
	return g.bindings(ctx, at, home(g.name))
}

// projects are the namespaces of the organisation. Who may not list namespaces does not see them.
func (g *garden) projects(ctx context.Context) error {
	list := &corev1.NamespaceList{}
	ofOurs := client.MatchingLabels{enrolv1alpha1.LabelOrganisation: g.name}
	if ok, err := g.list(ctx, g.root, "projects", list, ofOurs); !ok {
		return err
	}
	for i := range list.Items {
		project := &list.Items[i]
		g.objects = append(g.objects, project)
		if err := g.bindings(ctx, g.root.add("Namespace/%s (project)", project.Name), project.Name); err != nil {
			return err
		}
	}
	g.more(g.root, "projects", list)
	return nil
}

func (g *garden) bindings(ctx context.Context, at *node, namespace string) error {
	list := &rbacv1.RoleBindingList{}
	if ok, err := g.list(ctx, at, "RoleBindings", list, client.InNamespace(namespace), ours(g.name)); !ok {
		return err
	}
	for i := range list.Items {
		binding := &list.Items[i]
		g.objects = append(g.objects, binding)
		n := at.add("RoleBinding/%s %s", binding.Name, binding.RoleRef.Name)
		for j, who := range binding.Subjects {
			if int64(j) == g.limit {
				n.add("… %d more subjects", len(binding.Subjects)-j)
				break
			}
			n.add("%s %s", who.Kind, who.Name)
		}
	}
	g.more(at, "RoleBindings", list)
	return nil
}

// ours selects what Enrol made for an organisation.
func ours(organisation string) client.MatchingLabels {
	return client.MatchingLabels{
		enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy, enrolv1alpha1.LabelOrganisation: organisation,
	}
}
