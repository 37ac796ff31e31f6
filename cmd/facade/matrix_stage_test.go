package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// stage is an organisation in which cells are tried.
type stage struct {
	*fixture

	cells   []*cell
	project string
	// owners is held by who may change the owners: all are on one object, and losing a race is another test's concern.
	owners sync.Mutex
}

// play makes an organisation with all that the cells need, and then tries them, several at once.
func play(t *testing.T, cells []*cell) {
	t.Helper()
	s := &stage{cells: cells}
	s.assign(t)
	s.fixture = newOrganisation(t, s.describe)
	s.makeTargets()
	s.settle()
	s.makeCallers()
	s.settle()
	s.awaitFacade()
	before := s.snapshot()
	group, ctx := errgroup.WithContext(t.Context())
	const parallel = 8
	group.SetLimit(parallel)
	for _, c := range cells {
		group.Go(func() error { return s.try(ctx, c) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	s.checkChanges(before)
}

// assign gives the cells their tokens, and the invited ones an invitation of their own.
func (s *stage) assign(t *testing.T) {
	t.Helper()
	tokens, invited := map[string]string{"": ""}, 1
	for _, c := range s.cells {
		who := c.token
		if c.on == theOwner {
			c.person = ada
		}
		if c.caller == invitedCaller && c.on >= anInvitation {
			invited++
			who = fmt.Sprintf("p%d@example.com", invited)
			c.person = who
		}
		if tokens[who] == "" && who != "" {
			tokens[who] = tokenOf(t, who)
		}
		c.token = tokens[who]
	}
}

// describe is the organisation.
func (s *stage) describe(o *enrolv1alpha1.Organisation) {
	o.Spec.Roles = []enrolv1alpha1.Role{{Name: "lead", BasedOn: enrolv1alpha1.RoleDeveloper}}
	o.Spec.Groups = []enrolv1alpha1.Group{{Name: "ops"}}
	o.Spec.Invitations.MaxPer24Hours = new(int32(1000))
	for _, c := range s.cells {
		if c.on == anOwner {
			o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: enrolv1alpha1.Username(c.person)})
		}
	}
}

// makeTargets makes what the cells are about, as the platform team.
func (s *stage) makeTargets() {
	s.Helper()
	namespace := &corev1.Namespace{}
	if err := s.admin.Get(s.Context(), client.ObjectKey{Name: s.fixture.project("web")}, namespace); err != nil {
		s.Fatal(err)
	}
	s.project = string(namespace.UID)
	s.inParallel(func(ctx context.Context, c *cell) error {
		c.member = s.derived("owner/" + c.person)
		if spec := s.memberSpec(c); spec != nil {
			m := &enrolv1alpha1.Member{Spec: *spec}
			err := s.make(ctx, c.person, m)
			c.member = string(m.UID)
			return err
		}
		if spec := invitationSpec(c); spec != nil {
			i := &enrolv1alpha1.Invitation{Spec: *spec}
			err := s.make(ctx, c.person, i)
			c.invitation = string(i.UID)
			return err
		}
		return nil
	})
}

func (s *stage) inParallel(do func(ctx context.Context, c *cell) error) {
	s.Helper()
	group, ctx := errgroup.WithContext(s.Context())
	const parallel = 8
	group.SetLimit(parallel)
	for _, c := range s.cells {
		group.Go(func() error { return do(ctx, c) })
	}
	if err := group.Wait(); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) make(ctx context.Context, person string, object client.Object) error {
	name, _, _ := strings.Cut(person, "@")
	object.SetNamespace(s.home())
	object.SetName(name)
	return s.platform.Create(ctx, object)
}

// memberSpec is the Member that a cell needs; nil for none.
func (s *stage) memberSpec(c *cell) *enrolv1alpha1.MemberSpec {
	spec := &enrolv1alpha1.MemberSpec{
		Username: enrolv1alpha1.Username(c.person), Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
	}
	switch c.on {
	case aViewer:
	case anAdmin:
		spec.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleAdmin}
	case aClusterAdmin:
		spec.KubernetesRole = new(enrolv1alpha1.KubernetesRoleClusterAdmin)
	case aLead:
		spec.Roles = []enrolv1alpha1.RoleName{"lead"}
	case aTeammate:
		spec.Groups = []enrolv1alpha1.GroupName{"ops"}
	case aGuest:
		spec.Projects = enrolv1alpha1.Projects{enrolv1alpha1.Project(s.fixture.project("data"))}
	default:
		return nil
	}
	return spec
}

// invitationSpec is the Invitation that a cell needs, from the owner; nil for none.
func invitationSpec(c *cell) *enrolv1alpha1.InvitationSpec {
	spec := invitationTo(c.person)
	switch c.on {
	case anInvitation:
	case anOwnership:
		spec.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}
	case aTransfer:
		spec.Roles, spec.Type = nil, enrolv1alpha1.InvitationTransferOwnership
	default:
		return nil
	}
	return spec
}

func invitationTo(person string) *enrolv1alpha1.InvitationSpec {
	return &enrolv1alpha1.InvitationSpec{
		Email: enrolv1alpha1.Email(person), Roles: []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
		Type: enrolv1alpha1.InvitationJoin, SendEmail: new(false),
		Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}, InvitedBy: enrolv1alpha1.Inviter{Username: ada},
	}
}

// makeCallers makes members of the callers that are some, and invites who is invited. They come last, so that whoever has
// seen them has seen the rest.
func (s *stage) makeCallers() {
	s.Helper()
	s.sendLongAgo()
	for _, member := range []struct {
		person string
		role   enrolv1alpha1.RoleName
	}{
		{jane, enrolv1alpha1.RoleAdmin}, {joe, enrolv1alpha1.RoleDeveloper}, {kim, enrolv1alpha1.RoleBillingAdmin},
		{maxim, enrolv1alpha1.RoleViewer}, {p0, "lead"},
	} {
		err := s.make(s.Context(), member.person, &enrolv1alpha1.Member{Spec: enrolv1alpha1.MemberSpec{
			Username: enrolv1alpha1.Username(member.person), Roles: []enrolv1alpha1.RoleName{member.role},
		}})
		if err != nil {
			s.Fatal(err)
		}
	}
	if err := s.make(s.Context(), p1, &enrolv1alpha1.Invitation{Spec: *invitationTo(p1)}); err != nil {
		s.Fatal(err)
	}
	namespace, name, _ := strings.Cut(adminAccount, "/")
	err := s.admin.Create(s.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.home(), Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "enrol:admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	})
	if err != nil {
		s.Fatal(err)
	}
}

// sendLongAgo has the invitations sent an hour ago: within a minute, nobody may send one again.
func (s *stage) sendLongAgo() {
	s.Helper()
	patch := []byte(`{"status": {"sendTime": "` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `"}}`)
	s.inParallel(func(ctx context.Context, c *cell) error {
		if c.invitation == "" {
			return nil
		}
		name, _, _ := strings.Cut(c.person, "@")
		i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Namespace: s.home(), Name: name}}
		return s.admin.Status().Patch(ctx, i, client.RawPatch("application/merge-patch+json", patch))
	})
}

// settle waits until the operator has said all that it has to say.
func (s *stage) settle() {
	s.Helper()
	s.eventually(func() error {
		members, invitations := s.list()
		for i := range members {
			m := &members[i]
			if !meta.IsStatusConditionTrue(m.Status.Conditions, enrolv1alpha1.ConditionReady) || m.Status.ObservedGeneration != m.Generation {
				return fmt.Errorf("member %s does not have its rights yet: %+v", m.Name, m.Status)
			}
		}
		for i := range invitations {
			if v := &invitations[i]; v.Status.ExpireTime == nil || v.Status.ObservedGeneration != v.Generation {
				return fmt.Errorf("invitation %s has no status yet", v.Name)
			}
		}
		return nil
	})
}

func (s *stage) list() ([]enrolv1alpha1.Member, []enrolv1alpha1.Invitation) {
	s.Helper()
	var (
		members     enrolv1alpha1.MemberList
		invitations enrolv1alpha1.InvitationList
	)
	for _, list := range []client.ObjectList{&members, &invitations} {
		if err := s.admin.List(s.Context(), list, client.InNamespace(s.home())); err != nil {
			s.Fatal(err)
		}
	}
	return members.Items, invitations.Items
}

// awaitFacade waits until the facade has seen the last Member and the last Invitation, and the API server lets everybody in who has
// rights.
func (s *stage) awaitFacade() {
	s.Helper()
	const rightful = 9
	for _, c := range callers[:rightful] {
		person := environment.ClientFor(s, environment.TokenConfig(tokenOf(s, c.who)))
		s.eventually(func() error {
			allowed, err := testenv.Can(s.Context(), person, testenv.Access{
				Verb: "list", Group: enrolv1alpha1.SchemeGroupVersion.Group, Resource: "members", Namespace: s.home(),
			})
			if err == nil && !allowed {
				err = errNotYet
			}
			return err
		})
	}
	s.eventually(func() error {
		facade := s.on(facades[0])
		invitations := facade.get(ada, "/api/organisations/v1/organisations/"+s.uid()+"/invitations")
		own := facade.get(p0, "/api/v1/organisations/"+s.name+"/me")
		if !bytes.Contains(invitations.body, []byte(p1)) || own.status != http.StatusOK {
			return errNotYet
		}
		return nil
	})
}
