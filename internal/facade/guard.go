package facade

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
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

// Identify says who calls: the API server knows, of the token in the Authorization header. Each source may ask so often, which
// keeps guesses off the API server, and each caller.
func (g *guard) Identify(r *http.Request) (context.Context, *identity.Caller, error) {
	ctx := r.Context()
	token, err := bearer(r.Header["Authorization"])
	if err != nil {
		return ctx, nil, err
	}
	if err := limit(g.sources, edge.SourceKey(edge.Source(ctx))); err != nil {
		return ctx, nil, err
	}
	if !g.Domain.Store.Synced() {
		return ctx, nil, fault.New(fault.Unavailable, "the caches are not filled yet")
	}
	caller, seen, err := g.Reviewer.Caller(ctx, token)
	if errors.Is(err, identity.ErrRefused) {
		return ctx, nil, fault.Wrap(fault.Unauthenticated, err)
	}
	if err != nil {
		return ctx, nil, fault.OfSelf(err)
	}
	if err := limit(g.callers, caller.Username); err != nil {
		return ctx, nil, err
	}
	if !seen {
		if err := g.Domain.Recognise(ctx, caller); err != nil {
			g.Log.Error(err, "Recording a username failed", "requestID", edge.RequestID(ctx))
		}
	}
	if record := edge.AuditOf(ctx); record != nil {
		record.SetActor(caller.Username)
		ctx = domain.WithNoter(ctx, record)
	}
	return ctx, caller, nil
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

func limit(limiter *edge.Limiter, key string) error {
	if after, ok := limiter.Allow(key); !ok {
		return &fault.Error{Kind: fault.RateLimited, RetryAfter: after}
	}
	return nil
}

// Entered notes which route a request takes, and which organisation it is about.
func (*guard) Entered(ctx context.Context, route, organisation string) {
	if record := edge.AuditOf(ctx); record != nil {
		record.SetRoute(route)
		record.SetOrganisation(organisation)
	}
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
