// Package pages is what people see of Enrol in a browser. Every page is made here as a whole: no script runs in it, nothing is
// loaded from elsewhere but an organisation's logo, and only POST requests from the pages themselves change anything.
package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"

	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/session"
)

// Options are what Pages are made of.
type Options struct {
	Domain   *domain.Domain
	Sessions session.Finder
	// PublicURL is where people reach the facade; "" when nobody said.
	PublicURL string
	// RequireTLS refuses what comes in clear from elsewhere than this machine.
	RequireTLS bool
	// Limit says whether a request is one too many, and when to come back; nil: none is.
	Limit func(r *http.Request) (after time.Duration, ok bool)
	// Cluster is what a new member needs to know to use kubectl; the zero value: nothing is said of it.
	Cluster Cluster
	Log     logr.Logger
}

// Cluster is where an API server is, and how people sign in to it.
type Cluster struct {
	// Name for the cluster in a kubeconfig; "" stands for enrol.
	Name string
	// Server is the address of the API server; without it, or without an issuer, no kubeconfig is shown.
	Server string
	// CA is the certificate authority of the API server in PEM; empty: one that every machine knows.
	CA []byte
	// Issuer and ClientID are those that kubectl signs in with, by OpenID Connect.
	Issuer, ClientID string
}

// Pages are the pages. They are safe for concurrent use.
type Pages struct {
	Options

	templates templates
	origin    *http.CrossOriginProtection
}

// New makes the pages. It fails for a public URL that is none.
func New(o Options) (*Pages, error) {
	origin, err := ownOrigin(o.PublicURL)
	if err != nil {
		return nil, err
	}
	templates, err := readTemplates()
	if err != nil {
		return nil, err
	}
	return &Pages{Options: o, templates: templates, origin: origin}, nil
}

// Register adds the routes of the pages to a mux.
func (p *Pages) Register(mux *http.ServeMux) {
	registerAssets(mux)
	p.registerInvitations(mux)
	p.registerMembers(mux)
}

// answer is what a handler wants to be shown.
type answer struct {
	// status of the page.
	status int
	// name of the template, without its suffix, title of the page, and what the template shows.
	name, title string
	view        any
	// location is where the browser is sent instead, with the status 303.
	location string
}

// show is a page.
func show(status int, name, title string, view any) *answer {
	return &answer{status: status, name: name, title: title, view: view}
}

// redirect sends the browser to a path of this origin.
func redirect(location string) *answer { return &answer{location: location} }

// handler answers a request. The visitor is nil for nobody. An error becomes a page of its own.
type handler func(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error)

// page puts before a handler what all pages share. GET and HEAD are for handlers that change nothing.
func (p *Pages) page(next handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		visitor, answer, err := p.answer(w, r, next)
		if err != nil {
			answer = p.failed(w, r, err)
		}
		p.write(w, r, visitor, answer)
	})
}

// action is page for a handler of POST: it must come from a page of this origin.
func (p *Pages) action(next handler) http.Handler {
	return p.page(func(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
		if err := p.checkOrigin(r); err != nil {
			p.Log.V(1).Info("A form was sent from elsewhere", "requestID", edge.RequestID(ctx), "why", err.Error())
			return show(http.StatusForbidden, "message", "That came from another site", message{
				Text: "This page only accepts answers that are given on it. Nothing was changed.",
			}), nil
		}
		if err := r.ParseForm(); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return nil, fault.New(fault.TooLarge, "the form is too large")
			}
			return nil, fault.New(fault.Invalid, "the form cannot be read")
		}
		return next(ctx, visitor, r)
	})
}

// maxForm is how many bytes a form may have.
const maxForm = 64 << 10

func (p *Pages) answer(w http.ResponseWriter, r *http.Request, next handler) (*session.Visitor, *answer, error) {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	record := edge.AuditOf(ctx)
	record.SetRoute(r.Pattern)
	if edge.NeedsTLS(ctx, p.RequireTLS) {
		return nil, nil, fault.New(fault.NeedsTLS, "")
	}
	if p.Limit != nil {
		if after, ok := p.Limit(r); !ok {
			return nil, nil, &fault.Error{Kind: fault.RateLimited, RetryAfter: after}
		}
	}
	if !p.Domain.Store.Synced() {
		return nil, nil, fault.New(fault.Unavailable, "the caches are not filled yet")
	}
	visitor, err := p.Sessions.Visitor(r)
	if err != nil {
		return nil, nil, fault.OfSelf(err)
	}
	if visitor != nil {
		record.SetActor(cmp.Or(visitor.Caller.Username, visitor.Caller.Name))
	}
	if record != nil {
		ctx = domain.WithNoter(ctx, record)
	}
	answer, err := next(ctx, visitor, r.WithContext(ctx))
	return visitor, answer, err
}

// failed is the page about an error. What the visitor cannot mend is logged, and not shown.
func (p *Pages) failed(w http.ResponseWriter, r *http.Request, err error) *answer {
	e := fault.As(err)
	switch e.Kind {
	case fault.Unauthenticated:
		return redirect(session.SignIn(here(r)))
	case fault.NotFound:
		return notFound()
	case fault.Forbidden:
		return show(http.StatusForbidden, "message", "You may not do that", message{Text: sentence(e.Text)})
	case fault.NeedsTLS:
		w.Header().Set("Upgrade", "TLS/1.2")
		w.Header().Set("Connection", "Upgrade")
		return show(http.StatusUpgradeRequired, "message", "This page needs https", message{
			Text: "The address must start with https:// so that nobody else can read along."})
	case fault.Invalid, fault.TooLarge, fault.UnsupportedMedia:
		return show(http.StatusBadRequest, "message", "That could not be read", message{Text: sentence(e.Error())})
	case fault.Conflict, fault.LostUpdate, fault.AlreadyInvited, fault.AlreadyMember, fault.Expired:
		return show(http.StatusConflict, "message", "That is not possible now", message{Text: sentence(e.Text), Retry: here(r)})
	case fault.RateLimited:
		seconds := max(1, int(e.RetryAfter.Round(time.Second)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return show(http.StatusTooManyRequests, "message", "One moment", message{
			Text: "There were too many requests. Please try again in a moment.", Retry: here(r)})
	default:
		if !errors.Is(r.Context().Err(), context.Canceled) {
			p.Log.Error(err, "A page failed", "requestID", edge.RequestID(r.Context()))
		}
		w.Header().Set("Retry-After", "5")
		return show(http.StatusServiceUnavailable, "message", "This does not work right now", message{
			Text:  "The cluster does not answer. Nothing is lost: please try again in a moment.",
			Retry: here(r), Reference: edge.RequestID(r.Context())})
	}
}

// message is a page with a text.
type message struct {
	Text string
	// Retry is a path to try again; "" for none.
	Retry string
	// Reference is what the operator of the facade finds the error by.
	Reference string
}

// notFound is the one page for what is not there, and for what is not for the visitor to see.
func notFound() *answer {
	return show(http.StatusNotFound, "message", "There is nothing here", message{
		Text: "The address may be wrong or out of date, or what is here is not for you to see."})
}
