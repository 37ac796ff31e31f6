package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/testenv"
)

// TestTelemetry lets a story happen, and looks at what both programs tell of it: that it is right, that only those get it who may,
// and that it names nobody.
func TestTelemetry(t *testing.T) {
	w := newWatched(t)
	before := w.save(t)
	w.story()
	secrets := []string{"watched", "unheard", "rival", "kim", "jim", "ada@", "eve@", "example.com", "SECRET", "robot", "stranger", w.platform[:40]}
	t.Run("Guarded", w.testGuarded)
	for name, url := range map[string]string{"operator": w.operatorMetrics, "facade": w.facadeMetrics} {
		t.Run("Names/"+name, func(t *testing.T) {
			text, families := w.scrape(t, url)
			for _, secret := range secrets {
				for line := range strings.Lines(string(text)) {
					if strings.Contains(line, secret) {
						t.Errorf("metrics name %q: %s", secret, line)
					}
				}
			}
			for family := range families {
				if strings.HasPrefix(family, "enrol_") && len(families[family].GetHelp()) < 10 {
					t.Errorf("%s does not say what it is", family)
				}
			}
		})
		t.Run("Lint/"+name, func(t *testing.T) {
			text, _ := w.scrape(t, url)
			problems, err := promlint.New(bytes.NewReader(text)).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				if strings.HasPrefix(p.Metric, "enrol_") {
					t.Errorf("%s: %s", p.Metric, p.Text)
				}
			}
		})
	}
	t.Run("Values", w.testValues)
	t.Run("Rules", func(t *testing.T) { testRules(t, append(before, w.save(t)...)) })
	t.Run("Profiles", w.testProfiles)
	t.Run("Traces", func(t *testing.T) { w.testTraces(t, secrets) })
}

func (w *watched) testGuarded(t *testing.T) {
	for name, url := range map[string]string{"operator": w.operatorMetrics, "facade": w.facadeMetrics} {
		for who, q := range map[string]struct {
			token  string
			status []int
		}{
			"nobody": {"", []int{http.StatusUnauthorized}},
			// The library that asks takes the API server's no for a failure.
			"a liar":     {"nonsense", []int{http.StatusUnauthorized, http.StatusInternalServerError}},
			"a stranger": {w.stranger, []int{http.StatusForbidden}},
			"a scraper":  {w.scraper, []int{http.StatusOK}},
		} {
			if status, body := w.get(url, q.token); !slices.Contains(q.status, status) {
				t.Errorf("the %s's metrics answer %s %d %.100s, want %v", name, who, status, body, q.status)
			} else if status != http.StatusOK && bytes.Contains(body, []byte("enrol_")) {
				t.Errorf("the %s tells %s its metrics", name, who)
			}
		}
	}
}

// value is the sum of a family's samples whose labels have these values: of histograms, how many there are.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
				return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			})
		}
		if matches {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func (w *watched) testValues(t *testing.T) {
	const list = "GET /api/v1/organizations/{organization_id}/users"
	for _, want := range []struct {
		facade      bool
		name        string
		labels      []string
		least, most float64
	}{
		{false, "enrol_build_info", []string{"component", "operator", "version", "dev"}, 1, 1},
		{false, "enrol_objects", []string{"kind", "Organisation"}, 2, 100},
		{false, "enrol_objects", []string{"kind", "Invitation"}, 2, 100},
		{false, "enrol_object_conditions", []string{"kind", "Organisation", "condition", "Ready", "status", "True", "reason", "Reconciled"}, 2, 100},
		{false, "enrol_object_conditions", []string{"kind", "Invitation", "condition", "Ready", "reason", "Accepted"}, 1, 100},
		{false, "enrol_object_conditions", []string{"reason", "other"}, 0, 0},
		{false, "enrol_access_latency_seconds", []string{"kind", "Organisation", "change", "created"}, 2, 100},
		{false, "enrol_access_latency_seconds", []string{"kind", "Member", "change", "created"}, 2, 2},
		{false, "enrol_access_latency_seconds", []string{"kind", "Member", "change", "updated"}, 0, 1},
		{false, "enrol_access_latency_seconds", []string{"kind", "Member", "change", "deleted"}, 1, 1},
		{false, "enrol_access_oldest_waiting_seconds", nil, 0, 5},
		{false, "enrol_role_binding_writes_total", []string{"operation", "create"}, 4, 100},
		{false, "enrol_role_binding_writes_total", []string{"operation", "delete"}, 1, 100},
		{false, "enrol_drift_corrected_total", []string{"cause", "deleted"}, 1, 1},
		{false, "enrol_drift_corrected_total", []string{"cause", "changed"}, 1, 1},
		{false, "enrol_drift_corrected_total", []string{"cause", "foreign"}, 1, 1},
		{false, "enrol_object_conditions", []string{"kind", "Organisation", "condition", "Stalled", "reason", "SlugTaken"}, 1, 1},
		{false, "enrol_mails_total", []string{"outcome", "HandedOver"}, 1, 100},
		{false, "enrol_mails_total", []string{"outcome", "Refused"}, 1, 1},
		{false, "enrol_mails_total", []string{"outcome", "Unusable"}, 0, 0},
		{true, "enrol_build_info", []string{"component", "facade", "version", "dev"}, 1, 1},
		{true, "enrol_facade_requests_total", []string{"route", list, "code", "200"}, 3, 3},
		{true, "enrol_facade_requests_total", []string{"route", list, "code", "401"}, 2, 2},
		{true, "enrol_facade_requests_total", []string{"route", list, "code", "429"}, 1, 1},
		{true, "enrol_facade_requests_total", []string{"route", "none", "code", "404"}, 1, 1},
		{true, "enrol_facade_requests_total", []string{"route", "/docs", "code", "200"}, 1, 1},
		{true, "enrol_facade_requests_total", []string{"route", "GET /organisations/{slug}"}, 1, 1},
		{true, "enrol_facade_request_duration_seconds", []string{"route", list}, 5, 100},
		{true, "enrol_facade_requests_in_flight", nil, 0, 0},
		{true, "enrol_facade_token_reviews_total", []string{"outcome", "accepted"}, 2, 10},
		{true, "enrol_facade_token_reviews_total", []string{"outcome", "refused"}, 1, 1},
		{true, "enrol_facade_token_reviews_total", []string{"outcome", "cached"}, 1, 100},
		{true, "enrol_facade_access_reviews_total", []string{"outcome", "allowed"}, 1, 10},
		{true, "enrol_facade_access_reviews_total", []string{"outcome", "denied"}, 1, 100},
		{true, "enrol_facade_access_reviews_total", []string{"outcome", "cached"}, 1, 100},
		{true, "enrol_facade_rate_limited_total", []string{"by", "caller"}, 1, 1},
		{true, "enrol_facade_rate_limited_total", []string{"by", "source"}, 0, 0},
	} {
		url := w.operatorMetrics
		if want.facade {
			url = w.facadeMetrics
		}
		testenv.Eventually(t, func() error {
			_, families := w.scrape(t, url)
			if families[want.name] == nil {
				return fmt.Errorf("there is no metric %s", want.name)
			}
			if got := value(families, want.name, want.labels...); got < want.least || got > want.most {
				return fmt.Errorf("%s of %v is %v, want %v to %v", want.name, want.labels, got, want.least, want.most)
			}
			return nil
		})
	}
}

// save writes what both programs tell into files, and returns them as promcheck takes them.
func (w *watched) save(t *testing.T) []string {
	t.Helper()
	var all []string
	for job, url := range map[string]string{"enrol-operator-metrics": w.operatorMetrics, "enrol-facade-metrics": w.facadeMetrics} {
		var text []byte
		testenv.Eventually(t, func() error {
			var status int
			if status, text = w.get(url, w.scraper); status != http.StatusOK || !bytes.Contains(text, []byte("\nenrol_build_info{")) {
				return fmt.Errorf("%s answers %d", url, status)
			}
			return nil
		})
		file := filepath.Join(t.TempDir(), job)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, job+"="+file)
	}
	return all
}

// testRules holds the rules and the dashboard against what was scraped before and after the story, by Prometheus' own engine.
func testRules(t *testing.T, scrapes []string) {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	const folder = "config/prometheus/"
	command := exec.CommandContext(t.Context(), "bin/tools/promcheck", append([]string{
		"--rules=" + folder + "rules.yaml", "--dashboard=" + folder + "dashboard.json", "--runbooks=docs/runbooks.md",
		"--scenarios=" + folder + "testdata/scenarios.yaml",
	}, scrapes...)...)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := environment.Kubectl("kustomize", filepath.Join(root, folder)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func (w *watched) testProfiles(t *testing.T) {
	for _, url := range []string{w.operatorProfiles, w.facadeProfiles} {
		if status, body := w.get(url+"/debug/pprof/goroutine?debug=1", ""); status != http.StatusOK || !bytes.Contains(body, []byte("main.main")) {
			t.Errorf("%s answers %d %.100s", url, status, body)
		}
	}
}

func (w *watched) testTraces(t *testing.T, secrets []string) {
	t.Helper()
	for _, want := range []struct{ service, name, parent string }{
		{"enrol-operator", "reconcile organisation", ""},
		{"enrol-operator", "create rolebindings", "reconcile organisation"},
		{"enrol-operator", "patch members/status", "reconcile member"},
		{"enrol-operator", "patch invitations/status", "reconcile invitation"},
		{"enrol-facade", "GET /api/v1/organizations/{organization_id}/users", ""},
		{"enrol-facade", "create tokenreviews", "GET /api/v1/organizations/{organization_id}/users"},
		{"enrol-facade", "create subjectaccessreviews", "GET /api/v1/organizations/{organization_id}/users"},
	} {
		testenv.Eventually(t, func() error {
			span, parent := w.traces.find(want.service, want.name)
			if span == nil || want.parent != "" && parent.GetName() != want.parent {
				return fmt.Errorf("the %s has span %q with parent %q, want %q", want.service, want.name, parent.GetName(), want.parent)
			}
			return nil
		})
	}
	// Spans are sent some at a time. The caller's came before the proxy's.
	testenv.Eventually(t, func() error {
		w.traces.mu.Lock()
		defer w.traces.mu.Unlock()
		if !w.traces.has("enrol-facade", traceOfProxy) {
			return errors.New("the trace of a trusted proxy does not go on")
		}
		return nil
	})
	w.traces.mu.Lock()
	defer w.traces.mu.Unlock()
	for _, raw := range w.traces.raw {
		for _, secret := range secrets {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("traces name %q", secret)
			}
		}
		if at := bytes.Index(raw, []byte("127.0.0.1")); at >= 0 {
			t.Errorf("traces have an address: %q", raw[max(0, at-40):min(len(raw), at+40)])
		}
	}
	if w.traces.has("enrol-facade", traceOfCaller) {
		t.Error("a caller whom nobody trusts decides which trace a request belongs to")
	}
}

// TestRefusedTelemetry starts both programs in ways that they must refuse.
func TestRefusedTelemetry(t *testing.T) {
	for name, test := range map[string]struct{ argument, want string }{
		"ProfilesForAll":    {"--pprof-bind-address=:6060", "must be a loopback address"},
		"ProfilesOutside":   {"--pprof-bind-address=192.0.2.1:6060", "must be a loopback address"},
		"ProfilesByName":    {"--pprof-bind-address=localhost:6060", "must be a loopback address"},
		"NoCertificate":     {"--metrics-cert-dir=/nonexistent", "--metrics-cert-dir"},
		"TracesToNowhere":   {"--tracing-endpoint=collector:4318", "must be a URL"},
		"TracesWithSecrets": {"--tracing-endpoint=https://me:secret@collector", "no credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, binary, test.argument).CombinedOutput()
			if err == nil || !strings.Contains(string(out), test.want) || strings.Contains(string(out), "secret@") {
				t.Errorf("the operator ends with %v and says %s, want %q", err, out, test.want)
			}
		})
	}
}
