package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

var (
	objects    = Catalogue.Collected("enrol_objects", "Objects in the cache of the operator that leads.", "kind")
	conditions = Catalogue.Collected("enrol_object_conditions",
		"Objects in the cache of the operator that leads, by what their conditions say.", "kind", "condition", "status", "reason")
	oldestWaiting = Catalogue.Collected("enrol_access_oldest_waiting_seconds",
		"How long the oldest change has waited for its access to stand that is not refused; 0: none waits.")
)

// other stands for what somebody else wrote into a status.
const other = "other"

// Objects counts what is in the cache, when it is asked.
type Objects struct {
	// Cache is looked at past its reader: listing 100,000 Members would copy them.
	Cache cache.Cache
	// Oldest is how long the oldest change has waited.
	Oldest func() time.Duration

	stores map[string]toolscache.Store
}

// Start registers the metrics while the operator leads. Those of operators that wait to lead would count everything again.
func (o *Objects) Start(ctx context.Context) error {
	o.stores = map[string]toolscache.Store{}
	for kind, object := range map[string]client.Object{
		KindOrganisation: &enrolv1alpha1.Organisation{}, KindMember: &enrolv1alpha1.Member{}, kindInvitation: &enrolv1alpha1.Invitation{},
	} {
		informer, err := o.Cache.GetInformer(ctx, object)
		if err != nil {
			return fmt.Errorf("counting objects: %w", err)
		}
		shared, ok := informer.(toolscache.SharedInformer)
		if !ok {
			return errors.New("counting objects: the cache's informer has no store")
		}
		o.stores[kind] = shared.GetStore()
	}
	if err := metrics.Registry.Register(o); err != nil {
		return fmt.Errorf("counting objects: %w", err)
	}
	<-ctx.Done()
	metrics.Registry.Unregister(o)
	return nil
}

// Describe says what there is to collect.
func (*Objects) Describe(out chan<- *prometheus.Desc) {
	out <- objects
	out <- conditions
	out <- oldestWaiting
}

// said is what a condition says.
type said struct{ condition, status, reason string }

// Collect counts.
func (o *Objects) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(oldestWaiting, prometheus.GaugeValue, o.Oldest().Seconds())
	for kind, store := range o.stores {
		all := store.List()
		out <- prometheus.MustNewConstMetric(objects, prometheus.GaugeValue, float64(len(all)), kind)
		counts := map[said]int{}
		for _, object := range all {
			found := conditionsOf(object)
			for i := range found {
				counts[saidBy(&found[i])]++
			}
		}
		for s, count := range counts {
			out <- prometheus.MustNewConstMetric(conditions, prometheus.GaugeValue, float64(count), kind, s.condition, s.status, s.reason)
		}
	}
}

func conditionsOf(object any) []metav1.Condition {
	switch o := object.(type) {
	case *enrolv1alpha1.Organisation:
		return o.Status.Conditions
	case *enrolv1alpha1.Member:
		return o.Status.Conditions
	case *enrolv1alpha1.Invitation:
		return o.Status.Conditions
	default:
		return nil
	}
}

// saidBy takes only words that Enrol writes itself: whoever may write a status must not fill Prometheus.
func saidBy(c *metav1.Condition) said {
	s := said{condition: c.Type, status: string(c.Status), reason: c.Reason}
	if !slices.Contains(conditionTypes, s.condition) {
		s.condition = other
	}
	if _, known := reasons[s.reason]; !known {
		s.reason = other
	}
	switch c.Status {
	case metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown:
	default:
		s.status = other
	}
	return s
}

var conditionTypes = []string{
	enrolv1alpha1.ConditionReady, enrolv1alpha1.ConditionReconciling, enrolv1alpha1.ConditionStalled,
	enrolv1alpha1.ConditionRateLimited, enrolv1alpha1.ConditionTemplatesBroken, enrolv1alpha1.ConditionRetainedByGitOps,
}
