// Package store is what the facade reads and writes in Kubernetes: it reads from caches with its own account, and writes
// with the token of whoever calls, but for what DESIGN names.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/telemetry"
)

// Scheme knows the kinds that the facade deals with.
var Scheme = newScheme()

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, enrolv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}

// Store reads and writes. It is safe for concurrent use once it is started. What it returns from a cache belongs to the
// cache and must not be changed.
type Store struct {
	organisations, members, invitations, namespaces *watched
	// own acts with the facade's own account, and reads past the caches.
	own client.Client
	// callers acts with the token in the context.
	callers client.Client
	written *ledger
	roles   *clusterRoles
	// filled is true once the caches have been filled, for good.
	filled atomic.Bool
}

// New makes a Store for the API server of a configuration, which holds the facade's own credentials.
func New(config *rest.Config, naming subject.Naming, clock clock.Clock) (*Store, error) {
	own, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for the facade's own account: %w", err)
	}
	callers, err := newCallersClient(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for callers: %w", err)
	}
	s := &Store{own: own, callers: callers, written: newLedger(clock), roles: &clusterRoles{own: own, clock: clock}}
	indexes := indexing{naming: naming}
	for _, kind := range []struct {
		watched  **watched
		object   client.Object
		resource string
		indexers toolscache.Indexers
		selector string
	}{
		{&s.organisations, &enrolv1alpha1.Organisation{}, "organisations", indexes.organisations(), ""},
		{&s.members, &enrolv1alpha1.Member{}, "members", indexes.members(), ""},
		{&s.invitations, &enrolv1alpha1.Invitation{}, "invitations", indexes.invitations(), ""},
		{&s.namespaces, &corev1.Namespace{}, "namespaces", indexes.namespaces(), enrolv1alpha1.LabelOrganisation},
	} {
		if *kind.watched, err = newWatched(config, kind.object, kind.resource, kind.selector, kind.indexers); err != nil {
			return nil, fmt.Errorf("watching %s: %w", kind.resource, err)
		}
	}
	return s, nil
}

// callTimeout is how long the API server may take to answer one request.
const callTimeout = 10 * time.Second

// ForCalls is a configuration for requests that somebody waits for: answered, or failed, in time. Watches need another.
func ForCalls(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Timeout = callTimeout
	config.Wrap(withoutRetries)
	telemetry.TraceCalls(config)
	return config
}

// newClient is a client without a cache. It knows its kinds by heart and discovers nothing.
func newClient(config *rest.Config) (client.Client, error) {
	config = ForCalls(config)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for gvk := range Scheme.AllKnownTypes() {
		scope := meta.RESTScopeNamespace
		if gvk.Kind == "Organisation" || gvk.Kind == "Namespace" || gvk.Kind == "ClusterRole" {
			scope = meta.RESTScopeRoot
		}
		mapper.Add(gvk, scope)
	}
	return client.New(config, client.Options{Scheme: Scheme, Mapper: mapper, HTTPClient: httpClient})
}

// Run fills the caches and keeps them so until the context ends. It returns when everything has stopped.
func (s *Store) Run(ctx context.Context) {
	done := make(chan struct{})
	kinds := s.kinds()
	for _, kind := range kinds {
		go func() {
			defer func() { done <- struct{}{} }()
			kind.informer.RunWithContext(ctx)
		}()
	}
	for range kinds {
		<-done
	}
}

func (s *Store) kinds() []*watched {
	return []*watched{s.organisations, s.members, s.invitations, s.namespaces}
}

// Synced tells whether the caches have been filled.
func (s *Store) Synced() bool {
	if s.filled.Load() {
		return true
	}
	for _, kind := range s.kinds() {
		if !kind.synced() {
			return false
		}
	}
	s.filled.Store(true)
	return true
}

// watched is a kind in the cache.
type watched struct {
	informer toolscache.SharedIndexInformer
	handler  toolscache.ResourceEventHandlerRegistration
	seen     *watermark
}

func newWatched(
	config *rest.Config, object client.Object, resource, label string, indexers toolscache.Indexers,
) (*watched, error) {
	gvk, err := apiutil.GVKForObject(object, Scheme)
	if err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	restClient, err := apiutil.RESTClientForGVK(gvk, false, false, config, serializer.NewCodecFactory(Scheme), httpClient)
	if err != nil {
		return nil, err
	}
	w := &watched{seen: &watermark{}}
	list := toolscache.NewFilteredListWatchFromClient(restClient, resource, metav1.NamespaceAll, func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = label, fields.Everything().String()
		if label == "" {
			o.LabelSelector = labels.Everything().String()
		}
	})
	w.informer = toolscache.NewSharedIndexInformerWithOptions(list, object, toolscache.SharedIndexInformerOptions{Indexers: indexers})
	if err := w.informer.SetTransform(slim); err != nil {
		return nil, err
	}
	w.handler, err = w.informer.AddEventHandler(w.seen)
	return w, err
}

func (w *watched) synced() bool { return w.handler.HasSynced() }

// slim drops what the facade never reads: of 10,000 Members, it is half.
func slim(object any) (any, error) {
	o, ok := object.(client.Object)
	if !ok {
		return object, nil
	}
	o.SetManagedFields(nil)
	if annotations := o.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		delete(annotations, corev1.LastAppliedConfigAnnotation)
	}
	switch o := object.(type) {
	case *enrolv1alpha1.Member:
		o.TypeMeta = metav1.TypeMeta{}
		// Why somebody has access is for kubectl to say.
		o.Status.Conditions = nil
	case *enrolv1alpha1.Invitation:
		o.TypeMeta = metav1.TypeMeta{}
	case *corev1.Namespace:
		o.Annotations, o.Spec = nil, corev1.NamespaceSpec{}
	}
	return object, nil
}

// errNoToken keeps a write from being made with no credentials at all.
var errNoToken = errors.New("there is no token in the context to act with")

type tokenKey struct{}

// actingAs is a context in which the callers' client acts with that token.
func actingAs(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// callerTransport puts the token of the context on each request.
type callerTransport struct{ next http.RoundTripper }

// RoundTrip makes a request as the caller.
func (t callerTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	token, _ := request.Context().Value(tokenKey{}).(string)
	if token == "" {
		return nil, errNoToken
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return t.next.RoundTrip(request)
}

// newCallersClient shares one transport among all callers. Of the facade's configuration it takes the address and what to
// trust, and no credentials.
func newCallersClient(config *rest.Config) (client.Client, error) {
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.QPS = -1
	anonymous.Wrap(func(next http.RoundTripper) http.RoundTripper { return callerTransport{next: next} })
	return newClient(anonymous)
}

// settlePatience is how long a read waits for the cache to see what the caller wrote before. It is milliseconds behind on
// a good day, and there are writes that it never sees.
const settlePatience = 2 * time.Second
