// Package controllers lists Enrol's controllers, what they cache and the rights that they need.
package controllers

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/member"
	"github.com/enrol-dev/enrol/controllers/organisation"
	"github.com/enrol-dev/enrol/internal/subject"
)

// +kubebuilder:rbac:groups=enrol.dev,resources=organisations;members,verbs=get;list;watch
// +kubebuilder:rbac:groups=enrol.dev,resources=organisations/status;members/status,verbs=patch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are what a platform team tells the operator at its start.
type Options struct {
	// Naming says how the API server derives usernames and groups.
	Naming subject.Naming
	// Namespace of the operator, which is never a project.
	Namespace string
	// Clock tells the time.
	Clock clock.Clock
}

// Setup adds all controllers to a manager.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	members, err := member.Setup(mgr, options.Clock)
	if err != nil {
		return fmt.Errorf("setting up the member controller: %w", err)
	}
	if err := organisation.Setup(ctx, mgr, organisation.Options{
		Naming: options.Naming, Namespace: options.Namespace, Settler: members, Clock: options.Clock,
	}); err != nil {
		return fmt.Errorf("setting up the organisation controller: %w", err)
	}
	return nil
}

// CacheOptions say what the controllers keep in memory: no more than they read. Nothing from the cache is copied on
// reading, so nothing that was read may be changed in place.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform:             slim,
		DefaultUnsafeDisableDeepCopy: new(true),
		ByObject: map[client.Object]cache.ByObject{
			// Somebody else's bindings are looked at one by one when one is in the way.
			&rbacv1.RoleBinding{}: {Label: labels.SelectorFromSet(labels.Set{
				enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy,
			})},
		},
	}
}

// ClientOptions make a client see its own writes: a pass must not decide from what the one before it changed.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
}
