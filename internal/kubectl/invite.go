package kubectl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/naming"
)

type inviteCommand struct {
	*plugin

	output output
	dry    dryRun

	organisation                   string
	roles, projects, groups        []string
	kubernetesRole, message, kind  string
	acceptURL, signInURL           string
	sendEmail                      bool
	inviterGroups                  []string
	folder                         string
	kubernetesRoleGiven, mailGiven bool
}

func newInvite(p *plugin) *cobra.Command {
	c := &inviteCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "invite EMAIL",
		Short: "Invite somebody",
		Long: "Invite somebody: by an Invitation in the cluster, or with --output-dir by a file for Git.\n\n" +
			"The Invitation names you as the inviter, and what you may not grant you cannot promise: the API server refuses it, " +
			"also with --dry-run=server. Where your right to invite comes from a group that Enrol does not know of, name the group " +
			"by --inviter-group: the right is asked for once more when the person accepts.",
		Example: "  kubectl enrol invite kim@example.com --organisation acme --role developer --project acme-web\n" +
			"  kubectl enrol invite kim@example.com --organisation acme --dry-run=server -o yaml\n" +
			"  kubectl enrol invite kim@example.com --organisation acme --role viewer --output-dir organisations/acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.kubernetesRoleGiven = cmd.Flags().Changed("kubernetes-role")
			c.mailGiven = cmd.Flags().Changed("send-email")
			return c.run(cmd.Context(), args[0])
		},
	}
	c.output.add(cmd)
	c.dry.add(cmd)
	p.organisationFlag(cmd, &c.organisation)
	flags := cmd.Flags()
	flags.StringSliceVar(&c.roles, "role", nil, "role in the organisation; left out: its default role")
	flags.StringSliceVar(&c.projects, "project", nil, "project where the Kubernetes role holds, '*' for all; left out: none")
	flags.StringVar(&c.kubernetesRole, "kubernetes-role", "", "cluster-admin, edit, view or ''; left out: what the roles give")
	flags.StringSliceVar(&c.groups, "group", nil, "group of the organisation that the person will be in")
	flags.StringVar(&c.message, "message", "", "what to say to the person, in one line")
	flags.StringVar(&c.kind, "type", "", "Join, or TransferOwnership: the person takes your place as an owner")
	flags.StringVar(&c.acceptURL, "accept-url", "", "where the link in the mail leads to")
	flags.StringVar(&c.signInURL, "sign-in-url", "", "second link in the mail, for those who have an account")
	flags.BoolVar(&c.sendEmail, "send-email", true, "send a mail")
	flags.StringSliceVar(&c.inviterGroups, "inviter-group", nil, "group of yours that your right to invite comes from")
	flags.StringVar(&c.folder, "output-dir", "", "write a file for Git into this folder and create nothing")
	must(cmd.MarkFlagDirname("output-dir"))
	for name, values := range map[string][]string{
		"role":            texts(enrolv1alpha1.BuiltInRoles()),
		"kubernetes-role": texts(enrolv1alpha1.KubernetesRoles()),
		"type":            {string(enrolv1alpha1.InvitationJoin), string(enrolv1alpha1.InvitationTransferOwnership)},
	} {
		must(cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
	}
	return cmd
}

func (c *inviteCommand) run(ctx context.Context, email string) error {
	if err := errors.Join(c.output.check(), c.dry.check()); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	organisation, err := s.organisation(ctx, c.organisation)
	if err != nil {
		return err
	}
	invitation, err := c.invitation(ctx, s, organisation, email)
	if err != nil {
		return err
	}
	if c.folder != "" {
		return c.write(ctx, s, invitation)
	}
	if c.dry.mode != dryRunClient {
		if err := s.Create(ctx, invitation, c.dry.create()...); err != nil {
			return c.refused(err, invitation)
		}
	}
	return c.done(&c.output, invitation, "invitation", "created", c.dry)
}

// refused says more about an error than the API server can know.
func (c *inviteCommand) refused(err error, invitation *enrolv1alpha1.Invitation) error {
	switch {
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("somebody invited %s at the same moment: %w", invitation.Spec.Email, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no organisation whose home namespace is %s: %w", invitation.Namespace, err)
	}
	return err
}

// invitation is what is wanted, as the API server shall judge it. Nothing is checked here but what a name is made from.
func (c *inviteCommand) invitation(
	ctx context.Context, s *session, organisation, email string,
) (*enrolv1alpha1.Invitation, error) {
	to, err := address.Parse(email)
	if err != nil {
		return nil, usageError{fmt.Errorf("the address %q %w", email, err)}
	}
	inviter, err := c.inviter(ctx, s, organisation)
	if err != nil {
		return nil, err
	}
	number, open, err := s.nextInvitation(ctx, home(organisation), string(to), c.folder)
	if err != nil {
		return nil, err
	}
	if open != "" && c.folder == "" {
		return nil, fmt.Errorf("invitation %s of %s is open: resend it, or revoke it and invite anew", open, to)
	}
	invitation := &enrolv1alpha1.Invitation{
		TypeMeta:   metav1.TypeMeta{APIVersion: enrolv1alpha1.SchemeGroupVersion.String(), Kind: "Invitation"},
		ObjectMeta: metav1.ObjectMeta{Name: naming.Invitation(string(to), number), Namespace: home(organisation)},
		Spec: enrolv1alpha1.InvitationSpec{
			Email:     to,
			Roles:     typed[enrolv1alpha1.RoleName](c.roles),
			Projects:  typed[enrolv1alpha1.Project](c.projects),
			Groups:    typed[enrolv1alpha1.GroupName](c.groups),
			Type:      enrolv1alpha1.InvitationType(c.kind),
			AcceptURL: c.acceptURL, SignInURL: c.signInURL, Message: c.message,
			InvitedBy: inviter,
		},
	}
	if c.kubernetesRoleGiven {
		invitation.Spec.KubernetesRole = new(enrolv1alpha1.KubernetesRole(c.kubernetesRole))
	}
	if c.mailGiven {
		invitation.Spec.SendEmail = &c.sendEmail
	}
	return invitation, nil
}

// inviter is who asks, with an address if it is known to be theirs, and with the groups that the right to invite comes from.
func (c *inviteCommand) inviter(ctx context.Context, s *session, organisation string) (enrolv1alpha1.Inviter, error) {
	me, err := s.whoAmI(ctx)
	if err != nil {
		return enrolv1alpha1.Inviter{}, err
	}
	inviter := enrolv1alpha1.Inviter{Username: me.Username, Groups: slices.Clone(c.inviterGroups)}
	if emails := me.Extra[enrolv1alpha1.ExtraVerifiedEmail]; len(emails) > 0 {
		if email, err := address.Parse(emails[0]); err == nil && string(email) == emails[0] {
			inviter.Email = email
		}
	} else if email, err := address.Parse(me.Username); err == nil && string(email) == me.Username {
		inviter.Email = email
	}
	err = each(ctx, s, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		who := m.Status.Subject
		if who != nil && who.Kind == groupKind && slices.Contains(me.Groups, who.Name) && !slices.Contains(inviter.Groups, who.Name) {
			inviter.Groups = append(inviter.Groups, who.Name)
		}
		return nil
	}, client.InNamespace(home(organisation)))
	if apierrors.IsForbidden(err) {
		// Whoever proposes a change in Git need not see who is a member.
		err = nil
	}
	return inviter, err
}

// whoAmI is whom the API server takes the caller for.
func (s *session) whoAmI(ctx context.Context) (authenticationv1.UserInfo, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.Create(ctx, review); err != nil {
		return authenticationv1.UserInfo{}, fmt.Errorf("asking who you are: %w", err)
	}
	return review.Status.UserInfo, nil
}

// nextInvitation is the number after the highest that Invitations for the address have, in the cluster and in a folder. The
// operator sends no second one while another, which is named, is open.
func (s *session) nextInvitation(ctx context.Context, namespace, email, folder string) (number int, open string, err error) {
	highest := 0
	note := func(name string) {
		if n, ok := naming.InvitationNumber(name, email); ok {
			highest = max(highest, n)
		}
	}
	err = each(ctx, s, &enrolv1alpha1.InvitationList{}, func(i *enrolv1alpha1.Invitation) error {
		note(i.Name)
		if i.Status.Outcome == "" && !i.Spec.Revoked {
			open = i.Name
		}
		return nil
	}, client.InNamespace(namespace), client.MatchingFields{fieldEmail: email})
	if err != nil && (folder == "" || !apierrors.IsForbidden(err)) {
		return 0, "", err
	}
	if folder == "" {
		return highest + 1, open, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, "", err
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(strings.TrimPrefix(entry.Name(), "invitation-"), fileSuffix)
		note(name)
	}
	return highest + 1, open, nil
}

// write writes the file for Git, if the API server would accept it. Whoever only proposes it there need not have the right
// to make it.
func (c *inviteCommand) write(ctx context.Context, s *session, invitation *enrolv1alpha1.Invitation) error {
	judged := invitation.DeepCopy()
	err := s.Create(ctx, judged, client.DryRunAll)
	switch {
	case apierrors.IsForbidden(err):
		say(c.streams.ErrOut, "not checked, as you may not create it yourself: %s", err)
	case apierrors.IsNotFound(err):
		say(c.streams.ErrOut, "not checked, as there is no namespace %s yet", invitation.Namespace)
	case err != nil:
		return c.refused(err, invitation)
	}
	// Git keeps it: once it is finished, the operator leaves it there, as the next sync would make it anew.
	invitation.Annotations = map[string]string{enrolv1alpha1.AnnotationManagedInGit: "true"}
	return c.file(&c.output, c.folder, invitation, "invitation", c.dry)
}

// typed is a list of another type; nil stays nil, so that what was not given is left out.
func typed[T ~string](texts []string) []T {
	var values []T
	for _, text := range texts {
		values = append(values, T(text))
	}
	return values
}

const (
	groupKind  = "Group"
	fileSuffix = ".yaml"
)

// path of the file of an object.
func path(folder, kind, name string) string { return filepath.Join(folder, kind+"-"+name+fileSuffix) }
