// Package telemetry is what a program tells whoever runs it, besides its log: metrics, traces and profiles. Nothing of it may
// hold the name of a person or an organisation, an address or a token.
package telemetry

import (
	"errors"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// Definition says what a metric is, for the reference.
type Definition struct {
	Name, Type, Help string
	Labels           []string
}

// Catalogue makes metrics, and knows those that it made. It is filled while a program is initialised.
type Catalogue struct {
	registry    prometheus.Registerer
	definitions []Definition
}

// NewCatalogue makes metrics that are registered there.
func NewCatalogue(registry prometheus.Registerer) *Catalogue { return &Catalogue{registry: registry} }

// Definitions are those of the metrics that were made, in that order.
func (c *Catalogue) Definitions() []Definition { return c.definitions }

// Counter makes a counter, and lets it begin at 0 for each of the values that its one label has. With no values, or several
// labels, there is nothing to see before the first count.
func (c *Catalogue) Counter(name, help string, labels []string, values ...string) *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	c.add(counter, Definition{Name: name, Type: "counter", Help: help, Labels: labels})
	for _, value := range values {
		counter.WithLabelValues(value)
	}
	return counter
}

// Gauge makes a gauge.
func (c *Catalogue) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	c.add(gauge, Definition{Name: name, Type: "gauge", Help: help, Labels: labels})
	return gauge
}

// Histogram makes a histogram of seconds.
func (c *Catalogue) Histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	c.add(histogram, Definition{Name: name, Type: "histogram", Help: help, Labels: labels})
	return histogram
}

// Collected describes a gauge whose values a collector finds when it is asked. The collector is for the caller to register.
func (c *Catalogue) Collected(name, help string, labels ...string) *prometheus.Desc {
	c.definitions = append(c.definitions, Definition{Name: name, Type: "gauge", Help: help, Labels: labels})
	return prometheus.NewDesc(name, help, labels, nil)
}

func (c *Catalogue) add(metric prometheus.Collector, d Definition) {
	c.registry.MustRegister(metric)
	c.definitions = append(c.definitions, d)
}

// Build says what runs.
type Build struct{ gauge *prometheus.GaugeVec }

// buildInfo is one for all catalogues of a program: tests run both programs in one.
var buildInfo = Definition{
	Name: "enrol_build_info", Type: "gauge", Help: "What runs: always 1.", Labels: []string{"component", "version", "go_version"},
}

// BuildInfo makes the metric that says what runs.
func (c *Catalogue) BuildInfo() *Build {
	c.definitions = append(c.definitions, buildInfo)
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: buildInfo.Name, Help: buildInfo.Help}, buildInfo.Labels)
	err := c.registry.Register(gauge)
	if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return &Build{known.ExistingCollector.(*prometheus.GaugeVec)}
	}
	if err != nil {
		panic(err)
	}
	return &Build{gauge}
}

// Say says that this component of that version runs.
func (b *Build) Say(component, version string) {
	b.gauge.WithLabelValues(component, version, runtime.Version()).Set(1)
}
