// Package metrics holds the operator's own metrics. Their labels have values of short lists only: never an address, nor the
// name of a person or an organisation.
package metrics

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/telemetry"
)

// Catalogue knows the operator's metrics.
var Catalogue = telemetry.NewCatalogue(metrics.Registry)

// Build says what runs.
var Build = Catalogue.BuildInfo()

// latencies are the buckets of accessLatency, in seconds: a pass waits up to 0.4 s for company, and 5 s is the objective.
var latencies = []float64{0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800}

var accessLatency = Catalogue.Histogram("enrol_access_latency_seconds",
	"From when the operator saw that the spec of a Member or Organisation came, changed or went, or from the creation of one that "+
		"came while no operator ran, to the end of the pass that wrote the RoleBindings for it. Refused ones do not count.",
	latencies, "kind", "change")

// Change is what became of an object.
type Change string

// The changes of an object.
const (
	Created Change = "created"
	Updated Change = "updated"
	Deleted Change = "deleted"
)

// The kinds whose specs decide about access.
const (
	KindOrganisation = "Organisation"
	KindMember       = "Member"
	kindInvitation   = "Invitation"
)

// AccessStands counts a change whose access stands, or is gone, after that time.
func AccessStands(kind string, change Change, after time.Duration) {
	accessLatency.WithLabelValues(kind, string(change)).Observe(after.Seconds())
}

// Operation is what is done to a RoleBinding.
type Operation string

// The operations on a RoleBinding.
const (
	Create Operation = "create"
	Update Operation = "update"
	Delete Operation = "delete"
)

var bindingWrites = Catalogue.Counter("enrol_role_binding_writes_total", "RoleBindings written, by what was done.",
	[]string{"operation"}, string(Create), string(Update), string(Delete))

// BindingWritten counts a write of a RoleBinding.
func BindingWritten(o Operation) { bindingWrites.WithLabelValues(string(o)).Inc() }

// Drift is what somebody else did to RoleBindings.
type Drift string

// The kinds of drift.
const (
	// NoDrift: nobody did anything.
	NoDrift Drift = ""
	// DriftDeleted: a RoleBinding was deleted.
	DriftDeleted Drift = "deleted"
	// DriftChanged: subjects, owner or labels of a RoleBinding were changed.
	DriftChanged Drift = "changed"
	// DriftForeign: there was a RoleBinding marked as Enrol's that Enrol would not make: a name or a roleRef of its own.
	DriftForeign Drift = "foreign"
)

var drifts = Catalogue.Counter("enrol_drift_corrected_total",
	"RoleBindings put right that somebody else had deleted, changed or made, as far as this operator saw them before.",
	[]string{"cause"}, string(DriftDeleted), string(DriftChanged), string(DriftForeign))

// DriftCorrected counts what was put right.
func DriftCorrected(d Drift) {
	if d != NoDrift {
		drifts.WithLabelValues(string(d)).Inc()
	}
}

const handedOver = "HandedOver"

var mails = Catalogue.Counter("enrol_mails_total", "Attempts to hand a mail over to the mail server, by outcome.",
	[]string{"outcome"}, handedOver, string(enrolv1alpha1.MailRefused), string(enrolv1alpha1.MailDeferred),
	string(enrolv1alpha1.MailUnconfirmed), string(enrolv1alpha1.MailUnusable))

// MailAttempted counts an attempt to hand a mail over; "" is no failure.
func MailAttempted(failure enrolv1alpha1.MailFailure) {
	if failure == "" {
		failure = handedOver
	}
	mails.WithLabelValues(string(failure)).Inc()
}

// Every series that a rule asks for is there from the start, or the first count of all would be no increase.
func init() {
	for _, kind := range []string{KindOrganisation, KindMember} {
		for _, change := range []Change{Created, Updated, Deleted} {
			accessLatency.WithLabelValues(kind, string(change))
		}
	}
}
