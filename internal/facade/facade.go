// Package facade serves the HTTP APIs of several platforms over Enrol's organisations.
package facade

import (
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/api/openapi"
	"github.com/enrol-dev/enrol/internal/facade/avisi"
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/docs"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/dreadnode"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/llamacloud"
	"github.com/enrol-dev/enrol/internal/facade/pages"
	"github.com/enrol-dev/enrol/internal/facade/qovery"
	"github.com/enrol-dev/enrol/internal/facade/session"
	"github.com/enrol-dev/enrol/internal/facade/versori"
)

// Options are what a facade is made of.
type Options struct {
	Domain   *domain.Domain
	Reviewer *identity.Reviewer
	// Sessions are those of browsers.
	Sessions *session.Sessions
	// Cluster is what new members are told of it.
	Cluster pages.Cluster
	// PublicURL is where people reach the facade.
	PublicURL string
	// RequireTLS refuses what comes in clear from elsewhere than this machine.
	RequireTLS bool
	// TrustedProxies may say whom they speak for.
	TrustedProxies edge.Proxies
	// CallersPerMinute and SourcesPerMinute are how many requests each may make; 0: as many as it likes.
	CallersPerMinute, SourcesPerMinute int
	// Origins that a browser may call from.
	Origins edge.Origins
	Clock   clock.PassiveClock
	Log     logr.Logger
}

// New makes the handler: a request comes through the edge, is given to the dialect that its path belongs to, and is checked there
// in the order of dialect.Served.ServeHTTP and then of the gate before each route.
func New(o Options) (http.Handler, error) {
	guard := &guard{
		Options: o,
		callers: edge.NewLimiter(o.CallersPerMinute, time.Minute, o.Clock),
		sources: edge.NewLimiter(o.SourcesPerMinute, time.Minute, o.Clock),
	}
	r := &router{}
	for _, d := range []*dialect.Dialect{
		avisi.New(o.Domain),
		llamacloud.New(o.Domain, o.PublicURL),
		dreadnode.New(o.Domain),
		qovery.New(o.Domain, o.PublicURL),
		versori.New(o.Domain),
	} {
		served, err := d.Handler(o.Domain, guard)
		if err != nil {
			return nil, err
		}
		r.dialects = append(r.dialects, served)
	}
	documents := map[string][]byte{}
	for _, name := range openapi.Names() {
		document, err := openapi.Document(name)
		if err != nil {
			return nil, err
		}
		documents[name] = document
	}
	var err error
	if r.documents, err = docs.Handler(documents); err != nil {
		return nil, err
	}
	if r.pages, err = guard.pages(); err != nil {
		return nil, err
	}
	return edge.New(r, edge.Options{
		Log: o.Log, Clock: o.Clock, Proxies: o.TrustedProxies, Origins: o.Origins, Failed: r.failed,
	}), nil
}

// pages are what people see in a browser: sign-in, invitations, members.
func (g *guard) pages() (*http.ServeMux, error) {
	p, err := pages.New(pages.Options{
		Domain: g.Domain, Sessions: g.Sessions, PublicURL: g.PublicURL, RequireTLS: g.RequireTLS, Limit: g.limitSource,
		Cluster: g.Cluster, Log: g.Log,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	g.Sessions.Register(mux, g.admitting)
	p.Register(mux)
	return mux, nil
}

// router gives a request to the dialect whose its path is.
type router struct {
	dialects []*dialect.Served
	// pages are what people see in a browser: sign-in, invitations, members.
	pages *http.ServeMux
	// documents are those of the dialects. They answer for what has no owner, too.
	documents http.Handler
}

func (r *router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if owner := r.owner(request); owner != nil {
		owner.ServeHTTP(w, request)
		return
	}
	if r.isPage(request) {
		r.pages.ServeHTTP(w, request)
		return
	}
	r.documents.ServeHTTP(w, request)
}

// isPage tells whether there is a page with the path, whatever the method: the mux knows what to say of others.
func (r *router) isPage(request *http.Request) bool {
	if request.Method == http.MethodConnect {
		return false
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		asked := &http.Request{Method: method, Host: request.Host, URL: request.URL}
		if _, pattern := r.pages.Handler(asked); pattern != "" {
			return true
		}
	}
	return false
}

func (r *router) owner(request *http.Request) *dialect.Served {
	segments, ok := dialect.Segments(request.URL.EscapedPath())
	if !ok {
		return nil
	}
	for _, d := range r.dialects {
		if d.Owns(segments) {
			return d
		}
	}
	return nil
}

// failed answers a request whose handler panicked.
func (r *router) failed(w http.ResponseWriter, request *http.Request) {
	if owner := r.owner(request); owner != nil {
		owner.Refuse(w, request, fault.New(fault.Internal, ""))
		return
	}
	w.WriteHeader(http.StatusInternalServerError)
}
