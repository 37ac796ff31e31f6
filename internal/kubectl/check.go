package kubectl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/kubectl/terminal"
)

type checkCommand struct {
	*plugin

	output          output
	wait            bool
	timeout         time.Duration
	systemNamespace string
	organisations   bool
}

func newCheck(p *plugin) *cobra.Command {
	c := &checkCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "check [ORGANISATION...]",
		Short: "Check that Enrol is installed and works, and that everything is Ready",
		Long: "Check that Enrol is installed and works, and that everything is Ready: that the API server, CRDs and admission " +
			"policies are as this version needs them, the operator that acts, the Deployments and their versions; then the " +
			"Organisations, Members and Invitations of the organisations named, or of all. What you may not look at is shown as " +
			"'?' and decides nothing.\n\n" +
			"Exit codes: 0, all is as it should be; 1, it could not be asked; 2, something is not as it should be; " +
			"3, with --wait, something still is not after --timeout.",
		Example:           "  kubectl enrol check\n  kubectl enrol check acme --wait --timeout=2m",
		ValidArgsFunction: p.completeOrganisations(0),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	c.output.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&c.wait, "wait", false, "wait until everything is as it should be")
	flags.DurationVar(&c.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	flags.StringVar(&c.systemNamespace, "system-namespace", installed.Namespace, "where Enrol is installed")
	flags.BoolVar(&c.organisations, "organisations", true, "look at organisations, not only at what is installed")
	return cmd
}

// examination is a pass over everything, as it is printed for machines.
type examination struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Findings   []finding `json:"findings"`
}

// isFine tells whether nothing is broken.
func (e *examination) isFine() bool {
	for _, f := range e.Findings {
		if f.Outcome == broken {
			return false
		}
	}
	return true
}

func (c *checkCommand) run(ctx context.Context, names []string) error {
	if err := c.output.check(); err != nil {
		return err
	}
	if c.output.format == formatName {
		return usageError{errors.New("--output=name has nothing to name here: status does")}
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	e, err := c.examine(ctx, s, names)
	if err == nil && c.wait && !e.isFine() {
		e, err = c.await(ctx, s, names, e)
	}
	if err != nil {
		return err
	}
	if err := c.show(e); err != nil {
		return err
	}
	switch {
	case e.isFine():
		return nil
	case c.wait:
		return verdict{ExitTimeout, fmt.Sprintf("not everything is as it should be after %s", c.timeout)}
	}
	return verdict{ExitNotHealthy, "not everything is as it should be"}
}

// await examines until all is fine, or the time is over.
func (c *checkCommand) await(ctx context.Context, s *session, names []string, e *examination) (*examination, error) {
	const interval = time.Second
	err := wait.PollUntilContextTimeout(ctx, interval, c.timeout, false, func(ctx context.Context) (bool, error) {
		next, err := c.examine(ctx, s, names)
		switch {
		case err == nil:
			e = next
		case ctx.Err() == nil:
			return false, err
		}
		// Where the time cut a look off, the one before counts.
		return e.isFine(), nil
	})
	if ctx.Err() == nil && wait.Interrupted(err) {
		return e, nil
	}
	return e, err
}

func (c *checkCommand) examine(ctx context.Context, s *session, names []string) (*examination, error) {
	e := &examination{APIVersion: reportVersion, Kind: "Check"}
	findings, err := installation(ctx, s, c.systemNamespace, c.version)
	if err != nil {
		return nil, err
	}
	e.Findings = findings
	if !c.organisations {
		return e, nil
	}
	const faults = 20
	standings, err := s.standings(ctx, names, faults)
	switch {
	case err == nil:
	case len(names) == 0 && apierrors.IsForbidden(err):
		e.Findings = append(e.Findings, finding{What: "organisations", Outcome: hidden, Message: missing("list", err)})
	case isNotInstalled(err) && !e.isFine():
		// That is among the faults, with what to do about it, and may be waited for.
	case apierrors.IsNotFound(err) && c.wait && len(names) > 0:
		e.Findings = append(e.Findings, finding{What: "organisations", Outcome: broken, Message: err.Error()})
	default:
		return nil, err
	}
	for _, st := range standings {
		e.Findings = append(e.Findings, st.findings()...)
	}
	return e, nil
}

// findings are one for an organisation that is fine, else one for each fault.
func (st *standing) findings() []finding {
	if st.count == 0 {
		return []finding{{What: "organisation " + st.name, Outcome: fine, Message: fmt.Sprintf("%d members", st.members)}}
	}
	var findings []finding
	for _, f := range st.faults {
		what := f.what
		if namespace := f.object.GetNamespace(); namespace != "" {
			what = namespace + " " + what
		}
		findings = append(findings, finding{What: what, Outcome: broken, Message: f.ready.Reason + ": " + f.ready.Message})
	}
	if more := st.count - len(st.faults); more > 0 {
		findings = append(findings, finding{What: "organisation " + st.name, Outcome: broken, Message: fmt.Sprintf("%d more", more)})
	}
	return findings
}

func (c *checkCommand) show(e *examination) error {
	if !c.output.forPeople() {
		return c.output.report(c.streams.Out, e)
	}
	table := columns("Check", "Result", "Message", "+Why")
	for _, f := range e.Findings {
		message := f.Message
		if f.Do != "" {
			// What to do is never what a long message leaves no room for.
			end := "; " + f.Do
			message = terminal.Short(message, longest-len(end)) + end
		}
		table.row(f.What, string(f.Outcome), message, f.Why)
	}
	return c.output.table(c.streams.Out, table)
}
