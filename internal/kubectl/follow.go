package kubectl

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

const (
	// settling is how long changes are collected before the tree is read anew.
	settling = 250 * time.Millisecond
	// pause before a watch that broke off is begun anew.
	pause = time.Second
	// clearScreen makes a terminal forget what it shows.
	clearScreen = "\x1b[H\x1b[2J"
)

// follow prints the tree whenever it changes, until the context is done: that is how it ends well.
func (c *treeCommand) follow(ctx context.Context, s *session, organisation string) error {
	changed := make(chan struct{}, 1)
	for _, w := range watched(organisation) {
		go s.signal(ctx, w, changed)
	}
	shown := ""
	for ctx.Err() == nil {
		text, err := c.text(ctx, s, organisation)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && text != shown {
			c.redraw(text, shown)
			shown = text
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
		select {
		case <-ctx.Done():
		case <-time.After(settling):
		}
	}
	return nil
}

// redraw shows a tree in the place of the one before or, where nothing can be taken back, below it.
func (c *treeCommand) redraw(text, before string) {
	separator := ""
	if before != "" {
		separator = "---\n"
		if printers.IsTerminal(c.streams.Out) {
			separator = clearScreen
		}
	}
	_, _ = fmt.Fprint(c.streams.Out, separator+text)
}

// source is something to watch.
type source struct {
	kind    schema.GroupVersionKind
	options []client.ListOption
}

func watched(organisation string) []source {
	kind := enrolv1alpha1.SchemeGroupVersion.WithKind
	return []source{
		{kind("Organisation"), []client.ListOption{client.MatchingFields{metav1.ObjectNameField: organisation}}},
		{kind("Member"), []client.ListOption{client.InNamespace(home(organisation))}},
		{kind("Invitation"), []client.ListOption{client.InNamespace(home(organisation))}},
		{corev1.SchemeGroupVersion.WithKind("Namespace"), []client.ListOption{
			client.MatchingLabels{enrolv1alpha1.LabelOrganisation: organisation},
		}},
		{rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), []client.ListOption{ours(organisation)}},
	}
}

// signal says when something changes. What must not be watched is not: a part of the tree then stands still.
func (s *session) signal(ctx context.Context, of source, changed chan<- struct{}) {
	for ctx.Err() == nil {
		if err := s.signalOnce(ctx, of, changed); apierrors.IsForbidden(err) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		notify(changed)
	}
}

// signalOnce watches until the API server ends it, from now on: what there is was shown already.
func (s *session) signalOnce(ctx context.Context, of source, changed chan<- struct{}) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(of.kind.GroupVersion().WithKind(of.kind.Kind + "List"))
	if err := s.List(ctx, list, append(of.options, client.Limit(1))...); err != nil {
		return err
	}
	from := &client.ListOptions{}
	from.ApplyOptions(of.options)
	from.Raw = &metav1.ListOptions{ResourceVersion: list.ResourceVersion}
	list.Items = nil
	w, err := s.Watch(ctx, list, from)
	if err != nil {
		return err
	}
	defer w.Stop()
	// What changed between the tree and the watch.
	notify(changed)
	for range w.ResultChan() {
		notify(changed)
	}
	return nil
}

// notify leaves a note unless one is there.
func notify(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
