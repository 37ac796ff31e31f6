package review_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"weak"

	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// TestAllowed: a yes is remembered of one token, or of a name alone, and without what the token was.
func TestAllowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			panic(err)
		}
		review.Status.Allowed = true
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	client, err := authorizationclient.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	access := review.New(client.SubjectAccessReviews(), clock.RealClock{})
	right := review.Grant(review.OrganisationRoles, "owner")
	caller := func(username, token string) *identity.Caller {
		return &identity.Caller{Username: username, Token: token}
	}
	ask := func(c *identity.Caller, namespace string, want int32) {
		t.Helper()
		before := asked.Load()
		if allowed, err := access.Allowed(t.Context(), c, namespace, right); err != nil || !allowed {
			t.Fatalf("got %v, %v", allowed, err)
		}
		if got := asked.Load() - before; got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	jane := caller("jane", "token-1")
	ask(jane, "org-acme", 1)
	ask(jane, "org-acme", 0)
	ask(caller("jane", "token-1"), "org-acme", 0)
	ask(caller("jane", "token-2"), "org-acme", 1)
	ask(caller("joe", "token-1"), "org-acme", 1)
	ask(jane, "org-other", 1)
	if _, err := access.Alone(t.Context(), jane, "org-acme", right); err != nil || asked.Load() != 5 {
		t.Errorf("alone is another question: asked %d times, %v", asked.Load(), err)
	}
	kept := weak.Make(jane)
	runtime.GC()
	if kept.Value() != nil {
		t.Error("a yes keeps the caller, and the token, which may be long")
	}
	runtime.KeepAlive(access)
}
