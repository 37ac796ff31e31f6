package organisation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/binding"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

// homeState says whose the home namespace is.
type homeState int

const (
	homeMissing homeState = iota
	// homeUnclaimed was made for the Organisation by somebody else, and waits for its UID.
	homeUnclaimed
	homeOurs
	homeTerminating
	// homeForeign belongs to somebody else, or to an earlier Organisation of the name.
	homeForeign
)

// problem is what somebody has to put right.
type problem struct {
	reason, message string
}

func (p problem) state() condition.State { return condition.Stalled(p.reason, p.message) }

// decision is what a pass wants done.
type decision struct {
	owner binding.Owner
	home  homeState
	plan  *binding.Plan
	// terms of the Organisation; nil when there is none.
	terms *access.Terms
	// refused is true for an Organisation that as a whole gets nothing.
	refused bool
	// members are those whose status the pass decides, with what each gets.
	members []judged
	// projects in which access is bound.
	projects int
	// problems that can be seen before anything is written.
	problems []problem
	// unbound says why nobody is bound to a ClusterRole.
	unbound map[string]problem
	// waiting are those who are to be given something, and are not while the cluster is not fit for it.
	waiting binding.Wanted
	// until is when a verdict changes by itself; zero: never.
	until time.Time
}

// judged is a Member with what it gets.
type judged struct {
	member  *enrolv1alpha1.Member
	verdict access.Verdict
}

// settings are what a platform team tells the operator at its start.
type settings struct {
	naming subject.Naming
	// namespace of the operator itself, which is never a project.
	namespace string
}

// decide says what is wanted in a world. It is pure.
func decide(w *world, s settings) *decision {
	d := &decision{owner: binding.Owner{Name: w.name}, home: homeOf(w), unbound: map[string]problem{}}
	existing := make([]*rbacv1.RoleBinding, 0, len(w.bindings))
	for i := range w.bindings {
		// A namespace that is somebody else's is not touched, whatever lies in it.
		if d.home != homeForeign || w.bindings[i].Namespace != w.home.Name {
			existing = append(existing, &w.bindings[i])
		}
	}
	if w.organisation == nil {
		d.judgeAll(w, access.OrganisationMissing())
		d.plan = binding.Make(d.owner, existing, nil, func(string) int { return 0 })
		return d
	}
	d.owner.UID = w.organisation.UID
	d.terms = access.NewTerms(w.organisation, s.naming)
	wanted := binding.Wanted{}
	if refusal, refused := refusal(w, d.home); refused {
		d.refused = true
		d.problems = append(d.problems, refusal)
		d.judgeAll(w, access.OrganisationStalled(refusal.message))
	} else {
		d.want(w, s, wanted)
	}
	if w.hold != nil {
		held := w.hold.State()
		d.problems = append(d.problems, problem{held.Reason, held.Message})
		wanted, d.waiting = binding.Hold(d.owner, existing, wanted, d.terms.Rank)
	}
	d.plan = binding.Make(d.owner, existing, wanted, d.terms.Rank)
	return d
}

// refusal says why an Organisation as a whole gets nothing.
func refusal(w *world, home homeState) (problem, bool) {
	holder := slices.MinFunc(append(w.rivals, *w.organisation), func(a, b enrolv1alpha1.Organisation) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	switch {
	case holder.UID != w.organisation.UID:
		return problem{enrolv1alpha1.ReasonSlugTaken, fmt.Sprintf(
			"the older Organisation %q has the slug %q: give this one another spec.slug when making it anew",
			holder.Name, w.organisation.Slug())}, true
	case home == homeForeign && w.home.Labels[enrolv1alpha1.LabelHomeOf] != w.name:
		return problem{enrolv1alpha1.ReasonNamespaceNotOurs, fmt.Sprintf(
			"Namespace %q exists and is not labelled %s=%s: label it so, if its contents are meant for this Organisation",
			w.home.Name, enrolv1alpha1.LabelHomeOf, w.name)}, true
	case home == homeForeign:
		return problem{enrolv1alpha1.ReasonNamespaceNotOurs, fmt.Sprintf(
			"Namespace %q belongs to an earlier Organisation of this name: remove its annotation %s to hand it and its Members over",
			w.home.Name, enrolv1alpha1.AnnotationOrganisationUID)}, true
	}
	return problem{}, false
}

func homeOf(w *world) homeState {
	switch {
	case w.home == nil:
		return homeMissing
	case w.home.Labels[enrolv1alpha1.LabelHomeOf] != w.name:
		return homeForeign
	}
	uid, claimed := w.home.Annotations[enrolv1alpha1.AnnotationOrganisationUID]
	switch {
	case w.organisation != nil && claimed && uid != string(w.organisation.UID) && w.home.DeletionTimestamp.IsZero():
		return homeForeign
	case !w.home.DeletionTimestamp.IsZero():
		return homeTerminating
	case claimed:
		return homeOurs
	default:
		return homeUnclaimed
	}
}

// judgeAll gives all Members the same verdict. Those in a namespace that is somebody else's are not touched.
func (d *decision) judgeAll(w *world, verdict access.Verdict) {
	if d.home == homeForeign {
		return
	}
	for i := range w.members {
		if w.members[i].DeletionTimestamp.IsZero() {
			d.members = append(d.members, judged{&w.members[i], verdict})
		}
	}
}

// want fills in who shall have what where.
func (d *decision) want(w *world, s settings, wanted binding.Wanted) {
	for _, clusterRole := range w.missing {
		p := problem{enrolv1alpha1.ReasonClusterRoleMissing, fmt.Sprintf("there is no ClusterRole %q", clusterRole)}
		d.unbound[clusterRole] = p
		d.problems = append(d.problems, p)
	}
	projects := d.openProjects(w, s)
	d.projects = len(projects)
	b := &binder{decision: d, projects: projects, wanted: wanted, everywhere: map[string]binding.Subjects{}}
	defer b.spread()
	if d.home != homeTerminating {
		b.home = w.organisation.HomeNamespace()
	}
	for _, owner := range w.organisation.Spec.Owners {
		verdict := d.terms.Owner(owner)
		if verdict.State.IsStalled() {
			d.problems = append(d.problems, problem{verdict.State.Reason, verdict.State.Message})
		}
		b.bind(&verdict)
	}
	if d.home == homeTerminating {
		// Its Members go with it. They may be those of an earlier Organisation of the name.
		return
	}
	d.members = make([]judged, 0, len(w.members))
	for i := range w.members {
		member := &w.members[i]
		if !member.DeletionTimestamp.IsZero() {
			continue
		}
		verdict := d.terms.Judge(member, w.now)
		b.bind(&verdict)
		verdict.Miss(b.isProject)
		if !verdict.Until.IsZero() && (d.until.IsZero() || verdict.Until.Before(d.until)) {
			d.until = verdict.Until
		}
		d.members = append(d.members, judged{member, verdict})
	}
}

// binder puts verdicts to the places where they are bound.
type binder struct {
	*decision

	// home is where organisation roles are bound; "" for nowhere.
	home     string
	projects map[string]struct{}
	wanted   binding.Wanted
	// everywhere is who has a ClusterRole in all projects: mostly all Members, and then one set for all projects.
	everywhere map[string]binding.Subjects
}

func (b *binder) bind(verdict *access.Verdict) {
	if verdict.Subject == nil {
		return
	}
	if b.home != "" {
		for _, role := range verdict.Home {
			b.put(binding.Place{Namespace: b.home, ClusterRole: role.ClusterRole()}, *verdict.Subject)
		}
	}
	for _, grant := range verdict.Grants {
		b.grant(grant, *verdict.Subject)
	}
}

func (b *binder) grant(grant access.Grant, who subject.Subject) {
	clusterRole := b.terms.ClusterRole(grant.KubernetesRole)
	if _, unbound := b.unbound[clusterRole]; clusterRole == "" || unbound {
		return
	}
	if grant.Projects.All() {
		if b.everywhere[clusterRole] == nil {
			b.everywhere[clusterRole] = binding.Subjects{}
		}
		b.everywhere[clusterRole].Add(who)
		return
	}
	for _, project := range grant.Projects {
		if b.isProject(project) {
			b.put(binding.Place{Namespace: string(project), ClusterRole: clusterRole}, who)
		}
	}
}

func (b *binder) isProject(name enrolv1alpha1.Project) bool {
	_, open := b.projects[string(name)]
	return open
}

func (b *binder) put(place binding.Place, who subject.Subject) {
	if b.wanted[place] == nil {
		b.wanted[place] = binding.Subjects{}
	}
	b.wanted[place].Add(who)
}

// spread puts those who are everywhere into every project.
func (b *binder) spread() {
	for clusterRole, subjects := range b.everywhere {
		for project := range b.projects {
			place := binding.Place{Namespace: project, ClusterRole: clusterRole}
			if b.wanted[place] == nil {
				b.wanted[place] = subjects
				continue
			}
			for who := range subjects {
				b.wanted[place].Add(who)
			}
		}
	}
}

// openProjects are the namespaces in which access may be bound. A label on a namespace that must never be a project
// is a problem; a namespace that is going away is not.
func (d *decision) openProjects(w *world, s settings) map[string]struct{} {
	open := make(map[string]struct{}, len(w.projects))
	var protected []string
	for i := range w.projects {
		namespace := &w.projects[i]
		switch {
		case access.Protected(namespace, s.namespace) || namespace.Name == w.organisation.HomeNamespace():
			protected = append(protected, namespace.Name)
		case namespace.DeletionTimestamp.IsZero():
			open[namespace.Name] = struct{}{}
		}
	}
	if len(protected) > 0 {
		slices.Sort(protected)
		d.problems = append(d.problems, problem{enrolv1alpha1.ReasonNamespaceProtected, fmt.Sprintf(
			"these namespaces must not be projects, and nothing is bound in them: %s", strings.Join(protected, ", "))})
	}
	return open
}

// severity orders the reasons of an Organisation's Stalled: what concerns more of it comes first.
var severity = []string{
	enrolv1alpha1.ReasonSlugTaken, enrolv1alpha1.ReasonNamespaceNotOurs, enrolv1alpha1.ReasonPoliciesMissing,
	enrolv1alpha1.ReasonInstallationOutdated, enrolv1alpha1.ReasonSubjectRefused,
	enrolv1alpha1.ReasonBindNotAllowed, enrolv1alpha1.ReasonClusterRoleMissing, enrolv1alpha1.ReasonBindingNotOurs,
	enrolv1alpha1.ReasonNamespaceProtected,
}

// maxProblems bounds how many problems a message names.
const maxProblems = 10

// state is what the Organisation's conditions say after its bindings were written, with that outcome.
func (d *decision) state(suspended bool, o *outcome, failure error) condition.State {
	problems := slices.Concat(d.problems, o.problems)
	slices.SortFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(slices.Index(severity, a.reason), slices.Index(severity, b.reason)),
			cmp.Compare(a.message, b.message))
	})
	problems = slices.Compact(problems)
	switch {
	case len(problems) > 0:
		var messages []string
		for _, p := range problems[:min(len(problems), maxProblems)] {
			messages = append(messages, p.message)
		}
		if more := len(problems) - maxProblems; more > 0 {
			messages = append(messages, fmt.Sprintf("%d more", more))
		}
		return condition.Stalled(problems[0].reason, strings.Join(messages, "; "))
	case failure != nil:
		return condition.InProgress(enrolv1alpha1.ReasonProgressing, failure.Error())
	case o.held != "":
		return condition.InProgress(enrolv1alpha1.ReasonProgressing, o.held)
	case d.home == homeTerminating:
		return condition.InProgress(enrolv1alpha1.ReasonNamespaceTerminating,
			"the home namespace is being deleted, and is made again when it has gone")
	case suspended:
		return condition.Ready(enrolv1alpha1.ReasonSuspended, "no access: the Organisation is suspended")
	default:
		return condition.Ready(enrolv1alpha1.ReasonReconciled, "the access that the Organisation gives stands")
	}
}

// status is the Organisation's status with that state.
func (d *decision) status(w *world, state condition.State, bindings int) enrolv1alpha1.OrganisationStatus {
	organisation := w.organisation
	status := *organisation.Status.DeepCopy()
	if status.ObservedGeneration != organisation.Generation {
		status.LastUpdateTime = &metav1.Time{Time: w.now}
	}
	status.ObservedGeneration = organisation.Generation
	if !state.Holds(status.Conditions, organisation.Generation) {
		status.Conditions = state.Set(status.Conditions, organisation.Generation, w.now)
	}
	status.Slug = organisation.Slug()
	if state.Reason == enrolv1alpha1.ReasonSlugTaken {
		status.Slug = ""
	}
	status.Namespace = organisation.HomeNamespace()
	if d.home == homeForeign || d.home == homeTerminating {
		status.Namespace = ""
	}
	status.Members = int32(len(d.members))
	status.Invitations = int32(w.invitations)
	status.Projects = int32(d.projects)
	status.Bindings = int32(bindings)
	return status
}

// explain is what a Member's conditions say: the verdict, unless something it promises could not be bound.
func (d *decision) explain(j *judged, o *outcome) condition.State {
	state := j.verdict.State
	if j.verdict.Subject == nil || !state.IsReady() {
		return state
	}
	if kept, ok := o.kept[*j.verdict.Subject]; ok {
		return kept
	}
	for _, grant := range j.verdict.Grants {
		if p, ok := d.unbound[d.terms.ClusterRole(grant.KubernetesRole)]; ok && len(grant.Projects) > 0 {
			return p.state()
		}
	}
	return state
}
