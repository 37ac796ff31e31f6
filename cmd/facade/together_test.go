package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// together does something many times at once, through both replicas in turn, and counts the statuses.
func together(times int, do func(r *replica) *answer) map[int]int {
	var (
		mu       sync.Mutex
		statuses = map[int]int{}
		group    sync.WaitGroup
	)
	for i := range times {
		group.Go(func() {
			got := do(facades[i%len(facades)])
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	group.Wait()
	return statuses
}

// TestTheSameAdditionAtOnce: of many equal requests through two replicas, one makes the Member and all succeed.
func TestTheSameAdditionAtOnce(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	for round := range 5 {
		body := fmt.Sprintf(`{"username": "new-%d", "role": "viewer"}`, round)
		statuses := together(16, func(r *replica) *answer {
			return f.on(r).send(ada, http.MethodPost, "/api/v1/organisations/"+f.name+"/members", body)
		})
		if statuses[http.StatusOK] != 16 {
			t.Errorf("the statuses are %v, want 16 times 200", statuses)
		}
	}
	var members enrolv1alpha1.MemberList
	if err := f.admin.List(t.Context(), &members, client.InNamespace(f.home())); err != nil {
		t.Fatal(err)
	}
	if len(members.Items) != 5 {
		t.Errorf("there are %d Members, want 5", len(members.Items))
	}
}

// TestTheSameInvitationAtOnce: one mail, and everybody else hears that the address is invited.
func TestTheSameInvitationAtOnce(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	path := "/organization/" + f.uid() + "/inviteMember"
	for round := range 5 {
		body := fmt.Sprintf(`{"email": "new-%d@example.org"}`, round)
		statuses := together(16, func(r *replica) *answer { return f.on(r).send(ada, http.MethodPost, path, body) })
		if statuses[http.StatusCreated] != 1 || statuses[http.StatusConflict] != 15 {
			t.Errorf("the statuses are %v, want 201 once and 409 15 times", statuses)
		}
	}
}

// TestTheLastOwnersLeaveAtOnce: two owners who remove each other through two replicas leave one.
func TestTheLastOwnersLeaveAtOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
			o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: eve, Email: eve})
		})
		f.eventually(func() error {
			if !f.can(ada, "delete", "web") || !f.can(eve, "delete", "web") {
				return errNotYet
			}
			return nil
		})
		var group sync.WaitGroup
		for i, pair := range [][2]string{{ada, eve}, {eve, ada}} {
			group.Go(func() {
				f.on(facades[i]).send(pair[0], http.MethodDelete, "/organization/"+f.uid()+"/member", `{"user_id": "`+pair[1]+`"}`)
			})
		}
		group.Wait()
		o := &enrolv1alpha1.Organisation{}
		if err := f.admin.Get(t.Context(), client.ObjectKey{Name: f.name}, o); err != nil {
			t.Fatal(err)
		}
		if len(o.Spec.Owners) == 0 {
			t.Error("no owner is left")
		}
	}
}

// TestOwnWritesAreSeen: what a caller wrote is in what the replica answers next.
func TestOwnWritesAreSeen(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	list := "/api/organisations/v1/organisations/" + f.uid() + "/members"
	for i := range 50 {
		name := fmt.Sprintf("seen-%02d", i)
		f.send(ada, http.MethodPost, "/api/v1/organisations/"+f.name+"/members", `{"username": "`+name+`"}`).want(t, http.StatusOK)
		if got := f.on(facades[0]).get(ada, list).want(t, http.StatusOK); !strings.Contains(string(got.body), `"`+name+`"`) {
			t.Fatalf("%s was added, and is not in the list", name)
		}
	}
}

// TestShutdown: readiness goes first, and what is in flight is finished.
func TestShutdown(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	r, err := startReplica(environment.URL(), "--drain-delay=5s")
	if err != nil {
		t.Fatal(err)
	}
	// A removal waits for the bindings, so that it is under way for a while.
	m := f.editor(jane)
	f.eventually(func() error {
		if got := f.on(r).get(jane, "/api/v1/organisations/"+f.name+"/me"); got.status != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	done := make(chan *answer, 1)
	go func() { done <- f.on(r).send(ada, http.MethodDelete, f.versoriMember(string(m.UID)), "") }()
	time.AfterFunc(10*time.Millisecond, r.cancel)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	unready := false
	for !unready && ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.health+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("the health checks ended before they said that nothing more is taken: %v", err)
		}
		_ = response.Body.Close()
		unready = response.StatusCode == http.StatusServiceUnavailable
	}
	(<-done).want(t, http.StatusNoContent)
	if err := <-r.ended; err != nil {
		t.Errorf("the facade ended: %v", err)
	}
	r.client.CloseIdleConnections()
}
