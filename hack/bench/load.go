package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/binding"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/subject"
)

// parallel calls do for 0 to n-1 by the workers, and stops at the first error.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	return parallelBy(ctx, workers, n, do)
}

// parallelBy is parallel with another number of workers.
func parallelBy(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next  atomic.Int64
		group sync.WaitGroup
	)
	for range workers {
		group.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// organisation is one that the bench makes.
type organisation struct {
	name     string
	projects int
}

func (o organisation) home() string { return enrolv1alpha1.HomeNamespacePrefix + o.name }

func (o organisation) project(i int) string { return fmt.Sprintf("%s-project-%d", o.name, i) }

// user is the name of a Member's person, and the address.
func (o organisation) user(i int) string { return fmt.Sprintf("member-%05d@%s.example.com", i, o.name) }

func (o organisation) memberName(i int) string { return fmt.Sprintf("member-%05d", i) }

func (o organisation) member(i int) *enrolv1alpha1.Member {
	return &enrolv1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.home(), Name: o.memberName(i)},
		Spec: enrolv1alpha1.MemberSpec{
			Email:    enrolv1alpha1.Email(o.user(i)),
			Roles:    []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
			Projects: enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
		},
	}
}

func (o organisation) owner() string { return "owner@" + o.name + ".example.com" }

// makeOrganisation creates one as a file with everything in it would: the home namespace first.
func (s *stage) makeOrganisation(ctx context.Context, o organisation) (*enrolv1alpha1.Organisation, error) {
	namespaces := []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{
		Name: o.home(), Labels: map[string]string{enrolv1alpha1.LabelHomeOf: o.name},
	}}}
	for i := range o.projects {
		namespaces = append(namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: o.project(i), Labels: map[string]string{enrolv1alpha1.LabelOrganisation: o.name},
		}})
	}
	for _, namespace := range namespaces {
		if err := s.user.Create(ctx, namespace); err != nil {
			return nil, fmt.Errorf("creating a namespace: %w", err)
		}
	}
	made := &enrolv1alpha1.Organisation{
		ObjectMeta: metav1.ObjectMeta{Name: o.name},
		Spec: enrolv1alpha1.OrganisationSpec{
			Owners: []enrolv1alpha1.Owner{{Username: enrolv1alpha1.Username(o.owner())}},
		},
	}
	if err := s.user.Create(ctx, made); err != nil {
		return nil, fmt.Errorf("creating an Organisation: %w", err)
	}
	s.populated.Store(true)
	return made, nil
}

// addMember creates a Member, and leaves the rest to the operator.
func (s *stage) addMember(ctx context.Context, o organisation, i int) (*enrolv1alpha1.Member, error) {
	member := o.member(i)
	if err := s.user.Create(ctx, member); err != nil {
		return nil, fmt.Errorf("creating a Member: %w", err)
	}
	return member, nil
}

// addFinished creates a Member and writes the status that the operator would have written, in the same way.
func (s *stage) addFinished(ctx context.Context, o organisation, i int) error {
	member, err := s.addMember(ctx, o, i)
	if err != nil {
		return err
	}
	ready := meta.FindStatusCondition(s.template.Status.Conditions, enrolv1alpha1.ConditionReady)
	now := time.Now()
	finished := member.DeepCopy()
	finished.Status.ObservedGeneration = member.Generation
	finished.Status.LastUpdateTime = &metav1.Time{Time: now}
	finished.Status.Conditions = condition.Ready(ready.Reason, ready.Message).Set(nil, member.Generation, now)
	finished.Status.KubernetesRole = s.template.Status.KubernetesRole
	finished.Status.Subject = &enrolv1alpha1.Subject{Kind: s.template.Status.Subject.Kind, Name: o.user(i)}
	if err := s.user.Status().Patch(ctx, finished, client.MergeFrom(member)); err != nil {
		return fmt.Errorf("writing the status of a Member: %w", err)
	}
	return nil
}

// learn takes a Member that the operator has finished as the template of those that references finish.
func (s *stage) learn(ctx context.Context, o organisation) error {
	member := &enrolv1alpha1.Member{}
	key := client.ObjectKey{Namespace: o.home(), Name: o.memberName(0)}
	if err := s.user.Get(ctx, key, member); err != nil {
		return fmt.Errorf("reading a finished Member: %w", err)
	}
	if !isReady(member) || member.Status.Subject == nil {
		return fmt.Errorf("the operator left Member %s unfinished: %+v", key, member.Status)
	}
	s.template = member
	return nil
}

// finish makes the RoleBindings of an organisation and its status, as the operator would.
func (s *stage) finish(ctx context.Context, o organisation, made *enrolv1alpha1.Organisation, members int) error {
	owner := binding.Owner{Name: made.Name, UID: made.UID}
	owners := []subject.Subject{{Kind: s.template.Status.Subject.Kind, Name: o.owner()}}
	everybody := make([]subject.Subject, 0, members)
	for i := range members {
		everybody = append(everybody, subject.Subject{Kind: s.template.Status.Subject.Kind, Name: o.user(i)})
	}
	shares := map[binding.Place][]subject.Subject{
		{Namespace: o.home(), ClusterRole: enrolv1alpha1.RoleOwner.ClusterRole()}:  owners,
		{Namespace: o.home(), ClusterRole: enrolv1alpha1.RoleViewer.ClusterRole()}: everybody,
	}
	for i := range o.projects {
		shares[binding.Place{Namespace: o.project(i), ClusterRole: "cluster-admin"}] = owners
		shares[binding.Place{Namespace: o.project(i), ClusterRole: viewClusterRole}] = everybody
	}
	for place, subjects := range shares {
		if err := s.user.Create(ctx, owner.Object(place, 0, subjects)); err != nil {
			return fmt.Errorf("creating a RoleBinding: %w", err)
		}
	}
	now := time.Now()
	finished := made.DeepCopy()
	finished.Status.ObservedGeneration = made.Generation
	finished.Status.LastUpdateTime = &metav1.Time{Time: now}
	finished.Status.Conditions = condition.Ready(enrolv1alpha1.ReasonReconciled,
		"the access that the Organisation gives stands").Set(nil, made.Generation, now)
	finished.Status.Slug, finished.Status.Namespace = made.Name, o.home()
	finished.Status.Members, finished.Status.Projects = int32(members), int32(o.projects)
	finished.Status.Bindings = int32(len(shares))
	if err := s.user.Status().Patch(ctx, finished, client.MergeFrom(made)); err != nil {
		return fmt.Errorf("writing the status of an Organisation: %w", err)
	}
	return nil
}

func isReady(member *enrolv1alpha1.Member) bool {
	return member.Status.ObservedGeneration == member.Generation &&
		meta.IsStatusConditionTrue(member.Status.Conditions, enrolv1alpha1.ConditionReady)
}

// readiness sees Members become Ready.
type readiness struct {
	stage     *stage
	namespace string
	// seen are those that are Ready, of as many as are wanted.
	seen   map[client.ObjectKey]struct{}
	wanted int
	// version is the last resourceVersion that was seen.
	version string
	done    chan error
}

// watchReady watches until as many Members more are Ready, in a namespace or, if that is empty, in all. Figures and
// references are watched alike.
func (s *stage) watchReady(ctx context.Context, namespace string, members int) (*readiness, error) {
	// From now on: those that are there are not seen.
	var now enrolv1alpha1.MemberList
	if err := s.user.List(ctx, &now, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return nil, fmt.Errorf("listing Members: %w", err)
	}
	r := &readiness{
		stage: s, namespace: namespace, version: now.ResourceVersion, wanted: members,
		seen: make(map[client.ObjectKey]struct{}, members), done: make(chan error, 1),
	}
	go func() { r.done <- r.run(ctx) }()
	return r, nil
}

// run watches again where it left off when the API server ends a watch, as it does when its client is too slow.
func (r *readiness) run(ctx context.Context) error {
	for len(r.seen) < r.wanted {
		w, err := r.stage.user.Watch(ctx, &enrolv1alpha1.MemberList{}, client.InNamespace(r.namespace),
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: r.version}})
		if err != nil {
			return fmt.Errorf("watching Members: %w", err)
		}
		err = r.count(w)
		w.Stop()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// count counts until all are seen or the watch ends.
func (r *readiness) count(w watch.Interface) error {
	for event := range w.ResultChan() {
		member, ok := event.Object.(*enrolv1alpha1.Member)
		if !ok {
			return fmt.Errorf("watching Members: %v", event.Object)
		}
		r.version = member.ResourceVersion
		if event.Type != watch.Deleted && isReady(member) {
			r.seen[client.ObjectKeyFromObject(member)] = struct{}{}
		}
		if len(r.seen) == r.wanted {
			return nil
		}
	}
	return nil
}

// untilReady is how long it takes from the first write until all Members are seen Ready.
func (s *stage) untilReady(
	ctx context.Context, namespace string, members int, load func(context.Context) error,
) (time.Duration, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, err := s.watchReady(watching, namespace, members)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := load(ctx); err != nil {
		return 0, err
	}
	if err := <-ready.done; err != nil {
		return 0, fmt.Errorf("waiting for Members to become Ready: %w", err)
	}
	return time.Since(begun), nil
}
