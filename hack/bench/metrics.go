package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// metrics is what a process tells Prometheus.
type metrics []byte

var labelPattern = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)

// sum adds up the samples of a metric whose labels match.
func (m metrics) sum(name string, match func(labels map[string]string) bool) float64 {
	total := 0.0
	lines := bufio.NewScanner(bytes.NewReader(m))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		end := strings.LastIndexByte(rest, ' ')
		value, err := strconv.ParseFloat(rest[end+1:], 64)
		if err != nil {
			continue
		}
		labels := map[string]string{}
		for _, label := range labelPattern.FindAllStringSubmatch(rest[:end], -1) {
			labels[label[1]] = label[2]
		}
		if match(labels) {
			total += value
		}
	}
	return total
}

var (
	// writeMethods are those of HTTP, as clients count them.
	writeMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	// writeVerbs are those of the API server's own count.
	writeVerbs = []string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
)

// sent is how many writing requests a client of the API server has sent, whatever became of them.
func (m metrics) sent() float64 {
	return m.sum("rest_client_requests_total", func(labels map[string]string) bool {
		return slices.Contains(writeMethods, labels["method"])
	})
}

// received is how many writing requests for a resource the API server has answered, whatever it answered.
func (m metrics) received(resource, subresource string) float64 {
	return m.sum("apiserver_request_total", func(labels map[string]string) bool {
		return labels["resource"] == resource && labels["subresource"] == subresource &&
			slices.Contains(writeVerbs, labels["verb"])
	})
}

// Names of the operator's controllers: one makes passes over Organisations, the other writes statuses of Members.
const (
	passes   = "organisation"
	statuses = "member"
)

// passes is how many passes of a controller have ended.
func (m metrics) passes(controller string) float64 {
	return m.sum("controller_runtime_reconcile_total", func(labels map[string]string) bool {
		return labels["controller"] == controller
	})
}

// busy is how many of a controller's workers are at work.
func (m metrics) busy(controller string) float64 {
	return m.sum("controller_runtime_active_workers", func(labels map[string]string) bool {
		return labels["controller"] == controller
	})
}

// scrape reads the metrics that a URL serves.
func scrape(ctx context.Context, url string) (metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading metrics: %s answers %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}
