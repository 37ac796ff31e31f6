package invitation

import (
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestExcuse(t *testing.T) {
	resource := schema.GroupResource{Group: "enrol.dev", Resource: "members"}
	cases := map[string]struct {
		reason string
		err    error
		again  time.Duration
		failed bool
	}{
		"Gone":     {"there is nothing more to do", apierrors.NewNotFound(resource, "kim"), 0, false},
		"Conflict": {"somebody wrote in between, and no fault is to be logged", fmt.Errorf("resuming Member kim: %w", apierrors.NewConflict(resource, "kim", errors.New("modified"))), staleRetry, false},
		"Other":    {"anything else is a fault", errors.New("no"), 0, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := excuse(tc.err)
			if result.RequeueAfter != tc.again || (err != nil) != tc.failed {
				t.Errorf("%s: again after %s, error %v", tc.reason, result.RequeueAfter, err)
			}
		})
	}
}
