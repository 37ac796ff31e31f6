package kubectl

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Values of flag --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// dryRun says whether something is really done.
type dryRun struct {
	mode string
}

func (d *dryRun) add(cmd *cobra.Command) {
	modes := []string{dryRunNone, dryRunServer, dryRunClient}
	cmd.Flags().StringVar(&d.mode, "dry-run", dryRunNone,
		"none; client: only say what would be sent; server: have the API server judge it and store nothing")
	cmd.Flags().Lookup("dry-run").NoOptDefVal = dryRunClient
	must(cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp)))
}

func (d *dryRun) check() error {
	if !slices.Contains([]string{dryRunNone, dryRunClient, dryRunServer}, d.mode) {
		return usageError{fmt.Errorf("--dry-run must be none, client or server, not %q", d.mode)}
	}
	return nil
}

func (d *dryRun) create() []client.CreateOption {
	if d.mode == dryRunServer {
		return []client.CreateOption{client.DryRunAll}
	}
	return nil
}

func (d *dryRun) patch() []client.PatchOption {
	if d.mode == dryRunServer {
		return []client.PatchOption{client.DryRunAll}
	}
	return nil
}

// note says in brackets that nothing happened.
func (d *dryRun) note() string {
	switch d.mode {
	case dryRunClient:
		return " (dry run)"
	case dryRunServer:
		return " (server dry run)"
	}
	return ""
}

// organisationFlag adds flag --organisation.
func (p *plugin) organisationFlag(cmd *cobra.Command, to *string) {
	const flag = "organisation"
	cmd.Flags().StringVar(to, flag, "", "name of the organisation; left out: that of the namespace")
	must(cmd.RegisterFlagCompletionFunc(flag, p.completeOrganisations(0)))
}

// done says what was done to an object, or shows the object.
func (p *plugin) done(o *output, object client.Object, kind, what string, d dryRun) error {
	if o.forPeople() {
		say(p.streams.Out, "%s.enrol.dev/%s %s%s", kind, object.GetName(), what, d.note())
		return nil
	}
	return o.one(p.streams.Out, object)
}

// file writes an object to a file of its own that was not there, and says so.
func (p *plugin) file(o *output, folder string, object client.Object, kind string, d dryRun) error {
	name := path(folder, kind, object.GetName())
	written := "written"
	var content bytes.Buffer
	if err := (&output{format: formatYAML}).one(&content, object); err != nil {
		return err
	}
	if d.mode == dryRunNone {
		var err error
		if written, err = create(folder, name, content.Bytes()); err != nil {
			return err
		}
	}
	if !o.forPeople() {
		return o.one(p.streams.Out, object)
	}
	say(p.streams.Out, "%s %s%s", name, written, d.note())
	return nil
}

// create makes a file, and its folder, but never overwrites anything.
func create(folder, name string, content []byte) (string, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		there, err := os.ReadFile(name)
		if err == nil && !bytes.Equal(there, content) {
			err = fmt.Errorf("%s is there with another content, and is left as it is", name)
		}
		return "unchanged", err
	}
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	return "written", errors.Join(err, file.Close())
}
