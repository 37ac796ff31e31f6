// Package controllers lists Enrol's controllers, what they cache and the rights that they need.
package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/invitation"
	"github.com/enrol-dev/enrol/controllers/member"
	"github.com/enrol-dev/enrol/controllers/organisation"
	"github.com/enrol-dev/enrol/internal/gitops"
	invitations "github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/preflight"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

// +kubebuilder:rbac:groups=enrol.dev,resources=organisations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=enrol.dev,resources=members,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=enrol.dev,resources=invitations,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=enrol.dev,resources=organisations/status;members/status;invitations/status,verbs=patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,resourceNames=enrol-grant-groups;enrol-grant-roles;enrol-home-namespaces;enrol-inviters;enrol-namespace-labels;enrol-self-kinds;enrol-self-namespaces;enrol-self-rbac;enrol-self-secrets,verbs=get
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=invitations.enrol.dev;members.enrol.dev;organisations.enrol.dev,verbs=get
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterrolebindings,resourceNames="enrol:operator",verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are what a platform team tells the operator at its start.
type Options struct {
	// Naming says how the API server derives usernames and groups.
	Naming subject.Naming
	// Namespace of the operator, which is never a project.
	Namespace string
	// Links says where the links in mails may lead to.
	Links invitations.Links
	// Keys are what links are made with.
	Keys *token.Keys
	// Mail says how to send mails.
	Mail Mail
	// Tracking says how to see what is kept in Git.
	Tracking gitops.Tracking
	// Guard says when nobody must be given anything new; nil: never.
	Guard *preflight.Guard
	// Clock tells the time.
	Clock clock.Clock
}

// Mail says how to send mails.
type Mail struct {
	// Transport hands mails over; nil: none are sent.
	Transport mail.Transport
	// From is whom mails are from.
	From mail.Address
	// Parallel is how many are handed over at a time.
	Parallel int
}

// Setup adds all controllers to a manager.
func Setup(ctx context.Context, mgr ctrl.Manager, options Options) error {
	members, err := member.Setup(mgr, options.Clock)
	if err != nil {
		return fmt.Errorf("setting up the member controller: %w", err)
	}
	if err := organisation.Setup(ctx, mgr, organisation.Options{
		Naming: options.Naming, Namespace: options.Namespace, Settler: members, Guard: options.Guard, Clock: options.Clock,
	}); err != nil {
		return fmt.Errorf("setting up the organisation controller: %w", err)
	}
	settings := invitation.Settings{Naming: options.Naming, Links: options.Links, Tracking: options.Tracking}
	if options.Mail.Transport != nil {
		settings.MailDomain = mail.Domain(options.Mail.From)
	}
	if err := invitation.Setup(ctx, mgr, invitation.Options{
		Settings: settings, Namespace: options.Namespace, Keys: options.Keys, Transport: options.Mail.Transport,
		ParallelMails: options.Mail.Parallel, From: options.Mail.From,
		Guard: options.Guard, Clock: options.Clock,
	}); err != nil {
		return fmt.Errorf("setting up the invitation controller: %w", err)
	}
	return nil
}

// CacheOptions say what the controllers keep in memory: no more than they read. Nothing from the cache is copied on
// reading, so nothing that was read may be changed in place. The namespace is the operator's own.
func CacheOptions(namespace string) cache.Options {
	return cache.Options{
		DefaultTransform:             slim,
		DefaultUnsafeDisableDeepCopy: new(true),
		ByObject: map[client.Object]cache.ByObject{
			// Somebody else's bindings are looked at one by one when one is in the way.
			&rbacv1.RoleBinding{}: {Label: labels.SelectorFromSet(labels.Set{
				enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy,
			})},
			// The one ConfigMap that the operator may read.
			&corev1.ConfigMap{}: {
				Namespaces: map[string]cache.Config{namespace: {}},
				Field:      fields.OneTermEqualSelector("metadata.name", invitation.TemplatesConfigMap),
			},
		},
	}
}

// ClientOptions make a client see its own writes: a pass must not decide from what the one before it changed.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
}
