package member

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/enrol-dev/enrol/internal/telemetry"
)

const (
	// parallelWrites of statuses. With 16 as many are written, but the RoleBindings, which somebody waits for, have to
	// queue behind them: the access of the last 1 % of a burst came after 1.4 s instead of 1.1.
	parallelWrites = 8
	writeTimeout   = time.Minute
)

// Setup adds the controller to a manager. It watches nothing: what a Member's status says depends on the bindings, so
// the passes of the organisation controller hand over what they settled.
func Setup(mgr ctrl.Manager, c clock.PassiveClock) (*Reconciler, error) {
	r := &Reconciler{
		client:   mgr.GetClient(),
		recorder: mgr.GetEventRecorder("enrol.dev/member"),
		clock:    c,
		pending:  map[types.NamespacedName]Settlement{},
	}
	members, err := controller.New("member", mgr, controller.Options{
		Reconciler:              telemetry.TracePasses("member", r),
		MaxConcurrentReconciles: parallelWrites,
		ReconciliationTimeout:   writeTimeout,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			20*time.Millisecond, 15*time.Second),
	})
	if err != nil {
		return nil, err
	}
	return r, members.Watch(source.Func(
		func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			r.start(queue)
			return nil
		}))
}
