// Package review asks the API server what callers may do.
package review

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/metrics"
)

const (
	// maxAge is how long a yes counts. A no is asked again each time.
	maxAge = 5 * time.Second
	// maxAnswers bounds how many are kept.
	maxAnswers = 65536
)

// Right is something that a caller may be allowed to do with Enrol's resources in a namespace.
type Right struct {
	Verb, Resource string
	// Name of the one object that is meant; "" for all of the kind.
	Name string
}

// Grant is the right to give or take a thing: a role, a Kubernetes role or a group.
func Grant(resource, name string) Right { return Right{Verb: "grant", Resource: resource, Name: name} }

// The virtual resources that the verb grant is about.
const (
	OrganisationRoles  = "organisationroles"
	KubernetesRoles    = "kubernetesroles"
	OrganisationGroups = "organisationgroups"
)

func (r Right) String() string {
	text := r.Verb + " on " + r.Resource + "." + enrolv1alpha1.SchemeGroupVersion.Group
	if r.Name != "" {
		text += "/" + r.Name
	}
	return text
}

// Access asks for access reviews and remembers who was allowed what for a while. It is safe for concurrent use.
type Access struct {
	reviews authorizationclient.SubjectAccessReviewInterface
	allowed *cache.LRUExpireCache
}

// New makes an Access that asks with the given client.
func New(reviews authorizationclient.SubjectAccessReviewInterface, clock clock.PassiveClock) *Access {
	return &Access{reviews: reviews, allowed: cache.NewLRUExpireCacheWithClock(maxAnswers, clock)}
}

// question is one that an answer is kept for: of one token, so that groups and extras are the same, or of a username alone, with no
// token. The token is there as its hash: what is kept outlives a caller, and must not keep the token.
type question struct {
	token     [sha256.Size]byte
	username  string
	namespace string
	right     Right
}

// Allowed tells whether a caller has a right in a namespace. An error is no answer, and means no.
func (a *Access) Allowed(ctx context.Context, caller *identity.Caller, namespace string, right Right) (bool, error) {
	asked := question{
		token: sha256.Sum256([]byte(caller.Token)), username: caller.Username, namespace: namespace, right: right,
	}
	return a.remembered(asked, func() (bool, error) { return a.Now(ctx, caller, namespace, right) })
}

// remembered asks only when no yes is known.
func (a *Access) remembered(asked question, ask func() (bool, error)) (bool, error) {
	if _, ok := a.allowed.Get(asked); ok {
		metrics.AccessCached.Inc()
		return true, nil
	}
	allowed, err := ask()
	if err == nil && allowed {
		a.allowed.Add(asked, struct{}{}, maxAge)
	}
	return allowed, err
}

// Now is Allowed as of this moment: for what no API server checks once more.
func (a *Access) Now(ctx context.Context, caller *identity.Caller, namespace string, right Right) (bool, error) {
	return a.ask(ctx, caller, caller.Groups, namespace, right)
}

// Alone is Allowed for the caller without any group, as if the name were all that is known.
func (a *Access) Alone(ctx context.Context, caller *identity.Caller, namespace string, right Right) (bool, error) {
	return a.remembered(question{username: caller.Username, namespace: namespace, right: right}, func() (bool, error) {
		return a.ask(ctx, &identity.Caller{Username: caller.Username}, []string{"system:authenticated"}, namespace, right)
	})
}

func (a *Access) ask(
	ctx context.Context, caller *identity.Caller, groups []string, namespace string, right Right,
) (bool, error) {
	review, err := a.reviews.Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: caller.Username, UID: caller.UID, Groups: groups, Extra: caller.Extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: enrolv1alpha1.SchemeGroupVersion.Group, Version: enrolv1alpha1.SchemeGroupVersion.Version,
				Verb: right.Verb, Resource: right.Resource, Name: right.Name, Namespace: namespace,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		metrics.AccessFailed.Inc()
		return false, fmt.Errorf("asking whether the caller may %s in %s: %w", right, namespace, err)
	}
	if !review.Status.Allowed || review.Status.Denied {
		metrics.AccessDenied.Inc()
		return false, nil
	}
	metrics.AccessAllowed.Inc()
	return true, nil
}
