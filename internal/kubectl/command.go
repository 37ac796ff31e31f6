// Package kubectl is the kubectl plugin: it shows and changes organisations as the person whose kubeconfig it uses, and has
// no rights of its own. What may be done is the API server's to say.
package kubectl

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// plugin is what all commands share.
type plugin struct {
	config  *genericclioptions.ConfigFlags
	streams genericiooptions.IOStreams
	version string
}

// New is the command with all its own.
func New(streams genericiooptions.IOStreams, version string) *cobra.Command {
	p := &plugin{config: genericclioptions.NewConfigFlags(true), streams: streams, version: version}
	root := &cobra.Command{
		Use:     "kubectl-enrol",
		Short:   "See and manage the organisations of a cluster",
		Version: version,
		Annotations: map[string]string{
			cobra.CommandDisplayNameAnnotation: "kubectl enrol",
		},
		// Errors are printed once, by the caller, and without a page of flags.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	p.config.AddFlags(root.PersistentFlags())
	root.AddCommand(
		newStatus(p), newTree(p), newMembers(p), newInvite(p), newResend(p), newRevoke(p),
		newWhoAmI(p), newWhy(p), newCheck(p), newImport(p),
	)
	root.SetFlagErrorFunc(misused)
	for _, cmd := range root.Commands() {
		if fits := cmd.Args; fits != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if fits(cmd, args) == nil {
					return nil
				}
				return misused(cmd, fmt.Errorf("%d arguments do not fit: %s", len(args), cmd.UseLine()))
			}
		}
	}
	return root
}

// misused says of a mistake in what was typed where it stands how to do better.
func misused(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w\nSee '%s --help' for usage.", err, cmd.CommandPath())} //nolint:revive,staticcheck // As kubectl does.
}
