// Package domain is what the facade can do: it knows organisations, callers and Kubernetes, and no dialect. Rights are asked by
// access reviews before anything is written, and once more by the API server, which sees the caller's own token.
package domain

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/access"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/gitops"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

// Options are what a Domain is made of.
type Options struct {
	Store  *store.Store
	Access *review.Access
	// Naming says how the API server derives usernames.
	Naming subject.Naming
	// Links says where the links in mails may lead to.
	Links invitation.Links
	// Tracking says how to see what is kept in Git.
	Tracking gitops.Tracking
	// Keys verify the tokens of mails; nil: no token counts.
	Keys  *token.Keys
	Clock clock.Clock
	// Log is for the operator of the facade.
	Log logr.Logger
}

// Domain is what the facade can do. It is safe for concurrent use.
type Domain struct {
	Options

	// organisations are those that were looked at last, by UID.
	organisations *cache.LRUExpireCache
}

const (
	// tries is how often a change is tried that others overtake.
	tries = 5
	// parallel is how many writes of a batch are under way at a time: more make the API server no faster.
	parallel = 16
	// patience is how long is waited for what the operator does.
	patience = 10 * time.Second

	maxOrganisations = 4096
)

// New makes a Domain.
func New(options Options) *Domain {
	return &Domain{
		Options:       options,
		organisations: cache.NewLRUExpireCacheWithClock(maxOrganisations, options.Clock),
	}
}

// Organisation is an organisation as the caches have it. It must not be changed.
type Organisation struct {
	*enrolv1alpha1.Organisation

	terms *access.Terms
}

// ID of the organisation.
func (o *Organisation) ID() string { return string(o.UID) }

// Title is the name for people.
func (o *Organisation) Title() string {
	if o.Spec.DisplayName != "" {
		return o.Spec.DisplayName
	}
	return o.Name
}

// Updated is when the spec was last seen to change.
func (o *Organisation) Updated() time.Time {
	if at := o.Status.LastUpdateTime; at != nil {
		return at.UTC()
	}
	return o.CreationTimestamp.UTC()
}

// Ref names an organisation by one of the two.
type Ref struct{ Slug, UID string }

// Find is the organisation that a reference names. One that has no home namespace is not there yet, or is refused as a
// whole: what is in a namespace of that name is not its own.
func (d *Domain) Find(ref Ref) (*Organisation, error) {
	var found *enrolv1alpha1.Organisation
	if ref.UID != "" {
		found = d.Store.OrganisationByUID(ref.UID)
	} else {
		found = d.Store.OrganisationBySlug(ref.Slug)
	}
	if found == nil || found.Status.Namespace != found.HomeNamespace() {
		return nil, fault.New(fault.NotFound, "")
	}
	return d.organisation(found), nil
}

// organisation adds what is derived from an Organisation, once for each version of it. Of one Organisation only the version that was
// looked at last is kept: each answer to an invitation reads one more.
func (d *Domain) organisation(o *enrolv1alpha1.Organisation) *Organisation {
	if known, ok := d.organisations.Get(o.UID); ok && known.(*Organisation).Organisation == o {
		return known.(*Organisation)
	}
	made := &Organisation{Organisation: o, terms: access.NewTerms(o, d.Naming)}
	d.organisations.Add(o.UID, made, time.Hour)
	return made
}

// Rights that routes ask for before they look at a body.
var (
	ListMembers       = review.Right{Verb: "list", Resource: "members"}
	CreateMembers     = review.Right{Verb: "create", Resource: "members"}
	UpdateMembers     = review.Right{Verb: "update", Resource: "members"}
	DeleteMembers     = review.Right{Verb: "delete", Resource: "members"}
	ListInvitations   = review.Right{Verb: "list", Resource: "invitations"}
	CreateInvitations = review.Right{Verb: "create", Resource: "invitations"}
	UpdateInvitations = review.Right{Verb: "update", Resource: "invitations"}
	DeleteInvitations = review.Right{Verb: "delete", Resource: "invitations"}
)

// Enter finds an organisation for a caller who may see it, and who has one of the rights; none is asked for without any.
func (d *Domain) Enter(ctx context.Context, caller *identity.Caller, ref Ref, rights ...review.Right) (*Organisation, error) {
	o, err := d.Find(ref)
	if err != nil {
		return nil, err
	}
	visible, err := d.Access.Allowed(ctx, caller, o.HomeNamespace(), ListMembers)
	if err != nil {
		return nil, fault.OfSelf(err)
	}
	if !visible {
		return nil, fault.New(fault.NotFound, "")
	}
	return o, d.needOne(ctx, caller, o, rights)
}

// EnterAsMember is Enter for what members may see of themselves: being one is enough.
func (d *Domain) EnterAsMember(ctx context.Context, caller *identity.Caller, ref Ref) (*Organisation, error) {
	o, err := d.Find(ref)
	if err == nil && d.Own(o, caller) != nil {
		return o, nil
	}
	return d.Enter(ctx, caller, ref)
}

// needOne wants any of the rights.
func (d *Domain) needOne(ctx context.Context, caller *identity.Caller, o *Organisation, rights []review.Right) error {
	for _, right := range rights {
		allowed, err := d.Access.Allowed(ctx, caller, o.HomeNamespace(), right)
		if err != nil {
			return fault.OfSelf(err)
		}
		if allowed {
			return nil
		}
	}
	if len(rights) == 0 {
		return nil
	}
	return lacking(rights[0], o)
}

// need wants all of the rights.
func (d *Domain) need(ctx context.Context, caller *identity.Caller, o *Organisation, rights ...review.Right) error {
	for _, right := range rights {
		if err := d.needOne(ctx, caller, o, []review.Right{right}); err != nil {
			return err
		}
	}
	return nil
}

// lacking says which right is missing, in the words of the admission policies.
func lacking(right review.Right, o *Organisation) error {
	return fault.New(fault.Forbidden, "must hold the verb %s in namespace %s", right, o.HomeNamespace())
}

// managedInGit is the answer to a change that the next sync would undo.
func managedInGit(what, by string) error {
	return fault.New(fault.Conflict, "%s is managed in Git, by %s: change it there", what, by)
}

// keptBy says by what an object is kept in Git, "" for nothing.
func (d *Domain) organisationKeptBy(o *enrolv1alpha1.Organisation) string {
	return d.Tracking.KeptBy(o, enrolv1alpha1.SchemeGroupVersion.WithKind("Organisation").GroupKind())
}

func (d *Domain) memberKeptBy(m *enrolv1alpha1.Member) string {
	return d.Tracking.KeptBy(m, enrolv1alpha1.SchemeGroupVersion.WithKind("Member").GroupKind())
}

func (d *Domain) invitationKeptBy(i *enrolv1alpha1.Invitation) string {
	return d.Tracking.KeptBy(i, enrolv1alpha1.SchemeGroupVersion.WithKind("Invitation").GroupKind())
}

// errOvertaken ends an attempt that is worth another one.
var errOvertaken = errors.New("somebody else changed it meanwhile")
