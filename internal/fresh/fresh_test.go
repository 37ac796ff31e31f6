package fresh_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/enrol-dev/enrol/internal/fresh"
)

// reader answers after a while, unless it is told not to wait.
type reader struct {
	takes time.Duration
	err   error
	// waited and asked count the two kinds of reads.
	waited, asked int
}

func (r *reader) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, options ...client.GetOption) error {
	return r.read(ctx, (&client.GetOptions{}).ApplyOptions(options).DisableReadYourWritesConsistency)
}

func (r *reader) List(ctx context.Context, _ client.ObjectList, options ...client.ListOption) error {
	return r.read(ctx, (&client.ListOptions{}).ApplyOptions(options).DisableReadYourWritesConsistency)
}

func (r *reader) read(ctx context.Context, asItIs bool) error {
	if asItIs {
		r.asked++
		return r.err
	}
	r.waited++
	select {
	case <-time.After(r.takes):
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestReads(t *testing.T) {
	broken := errors.New("broken")
	cases := map[string]struct {
		reason        string
		reader        reader
		limit         time.Duration
		waited, asked int
		want          error
	}{
		"CatchesUp":      {"the usual case", reader{takes: time.Millisecond}, time.Minute, 1, 0, nil},
		"NeverCatchesUp": {"then the cache as it is", reader{takes: time.Hour}, time.Minute, 1, 1, nil},
		"Fails":          {"an error is not a delay", reader{err: broken}, time.Minute, 1, 0, broken},
		"FailsLater":     {"nor hidden by one", reader{takes: time.Hour, err: broken}, time.Minute, 1, 1, broken},
		"CallerLeaves":   {"who has no time is not kept", reader{takes: time.Hour}, time.Second, 1, 0, context.DeadlineExceeded},
	}
	for name, tc := range cases {
		for kind, read := range map[string]func(context.Context, client.Reader) error{
			"Get": func(ctx context.Context, r client.Reader) error {
				return fresh.Get(ctx, r, client.ObjectKey{}, &corev1.Namespace{})
			},
			"List": func(ctx context.Context, r client.Reader) error {
				return fresh.List(ctx, r, &corev1.NamespaceList{}, client.InNamespace("web"))
			},
		} {
			t.Run(name+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), tc.limit)
					defer cancel()
					r := tc.reader
					err := read(ctx, &r)
					if !errors.Is(err, tc.want) || r.waited != tc.waited || r.asked != tc.asked {
						t.Errorf("%v, waited %d times, asked %d times, want %v, %d, %d: %s",
							err, r.waited, r.asked, tc.want, tc.waited, tc.asked, tc.reason)
					}
				})
			})
		}
	}
}
