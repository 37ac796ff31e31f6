package invitation

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/naming"
)

// carryOut makes what was accepted. What is made gives no access until the acceptance is recorded as carried out, or is
// the last thing that is made: whenever this stops half-way, it goes on from there.
func (d *decision) carryOut(w *world, s *Settings) {
	if state, ok := w.outOfForce(); ok {
		d.say(w, state)
		return
	}
	if w.stands(s) {
		if member := w.membership(); member != nil {
			d.status.Member = &enrolv1alpha1.MemberReference{Name: member.Name, UID: string(member.UID)}
		}
		d.finish(w, s, enrolv1alpha1.InvitationAccepted)
		d.event(enrolv1alpha1.ReasonAccepted, string(d.status.AcceptedBy.Username)+" accepted")
		return
	}
	if state, ok := w.refusal(s); ok {
		d.say(w, state)
		d.wakeAt(w.now.Add(recheck))
		return
	}
	if made := w.promised(); made != nil && w.membership() == nil && !w.ended() {
		d.create = append(d.create, made)
	}
	if w.invitation.Spec.Type == enrolv1alpha1.InvitationTransferOwnership {
		if made := w.steppedDown(s); made != nil && len(w.inviterMembers) == 0 {
			d.create = append(d.create, made)
		}
	}
	if w.invitation.Spec.Owns() {
		d.owners = w.ownersAfter(s)
	}
	d.wakeAt(w.now)
}

// stands tells whether what was promised is there, as far as can be told by what is made last. From then on nothing is
// asked and nothing is made again: the inviter may no longer be allowed to grant it, and what somebody removed stays
// removed.
func (w *world) stands(s *Settings) bool {
	i := w.invitation
	if !i.Spec.Owns() {
		return w.membership() != nil || w.ended()
	}
	if i.Spec.Type == enrolv1alpha1.InvitationTransferOwnership {
		inviter := s.inviter(i)
		return w.owns(w.accepter()) && (!w.owns(inviter) || inviter == w.accepter())
	}
	return w.owns(w.accepter())
}

// ended tells whether the Member that the Invitation promises was made, and somebody has set an end to it that has passed: it is not
// made again.
func (w *world) ended() bool {
	return slices.ContainsFunc(w.lapsed, func(m *enrolv1alpha1.Member) bool {
		return m.Annotations[enrolv1alpha1.AnnotationInvitation] == string(w.invitation.UID)
	})
}

func (w *world) accepter() string { return string(w.invitation.Status.AcceptedBy.Username) }

// membership is the Member that the person is: one that is there already stays as it is. Nil for none.
func (w *world) membership() *enrolv1alpha1.Member {
	if len(w.members) == 0 {
		return nil
	}
	promised := w.promised()
	for _, m := range w.members {
		if promised != nil && m.Name == promised.Name {
			return m
		}
	}
	return w.members[0]
}

// refusal says why what was accepted must not be made.
func (w *world) refusal(s *Settings) (condition.State, bool) {
	i := w.invitation
	if err := invitation.CheckDomain(i.Spec.Email, w.policy()); err != nil {
		return condition.Stalled(enrolv1alpha1.ReasonDomainNotAllowed, "accepted, and not carried out: "+err.Error()), true
	}
	if state, ok := w.ownershipObstacle(s); ok {
		return state, true
	}
	if w.review != nil && len(w.review.missing) > 0 {
		return condition.Stalled(enrolv1alpha1.ReasonInviterMayNotGrant, fmt.Sprintf(
			"accepted, and not carried out: %s must hold the verb grant on %s in namespace %s",
			i.Spec.InvitedBy.Username, strings.Join(w.review.missing, ", "), i.Namespace)), true
	}
	return condition.State{}, false
}

// promised is the Member that the Invitation promises, nil for none. It gives nothing until it is resumed.
func (w *world) promised() *enrolv1alpha1.Member {
	i, by := w.invitation, w.invitation.Status.AcceptedBy
	roles, makes := i.Spec.MemberRoles()
	if !makes || by == nil {
		return nil
	}
	return w.member(enrolv1alpha1.MemberSpec{
		Username: by.Username, Email: i.Spec.Email,
		Roles: roles, KubernetesRole: i.Spec.KubernetesRole, Projects: i.Spec.Projects, Groups: i.Spec.Groups,
	})
}

// steppedDown is the Member that an owner becomes who hands ownership over.
func (w *world) steppedDown(s *Settings) *enrolv1alpha1.Member {
	inviter := s.inviter(w.invitation)
	if inviter == w.accepter() {
		return nil
	}
	spec := enrolv1alpha1.MemberSpec{
		Username: enrolv1alpha1.Username(inviter), Email: w.invitation.Spec.InvitedBy.Email,
		Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}, Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
	}
	return w.member(spec)
}

func (w *world) member(spec enrolv1alpha1.MemberSpec) *enrolv1alpha1.Member {
	spec.InvitedBy = w.invitation.Spec.InvitedBy.DeepCopy()
	spec.Suspend = true
	// An existing membership is never changed, an expired one neither: somebody decided when it should end, perhaps in Git.
	// So there is another one beside it, and of one username and Invitation still only one.
	names := w.names(spec.Username)
	name := names[0]
	if slices.ContainsFunc(w.lapsed, func(m *enrolv1alpha1.Member) bool { return m.Name == name }) {
		name = names[1]
	}
	return &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: w.invitation.Namespace,
			Annotations: map[string]string{enrolv1alpha1.AnnotationInvitation: string(w.invitation.UID)},
		},
		Spec: spec,
	}
}

// names of a Member for somebody: the person's, and the one that serves while an expired Member has that.
func (w *world) names(username enrolv1alpha1.Username) []string {
	return []string{naming.Member(string(username)), naming.Member(fmt.Sprintf("%s\n%s", username, w.invitation.UID))}
}

// ownersAfter are the owners once the Invitation is carried out.
func (w *world) ownersAfter(s *Settings) []enrolv1alpha1.Owner {
	by := w.invitation.Status.AcceptedBy
	owners := slices.Clone(w.organisation.Spec.Owners)
	if w.invitation.Spec.Type == enrolv1alpha1.InvitationTransferOwnership && s.inviter(w.invitation) != w.accepter() {
		owners = slices.DeleteFunc(owners, func(o enrolv1alpha1.Owner) bool {
			return string(o.Username) == s.inviter(w.invitation)
		})
	}
	if !slices.ContainsFunc(owners, func(o enrolv1alpha1.Owner) bool { return o.Username == by.Username }) {
		owners = append(owners, enrolv1alpha1.Owner{Username: by.Username, Email: by.Email})
	}
	return owners
}

// toResume are the Members that this Invitation made and that nobody has touched since: one that says anything else
// than what was promised is somebody else's business.
func (w *world) toResume(s *Settings) []*enrolv1alpha1.Member {
	var resumed []*enrolv1alpha1.Member
	find := func(made *enrolv1alpha1.Member, among []*enrolv1alpha1.Member) {
		if made == nil {
			return
		}
		for _, m := range among {
			ours := slices.Contains(w.names(made.Spec.Username), m.Name) &&
				m.Annotations[enrolv1alpha1.AnnotationInvitation] == string(w.invitation.UID)
			if ours && m.Generation == 1 && equality.Semantic.DeepEqual(m.Spec, made.Spec) {
				resumed = append(resumed, m)
			}
		}
	}
	if w.invitation.Status.AcceptedBy == nil || w.organisation == nil {
		return nil
	}
	find(w.promised(), w.members)
	if w.invitation.Spec.Type == enrolv1alpha1.InvitationTransferOwnership {
		find(w.steppedDown(s), w.inviterMembers)
	}
	return resumed
}
