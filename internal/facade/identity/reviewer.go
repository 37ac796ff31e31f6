package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/metrics"
	"github.com/enrol-dev/enrol/internal/subject"
)

// ErrRefused says that the API server does not know whose token it is.
var ErrRefused = errors.New("the token was refused")

const (
	// maxAge is how long the API server's answer counts.
	maxAge = 10 * time.Second
	// maxCallers bounds how many answers are kept, and maxKept how many bytes the token of one has: together 64 MiB. Whoever may ask
	// for tokens of a ServiceAccount can have as many as they like, as long as a request's header.
	maxCallers = 8192
	maxKept    = 8 << 10
)

type userInfo = authenticationv1.UserInfo

// Reviewer asks the API server whose a token is, and remembers the answer for a while. It is safe for concurrent use.
type Reviewer struct {
	reviews authenticationclient.TokenReviewInterface
	naming  subject.Naming
	clock   clock.PassiveClock
	callers *cache.LRUExpireCache
}

// NewReviewer makes a Reviewer that asks with the given client.
func NewReviewer(
	reviews authenticationclient.TokenReviewInterface, naming subject.Naming, clock clock.PassiveClock,
) *Reviewer {
	return &Reviewer{
		reviews: reviews, naming: naming, clock: clock,
		callers: cache.NewLRUExpireCacheWithClock(maxCallers, clock),
	}
}

// Caller is whose token it is. The error is ErrRefused, wrapped, for a token that is nobody's, and another one when the API server
// did not answer.
func (r *Reviewer) Caller(ctx context.Context, token string) (*Caller, error) {
	key := sha256.Sum256([]byte(token))
	if known, ok := r.callers.Get(key); ok {
		metrics.TokenCached.Inc()
		return known.(*Caller), nil
	}
	// No audiences: the token must be good for the API server itself, since writes are sent there with it.
	review, err := r.reviews.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		metrics.TokenFailed.Inc()
		return nil, fmt.Errorf("asking whose token it is: %w", err)
	}
	status := &review.Status
	if !status.Authenticated || status.User.Username == "" {
		metrics.TokenRefused.Inc()
		return nil, fmt.Errorf("%w: %s", ErrRefused, status.Error)
	}
	metrics.TokenAccepted.Inc()
	caller := newCaller(token, &status.User, r.naming)
	if age := min(maxAge, expiry(token).Sub(r.clock.Now())); age > 0 && len(token) <= maxKept {
		r.callers.Add(key, caller, age)
	}
	return caller, nil
}

// expiry is when a JSON Web Token expires. It is not verified here, which the API server has done; a token of another
// kind is as good as one that expires late.
func expiry(token string) time.Time {
	late := time.Unix(1<<40, 0)
	_, rest, _ := strings.Cut(token, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return late
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return late
	}
	var claims struct {
		Expire *float64 `json:"exp"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil || claims.Expire == nil {
		return late
	}
	return time.Unix(int64(*claims.Expire), 0)
}
