package kubectl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// patience is how long somebody waits who has pressed the tabulator key.
const patience = 3 * time.Second

type completer = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// complete offers what a session finds of what begins so. It never says why it finds nothing.
func (p *plugin) complete(find func(context.Context, *session, *cobra.Command) []string) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		s, err := p.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := slices.DeleteFunc(find(ctx, s, cmd), func(text string) bool {
			// What a shell would take for more than a word is not offered to it.
			return !strings.HasPrefix(text, begun) || slices.Contains(args, text) || strings.ContainsAny(text, " \t\n:'\"`$\\")
		})
		slices.Sort(found)
		return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeOrganisations offers organisations for at most so many arguments; 0: any number.
func (p *plugin) completeOrganisations(most int) completer {
	offer := p.complete(func(ctx context.Context, s *session, _ *cobra.Command) []string { return s.organisationNames(ctx) })
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(cmd, args, begun)
	}
}

// organisationNames are the names of all Organisations or, for those who must not list them, of those that the kubeconfig's
// namespaces belong to.
func (s *session) organisationNames(ctx context.Context) []string {
	var names []string
	organisations, err := s.organisations(ctx, nil)
	for _, o := range organisations {
		names = append(names, o.Name)
	}
	if err == nil {
		return names
	}
	// Nobody waits for an explanation here.
	names, _ = s.organisationsOfContexts(ctx)
	return names
}

// organisationsOfContexts are those that the kubeconfig's namespaces belong to.
func (s *session) organisationsOfContexts(ctx context.Context) ([]string, error) {
	var names []string
	for _, namespace := range append([]string{s.namespace}, s.contexts...) {
		name, err := s.organisationOf(ctx, namespace)
		if err != nil {
			return names, err
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// completeInvitations offers the names and addresses of the Invitations of the organisation.
func (p *plugin) completeInvitations(organisation *string) completer {
	return p.complete(func(ctx context.Context, s *session, _ *cobra.Command) []string {
		name, err := s.organisation(ctx, *organisation)
		if err != nil {
			return nil
		}
		var found []string
		_ = each(ctx, s, &enrolv1alpha1.InvitationList{}, func(i *enrolv1alpha1.Invitation) error {
			found = append(found, i.Name, string(i.Spec.Email))
			return nil
		}, client.InNamespace(home(name)))
		return found
	})
}
