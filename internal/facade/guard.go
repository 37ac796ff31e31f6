package facade

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/metrics"
	"github.com/enrol-dev/enrol/internal/facade/session"
)

// guard is what stands before the routes of every dialect.
type guard struct {
	Options

	callers, sources *edge.Limiter
}

// Secure wants TLS where that is required.
func (g *guard) Secure(r *http.Request) error {
	if edge.NeedsTLS(r.Context(), g.RequireTLS) {
		return fault.New(fault.NeedsTLS, "")
	}
	return nil
}

// admitting stands before sign-in: TLS where that is required, and no more than so many requests from a source.
func (g *guard) admitting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edge.AuditOf(r.Context()).SetRoute(r.Pattern)
		if err := g.Secure(r); err != nil {
			http.Error(w, "This address must start with https://.", http.StatusForbidden)
			return
		}
		if after, ok := g.limitSource(r); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(after.Seconds())))))
			http.Error(w, "Too many requests. Please try again in a moment.", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limitSource says whether a request is one too many of its source, and when to come back.
func (g *guard) limitSource(r *http.Request) (after time.Duration, ok bool) {
	if after, ok = g.sources.Allow(edge.SourceKey(edge.Source(r.Context()))); !ok {
		metrics.LimitedBySource.Inc()
	}
	return after, ok
}

// Identify says who calls: the API server knows, of the token in the Authorization header or a session. Each source may ask so
// often, which keeps guesses off the API server, and each caller.
func (g *guard) Identify(r *http.Request, accepted dialect.Credentials) (context.Context, *identity.Caller, error) {
	ctx := r.Context()
	token, err := g.token(r, accepted)
	if err != nil {
		return ctx, nil, err
	}
	if after, ok := g.limitSource(r); !ok {
		return ctx, nil, tooMany(after)
	}
	if !g.Domain.Store.Synced() {
		return ctx, nil, fault.New(fault.Unavailable, "the caches are not filled yet")
	}
	caller, err := g.Reviewer.Caller(ctx, token)
	if errors.Is(err, identity.ErrRefused) {
		return ctx, nil, fault.Wrap(fault.Unauthenticated, err)
	}
	if err != nil {
		return ctx, nil, fault.OfSelf(err)
	}
	if after, ok := g.callers.Allow(caller.Username); !ok {
		metrics.LimitedByCaller.Inc()
		return ctx, nil, tooMany(after)
	}
	// Each time: somebody may have been made a member since the last call.
	if err := g.Domain.Recognise(ctx, caller); err != nil {
		g.Log.Error(err, "Recording a username failed", "requestID", edge.RequestID(ctx))
	}
	if record := edge.AuditOf(ctx); record != nil {
		record.SetActor(caller.Username)
		ctx = domain.WithNoter(ctx, record)
	}
	return ctx, caller, nil
}

// token is the credential of a request. Browsers send a cookie along whoever asks, so that with one it matters who asked.
func (g *guard) token(r *http.Request, accepted dialect.Credentials) (string, error) {
	headers := r.Header["Authorization"]
	if accepted == dialect.HeaderOrCookie && len(headers) == 0 {
		if token := g.Sessions.IDToken(r); token != "" {
			if err := session.SameOrigin(r); err != nil {
				return "", fault.New(fault.Forbidden, "a page of another origin must not use the session")
			}
			return token, nil
		}
	}
	return bearer(headers)
}

// bearer is the one credential of a request.
func bearer(headers []string) (string, error) {
	if len(headers) != 1 {
		return "", fault.New(fault.Unauthenticated, "")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	known := strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")
	if !known || token == "" || strings.ContainsAny(token, " \t,") {
		return "", fault.New(fault.Unauthenticated, "")
	}
	return token, nil
}

func tooMany(after time.Duration) error {
	return &fault.Error{Kind: fault.RateLimited, RetryAfter: after}
}

// Routed notes which route a request is for, before anybody knows who asks.
func (*guard) Routed(ctx context.Context, route string) {
	edge.SetRoute(ctx, route)
	edge.AuditOf(ctx).SetRoute(route)
}

// Entered notes which organisation a request is about.
func (*guard) Entered(ctx context.Context, organisation string) {
	edge.AuditOf(ctx).SetOrganisation(organisation)
}

// Failed logs what the caller cannot mend, and is not told.
func (g *guard) Failed(ctx context.Context, e *fault.Error) {
	switch e.Kind {
	case fault.Internal, fault.Unavailable, fault.Timeout:
		if !errors.Is(ctx.Err(), context.Canceled) {
			g.Log.Error(e, "A request failed", "requestID", edge.RequestID(ctx))
		}
	default:
	}
}
