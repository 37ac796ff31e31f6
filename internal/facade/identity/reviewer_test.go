package identity_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/subject"
)

// TestLongTokensAreNotKept: with a ServiceAccount's audiences one may make tokens as long as a header, and as many as one likes.
func TestLongTokensAreNotKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			panic(err)
		}
		review.Status.Authenticated, review.Status.User.Username = true, "jane"
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	client, err := authenticationclient.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	reviewer := identity.NewReviewer(client.TokenReviews(), subject.Naming{}, clock.RealClock{})
	for name, tc := range map[string]struct {
		length int
		want   int32
	}{"Usual": {8 << 10, 1}, "Long": {8<<10 + 1, 2}} {
		before := asked.Load()
		for range 2 {
			if _, err := reviewer.Caller(t.Context(), strings.Repeat("a", tc.length)); err != nil {
				t.Fatal(err)
			}
		}
		if got := asked.Load() - before; got != tc.want {
			t.Errorf("%s: asked %d times in two requests, want %d", name, got, tc.want)
		}
	}
}
