package identity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/subject"
)

const person = "ada@example.com"

// apiServer answers token reviews, and counts them.
type apiServer struct {
	*Reviewer

	clock  *clocktesting.FakePassiveClock
	status authenticationv1.TokenReviewStatus
	// text is answered instead of a review, with code; "" for none.
	text  string
	code  int
	asked int
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{clock: clocktesting.NewFakePassiveClock(time.Now())}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked++
		w.Header().Set("Content-Type", "application/json")
		if s.text != "" {
			w.WriteHeader(s.code)
			_, _ = w.Write([]byte(s.text))
			return
		}
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		if len(review.Spec.Audiences) > 0 {
			t.Errorf("the token is reviewed for %q, and not for the API server itself", review.Spec.Audiences)
		}
		review.Status = s.status
		w.WriteHeader(http.StatusCreated)
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	clients, err := kubernetes.NewForConfig(&rest.Config{
		Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Reviewer = NewReviewer(clients.AuthenticationV1().TokenReviews(), subject.Naming{}, s.clock)
	return s
}

// accept has tokens be a person's.
func (s *apiServer) accept(username string) {
	s.status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: username}}
}

func TestReviewer(t *testing.T) {
	t.Parallel()
	user := authenticationv1.UserInfo{Username: person}
	cases := map[string]struct {
		reason string
		status authenticationv1.TokenReviewStatus
		text   string
		code   int
		want   string
		// refused is true for a token that is nobody's; otherwise nobody knows.
		refused bool
	}{
		"Accepted": {reason: "the API server knows whose it is", status: authenticationv1.TokenReviewStatus{Authenticated: true, User: user}, want: person},
		"Refused": {
			reason: "a name does not help a token that was refused", refused: true,
			status: authenticationv1.TokenReviewStatus{User: user, Error: "expired"},
		},
		"NoName": {
			reason: "an empty username would be anybody's", refused: true,
			status: authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Groups: []string{"system:masters"}}},
		},
		"Nothing":   {reason: "an answer that says nothing accepts nothing", text: `{}`, code: 201, refused: true},
		"Failing":   {reason: "a failure is no answer", text: `{}`, code: 500},
		"Forbidden": {reason: "the facade's own account was refused, and not the token", text: `{}`, code: 403},
		"Nonsense":  {reason: "what cannot be read is no answer", text: `<html>`, code: 200},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.status, s.text, s.code = tc.status, tc.text, tc.code
			for range 2 {
				got, err := s.Caller(t.Context(), "token")
				if tc.want == "" {
					if err == nil || errors.Is(err, ErrRefused) != tc.refused {
						t.Errorf("%s: got %v, %v", tc.reason, got, err)
					}
					continue
				}
				if err != nil || got.Username != tc.want || got.Token != "token" {
					t.Errorf("%s: got %+v, %v", tc.reason, got, err)
				}
			}
			// Only a yes is remembered.
			if want := map[bool]int{true: 1, false: 2}[tc.want != ""]; s.asked != want {
				t.Errorf("%s: the API server was asked %d times, want %d", tc.reason, s.asked, want)
			}
		})
	}
}

// expiring is a token that says when it expires.
func expiring(claims string) string {
	return "x." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
}

func TestReviewerRemembers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		// expires is how long the token is good for; 0: it does not say.
		expires, later time.Duration
		asked          int
	}{
		"Soon":       {reason: "an answer counts for a while", later: maxAge - time.Second, asked: 1},
		"Later":      {reason: "but not longer", later: maxAge + time.Second, asked: 2},
		"LongLived":  {reason: "however long the token lives", expires: time.Hour, later: maxAge + time.Second, asked: 2},
		"Expiring":   {reason: "nor longer than the token", expires: 3 * time.Second, later: 4 * time.Second, asked: 2},
		"NotExpired": {reason: "until then it does", expires: 5 * time.Second, later: 3 * time.Second, asked: 1},
		"Expired":    {reason: "a token that is over by our clock is asked about each time", expires: -time.Second, asked: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.accept(person)
			token := "token"
			if tc.expires != 0 {
				token = expiring(fmt.Sprintf(`{"exp": %d}`, s.clock.Now().Add(tc.expires).Unix()))
			}
			for range 2 {
				if _, err := s.Caller(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				s.clock.SetTime(s.clock.Now().Add(tc.later))
			}
			if s.asked != tc.asked {
				t.Errorf("%s: the API server was asked %d times, want %d", tc.reason, s.asked, tc.asked)
			}
		})
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	verified := func(values ...string) map[string]authenticationv1.ExtraValue {
		return map[string]authenticationv1.ExtraValue{enrolv1alpha1.ExtraVerifiedEmail: values}
	}
	cases := map[string]struct {
		reason      string
		prefix      string
		username    string
		extra       map[string]authenticationv1.ExtraValue
		name, email string
	}{
		"Person":         {reason: "without an extra no address is verified, a username that is one included", username: person, name: person},
		"Verified":       {reason: "the API server vouches for it", username: "ada", extra: verified("Ada@Example.com"), name: "ada", email: person},
		"NotVerified":    {reason: "an empty one is none", username: "ada", extra: verified(""), name: "ada"},
		"Two":            {reason: "two leave open which is meant", username: "ada", extra: verified(person, "eve@example.com"), name: "ada"},
		"Lookalike":      {reason: "letters of another script are another address", username: "ada", extra: verified("\u0430da@example.com"), name: "ada"},
		"OtherDomain":    {reason: "so is a domain that is written otherwise", username: "ada", extra: verified("ada@exämple.com"), name: "ada"},
		"Prefix":         {reason: "Members do not have the API server's prefix", prefix: "oidc:", username: "oidc:ada", name: "ada"},
		"AnotherPrefix":  {reason: "whoever has another is no member", prefix: "oidc:", username: "ada", extra: verified(person)},
		"ServiceAccount": {reason: "an account of the cluster is no member, whatever its extras", username: "system:serviceaccount:a:b", extra: verified(person)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCaller("token", &userInfo{Username: tc.username, Extra: tc.extra}, subject.Naming{UsernamePrefix: tc.prefix})
			got, want := []string{c.Username, c.Name, c.VerifiedEmail}, []string{tc.username, tc.name, tc.email}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: username, name and address differ (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
