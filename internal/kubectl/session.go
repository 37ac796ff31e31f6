package kubectl

import (
	"context"
	"errors"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

var scheme = runtime.NewScheme()

func init() {
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(enrolv1alpha1.AddToScheme(scheme))
}

// session is a connection to a cluster as the person at the keyboard.
type session struct {
	client.WithWatch

	config *rest.Config
	// namespace is the one given, or else the one of the context.
	namespace string
	// given tells whether it was given.
	given bool
	// contexts are the namespaces of all contexts.
	contexts []string
}

// connect reads the kubeconfig. Nothing is asked of the cluster yet.
func (p *plugin) connect() (*session, error) {
	config, err := p.config.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	// The API server's own priority and fairness decides, not the client.
	config.QPS = -1
	config.UserAgent = "kubectl-enrol/" + p.version
	config.WarningHandler = warnings{p.streams.ErrOut}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	s := &session{WithWatch: c, config: config}
	loader := p.config.ToRawKubeConfigLoader()
	if s.namespace, s.given, err = loader.Namespace(); err != nil {
		return nil, err
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, err
	}
	for _, c := range raw.Contexts {
		if c != nil && c.Namespace != "" {
			s.contexts = append(s.contexts, c.Namespace)
		}
	}
	return s, nil
}

// warnings prints those of the API server, which may quote what others wrote.
type warnings struct{ w io.Writer }

// HandleWarningHeader prints a warning that is for people.
func (w warnings) HandleWarningHeader(code int, _, text string) {
	const forPeople = 299
	if code == forPeople && text != "" {
		say(w.w, "Warning: %s", text)
	}
}

// pageSize is how many objects are asked for at once.
const pageSize = 500

// each visits all objects of a kind, page by page. Of what it visits, nothing is kept here.
func each[T client.Object](
	ctx context.Context, s *session, list client.ObjectList, visit func(T) error, options ...client.ListOption,
) error {
	pages := pager.New(func(ctx context.Context, page metav1.ListOptions) (runtime.Object, error) {
		into := list.DeepCopyObject().(client.ObjectList)
		asked := (&client.ListOptions{}).ApplyOptions(options)
		asked.Limit, asked.Continue = page.Limit, page.Continue
		return into, s.List(ctx, into, asked)
	})
	pages.PageSize = pageSize
	return pages.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error { return visit(o.(T)) })
}

// collect lists all objects of a kind, page by page.
func collect[T client.Object](ctx context.Context, s *session, list client.ObjectList, options ...client.ListOption) ([]T, error) {
	var all []T
	err := each(ctx, s, list, func(o T) error {
		all = append(all, o)
		return nil
	}, options...)
	return all, err
}

var errWhichOrganisation = errors.New(
	"say which organisation: by name, or by the namespace (-n org-<name>, or one of its projects)")

// organisation is the name of the organisation that a command is about: the one given, or the one that the namespace is
// the home or a project of.
func (s *session) organisation(ctx context.Context, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	name, err := s.organisationOf(ctx, s.namespace)
	if err == nil && name == "" {
		err = errWhichOrganisation
	}
	return name, err
}

// organisationOf is "" for a namespace that belongs to no organisation, or that must not be read.
func (s *session) organisationOf(ctx context.Context, namespace string) (string, error) {
	if name, ok := strings.CutPrefix(namespace, enrolv1alpha1.HomeNamespacePrefix); ok {
		return name, nil
	}
	found := &corev1.Namespace{}
	err := s.Get(ctx, client.ObjectKey{Name: namespace}, found)
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return "", nil
	}
	return found.Labels[enrolv1alpha1.LabelOrganisation], err
}

// organisations are the Organisations of those names, or all.
func (s *session) organisations(ctx context.Context, names []string) ([]*enrolv1alpha1.Organisation, error) {
	if len(names) == 0 {
		return collect[*enrolv1alpha1.Organisation](ctx, s, &enrolv1alpha1.OrganisationList{})
	}
	var found []*enrolv1alpha1.Organisation
	for _, name := range names {
		o := &enrolv1alpha1.Organisation{}
		if err := s.Get(ctx, client.ObjectKey{Name: name}, o); err != nil {
			return nil, err
		}
		found = append(found, o)
	}
	return found, nil
}

func home(organisation string) string { return enrolv1alpha1.HomeNamespacePrefix + organisation }
