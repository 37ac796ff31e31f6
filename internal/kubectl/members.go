package kubectl

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

type membersCommand struct {
	*plugin
	output

	all      bool
	selector string
}

func newMembers(p *plugin) *cobra.Command {
	c := &membersCommand{plugin: p}
	cmd := &cobra.Command{
		Use:               "members [ORGANISATION]",
		Short:             "List who is in an organisation, and what they may do",
		Example:           "  kubectl enrol members acme\n  kubectl enrol members acme -o wide",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeOrganisations(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), strings.Join(args, ""))
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVarP(&c.all, "all-namespaces", "A", false, "list the members of all organisations")
	cmd.Flags().StringVarP(&c.selector, "selector", "l", "", "list only Members with these labels")
	return cmd
}

func (c *membersCommand) run(ctx context.Context, organisation string) error {
	if err := c.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	where := client.InNamespace("")
	if !c.all {
		if organisation, err = s.organisation(ctx, organisation); err != nil {
			return err
		}
		where = client.InNamespace(home(organisation))
	}
	members, err := collect[*enrolv1alpha1.Member](ctx, s, &enrolv1alpha1.MemberList{}, where,
		&client.ListOptions{Raw: &metav1.ListOptions{LabelSelector: c.selector}})
	if err != nil {
		return err
	}
	if !c.forPeople() {
		objects := make([]client.Object, len(members))
		for i, m := range members {
			objects[i] = m
		}
		return c.many(c.streams.Out, objects)
	}
	table := c.columns()
	if !c.all && c.selector == "" {
		if err := c.owners(ctx, s, organisation, table); err != nil {
			return err
		}
	}
	for _, m := range members {
		table.row(c.cells(m)...)
	}
	if table.isEmpty() {
		say(c.streams.ErrOut, "no members")
		return nil
	}
	return c.table(c.streams.Out, table)
}

// owners lists the owners, who are in the Organisation and no Members, to those who may read it.
func (c *membersCommand) owners(ctx context.Context, s *session, name string, table *sheet) error {
	o := &enrolv1alpha1.Organisation{}
	err := s.Get(ctx, client.ObjectKey{Name: name}, o)
	if apierrors.IsForbidden(err) {
		say(c.streams.ErrOut, "owners are not shown: that %s", missing("get", err))
		return nil
	}
	if err != nil {
		return err
	}
	for _, owner := range o.Spec.Owners {
		table.row(string(owner.Username), string(enrolv1alpha1.RoleOwner), "", enrolv1alpha1.AllProjects, "", "", "",
			"organisation/"+o.Name, string(owner.Email), "", "")
	}
	return nil
}

// columns of the table; which organisation it is comes first where there may be several.
func (c *membersCommand) columns() *sheet {
	names := []string{
		"Person", "Roles", "Kubernetes", "Projects", "Expires", "Ready", "Reason", "+Name", "+Email", "+Since", "+Message",
	}
	if c.all {
		names = append([]string{"Organisation"}, names...)
	}
	return columns(names...)
}

func (c *membersCommand) cells(m *enrolv1alpha1.Member) []string {
	ready := readyOf(m.Status.Conditions)
	cells := []string{
		person(m), joined(m.Spec.Roles), string(m.Status.KubernetesRole), joined(m.Spec.Projects), moment(m.Spec.ExpireTime),
		string(ready.Status), ready.Reason, m.Name, string(m.Spec.Email), day(&m.CreationTimestamp), ready.Message,
	}
	if c.all {
		cells = append([]string{strings.TrimPrefix(m.Namespace, enrolv1alpha1.HomeNamespacePrefix)}, cells...)
	}
	return cells
}

// person is whom a Member is about, as far as that is known.
func person(m *enrolv1alpha1.Member) string {
	switch {
	case m.Status.Subject != nil && m.Status.Subject.Kind == "Group", m.Status.Subject == nil && m.Spec.Group != "":
		if m.Status.Subject == nil {
			return "group " + string(m.Spec.Group)
		}
		return "group " + m.Status.Subject.Name
	case m.Status.Subject != nil:
		return m.Status.Subject.Name
	case m.Spec.Username != "":
		return string(m.Spec.Username)
	}
	return string(m.Spec.Email)
}

// readyOf is the condition Ready, or one that says that nobody has looked yet.
func readyOf(conditions []metav1.Condition) metav1.Condition {
	if c := meta.FindStatusCondition(conditions, enrolv1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{
		Status: metav1.ConditionUnknown, Reason: reasonNotSeen, Message: "the operator has not looked at it yet",
	}
}

// reasonNotSeen stands in for a reason that the operator would have given.
const reasonNotSeen = "NotSeenYet"

func joined[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ",")
}

func day(t *metav1.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func moment(t *metav1.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
