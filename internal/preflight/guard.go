package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/note"
)

const (
	// lookEvery so often while all is well, and retryEvery while it is not: somebody may be waiting.
	lookEvery  = 10 * time.Second
	retryEvery = time.Second
	// probeEvery so often it is tried whether the policies are enforced: an API server may come back without them.
	probeEvery = 5 * time.Minute
)

// GuardOptions are what a platform team tells the operator at its start.
type GuardOptions struct {
	// Namespace of the installation.
	Namespace string
	// WithoutPolicies lets the operator give access though the policies are not there.
	WithoutPolicies bool
	// Logger is told what was found, each time that it changes.
	Logger logr.Logger
}

// Guard keeps looking at a cluster and says what the operator must not do. To those
// who ask Hold or Subscribe, the nil Guard allows everything; the other methods need one that NewGuard made.
type Guard struct {
	gatherer *gatherer
	options  GuardOptions

	mu       sync.Mutex
	recorder events.EventRecorder
	findings []Finding
	// failure is why nothing could be found out the last time; nil if it could.
	failure error
	looked  bool
	tell    []func()
	// enforced is when the policies that are there were last seen to be enforced; zero: not since they were. Only look touches it.
	enforced time.Time
}

// NewGuard makes a Guard that has not looked yet.
func NewGuard(config *rest.Config, options GuardOptions) (*Guard, error) {
	g, err := newGatherer(config, options.Namespace)
	if err != nil {
		return nil, err
	}
	return &Guard{gatherer: g, options: options}, nil
}

// Record has events made of what was found, and is found from now on.
func (g *Guard) Record(recorder events.EventRecorder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.recorder = recorder
	for _, f := range g.findings {
		g.event(corev1.EventTypeWarning, f.Reason, f.String())
	}
}

// Subscribe has changed called whenever there is something else to hold back, or no longer anything.
func (g *Guard) Subscribe(changed func()) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tell = append(g.tell, changed)
}

// Hold is the finding for which nobody is given anything new; nil for none.
func (g *Guard) Hold() *Finding {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hold()
}

func (g *Guard) hold() *Finding {
	i := slices.IndexFunc(g.findings, heldBack)
	if i < 0 {
		return nil
	}
	held := g.findings[i]
	return &held
}

// Ready is a readiness check: it fails while anything is held back.
func (g *Guard) Ready(*http.Request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch held := g.hold(); {
	case !g.looked && g.failure != nil:
		return fmt.Errorf("cannot look at the cluster: %w", g.failure)
	case held != nil:
		return errors.New(held.String())
	default:
		return nil
	}
}

// Passes looks, and tells whether the operator may start.
func (g *Guard) Passes(ctx context.Context) bool {
	g.look(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.looked && g.stop() == nil
}

func (g *Guard) stop() *Finding {
	i := slices.IndexFunc(g.findings, func(f Finding) bool { return f.Severity == Stop })
	if i < 0 {
		return nil
	}
	return &g.findings[i]
}

// Await returns when the operator may start, or the context is done.
func (g *Guard) Await(ctx context.Context) {
	for !g.Passes(ctx) && pause(ctx, retryEvery) {
	}
}

// NeedLeaderElection is false: those that wait to lead look as well, and tell whether they could.
func (*Guard) NeedLeaderElection() bool { return false }

// Start keeps looking until the context is done. It is an error when another installation takes the cluster: whatever
// runs must end then, and may wait anew.
func (g *Guard) Start(ctx context.Context) error {
	for {
		wait := lookEvery
		if g.Hold() != nil {
			wait = retryEvery
		}
		if !pause(ctx, wait) {
			return nil
		}
		g.look(ctx)
		g.mu.Lock()
		stop := g.stop()
		g.mu.Unlock()
		// Where CRDs went, the objects went, and their access has still to be taken away.
		if stop != nil && stop.Reason == AnotherInstallation {
			return errors.New(stop.String())
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// look looks once. What could not be found out leaves things as they were.
func (g *Guard) look(ctx context.Context) {
	findings, err := g.find(ctx)
	if ctx.Err() != nil {
		return
	}
	g.mu.Lock()
	before := g.hold()
	if err != nil {
		if g.failure == nil || g.failure.Error() != err.Error() {
			g.options.Logger.Error(err, "Cannot look at the cluster; looking again")
		}
		g.failure = err
		g.mu.Unlock()
		return
	}
	g.failure, g.looked = nil, true
	g.report(findings)
	g.findings = findings
	after := g.hold()
	tell := slices.Clone(g.tell)
	g.mu.Unlock()
	if (before == nil) != (after == nil) || (before != nil && *before != *after) {
		for _, changed := range tell {
			changed()
		}
	}
}

func (g *Guard) find(ctx context.Context) ([]Finding, error) {
	c, err := g.gatherer.gather(ctx)
	if err != nil {
		return g.unread(err)
	}
	findings := judge(c)
	if slices.ContainsFunc(findings, heldBack) {
		// Policies that come back have to be enforced anew.
		g.enforced = time.Time{}
	} else if time.Since(g.enforced) > probeEvery {
		enforced, err := g.gatherer.enforced(ctx)
		if err != nil {
			return g.unread(err)
		}
		g.enforced = time.Now()
		if !enforced {
			g.enforced = time.Time{}
			findings = append(findings, notEnforced())
		}
	}
	for i := range findings {
		if f := &findings[i]; g.options.WithoutPolicies && f.Severity == Hold && strings.HasPrefix(f.Reason, "Policies") {
			f.Severity = Warning
		}
	}
	return findings, nil
}

func heldBack(f Finding) bool { return f.Severity != Warning }

// unread is what is found when it could not be found out. Of an operator that does not even start for want of a right to
// look, nobody would lose anything any more.
func (*Guard) unread(err error) ([]Finding, error) {
	if !apierrors.IsForbidden(err) {
		return nil, err
	}
	return []Finding{{
		Severity: Hold, Reason: NotAllowed, What: "the operator may not look at the cluster: " + err.Error(),
		Why: "its rights are of another version of Enrol, or went to another installation",
		Do:  "apply the manifests of this version (config/rbac), or uninstall one of the two",
	}}, nil
}

// report says what is found now and was not before, and that nothing is any more.
func (g *Guard) report(findings []Finding) {
	for _, f := range findings {
		if slices.Contains(g.findings, f) {
			continue
		}
		keysAndValues := []any{"severity", f.Severity, "reason", f.Reason, "why", f.Why, "do", f.Do}
		switch f.Severity {
		case Stop:
			g.options.Logger.Error(nil, "Waiting: "+f.What, keysAndValues...)
		case Hold:
			g.options.Logger.Error(nil, "Nobody is given anything new: "+f.What, keysAndValues...)
		default:
			g.options.Logger.Info(f.What, keysAndValues...)
		}
		g.event(corev1.EventTypeWarning, f.Reason, f.String())
	}
	if len(g.findings) > 0 && len(findings) == 0 {
		g.options.Logger.Info("The cluster is fit for Enrol")
		g.event(corev1.EventTypeNormal, "Fit", "the cluster is fit for Enrol")
	}
}

// event makes an event of the operator's Deployment.
func (g *Guard) event(kind, reason, text string) {
	if g.recorder == nil {
		return
	}
	about := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: g.options.Namespace, Name: installed.Operator}}
	g.recorder.Eventf(about, nil, kind, reason, "Preflight", "%s", note.Cut(text))
}
