package invitation

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/token"
)

const (
	// keyInterval is how often the operator looks for the key.
	keyInterval = 5 * time.Second
	// keyPatience is how long it waits for a Secret that is there to be mounted before it tries to make it again.
	keyPatience = 5 * time.Minute
)

// keyMaker makes the Secret when there is none. The operator may create it, and neither read nor change it: what it
// reads are the mounted files.
type keyMaker struct {
	client    client.Client
	keys      *token.Keys
	namespace string
}

// Start looks for the key until the context ends.
func (k *keyMaker) Start(ctx context.Context) error {
	var tried time.Time
	for {
		_, err := k.keys.Ring()
		switch {
		case !errors.Is(err, token.ErrNoKey):
			// Should it go, it is made anew at once.
			tried = time.Time{}
		case time.Since(tried) > keyPatience:
			tried = time.Now()
			if err := k.make(ctx); err != nil && ctx.Err() == nil {
				tried = time.Time{}
				ctrl.LoggerFrom(ctx).Error(err, "Cannot make the key for links")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(keyInterval):
		}
	}
}

// make makes the Secret. One that is there stays: it may only not be mounted yet.
func (k *keyMaker) make(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := k.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: installed.KeySecret, Namespace: k.namespace},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{token.Current: token.NewKey()},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("making Secret %s/%s: %w", k.namespace, installed.KeySecret, err)
	}
	return nil
}
