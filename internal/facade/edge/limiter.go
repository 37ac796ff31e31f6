package edge

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

// maxKeys bounds the memory of a Limiter, which is then about 20 MiB. With more keys than that in use at once, those that were
// quiet for longest start afresh.
const maxKeys = 65_536

// Limiter counts requests by key. It is safe for concurrent use.
type Limiter struct {
	limit rate.Limit
	burst int
	clock clock.PassiveClock

	mu      sync.Mutex
	buckets *lru.Cache
}

// NewLimiter lets each key have so many requests in a window, which is above 0: at once or spread, and from then on at that
// rate. With 0 requests or less there is no limit.
func NewLimiter(requests int, window time.Duration, clock clock.PassiveClock) *Limiter {
	return &Limiter{
		limit: rate.Limit(float64(requests) / window.Seconds()),
		burst: requests, clock: clock, buckets: lru.New(maxKeys),
	}
}

// Allow tells whether a key may have one more request, and if not, after which time it may. One that is refused is not counted.
func (l *Limiter) Allow(key string) (retryAfter time.Duration, ok bool) {
	if l.burst <= 0 {
		return 0, true
	}
	now, bucket := l.clock.Now(), l.bucket(key)
	if bucket.AllowN(now, 1) {
		return 0, true
	}
	wait := time.Duration((1 - bucket.TokensAt(now)) / float64(l.limit) * float64(time.Second))
	// Tokens are floating-point numbers: a bit later there is certainly a whole one.
	return wait.Truncate(time.Millisecond) + time.Millisecond, false
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.buckets.Get(key); ok {
		return known.(*rate.Limiter)
	}
	bucket := rate.NewLimiter(l.limit, l.burst)
	l.buckets.Add(key, bucket)
	return bucket
}
