package kubectl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/address"
	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
)

// changeCommand changes an Invitation that is there.
type changeCommand struct {
	*plugin

	output       output
	dry          dryRun
	organisation string

	// past says what was done.
	past string
	// change changes the Invitation.
	change func(*enrolv1alpha1.Invitation)
	// fits tells whether the change makes sense for an Invitation of that outcome.
	fits func(enrolv1alpha1.InvitationOutcome) bool
	// tooEarly says why the operator would do nothing about the change now; nil: it always does something. A dry run does not ask:
	// it is about what the API server says.
	tooEarly func(*enrolv1alpha1.Invitation, time.Time) error
	// reverted is what becomes of the change of an Invitation that is kept in Git.
	reverted string
}

func newResend(p *plugin) *cobra.Command {
	c := &changeCommand{
		plugin: p, past: "will be sent again",
		change: func(i *enrolv1alpha1.Invitation) {
			if i.Annotations == nil {
				i.Annotations = map[string]string{}
			}
			i.Annotations[enrolv1alpha1.AnnotationResend] = time.Now().UTC().Format(time.RFC3339Nano)
		},
		fits:     func(o enrolv1alpha1.InvitationOutcome) bool { return o == "" || o == enrolv1alpha1.InvitationExpired },
		tooEarly: resendTooEarly,
	}
	return c.command(&cobra.Command{
		Use:   "resend NAME|EMAIL",
		Short: "Have an invitation sent again",
		Long: "Have an invitation sent again, with a link that kills the earlier ones and a new time to answer.\n\n" +
			"It may be sent again five times, a minute apart. Where the organisation has caused as many mails as it may, the " +
			"Invitation's condition RateLimited says so.",
		Example: "  kubectl enrol resend kim@example.com --organisation acme",
	})
}

func newRevoke(p *plugin) *cobra.Command {
	c := &changeCommand{
		plugin: p, past: "revoked",
		change: func(i *enrolv1alpha1.Invitation) { i.Spec.Revoked = true },
		fits: func(o enrolv1alpha1.InvitationOutcome) bool {
			return o == "" || o == enrolv1alpha1.InvitationExpired || o == enrolv1alpha1.InvitationRevoked
		},
		reverted: "set spec.revoked there as well, as it must not be taken back",
	}
	return c.command(&cobra.Command{
		Use:   "revoke NAME|EMAIL",
		Short: "Withdraw an invitation",
		Long: "Withdraw an invitation: its links are dead. The Invitation stays, with reason Revoked. Once it is answered, it " +
			"cannot be withdrawn: remove the Member instead.",
		Example: "  kubectl enrol revoke kim@example.com --organisation acme",
	})
}

// resendTooEarly is what the operator would answer, in a condition that nobody looks at who was told that a mail is on its way.
func resendTooEarly(i *enrolv1alpha1.Invitation, now time.Time) error {
	if i.Status.SendNumber > invitation.MaxResends {
		return fmt.Errorf("invitation %s was sent again %d times: revoke it, and invite anew", i.Name, invitation.MaxResends)
	}
	if earliest := invitation.EarliestResend(i); now.Before(earliest) {
		return fmt.Errorf("invitation %s was sent less than a minute ago: ask again at %s", i.Name, earliest.UTC().Format(time.RFC3339))
	}
	return nil
}

func (c *changeCommand) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = c.completeInvitations(&c.organisation)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) }
	c.output.add(cmd)
	c.dry.add(cmd)
	c.organisationFlag(cmd, &c.organisation)
	return cmd
}

func (c *changeCommand) run(ctx context.Context, which string) error {
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
	var found *enrolv1alpha1.Invitation
	// The operator may write the status in between.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if found, err = c.find(ctx, s, home(organisation), which); err != nil {
			return err
		}
		if c.tooEarly != nil && c.dry.mode == dryRunNone {
			if err = c.tooEarly(found, time.Now()); err != nil {
				return err
			}
		}
		return c.apply(ctx, s, found)
	})
	if err != nil {
		return err
	}
	kept := gitops.Tracking{}.KeptBy(found, schema.GroupKind{Group: enrolv1alpha1.SchemeGroupVersion.Group, Kind: "Invitation"})
	if kept != "" && c.reverted != "" {
		say(c.streams.ErrOut, "%s is kept by %s: %s", found.Name, kept, c.reverted)
	}
	return c.done(&c.output, found, "invitation", c.past, c.dry)
}

func (c *changeCommand) apply(ctx context.Context, s *session, i *enrolv1alpha1.Invitation) error {
	before := i.DeepCopy()
	c.change(i)
	if c.dry.mode == dryRunClient {
		return nil
	}
	// With the version that was looked at: a new Invitation of the name has other promises.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return s.Patch(ctx, i, patch, c.dry.patch()...)
}

// find reads the Invitation of a name, or the one of an address that the change fits.
func (c *changeCommand) find(ctx context.Context, s *session, namespace, which string) (*enrolv1alpha1.Invitation, error) {
	if !strings.Contains(which, "@") {
		i := &enrolv1alpha1.Invitation{}
		if err := s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: which}, i); err != nil {
			return nil, err
		}
		if !c.fits(i.Status.Outcome) {
			return nil, fmt.Errorf("invitation %s is finished: it is %s", i.Name, i.Status.Outcome)
		}
		return i, nil
	}
	all, err := collect[*enrolv1alpha1.Invitation](ctx, s, &enrolv1alpha1.InvitationList{}, client.InNamespace(namespace),
		client.MatchingFields{fieldEmail: address.Lower(which)})
	if err != nil {
		return nil, err
	}
	var fit []*enrolv1alpha1.Invitation
	var names []string
	for _, i := range all {
		if c.fits(i.Status.Outcome) {
			fit, names = append(fit, i), append(names, i.Name)
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("there is no invitation of %s in namespace %s", which, namespace)
	case len(fit) == 0:
		return nil, fmt.Errorf("all invitations of %s are finished; the last is %s", which, all[len(all)-1].Status.Outcome)
	case len(fit) > 1:
		return nil, fmt.Errorf("there are several invitations of %s: say which by its name: %s", which, strings.Join(names, ", "))
	}
	return fit[0], nil
}

// fieldEmail selects Members and Invitations by address.
const fieldEmail = "spec.email"
