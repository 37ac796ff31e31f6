package organisation

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/binding"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	gone = &metav1.Time{Time: now}
)

// newWorld is Organisation acme with its home namespace, project web, owner ada and developer jane.
func newWorld(changes ...func(*world)) *world {
	organisation := enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "1", Generation: 1, CreationTimestamp: *gone},
		Spec:       enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: "ada"}}},
	}
	w := &world{
		name:         "acme",
		organisation: &organisation,
		home: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name:        "org-acme",
			Labels:      map[string]string{enrolv1alpha1.LabelHomeOf: "acme"},
			Annotations: map[string]string{enrolv1alpha1.AnnotationOrganisationUID: "1"},
		}},
		projects: []corev1.Namespace{project("web")},
		members:  []enrolv1alpha1.Member{newMember("jane", "developer", "*")},
		now:      now,
	}
	for _, change := range changes {
		change(w)
	}
	if w.organisation != nil {
		w.rivals = append(w.rivals, *w.organisation)
	}
	return w
}

func project(name string) corev1.Namespace {
	return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{enrolv1alpha1.LabelOrganisation: "acme"},
	}}
}

func newMember(name string, role enrolv1alpha1.RoleName, projects ...enrolv1alpha1.Project) enrolv1alpha1.Member {
	return enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "org-acme", UID: types.UID(name), Generation: 1},
		Spec: enrolv1alpha1.MemberSpec{
			Username: enrolv1alpha1.Username(name), Roles: []enrolv1alpha1.RoleName{role}, Projects: projects,
		},
	}
}

// bound is a RoleBinding as an earlier pass left it.
func bound(namespace, clusterRole string, names ...string) rbacv1.RoleBinding {
	var subjects []subject.Subject
	for _, name := range names {
		subjects = append(subjects, subject.Subject{Kind: rbacv1.UserKind, Name: name})
	}
	owner := binding.Owner{Name: "acme", UID: "1"}
	return *owner.Object(binding.Place{Namespace: namespace, ClusterRole: clusterRole}, 0, subjects)
}

// everything is what stands in newWorld after a pass.
var everything = []string{
	"org-acme enrol:developer jane", "org-acme enrol:owner ada", "web cluster-admin ada", "web edit jane",
}

// result is a decision in short.
type result struct {
	home homeState
	// writes are the place and the subjects afterwards of every write.
	writes   []string
	problems []string
	members  map[string]string
	projects int
}

func short(d *decision) result {
	r := result{home: d.home, projects: d.projects, members: map[string]string{}}
	for _, writes := range d.plan {
		for i := range writes {
			line := writes[i].Place.Namespace + " " + writes[i].Place.ClusterRole
			for _, s := range writes[i].Subjects {
				line += " " + s.Name
			}
			r.writes = append(r.writes, line)
		}
	}
	for _, p := range d.problems {
		r.problems = append(r.problems, p.reason)
	}
	for _, j := range d.members {
		r.members[j.member.Name] = j.verdict.State.Reason
	}
	return r
}

func TestDecide(t *testing.T) {
	older := enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: "older", UID: "0", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))},
	}
	granted := map[string]string{"jane": "Granted"}
	cases := map[string]struct {
		reason string
		change func(*world)
		want   result
	}{
		"Plain": {
			reason: "organisation roles at home, Kubernetes roles in projects",
			change: func(*world) {},
			want:   result{home: homeOurs, writes: everything, members: granted, projects: 1},
		},
		"Stands": {
			reason: "at rest nothing is written",
			change: func(w *world) {
				w.bindings = []rbacv1.RoleBinding{
					bound("org-acme", "enrol:developer", "jane"), bound("org-acme", "enrol:owner", "ada"),
					bound("web", "cluster-admin", "ada"), bound("web", "edit", "jane"),
				}
			},
			want: result{home: homeOurs, members: granted, projects: 1},
		},
		"HomeMissing": {
			reason: "the home namespace is made, and bound in at once",
			change: func(w *world) { w.home, w.members = nil, nil },
			want: result{home: homeMissing, writes: []string{"org-acme enrol:owner ada", "web cluster-admin ada"},
				members: map[string]string{}, projects: 1},
		},
		"HomeUnclaimed": {
			reason: "one that was made for the Organisation is taken over",
			change: func(w *world) { w.home.Annotations = nil },
			want:   result{home: homeUnclaimed, writes: everything, members: granted, projects: 1},
		},
		"HomeTerminating": {
			reason: "nothing is bound in what goes away, and its Members, perhaps an earlier Organisation's, go with it",
			change: func(w *world) { w.home.DeletionTimestamp = gone },
			want: result{home: homeTerminating, writes: []string{"web cluster-admin ada"},
				members: map[string]string{}, projects: 1},
		},
		"HomeForeign": {
			reason: "what is somebody else's is not touched, and nothing is bound anywhere",
			change: func(w *world) {
				w.home.Labels = nil
				w.bindings = []rbacv1.RoleBinding{bound("org-acme", "enrol:owner", "eve"), bound("web", "edit", "jane")}
			},
			want: result{home: homeForeign, writes: []string{"web edit"}, problems: []string{"NamespaceNotOurs"},
				members: map[string]string{}},
		},
		"HomeOfEarlier": {
			reason: "an earlier Organisation of the name left it: its Members are not inherited",
			change: func(w *world) { w.home.Annotations[enrolv1alpha1.AnnotationOrganisationUID] = "0" },
			want:   result{home: homeForeign, problems: []string{"NamespaceNotOurs"}, members: map[string]string{}},
		},
		"SlugTaken": {
			reason: "the older one keeps the slug, the younger gets nothing",
			change: func(w *world) {
				w.rivals = append(w.rivals, older)
				w.bindings = []rbacv1.RoleBinding{bound("web", "edit", "jane")}
			},
			want: result{home: homeOurs, writes: []string{"web edit"}, problems: []string{"SlugTaken"},
				members: map[string]string{"jane": "OrganisationStalled"}},
		},
		"SlugTakenBySameAge": {
			reason: "of two of an age the first by name keeps it",
			change: func(w *world) {
				rival := older
				rival.Name, rival.CreationTimestamp = "acm", *gone
				w.rivals = append(w.rivals, rival)
			},
			want: result{home: homeOurs, problems: []string{"SlugTaken"},
				members: map[string]string{"jane": "OrganisationStalled"}},
		},
		"Gone": {
			reason: "without an Organisation all bindings go, wherever they are",
			change: func(w *world) {
				w.organisation, w.projects = nil, nil
				w.bindings = []rbacv1.RoleBinding{bound("web", "edit", "jane"), bound("org-acme", "enrol:owner", "ada")}
			},
			want: result{home: homeOurs, writes: []string{"org-acme enrol:owner", "web edit"},
				members: map[string]string{"jane": "OrganisationMissing"}},
		},
		"Suspended": {
			reason: "all bindings are withdrawn",
			change: func(w *world) {
				w.organisation.Spec.Suspend = true
				w.bindings = []rbacv1.RoleBinding{bound("web", "cluster-admin", "ada"), bound("web", "edit", "jane")}
			},
			want: result{home: homeOurs, writes: []string{"web cluster-admin", "web edit"},
				members: map[string]string{"jane": "OrganisationSuspended"}, projects: 1},
		},
		"MemberGoing": {
			reason: "who is being deleted counts as gone, whatever finalizer holds it",
			change: func(w *world) { w.members[0].DeletionTimestamp = gone },
			want: result{home: homeOurs, writes: []string{"org-acme enrol:owner ada", "web cluster-admin ada"},
				members: map[string]string{}, projects: 1},
		},
		"ProjectGoing": {
			reason: "nothing is bound in what goes away",
			change: func(w *world) { w.projects[0].DeletionTimestamp = gone },
			want: result{home: homeOurs, writes: []string{"org-acme enrol:developer jane", "org-acme enrol:owner ada"},
				members: granted},
		},
		"NamedProjects": {
			reason: "only where named, and only where the namespace is the Organisation's",
			change: func(w *world) {
				w.projects = append(w.projects, project("data"))
				w.members[0].Spec.Projects = enrolv1alpha1.Projects{"data", "elsewhere"}
			},
			want: result{home: homeOurs, writes: []string{
				"data cluster-admin ada", "data edit jane", "org-acme enrol:developer jane",
				"org-acme enrol:owner ada", "web cluster-admin ada",
			}, members: granted, projects: 2},
		},
		"Protected": {
			reason: "never bound, whatever a label says",
			change: func(w *world) {
				for _, name := range []string{"kube-system", "kube-anything", "default", "enrol-system"} {
					w.projects = append(w.projects, project(name))
				}
				other := project("org-other")
				other.Labels[enrolv1alpha1.LabelHomeOf] = "other"
				w.projects = append(w.projects, other)
			},
			want: result{home: homeOurs, writes: everything, problems: []string{"NamespaceProtected"},
				members: granted, projects: 1},
		},
		"HomeAsProject": {
			reason: "who is cluster-admin at home could write memberships",
			change: func(w *world) {
				w.home.Labels[enrolv1alpha1.LabelOrganisation] = "acme"
				w.projects = append(w.projects, *w.home)
			},
			want: result{home: homeOurs, writes: everything, problems: []string{"NamespaceProtected"},
				members: granted, projects: 1},
		},
		"Remapped": {
			reason: "another ClusterRole in its place",
			change: func(w *world) {
				w.organisation.Spec.KubernetesRoles = []enrolv1alpha1.KubernetesRoleMapping{{Name: "edit", ClusterRole: "team"}}
			},
			want: result{home: homeOurs, writes: []string{
				"org-acme enrol:developer jane", "org-acme enrol:owner ada", "web cluster-admin ada", "web team jane",
			}, members: granted, projects: 1},
		},
		"ClusterRoleMissing": {
			reason: "a ClusterRole that is not there is not bound; the others are",
			change: func(w *world) {
				w.organisation.Spec.KubernetesRoles = []enrolv1alpha1.KubernetesRoleMapping{{Name: "edit", ClusterRole: "team"}}
				w.missing = []string{"team"}
			},
			want: result{home: homeOurs, writes: []string{
				"org-acme enrol:developer jane", "org-acme enrol:owner ada", "web cluster-admin ada",
			}, problems: []string{"ClusterRoleMissing"}, members: granted, projects: 1},
		},
		"PlantedOwner": {
			reason: "an owner that got past the rules is not bound, and the Organisation says so",
			change: func(w *world) {
				w.organisation.Spec.Owners = append(w.organisation.Spec.Owners, enrolv1alpha1.Owner{Username: "system:masters"})
			},
			want: result{home: homeOurs, writes: everything, problems: []string{"SubjectRefused"},
				members: granted, projects: 1},
		},
		"NoSuchProject": {
			reason: "a project that is none gives nothing, and the Member does not say that it does",
			change: func(w *world) { w.members[0].Spec.Projects = enrolv1alpha1.Projects{"wob"} },
			want: result{home: homeOurs, writes: []string{
				"org-acme enrol:developer jane", "org-acme enrol:owner ada", "web cluster-admin ada",
			}, members: map[string]string{"jane": "NoProjects"}, projects: 1},
		},
		"RightsAddUp": {
			reason: "several Members for one person",
			change: func(w *world) {
				second := newMember("jane-too", "viewer", "*")
				second.Spec.Username = "jane"
				w.members = append(w.members, second)
			},
			want: result{home: homeOurs, writes: []string{
				"org-acme enrol:developer jane", "org-acme enrol:owner ada", "org-acme enrol:viewer jane",
				"web cluster-admin ada", "web edit jane", "web view jane",
			}, members: map[string]string{"jane": "Granted", "jane-too": "Granted"}, projects: 1},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(newWorld(tc.change), settings{namespace: "enrol-system"})
			if diff := cmp.Diff(tc.want, short(d), cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("%s\ndecide (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTheNextExpiryIsKnown(t *testing.T) {
	w := newWorld(func(w *world) {
		for i, after := range []time.Duration{time.Hour, time.Minute, 24 * time.Hour} {
			m := newMember(string(rune('a'+i)), "viewer")
			m.Spec.ExpireTime = &metav1.Time{Time: now.Add(after)}
			w.members = append(w.members, m)
		}
	})
	d := decide(w, settings{})
	if want := now.Add(time.Minute); !d.until.Equal(want) {
		t.Errorf("until = %s, want %s", d.until, want)
	}
}

func TestWakeUp(t *testing.T) {
	cases := map[string]struct {
		until time.Time
		retry time.Duration
		want  time.Duration
	}{
		"Never":       {time.Time{}, 0, 0},
		"Retry":       {time.Time{}, time.Second, time.Second},
		"Expiry":      {now.Add(time.Minute), 0, time.Minute},
		"ExpiryFirst": {now.Add(time.Second), time.Minute, time.Second},
		"RetryFirst":  {now.Add(time.Minute), time.Second, time.Second},
		"FarAway":     {now.AddDate(400, 0, 0), 0, maxWait},
		"JustPassed":  {now.Add(-time.Second), 0, time.Millisecond},
	}
	for name, tc := range cases {
		if got := wakeUp(now, tc.until, tc.retry); got != tc.want {
			t.Errorf("%s: wakeUp = %s, want %s", name, got, tc.want)
		}
	}
}

func TestState(t *testing.T) {
	failure := errors.New("the API server is away")
	cases := map[string]struct {
		reason    string
		decision  decision
		suspended bool
		outcome   outcome
		failure   error
		want      condition.State
	}{
		"Ready": {"all stands", decision{home: homeOurs}, false, outcome{}, nil,
			condition.Ready("Reconciled", "the access that the Organisation gives stands")},
		"Suspended": {"as asked for", decision{home: homeOurs}, true, outcome{}, nil,
			condition.Ready("Suspended", "no access: the Organisation is suspended")},
		"Worst": {"the worst first, each once",
			decision{problems: []problem{{"NamespaceProtected", "a"}}}, false,
			outcome{problems: []problem{{"BindNotAllowed", "d"}, {"BindingNotOurs", "b"}, {"BindNotAllowed", "c"}, {"BindNotAllowed", "d"}}}, failure,
			condition.Stalled("BindNotAllowed", "c; d; b; a")},
		"Failure": {"tried again", decision{}, false, outcome{held: "later"}, failure,
			condition.InProgress("Progressing", "the API server is away")},
		"Held": {"a binding is held back", decision{}, false, outcome{held: "later"}, nil,
			condition.InProgress("Progressing", "later")},
		"Terminating": {"waits", decision{home: homeTerminating}, false, outcome{}, nil,
			condition.InProgress("NamespaceTerminating",
				"the home namespace is being deleted, and is made again when it has gone")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.decision.state(tc.suspended, &tc.outcome, tc.failure)); diff != "" {
				t.Errorf("%s\nstate (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestEveryReasonHasItsSeverity(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range severity {
		if seen[reason] {
			t.Errorf("%s stands twice", reason)
		}
		seen[reason] = true
	}
	for _, reason := range []string{"SlugTaken", "NamespaceNotOurs", "NamespaceProtected", "BindingNotOurs",
		"ClusterRoleMissing", "BindNotAllowed", "SubjectRefused"} {
		if !seen[reason] {
			t.Errorf("%s has no severity", reason)
		}
	}
}

func TestStatus(t *testing.T) {
	w := newWorld()
	d := decide(w, settings{})
	ready := d.state(false, &outcome{}, nil)
	first := d.status(w, ready, 4)
	want := enrolv1alpha1.OrganisationStatus{
		Conditions: ready.Set(nil, 1, now), ObservedGeneration: 1, LastUpdateTime: gone,
		Slug: "acme", Namespace: "org-acme", Members: 1, Projects: 1, Bindings: 4,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}

	// An hour later nothing has changed, and the status neither.
	w.organisation.Status = first
	w.now = now.Add(time.Hour)
	if diff := cmp.Diff(first, d.status(w, ready, 4)); diff != "" {
		t.Errorf("status an hour later (-want +got):\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	jane := subject.Subject{Kind: rbacv1.UserKind, Name: "jane"}
	terms := access.NewTerms(newWorld().organisation, subject.Naming{})
	blocked := problem{"ClusterRoleMissing", "make it"}
	kept := map[subject.Subject]condition.State{jane: condition.Stalled("BindingNotOurs", "delete it")}
	verdict := func(state condition.State, grants ...access.Grant) access.Verdict {
		return access.Verdict{Subject: &jane, State: state, Grants: grants}
	}
	all := enrolv1alpha1.Projects{"*"}
	cases := map[string]struct {
		reason  string
		unbound map[string]problem
		kept    map[subject.Subject]condition.State
		verdict access.Verdict
		want    string
	}{
		"Fine":         {"", nil, nil, verdict(condition.Ready("Granted", ""), access.Grant{KubernetesRole: "edit", Projects: all}), "Granted"},
		"Blocked":      {"the ClusterRole is not bound", map[string]problem{"edit": blocked}, nil, verdict(condition.Ready("Granted", ""), access.Grant{KubernetesRole: "edit", Projects: all}), "ClusterRoleMissing"},
		"OtherBlocked": {"another is not", map[string]problem{"view": blocked}, nil, verdict(condition.Ready("Granted", ""), access.Grant{KubernetesRole: "edit", Projects: all}), "Granted"},
		"BlockedIdle":  {"it is wanted nowhere", map[string]problem{"edit": blocked}, nil, verdict(condition.Ready("NoProjects", ""), access.Grant{KubernetesRole: "edit"}), "NoProjects"},
		"Foreign":      {"somebody else's binding is in the way", nil, kept, verdict(condition.Ready("Granted", "")), "BindingNotOurs"},
		"Stalled":      {"what stalls the Member itself comes first", nil, kept, verdict(condition.Stalled("UnknownRole", "")), "UnknownRole"},
		"Nobody":       {"nobody is bound anyway", nil, kept, access.Verdict{State: condition.Ready("Suspended", "")}, "Suspended"},
	}
	for name, tc := range cases {
		d := &decision{terms: terms, unbound: tc.unbound}
		if got := d.explain(&judged{verdict: tc.verdict}, &outcome{kept: tc.kept}).Reason; got != tc.want {
			t.Errorf("%s: %s, want %s: %s", name, got, tc.want, tc.reason)
		}
	}
}
