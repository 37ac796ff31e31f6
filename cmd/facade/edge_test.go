package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
)

// auditLine is what matters of a line of the log about a change.
type auditLine struct {
	Message      string   `json:"msg"`
	Actor        string   `json:"actor"`
	Organisation string   `json:"organisation"`
	Objects      []string `json:"objects"`
	Route        string   `json:"route"`
	Decision     string   `json:"decision"`
	Status       int      `json:"status"`
	RequestID    string   `json:"requestID"`
}

// audited are the audit lines about a request.
func (r *replica) audited(t testing.TB, id string) []auditLine {
	t.Helper()
	var lines []auditLine
	for text := range strings.Lines(r.log.String()) {
		var line auditLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if line.Message == "Audit" && line.RequestID == id {
			line.Message, line.RequestID = "", ""
			lines = append(lines, line)
		}
	}
	return lines
}

// TestAuditLines: each change, and each that was refused, has one line that says whose it was and what about.
func TestAuditLines(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	r := newWatched(t)
	f.eventually(func() error {
		if got := f.on(r).get(jane, f.versoriMember(string(m.UID))); got.status != http.StatusOK {
			return fmt.Errorf("not known yet: %s", got)
		}
		return nil
	})
	const add, remove = "POST /api/v1/organisations/{organisationSlug}/members",
		"DELETE /api/v1/org/{org}/members/{user_id}"
	members := "/api/v1/organisations/" + f.name + "/members"
	const secret = "nobody-shall-read-this"
	for _, tc := range []struct {
		who string
		route
		want auditLine
	}{
		{ada, route{http.MethodPost, members, `{"username": "new", "x": "` + secret + `"}`}, auditLine{
			Actor: ada, Organisation: f.name, Objects: []string{"Member " + f.home() + "/" + naming.Member("new")}, Route: add,
			Decision: "allowed", Status: http.StatusOK,
		}},
		{jane, route{http.MethodPost, members, `{"username": "new"}`}, auditLine{
			Actor: jane, Organisation: f.name, Route: add, Decision: "denied", Status: http.StatusForbidden,
		}},
		{ada, route{http.MethodPost, members, `{"role": "` + secret + `"}`}, auditLine{
			Actor: ada, Organisation: f.name, Route: add, Decision: "invalid", Status: http.StatusBadRequest,
		}},
		// An organisation that the caller may not see is none of the caller's.
		{eve, route{http.MethodPost, members, `{}`}, auditLine{Actor: eve, Route: add, Decision: "denied", Status: http.StatusNotFound}},
		{"", route{http.MethodPost, members, `{}`}, auditLine{Route: add, Decision: "denied", Status: http.StatusUnauthorized}},
		{ada, route{http.MethodDelete, "/api/v1/org/" + f.name + "/members/" + string(m.UID), ""}, auditLine{
			Actor: ada, Organisation: f.name, Objects: []string{"Member " + f.home() + "/jane"}, Route: remove,
			Decision: "allowed", Status: http.StatusOK,
		}},
	} {
		got := f.on(r).send(tc.who, tc.method, tc.path, tc.body)
		var lines []auditLine
		// The line follows the answer.
		f.eventually(func() error {
			if lines = r.audited(t, got.header.Get("X-Request-ID")); len(lines) == 0 {
				return errNotYet
			}
			return nil
		})
		if diff := cmp.Diff([]auditLine{tc.want}, lines); diff != "" {
			t.Errorf("%s, as %q: -want +got:\n%s", got, tc.who, diff)
		}
	}
	if strings.Contains(r.log.String(), secret) {
		t.Error("the log tells what was in a body")
	}
}

// TestGuesses: each source may ask so often, whoever it says it is, which keeps guesses off the API server.
func TestGuesses(t *testing.T) {
	t.Parallel()
	r, err := startReplica(environment.URL(), "--requests-per-minute-and-source=2", "--trusted-proxies=127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	c := caller{TB: t, replica: r}
	for i, tc := range []struct {
		from string
		want int
	}{
		{"203.0.113.7", http.StatusUnauthorized}, {"203.0.113.7", http.StatusUnauthorized}, {"203.0.113.7", http.StatusTooManyRequests},
		// What stands before the address that the proxy saw is an invention.
		{"192.0.2.1, 203.0.113.7", http.StatusTooManyRequests}, {"203.0.113.8", http.StatusUnauthorized},
	} {
		header := http.Header{"Authorization": {fmt.Sprintf("Bearer guess-%d", i)}, "X-Forwarded-For": {tc.from}}
		got := c.do(http.MethodGet, "/api/v1/memberships", header, http.NoBody).want(t, tc.want)
		checkDocumented(t, avisiDialect, got)
		if got.status != http.StatusTooManyRequests {
			continue
		}
		if err := checkEnvelope(avisiDialect, got); err != nil {
			t.Error(err)
		}
		if after := retryAfter(t, got); after < time.Second || after > time.Minute {
			t.Errorf("come back after %s, want a minute at most", after)
		}
	}
}
