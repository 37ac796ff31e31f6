package testenv_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestPeopleHaveTokens(t *testing.T) {
	e, err := testenv.Start(t.Context(), testenv.Options{People: testenv.SamplePeople()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, email := range []string{"ada@example.com", "jane@example.com", "p7@example.com"} {
		config, err := e.PersonConfig(t.Context(), email)
		if err != nil {
			t.Fatal(err)
		}
		review := &authenticationv1.SelfSubjectReview{}
		if err := e.ClientFor(t, config).Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(email, review.Status.UserInfo.Username); diff != "" {
			t.Errorf("the token must be the person's own (-want +got):\n%s", diff)
		}
	}
	if _, err := e.Token(t.Context(), "stranger@example.com"); err == nil {
		t.Error("who has no account must have no token")
	}
	if _, err := environment.Token(t.Context(), "ada@example.com"); err == nil {
		t.Error("an environment without people must say so")
	}
}
