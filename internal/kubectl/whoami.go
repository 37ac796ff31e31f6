package kubectl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

type whoAmICommand struct {
	*plugin

	output output
}

func newWhoAmI(p *plugin) *cobra.Command {
	c := &whoAmICommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "whoami [ORGANISATION...]",
		Short: "Show whom the API server takes you for, your memberships, and what you may do",
		Long: "Show whom the API server takes you for, your memberships, and what you may do.\n\n" +
			"Without names, the organisations are those that the namespaces in your kubeconfig belong to and, if you may search " +
			"all of them, those that you are in.",
		Example:           "  kubectl enrol whoami\n  kubectl enrol whoami acme",
		ValidArgsFunction: p.completeOrganisations(0),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	c.output.add(cmd)
	return cmd
}

// self is a person's own view, as it is printed for machines.
type self struct {
	APIVersion    string                    `json:"apiVersion"`
	Kind          string                    `json:"kind"`
	User          authenticationv1.UserInfo `json:"user"`
	Organisations []ownOrganisation         `json:"organisations"`
}

// ownOrganisation is what an organisation is to the caller.
type ownOrganisation struct {
	Name        string       `json:"name"`
	Rights      []string     `json:"rights"`
	Memberships []membership `json:"memberships,omitempty"`
	// Hidden is why memberships are not shown.
	Hidden string `json:"hidden,omitempty"`

	objects []client.Object
}

// membership is a Member that is about the caller, or the caller's being an owner.
type membership struct {
	// Object is the Member or Organisation.
	Object         string   `json:"object"`
	Roles          []string `json:"roles,omitempty"`
	KubernetesRole string   `json:"kubernetesRole,omitempty"`
	Projects       []string `json:"projects,omitempty"`
	Reason         string   `json:"reason,omitempty"`
	Message        string   `json:"message,omitempty"`
}

// reportVersion is of what is printed for machines and is no object of the API.
const reportVersion = "kubectl.enrol.dev/v1alpha1"

func (c *whoAmICommand) run(ctx context.Context, names []string) error {
	if err := c.output.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	user, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = s.ownOrganisations(ctx, user); err != nil {
			return err
		}
	}
	me := &self{APIVersion: reportVersion, Kind: "WhoAmI", User: user, Organisations: []ownOrganisation{}}
	for _, name := range names {
		own, err := s.own(ctx, user, name)
		if err != nil {
			return err
		}
		me.Organisations = append(me.Organisations, own)
	}
	switch {
	case c.output.forPeople():
		return c.show(me)
	case c.output.format == formatName:
		var objects []client.Object
		for _, own := range me.Organisations {
			objects = append(objects, own.objects...)
		}
		return c.output.many(c.streams.Out, objects)
	}
	return c.output.report(c.streams.Out, me)
}

func (c *whoAmICommand) show(me *self) error {
	out := c.streams.Out
	say(out, "Username:  %s", me.User.Username)
	say(out, "Groups:    %s", strings.Join(me.User.Groups, ", "))
	if verified := me.User.Extra[enrolv1alpha1.ExtraVerifiedEmail]; len(verified) > 0 {
		say(out, "Address:   %s (verified)", strings.Join(verified, ", "))
	}
	if len(me.Organisations) == 0 {
		say(c.streams.ErrOut, "no organisation of yours is found: name one to see what you may do there")
		return nil
	}
	table := columns("Organisation", "By", "Roles", "Kubernetes", "Projects", "Reason", "+Message")
	for _, own := range me.Organisations {
		for _, m := range own.Memberships {
			table.row(own.Name, m.Object, strings.Join(m.Roles, ","), m.KubernetesRole, strings.Join(m.Projects, ","), m.Reason, m.Message)
		}
	}
	if !table.isEmpty() {
		_, _ = fmt.Fprintln(out)
		if err := c.output.table(out, table); err != nil {
			return err
		}
	}
	rights := columns("Organisation", "You may")
	for _, own := range me.Organisations {
		for _, right := range own.Rights {
			rights.row(own.Name, right)
		}
		if len(own.Rights) == 0 {
			rights.row(own.Name, "nothing with its members and invitations")
		}
		if own.Hidden != "" {
			say(c.streams.ErrOut, "%s: %s", own.Name, own.Hidden)
		}
	}
	_, _ = fmt.Fprintln(out)
	return c.output.table(out, rights)
}

// ownOrganisations are those that the caller is found to be in, each once, in the order of their names. Who may list
// organisations need not be in any, and there may be many.
func (s *session) ownOrganisations(ctx context.Context, user authenticationv1.UserInfo) ([]string, error) {
	names, err := s.organisationsOfContexts(ctx)
	if err != nil {
		return nil, err
	}
	owned := each(ctx, s, &enrolv1alpha1.OrganisationList{}, func(o *enrolv1alpha1.Organisation) error {
		if isOwner(o, user) {
			names = append(names, o.Name)
		}
		return nil
	})
	joined := each(ctx, s, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		if name, ok := strings.CutPrefix(m.Namespace, enrolv1alpha1.HomeNamespacePrefix); ok && isAbout(m, user) {
			names = append(names, name)
		}
		return nil
	})
	for _, err := range []error{owned, joined} {
		if err != nil && !apierrors.IsForbidden(err) {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func isOwner(o *enrolv1alpha1.Organisation, user authenticationv1.UserInfo) bool {
	return slices.ContainsFunc(o.Spec.Owners, func(owner enrolv1alpha1.Owner) bool { return string(owner.Username) == user.Username })
}

// own finds what an organisation is to the caller.
func (s *session) own(ctx context.Context, user authenticationv1.UserInfo, name string) (ownOrganisation, error) {
	own := ownOrganisation{Name: name, Rights: []string{}}
	rights, err := s.rights(ctx, home(name))
	if err != nil {
		return own, err
	}
	own.Rights = append(own.Rights, rights...)
	o := &enrolv1alpha1.Organisation{}
	switch err := s.Get(ctx, client.ObjectKey{Name: name}, o); {
	case err == nil:
		if isOwner(o, user) {
			own.objects = append(own.objects, o)
			ready := readyOf(o.Status.Conditions)
			own.Memberships = append(own.Memberships, membership{
				Object: "organisation/" + name, Roles: []string{string(enrolv1alpha1.RoleOwner)},
				Projects: []string{enrolv1alpha1.AllProjects}, Reason: ready.Reason, Message: ready.Message,
			})
		}
	case apierrors.IsForbidden(err):
		own.Hidden = "whether you are an owner is not shown: that needs the right to get organisations.enrol.dev"
	default:
		return own, err
	}
	err = each(ctx, s, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		if !isAbout(m, user) {
			return nil
		}
		own.objects = append(own.objects, m)
		ready := readyOf(m.Status.Conditions)
		own.Memberships = append(own.Memberships, membership{
			Object: "member/" + m.Name, Roles: texts(m.Spec.Roles), KubernetesRole: string(m.Status.KubernetesRole),
			Projects: texts(m.Spec.Projects), Reason: ready.Reason, Message: ready.Message,
		})
		return nil
	}, client.InNamespace(home(name)))
	if apierrors.IsForbidden(err) {
		own.Hidden = "memberships are not shown: that needs the right to list members.enrol.dev in namespace " + home(name)
		err = nil
	}
	return own, err
}

// isAbout tells whether a Member is about a user: by whom it binds or, while it binds nobody, by whom it names.
func isAbout(m *enrolv1alpha1.Member, user authenticationv1.UserInfo) bool {
	if who := m.Status.Subject; who != nil {
		return who.Kind == groupKind && slices.Contains(user.Groups, who.Name) || who.Kind != groupKind && who.Name == user.Username
	}
	verified := user.Extra[enrolv1alpha1.ExtraVerifiedEmail]
	return m.Spec.Username != "" && string(m.Spec.Username) == user.Username ||
		m.Spec.Group != "" && slices.Contains(user.Groups, string(m.Spec.Group)) ||
		m.Spec.Email != "" && (string(m.Spec.Email) == user.Username || slices.Contains(verified, string(m.Spec.Email)))
}

// right is something that one may do in a home namespace.
type right struct {
	text, verb, resource, name string
}

// allRights are what the organisation roles consist of.
func allRights() []right {
	all := []right{
		{"see members", "list", "members", ""},
		{"add members", "create", "members", ""},
		{"change members", "update", "members", ""},
		{"remove members", "delete", "members", ""},
		{"see invitations", "list", "invitations", ""},
		{"invite", "create", "invitations", ""},
		{"resend and revoke invitations", "update", "invitations", ""},
		{"delete invitations", "delete", "invitations", ""},
	}
	for _, role := range enrolv1alpha1.BuiltInRoles() {
		all = append(all, right{"grant role " + string(role), "grant", "organisationroles", string(role)})
	}
	for _, role := range enrolv1alpha1.KubernetesRoles() {
		all = append(all, right{"grant Kubernetes role " + string(role), "grant", "kubernetesroles", string(role)})
	}
	return append(all, right{"grant any group", "grant", "organisationgroups", ""})
}

// rights are what the caller may do in a home namespace, each asked of the API server: rules that are listed may be incomplete.
func (s *session) rights(ctx context.Context, namespace string) ([]string, error) {
	var held []string
	for _, r := range allRights() {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: r.verb, Group: enrolv1alpha1.SchemeGroupVersion.Group, Resource: r.resource, Name: r.name,
			},
		}}
		if err := s.Create(ctx, review); err != nil {
			return nil, fmt.Errorf("asking what you may do: %w", err)
		}
		if review.Status.Allowed {
			held = append(held, r.text)
		}
	}
	return held, nil
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}
