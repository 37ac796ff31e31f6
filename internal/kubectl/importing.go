package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/kubectl/migration"
)

type importCommand struct {
	*plugin

	output output
	dry    dryRun

	organisation    string
	namespaces      []string
	selector        string
	role, adminAs   string
	folder          string
	apply           bool
	systemNamespace string
	options         migration.Options
}

func newImport(p *plugin) *cobra.Command {
	c := &importCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Propose Members in the place of RoleBindings that were made by hand",
		Long: "Propose Members in the place of RoleBindings that were made by hand.\n\n" +
			"Nothing is changed without --apply, and no RoleBinding is ever deleted: which of them Enrol replaces is said, and once " +
			"`kubectl enrol check --wait` passes, a second import says which are redundant. A Member is proposed for each person or " +
			"group and Kubernetes role; what no Member can give, such as access of ServiceAccounts, is left alone, and said to be.",
		Example: "  kubectl enrol import --organisation acme --namespaces acme-web,acme-data\n" +
			"  kubectl enrol import --organisation acme --output-dir organisations/acme\n" +
			"  kubectl enrol import --organisation acme --apply",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	c.output.add(cmd)
	c.dry.add(cmd)
	p.organisationFlag(cmd, &c.organisation)
	flags := cmd.Flags()
	flags.StringSliceVar(&c.namespaces, "namespaces", nil, "namespaces to look at; left out: the organisation's projects")
	flags.StringVarP(&c.selector, "selector", "l", "", "look at the namespaces with these labels")
	flags.StringVar(&c.role, "role", string(enrolv1alpha1.RoleViewer), "role that the Members have in the organisation")
	flags.StringVar(&c.adminAs, "admin-as", "",
		"take ClusterRole admin for cluster-admin, which allows more, or edit, which allows less; left out: it is left alone")
	flags.StringVar(&c.options.Naming.UsernamePrefix, "username-prefix", "", "what the API server puts in front of usernames")
	flags.StringVar(&c.options.Naming.GroupsPrefix, "groups-prefix", "", "what the API server puts in front of groups")
	flags.StringVar(&c.folder, "output-dir", "", "write a file for each Member into this folder, for Git")
	flags.BoolVar(&c.apply, "apply", false, "create the Members")
	flags.StringVar(&c.systemNamespace, "system-namespace", installed.Namespace, "where Enrol is installed: never a project")
	must(cmd.MarkFlagDirname("output-dir"))
	cmd.MarkFlagsMutuallyExclusive("namespaces", "selector")
	cmd.MarkFlagsMutuallyExclusive("apply", "output-dir")
	return cmd
}

func (c *importCommand) run(ctx context.Context) error {
	if err := errors.Join(c.output.check(), c.dry.check()); err != nil {
		return err
	}
	c.options.Role, c.options.AdminAs = enrolv1alpha1.RoleName(c.role), enrolv1alpha1.KubernetesRole(c.adminAs)
	if c.options.AdminAs != "" && c.options.AdminAs.Rank() == 0 {
		return usageError{fmt.Errorf("--admin-as must be cluster-admin, edit or view, not %q", c.adminAs)}
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	name, err := s.organisation(ctx, c.organisation)
	if err != nil {
		return err
	}
	world, err := c.world(ctx, s, name)
	if err != nil {
		return err
	}
	plan := migration.Propose(*world, c.options)
	c.explain(name, plan)
	switch {
	case c.apply:
		return c.create(ctx, s, plan.Members)
	case c.folder != "":
		for _, m := range plan.Members {
			if err := c.file(&c.output, c.folder, m, "member", c.dry); err != nil {
				return err
			}
		}
		return nil
	case c.output.forPeople():
		return documents(c.streams.Out, plan.Members)
	}
	objects := make([]client.Object, len(plan.Members))
	for i, m := range plan.Members {
		objects[i] = m
	}
	return c.output.many(c.streams.Out, objects)
}

// world reads what the plan is made from.
func (c *importCommand) world(ctx context.Context, s *session, name string) (*migration.World, error) {
	w := &migration.World{Organisation: &enrolv1alpha1.Organisation{}, Protected: map[string]bool{}}
	if err := s.Get(ctx, client.ObjectKey{Name: name}, w.Organisation); err != nil {
		return nil, err
	}
	namespaces, err := c.look(ctx, s, name)
	if err != nil {
		return nil, err
	}
	if len(namespaces) == 0 {
		say(c.streams.ErrOut, "there are no namespaces to look at: name them by --namespaces")
	}
	if w.Members, err = collect[*enrolv1alpha1.Member](ctx, s, &enrolv1alpha1.MemberList{}, client.InNamespace(home(name))); err != nil {
		return nil, err
	}
	for _, namespace := range namespaces {
		if access.Protected(namespace, c.systemNamespace) {
			w.Protected[namespace.Name] = true
		} else if of := namespace.Labels[enrolv1alpha1.LabelOrganisation]; of != name {
			say(c.streams.ErrOut, "namespace %s is no project of %s, and Members give nothing there until it is: label it %s=%s",
				namespace.Name, name, enrolv1alpha1.LabelOrganisation, name)
		}
		bindings, err := collect[*rbacv1.RoleBinding](ctx, s, &rbacv1.RoleBindingList{}, client.InNamespace(namespace.Name))
		if err != nil {
			return nil, err
		}
		w.Bindings = append(w.Bindings, bindings...)
	}
	return w, nil
}

// look finds the namespaces to look at.
func (c *importCommand) look(ctx context.Context, s *session, organisation string) ([]*corev1.Namespace, error) {
	if len(c.namespaces) > 0 {
		slices.Sort(c.namespaces)
		var found []*corev1.Namespace
		for _, name := range slices.Compact(c.namespaces) {
			namespace := &corev1.Namespace{}
			if err := s.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
				return nil, err
			}
			found = append(found, namespace)
		}
		return found, nil
	}
	selector := c.selector
	if selector == "" {
		selector = enrolv1alpha1.LabelOrganisation + "=" + organisation
	}
	return collect[*corev1.Namespace](ctx, s, &corev1.NamespaceList{},
		&client.ListOptions{Raw: &metav1.ListOptions{LabelSelector: selector}})
}

// explain says what becomes of the old RoleBindings. It all goes where messages go: what is to be applied stands alone.
func (c *importCommand) explain(organisation string, plan *migration.Plan) {
	w := c.streams.ErrOut
	if len(plan.Old) == 0 {
		say(w, "no RoleBinding that was made by hand gives access there: there is nothing to propose")
	}
	var redundant []string
	for _, old := range plan.Old {
		at := old.Namespace + "/" + old.Name
		switch old.Fate {
		case migration.Redundant:
			redundant = append(redundant, deletion(old))
		case migration.Replaceable:
			say(w, "replaced: %s, once the Members are there and `kubectl enrol check %s --wait` passes", at, organisation)
		case migration.Needed:
			for _, why := range old.Why {
				say(w, "kept: %s: %s", at, why)
			}
		}
	}
	if len(redundant) > 0 {
		say(w, "redundant, as Enrol gives as much already:")
	}
	for _, command := range redundant {
		say(w, "  %s", command)
	}
}

// plainName is what a shell takes for a word, and kubectl for no option.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._@-]*$`)

// deletion is a command to delete a RoleBinding. Those who may bind in a namespace choose its name: one that a shell would
// make something of is no part of a command.
func deletion(old migration.Old) string {
	if !plainName.MatchString(old.Name) {
		return fmt.Sprintf("# RoleBinding %q in namespace %s", old.Name, old.Namespace)
	}
	return fmt.Sprintf("kubectl delete rolebinding -n %s %s", old.Namespace, old.Name)
}

// create creates the Members. One that is refused does not keep the others from being made.
func (c *importCommand) create(ctx context.Context, s *session, members []*enrolv1alpha1.Member) error {
	refused := 0
	for _, m := range members {
		if c.dry.mode != dryRunClient {
			err := s.Create(ctx, m, c.dry.create()...)
			if apierrors.IsAlreadyExists(err) {
				err = fmt.Errorf("it is there, and is left as it is: its projects should be %s", joined(m.Spec.Projects))
			}
			if err != nil {
				refused++
				say(c.streams.ErrOut, "member %s: %s", m.Name, err)
				continue
			}
		}
		if err := c.done(&c.output, m, "member", "created", c.dry); err != nil {
			return err
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d Members were not created", refused, len(members))
	}
	return nil
}

// documents prints objects one after the other, as kubectl apply takes them.
func documents(w io.Writer, members []*enrolv1alpha1.Member) error {
	var all bytes.Buffer
	for i, m := range members {
		if i > 0 {
			all.WriteString("---\n")
		}
		if err := (&output{format: formatYAML}).one(&all, m); err != nil {
			return err
		}
	}
	_, err := io.Copy(w, &all)
	return err
}
