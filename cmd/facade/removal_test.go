package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// bound counts the bindings of ours that name a person.
func (f *fixture) bound(person string) int {
	f.Helper()
	var bindings rbacv1.RoleBindingList
	if err := f.admin.List(f.Context(), &bindings, client.MatchingLabels{enrolv1alpha1.LabelOrganisation: f.name}); err != nil {
		f.Fatal(err)
	}
	count := 0
	for _, binding := range bindings.Items {
		for _, s := range binding.Subjects {
			if s.Name == person {
				count++
			}
		}
	}
	return count
}

// gone wants no binding to name somebody whose removal was confirmed. The API server hears of that when its store has it: in a moment,
// or in as many as a busy machine makes of it.
func (f *fixture) gone(person string) {
	f.Helper()
	if count := f.bound(person); count != 0 {
		f.Errorf("%s was removed, and %d bindings name them", person, count)
	}
	f.eventually(func() error {
		if f.can(person, "get", "web") {
			return fmt.Errorf("%s was removed, and has access", person)
		}
		return nil
	})
}

// editor makes a Member who may edit everywhere, and waits until that is so.
func (f *fixture) editor(person string) *enrolv1alpha1.Member {
	f.Helper()
	m := f.member("editor-"+person[:len(person)-len("@example.com")], enrolv1alpha1.MemberSpec{
		Username: enrolv1alpha1.Username(person), Roles: []enrolv1alpha1.RoleName{"developer"}, Projects: enrolv1alpha1.Projects{"*"},
	})
	f.eventually(func() error {
		if !f.can(person, "create", "web") {
			return errNotYet
		}
		return nil
	})
	f.eventually(func() error {
		if got := f.on(facades[0]).get(person, "/api/v1/organisations/"+f.name+"/me"); got.status != http.StatusOK {
			return fmt.Errorf("not known yet: %s", got)
		}
		return nil
	})
	return m
}

func (f *fixture) versoriMember(id string) string {
	return "/api/organisations/v1/organisations/" + f.uid() + "/members/" + id
}

// TestRemovalIsTrue: once the answer is there, the person can do nothing any more, every time.
func TestRemovalIsTrue(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	for range 5 {
		m := f.editor(jane)
		f.send(ada, http.MethodDelete, f.versoriMember(string(m.UID)), "").want(t, http.StatusNoContent)
		f.gone(jane)
		f.send(ada, http.MethodDelete, f.versoriMember(string(m.UID)), "").want(t, http.StatusNotFound)
	}
}

// TestRemovalWithoutTheOperator: nobody is told that the access is gone while it is not. It runs alone, as it stops the operator.
//
//nolint:paralleltest // See above.
func TestRemovalWithoutTheOperator(t *testing.T) {
	f := newOrganisation(t)
	m := f.editor(joe)
	if err := operator.Stop(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got := f.send(ada, http.MethodDelete, f.versoriMember(string(m.UID)), "").want(t, http.StatusInternalServerError)
	if took := time.Since(start); took < 9*time.Second || took > 30*time.Second {
		t.Errorf("the answer took %s, want about 10 s", took)
	}
	if code := read[struct{ Code string }](t, got).Code; code != "timeout" {
		t.Errorf("the answer has code %s, want timeout", code)
	}
	// The Member is gone, the access is not: whoever asks again must not be told that there is nobody, whichever replica is asked, and
	// by whichever name.
	var group sync.WaitGroup
	for _, r := range facades {
		f.eventually(func() error {
			if got := f.on(r).get(ada, f.versoriMember(string(m.UID))); got.status != http.StatusNotFound {
				return fmt.Errorf("still seen: %s", got)
			}
			return nil
		})
		for _, again := range []struct {
			route
			status int
		}{
			{route{http.MethodDelete, f.versoriMember(string(m.UID)), ""}, http.StatusInternalServerError},
			{route{http.MethodDelete, "/api/v1/org/" + f.name + "/members/" + string(m.UID), ""}, http.StatusGatewayTimeout},
			{route{http.MethodDelete, "/organization/" + f.uid() + "/member", `{"user_id": "` + joe + `"}`}, http.StatusInternalServerError},
			{route{http.MethodDelete, newLlamacloud(f).user(joe), ""}, http.StatusInternalServerError},
			{route{http.MethodPut, newLlamacloud(f).users + "/remove", `[{"user_id": "` + joe + `"}]`}, http.StatusInternalServerError},
		} {
			group.Go(func() {
				if got := f.on(r).send(ada, again.method, again.path, again.body); got.status != again.status {
					t.Errorf("got %s, want status %d", got, again.status)
				}
			})
		}
	}
	group.Wait()
	var err error
	if operator, err = startOperator(); err != nil {
		t.Fatal(err)
	}
	// An operator that begins may need longer than anybody waits.
	f.eventually(func() error {
		if got := f.on(facades[1]).send(ada, http.MethodDelete, f.versoriMember(string(m.UID)), ""); got.status != http.StatusNotFound {
			return fmt.Errorf("got %s, want status 404", got)
		}
		return nil
	})
	f.gone(joe)
}
