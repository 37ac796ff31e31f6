package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

// Grant is a Kubernetes role in some projects.
type Grant struct {
	KubernetesRole enrolv1alpha1.KubernetesRole
	Projects       enrolv1alpha1.Projects
}

// Verdict is what a Member, or an owner, gets.
type Verdict struct {
	// Subject is nil when nobody is bound.
	Subject *subject.Subject
	// Home lists the built-in roles whose ClusterRoles are bound in the home namespace.
	Home []enrolv1alpha1.RoleName
	// Grants are bound in projects. The first is the Member's own, further ones come by way of groups.
	Grants []Grant
	// State is what the Member's conditions say.
	State condition.State
	// Until is when the verdict changes by itself; zero: never.
	Until time.Time
}

// KubernetesRole is the highest that is granted in the Member's own projects.
func (v *Verdict) KubernetesRole() enrolv1alpha1.KubernetesRole {
	if len(v.Grants) == 0 {
		return enrolv1alpha1.KubernetesRoleNone
	}
	return v.Grants[0].KubernetesRole
}

func nobody(state condition.State) Verdict { return Verdict{State: state} }

// OrganisationMissing is the verdict on Members that have no Organisation. It is in progress and not stalled: a tool
// that applies Members before their Organisation only has to wait.
func OrganisationMissing() Verdict {
	return nobody(condition.InProgress(enrolv1alpha1.ReasonOrganisationMissing,
		"there is no Organisation of this namespace"))
}

// OrganisationStalled is the verdict on Members of an Organisation that is refused as a whole.
func OrganisationStalled(message string) Verdict {
	return nobody(condition.Stalled(enrolv1alpha1.ReasonOrganisationStalled, message))
}

// Owner is what an owner gets.
func (t *Terms) Owner(owner enrolv1alpha1.Owner) Verdict {
	if t.organisation.Spec.Suspend {
		return nobody(organisationSuspended)
	}
	who, err := t.naming.User(string(owner.Username))
	if err != nil {
		return nobody(condition.Stalled(enrolv1alpha1.ReasonSubjectRefused, "owner: "+err.Error()))
	}
	return Verdict{
		Subject: &who,
		Home:    []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner},
		Grants: []Grant{{
			KubernetesRole: t.roles[enrolv1alpha1.RoleOwner].kubernetes,
			Projects:       enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		}},
	}
}

var (
	organisationSuspended = condition.Ready(enrolv1alpha1.ReasonOrganisationSuspended,
		"no access: the Organisation is suspended")
	suspended      = condition.Ready(enrolv1alpha1.ReasonSuspended, "no access: the Member is suspended")
	awaitingSignIn = condition.Ready(enrolv1alpha1.ReasonAwaitingSignIn,
		"no access yet: no username is known for the address until its holder has signed in")
)

// Judge says what a Member gets at a time.
func (t *Terms) Judge(member *enrolv1alpha1.Member, now time.Time) Verdict {
	spec := &member.Spec
	expires := spec.ExpireTime != nil
	switch {
	case t.organisation.Spec.Suspend:
		return nobody(organisationSuspended)
	case spec.Suspend:
		return nobody(suspended)
	case member.Expired(now):
		return nobody(condition.Ready(enrolv1alpha1.ReasonExpired,
			"no access: the membership expired at "+spec.ExpireTime.UTC().Format(time.RFC3339)))
	}
	who, err := t.subjectOf(member)
	if err != nil {
		return nobody(condition.Stalled(enrolv1alpha1.ReasonSubjectRefused, "no access: "+err.Error()))
	}
	verdict := t.rights(spec)
	if who == nil {
		verdict = nobody(awaitingSignIn)
	}
	verdict.Subject = who
	if expires {
		verdict.Until = spec.ExpireTime.Time
	}
	return verdict
}

// subjectOf is nil while no username is known.
func (t *Terms) subjectOf(member *enrolv1alpha1.Member) (*subject.Subject, error) {
	var (
		who subject.Subject
		err error
	)
	spec, status := &member.Spec, &member.Status
	person := spec.Username != "" || spec.Email != ""
	switch {
	case person == (spec.Group != ""):
		return nil, errors.New("the Member must name either a person or a group")
	case spec.Group != "":
		who, err = t.naming.Group(string(spec.Group))
	case spec.Username != "":
		who, err = t.naming.User(string(spec.Username))
	case status.Username != "" && status.UsernameEmail == spec.Email:
		who, err = t.naming.User(string(status.Username))
	case t.naming.EmailIsUsername:
		who, err = t.naming.User(string(spec.Email))
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &who, nil
}

// rights are those of the roles and groups that the Organisation knows. A name that it does not know gives nothing
// and stalls the Member, while the known ones go on: rights add up.
func (t *Terms) rights(spec *enrolv1alpha1.MemberSpec) Verdict {
	names := spec.Roles
	if len(names) == 0 {
		names = []enrolv1alpha1.RoleName{t.DefaultRole()}
	}
	var (
		v       Verdict
		highest enrolv1alpha1.KubernetesRole
		unknown []string
		reason  string
	)
	for _, name := range names {
		known, ok := t.roles[name]
		if !ok || name == enrolv1alpha1.RoleOwner {
			reason = enrolv1alpha1.ReasonUnknownRole
			unknown = append(unknown, fmt.Sprintf("role %q", name))
			continue
		}
		v.Home = append(v.Home, known.home)
		if known.kubernetes.Rank() > highest.Rank() {
			highest = known.kubernetes
		}
	}
	if spec.KubernetesRole != nil {
		highest = spec.KubernetesRole.Known()
	}
	v.Grants = append(make([]Grant, 0, 1+len(spec.Groups)), Grant{KubernetesRole: highest, Projects: spec.Projects})
	for _, name := range spec.Groups {
		group, ok := t.groups[name]
		if !ok {
			if reason == "" {
				reason = enrolv1alpha1.ReasonUnknownGroup
			}
			unknown = append(unknown, fmt.Sprintf("group %q", name))
			continue
		}
		v.Grants = append(v.Grants, Grant{KubernetesRole: group.KubernetesRole.Known(), Projects: group.Projects})
	}
	if len(unknown) > 0 {
		v.State = condition.Stalled(reason, fmt.Sprintf(
			"the Organisation has no %s, and that gives nothing: %s", strings.Join(unknown, ", no "), t.known(reason)))
		return v
	}
	v.State = t.explain(spec, v.Grants)
	return v
}

// known says in words what there is instead of an unknown role or group.
func (t *Terms) known(reason string) string {
	if reason == enrolv1alpha1.ReasonUnknownGroup {
		if len(t.groups) == 0 {
			return "it has no groups"
		}
		return "its groups are " + some(slices.Sorted(maps.Keys(t.groups)))
	}
	roles := slices.DeleteFunc(slices.Sorted(maps.Keys(t.roles)), func(name enrolv1alpha1.RoleName) bool {
		return name == enrolv1alpha1.RoleOwner
	})
	return "its roles are " + some(roles)
}

// DefaultRole is the role of whoever has none.
func (t *Terms) DefaultRole() enrolv1alpha1.RoleName {
	if t.organisation.Spec.DefaultRole == "" {
		return enrolv1alpha1.RoleViewer
	}
	return t.organisation.Spec.DefaultRole
}

// explain says in words what is granted. It names no project that the spec does not name: one project more must not
// rewrite the status of every Member.
func (t *Terms) explain(spec *enrolv1alpha1.MemberSpec, grants []Grant) condition.State {
	var byGroup []string
	for i, name := range spec.Groups {
		if grant := grants[i+1]; grant.KubernetesRole != "" && len(grant.Projects) > 0 {
			byGroup = append(byGroup, fmt.Sprintf("%s in %s by group %s", grant.KubernetesRole, places(grant.Projects), name))
		}
	}
	own := grants[0]
	switch {
	case own.KubernetesRole != "" && len(own.Projects) > 0:
		first := string(own.KubernetesRole) + " in " + places(own.Projects)
		return condition.Ready(enrolv1alpha1.ReasonGranted, strings.Join(append([]string{first}, byGroup...), "; "))
	case len(byGroup) > 0:
		return condition.Ready(enrolv1alpha1.ReasonGranted, strings.Join(byGroup, "; "))
	case own.KubernetesRole == "":
		return condition.Ready(enrolv1alpha1.ReasonNoKubernetesRole,
			"organisation roles only: the Member has no Kubernetes role")
	default:
		return condition.Ready(enrolv1alpha1.ReasonNoProjects, fmt.Sprintf(
			`organisation roles only: %s holds in no project, since the Member names none; all are projects: ["*"]`,
			own.KubernetesRole))
	}
}

// Miss has a verdict say which of the projects that the Member names are none, by a missing label or a slip of the pen.
// Only where all that is granted is granted there does it change the reason: nothing is bound then.
func (v *Verdict) Miss(isProject func(enrolv1alpha1.Project) bool) {
	if v.State.Reason != enrolv1alpha1.ReasonGranted {
		return
	}
	var missed []enrolv1alpha1.Project
	somewhere := false
	for _, grant := range v.Grants {
		for _, project := range grant.Projects {
			switch {
			case grant.KubernetesRole == "":
			case project == enrolv1alpha1.AllProjects || isProject(project):
				somewhere = true
			default:
				missed = append(missed, project)
			}
		}
	}
	if len(missed) == 0 {
		return
	}
	slices.Sort(missed)
	none := "no project of the Organisation is named " + some(slices.Compact(missed))
	if somewhere {
		v.State.Message += "; but " + none
		return
	}
	v.State = condition.Ready(enrolv1alpha1.ReasonNoProjects, "organisation roles only: "+none)
}

func places(projects enrolv1alpha1.Projects) string {
	if projects.All() {
		return "all projects"
	}
	return some(projects)
}

// maxNamed bounds how many projects, roles or groups a message names.
const maxNamed = 8

func some[T ~string](all []T) string {
	names := make([]string, 0, maxNamed+1)
	for i, name := range all {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("%d more", len(all)-maxNamed))
			break
		}
		names = append(names, string(name))
	}
	return strings.Join(names, ", ")
}
