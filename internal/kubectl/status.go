package kubectl

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

type statusCommand struct {
	*plugin
	output

	limit int
}

func newStatus(p *plugin) *cobra.Command {
	c := &statusCommand{plugin: p}
	cmd := &cobra.Command{
		Use:   "status [ORGANISATION...]",
		Short: "Say whether everything is as it should be, and if not, why",
		Long: "Say whether everything is as it should be, and if not, why.\n\n" +
			"One line for each organisation, then what is not Ready. For machines: the Organisations, then the same objects. " +
			"Scripts that want to know by an exit code use check.",
		Example:           "  kubectl enrol status\n  kubectl enrol status acme -o wide",
		ValidArgsFunction: p.completeOrganisations(0),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	c.add(cmd)
	cmd.Flags().IntVar(&c.limit, "limit", 50, "show at most so many faults of each organisation; 0: all")
	return cmd
}

func (c *statusCommand) run(ctx context.Context, names []string) error {
	if err := c.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	standings, err := s.standings(ctx, names, c.limit)
	if err != nil {
		return err
	}
	if !c.forPeople() {
		var objects []client.Object
		for _, st := range standings {
			objects = append(objects, st.objects()...)
		}
		return c.many(c.streams.Out, objects)
	}
	return c.show(standings)
}

func (c *statusCommand) show(standings []*standing) error {
	table := columns("Organisation", "Ready", "Reason", "Members", "Invitations", "Projects", "Bindings", "Faults", "+Message")
	faults := columns("Object", "Namespace", "Reason", "Message")
	for _, st := range standings {
		table.row(st.cells()...)
		for _, f := range st.faults {
			faults.row(f.what, f.object.GetNamespace(), f.ready.Reason, f.ready.Message)
		}
	}
	if table.isEmpty() {
		say(c.streams.ErrOut, "there are no organisations")
		return nil
	}
	if err := c.table(c.streams.Out, table); err != nil {
		return err
	}
	if faults.isEmpty() {
		return nil
	}
	_, _ = fmt.Fprintln(c.streams.Out)
	if err := c.table(c.streams.Out, faults); err != nil {
		return err
	}
	for _, st := range standings {
		if hidden := st.count - len(st.faults); hidden > 0 {
			say(c.streams.ErrOut, "%d more of %s: show them with --limit=0", hidden, st.name)
		}
	}
	return nil
}

// standing is how an organisation stands.
type standing struct {
	name string
	// organisation is nil where it must not be read.
	organisation         *enrolv1alpha1.Organisation
	members, invitations int
	// faults are what is not Ready, count how many there are in all.
	faults []fault
	count  int
	limit  int
}

// fault is an object that is not Ready.
type fault struct {
	what   string
	object client.Object
	ready  metav1.Condition
}

// standings of the organisations of those names, or of all that may be read.
func (s *session) standings(ctx context.Context, names []string, limit int) ([]*standing, error) {
	organisations, err := s.organisations(ctx, names)
	if apierrors.IsForbidden(err) {
		return s.partialStandings(ctx, names, limit, err)
	}
	if err != nil {
		return nil, err
	}
	var all []*standing
	for _, o := range organisations {
		st := &standing{name: o.Name, organisation: o, limit: limit}
		st.look("organisation/"+o.Name, o, o.Status.Conditions, o.Status.ObservedGeneration)
		if err := s.lookAt(ctx, st); err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// partialStandings is what those see who may read Members, but no Organisations.
func (s *session) partialStandings(ctx context.Context, names []string, limit int, forbidden error) ([]*standing, error) {
	if len(names) == 0 {
		name, err := s.organisationOf(ctx, s.namespace)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, fmt.Errorf("%w; %w", forbidden, errWhichOrganisation)
		}
		names = []string{name}
	}
	var all []*standing
	for _, name := range names {
		st := &standing{name: name, limit: limit}
		if err := s.lookAt(ctx, st); err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// lookAt goes through what is in the home namespace. Invitations are for those who may see them.
func (s *session) lookAt(ctx context.Context, st *standing) error {
	where := client.InNamespace(home(st.name))
	err := each(ctx, s, &enrolv1alpha1.MemberList{}, func(m *enrolv1alpha1.Member) error {
		st.members++
		st.look("member/"+m.Name, m, m.Status.Conditions, m.Status.ObservedGeneration)
		return nil
	}, where)
	if err != nil {
		return err
	}
	err = each(ctx, s, &enrolv1alpha1.InvitationList{}, func(i *enrolv1alpha1.Invitation) error {
		st.invitations++
		st.look("invitation/"+i.Name, i, i.Status.Conditions, i.Status.ObservedGeneration)
		return nil
	}, where)
	if apierrors.IsForbidden(err) {
		st.invitations = -1
		return nil
	}
	return err
}

// look notes an object that is not as it should be.
func (st *standing) look(what string, object client.Object, conditions []metav1.Condition, observed int64) {
	ready, ok := isReady(object, conditions, observed)
	if ok {
		return
	}
	st.count++
	if st.limit == 0 || len(st.faults) < st.limit {
		st.faults = append(st.faults, fault{what: what, object: object, ready: ready})
	}
}

// isReady tells whether an object is Ready as it is now, and not as it was before it changed.
func isReady(object client.Object, conditions []metav1.Condition, observed int64) (metav1.Condition, bool) {
	ready := readyOf(conditions)
	if observed != object.GetGeneration() && ready.Reason != reasonNotSeen {
		ready.Status, ready.Reason = metav1.ConditionUnknown, reasonNotSeen
		ready.Message = "the operator has not looked at the latest change yet"
	}
	return ready, ready.Status == metav1.ConditionTrue
}

func (st *standing) objects() []client.Object {
	var objects []client.Object
	if st.organisation != nil {
		objects = append(objects, st.organisation)
	}
	for _, f := range st.faults {
		if !slices.Contains(objects, f.object) {
			objects = append(objects, f.object)
		}
	}
	return objects
}

func (st *standing) cells() []string {
	const unknown = "?"
	ready := metav1.Condition{Status: unknown, Reason: unknown, Message: "needs the right to get organisations.enrol.dev"}
	projects, bindings, invitations := unknown, unknown, unknown
	if o := st.organisation; o != nil {
		ready, _ = isReady(o, o.Status.Conditions, o.Status.ObservedGeneration)
		projects, bindings = strconv.Itoa(int(o.Status.Projects)), strconv.Itoa(int(o.Status.Bindings))
	}
	if st.invitations >= 0 {
		invitations = strconv.Itoa(st.invitations)
	}
	return []string{
		st.name, string(ready.Status), ready.Reason, strconv.Itoa(st.members), invitations, projects, bindings,
		strconv.Itoa(st.count), ready.Message,
	}
}
