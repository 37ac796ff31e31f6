package kubectl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/kubectl/cause"
)

type whyCommand struct {
	*plugin

	output output
	groups []string
}

func newWhy(p *plugin) *cobra.Command {
	c := &whyCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "why [USER]",
		Short: "Say why somebody has access: which Member gives which RoleBinding, and which RoleBindings are not Enrol's",
		Long: "Say why somebody has access: which Member gives which RoleBinding, and which RoleBindings are not Enrol's.\n\n" +
			"USER is a username or an address; left out, it is you. Access is looked for in the namespace that -n names, else in all, " +
			"which needs the right to list rolebindings everywhere. Nobody but the identity provider knows what groups somebody is " +
			"in: name them by --groups. Your own are known.",
		Example: "  kubectl enrol why jane@example.com -n acme-web\n  kubectl enrol why jane@example.com --groups devs,ops",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: p.complete(func(ctx context.Context, s *session, _ *cobra.Command) []string {
			return s.people(ctx)
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), strings.Join(args, ""))
		},
	}
	c.output.add(cmd)
	cmd.Flags().StringSliceVar(&c.groups, "groups", nil, "groups that the person is in, as the API server knows them")
	return cmd
}

// people are those that Members name in the organisation of the namespace.
func (s *session) people(ctx context.Context) []string {
	name, err := s.organisation(ctx, "")
	if err != nil {
		return nil
	}
	var all []string
	_ = each(ctx, s, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		if m.Spec.Group == "" {
			all = append(all, person(m))
		}
		return nil
	}, client.InNamespace(home(name)))
	return all
}

// explanation is the answer, as it is printed for machines.
type explanation struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	User       string        `json:"user"`
	Groups     []string      `json:"groups,omitempty"`
	Access     []cause.Cause `json:"access"`
	// Idle are Members of the person that give nothing.
	Idle []idle `json:"idle,omitempty"`
	// Hidden is what could not be looked at.
	Hidden []string `json:"hidden,omitempty"`
}

// idle is a Member that gives nothing, and why.
type idle struct {
	Member  string `json:"member"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

func (c *whyCommand) run(ctx context.Context, user string) error {
	if err := c.output.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	i, err := c.inquire(ctx, s, user)
	if err != nil {
		return err
	}
	switch {
	case c.output.forPeople():
		return c.show(i)
	case c.output.format == formatName:
		return c.output.many(c.streams.Out, i.objects)
	}
	return c.output.report(c.streams.Out, &i.explanation)
}

func (c *whyCommand) show(i *inquiry) error {
	for _, hidden := range i.Hidden {
		say(c.streams.ErrOut, "%s", hidden)
	}
	table := columns("Namespace", "ClusterRole", "RoleBinding", "Subject", "From", "+Message")
	for _, a := range i.Access {
		from := strings.Join(a.From, ",")
		if from == "" {
			from = "not Enrol's"
			if a.Organisation != "" {
				from = "Enrol, for " + a.Organisation
			}
		}
		table.row(a.Namespace, a.Role, a.Binding, a.Subject, from, a.Message)
	}
	if table.isEmpty() {
		say(c.streams.Out, "no RoleBinding that may be seen gives %s any access", i.User)
	} else if err := c.output.table(c.streams.Out, table); err != nil {
		return err
	}
	if len(i.Idle) == 0 {
		return nil
	}
	idlers := columns("Member", "Reason", "Message")
	for _, m := range i.Idle {
		idlers.row(m.Member, m.Reason, m.Message)
	}
	_, _ = fmt.Fprintln(c.streams.Out)
	return c.output.table(c.streams.Out, idlers)
}

// inquiry is an explanation that is being found.
type inquiry struct {
	explanation

	session *session
	// namespace is "" for all.
	namespace string
	user      authenticationv1.UserInfo
	members   []*enrolv1alpha1.Member
	objects   []client.Object
	finder    *cause.Finder
}

func (c *whyCommand) inquire(ctx context.Context, s *session, user string) (*inquiry, error) {
	me, err := s.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	i := &inquiry{session: s, user: authenticationv1.UserInfo{Username: user, Groups: c.groups}}
	if user == "" || user == me.Username {
		i.user = me
		i.user.Groups = append(slices.Clone(me.Groups), c.groups...)
	} else {
		// The API server adds it to everybody.
		i.user.Groups = append(slices.Clone(c.groups), "system:authenticated")
	}
	if s.given {
		i.namespace = s.namespace
	}
	i.explanation = explanation{
		APIVersion: reportVersion, Kind: "Why", User: i.user.Username, Groups: i.user.Groups, Access: []cause.Cause{},
	}
	for _, step := range []func(context.Context) error{i.findMembers, i.findBindings, i.findClusterBindings} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// findMembers finds those that are about the person: everywhere, or in the home of the namespace's organisation.
func (i *inquiry) findMembers(ctx context.Context) error {
	where := ""
	if i.namespace != "" {
		name, err := i.session.organisationOf(ctx, i.namespace)
		if err != nil {
			return err
		}
		if name != "" {
			where = home(name)
		}
	}
	email := address.Lower(i.user.Username)
	prefix := ""
	err := each(ctx, i.session, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		if shown, ok := cause.Prefix(m); ok {
			prefix = shown
		}
		if isAbout(m, i.user) || string(m.Spec.Email) == email {
			i.members = append(i.members, m)
		}
		return nil
	}, client.InNamespace(where))
	if apierrors.IsForbidden(err) {
		i.Hidden = append(i.Hidden, "which Members give access is not known: that "+missing("list", err))
		err = nil
	}
	if err != nil {
		return err
	}
	for _, m := range i.members {
		i.objects = append(i.objects, m)
		if ready := readyOf(m.Status.Conditions); ready.Reason != enrolv1alpha1.ReasonGranted {
			i.Idle = append(i.Idle, idle{Member: m.Namespace + "/" + m.Name, Reason: ready.Reason, Message: ready.Message})
		}
	}
	i.finder = cause.NewFinder(cause.Person{
		Username: i.user.Username, Groups: i.user.Groups, Members: i.members, Prefix: prefix,
	}, i.terms(ctx))
	return nil
}

// terms reads an Organisation; nil where that must not be.
func (i *inquiry) terms(ctx context.Context) func(string) *enrolv1alpha1.Organisation {
	known := map[string]*enrolv1alpha1.Organisation{}
	return func(name string) *enrolv1alpha1.Organisation {
		o, asked := known[name]
		if asked {
			return o
		}
		o = &enrolv1alpha1.Organisation{}
		if err := i.session.Get(ctx, client.ObjectKey{Name: name}, o); err != nil {
			o = nil
			i.Hidden = append(i.Hidden, fmt.Sprintf("owners, roles and groups of %s are not known: that %s", name, missing("get", err)))
		}
		known[name] = o
		return o
	}
}

func (i *inquiry) findBindings(ctx context.Context) error {
	err := each(ctx, i.session, &rbacv1.RoleBindingList{}, func(b *rbacv1.RoleBinding) error {
		if causes := i.finder.Causes(b); len(causes) > 0 {
			i.Access = append(i.Access, causes...)
			i.objects = append(i.objects, b)
		}
		return nil
	}, client.InNamespace(i.namespace))
	if apierrors.IsForbidden(err) && i.namespace == "" {
		return errors.Join(err, errors.New("name a namespace (-n) where you may list rolebindings"))
	}
	return err
}

// findClusterBindings finds what holds in every namespace and is never Enrol's.
func (i *inquiry) findClusterBindings(ctx context.Context) error {
	err := each(ctx, i.session, &rbacv1.ClusterRoleBindingList{}, func(b *rbacv1.ClusterRoleBinding) error {
		causes := i.finder.ClusterCauses(b)
		if len(causes) > 0 {
			i.Access = append(i.Access, causes...)
			i.objects = append(i.objects, b)
		}
		return nil
	})
	if apierrors.IsForbidden(err) {
		i.Hidden = append(i.Hidden, "access to the whole cluster is not shown: that needs the right to list clusterrolebindings")
		err = nil
	}
	return err
}
