// Package metrics holds the facade's own metrics. Their labels have values of short lists only: never a path, an address, nor the
// name of a person or an organisation.
package metrics

import (
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/enrol-dev/enrol/internal/telemetry"
)

// Catalogue knows the facade's metrics.
var Catalogue = telemetry.NewCatalogue(metrics.Registry)

// Build says what runs.
var Build = Catalogue.BuildInfo()

// durations are the buckets of requestDuration, in seconds.
var durations = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

var (
	requests = Catalogue.Counter("enrol_facade_requests_total",
		"Requests answered, by the pattern of their route and the status. Route none is what no route is for.",
		[]string{"route", "code"})
	requestDuration = Catalogue.Histogram("enrol_facade_request_duration_seconds",
		"From the header of a request to the end of its answer, by the pattern of its route.", durations, "route")

	// InFlight counts the requests that are being answered.
	InFlight = Catalogue.Gauge("enrol_facade_requests_in_flight", "Requests that are being answered.").WithLabelValues()
)

// noRoute stands for the routes that there are not.
const noRoute = "none"

// Answered counts a request. The route is a pattern, "" for none.
func Answered(route string, status int, took time.Duration) {
	if route == "" {
		route = noRoute
	}
	requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	requestDuration.WithLabelValues(route).Observe(took.Seconds())
}

// Outcomes of reviews.
const (
	// cached: an earlier answer was good enough.
	cached = "cached"
	// failed: the API server did not answer.
	failed = "failed"
	// accepted and refused are whether a token is somebody's.
	accepted = "accepted"
	refused  = "refused"
	// allowed and denied are whether somebody may do something.
	allowed = "allowed"
	denied  = "denied"
)

var (
	tokenReviews = Catalogue.Counter("enrol_facade_token_reviews_total",
		"Questions whose a token is, by the API server's answer, or cached when it need not be asked.",
		[]string{"outcome"}, accepted, refused, failed, cached)
	accessReviews = Catalogue.Counter("enrol_facade_access_reviews_total",
		"Questions whether a caller may do something, by the API server's answer, or cached when it need not be asked.",
		[]string{"outcome"}, allowed, denied, failed, cached)
	limited = Catalogue.Counter("enrol_facade_rate_limited_total",
		"Requests refused with 429 by the facade itself, by what there were too many of.", []string{"by"}, caller, source)
)

// What requests are counted by for their limits.
const (
	caller = "caller"
	source = "source"
)

// The counters of each outcome are looked up once: reviews are asked for with each request.
var (
	TokenCached   = tokenReviews.WithLabelValues(cached)
	TokenAccepted = tokenReviews.WithLabelValues(accepted)
	TokenRefused  = tokenReviews.WithLabelValues(refused)
	TokenFailed   = tokenReviews.WithLabelValues(failed)

	AccessCached  = accessReviews.WithLabelValues(cached)
	AccessAllowed = accessReviews.WithLabelValues(allowed)
	AccessDenied  = accessReviews.WithLabelValues(denied)
	AccessFailed  = accessReviews.WithLabelValues(failed)

	LimitedByCaller = limited.WithLabelValues(caller)
	LimitedBySource = limited.WithLabelValues(source)
)
