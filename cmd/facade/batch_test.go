package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// rows is a batch of that many people.
func rows(count int) string {
	all := make([]string, 0, count)
	for i := range count {
		all = append(all, fmt.Sprintf(`{"user_id": "batch-%04d", "project_ids": null}`, i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// user is what matters of an answer about one.
type user struct {
	ID     string `json:"id"`
	UserID string `json:"user_id"`
}

// TestBatchHalfWay: a batch that breaks off is finished by the same call again, and nobody is there twice.
func TestBatchHalfWay(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	x := newTroubled(t)
	x.only = "/members"
	path := "/api/v1/organizations/" + f.uid() + "/users"
	f.eventually(func() error {
		if got := f.on(x.replica).get(ada, path); got.status != http.StatusOK {
			return fmt.Errorf("not known yet: %s", got)
		}
		return nil
	})
	const count = 300
	x.after(count/3, down)
	f.on(x.replica).send(ada, http.MethodPut, path, rows(count)).want(t, http.StatusInternalServerError)
	var members enrolv1alpha1.MemberList
	if err := f.admin.List(t.Context(), &members, client.InNamespace(f.home())); err != nil {
		t.Fatal(err)
	}
	if there := len(members.Items); there < count/3-16 || there > count/3+16 {
		t.Errorf("it broke off with %d Members, want about %d", there, count/3)
	}
	x.is(none)
	got := f.on(x.replica).send(ada, http.MethodPut, path, rows(count)).want(t, http.StatusOK)
	answers := read[[]user](t, got)
	if err := f.admin.List(t.Context(), &members, client.InNamespace(f.home())); err != nil {
		t.Fatal(err)
	}
	if len(members.Items) != count || len(answers) != count {
		t.Errorf("there are %d Members and %d answers, want %d", len(members.Items), len(answers), count)
	}
	for i, a := range answers {
		if want := fmt.Sprintf("batch-%04d", i); a.UserID != want {
			t.Fatalf("answer %d is about %s, want %s: answers are in the order of the rows", i, a.UserID, want)
		}
	}
	again := read[[]user](t, f.on(x.replica).send(ada, http.MethodPut, path, rows(count)).want(t, http.StatusOK))
	if !slices.Equal(again, answers) {
		t.Error("the same call again must change nothing, and answer the same ids")
	}
}

// TestBatchIsCheckedFirst: one row that is wrong, or above the caller, and nothing is written.
func TestBatchIsCheckedFirst(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	admin := f.admitted("batcher")
	path := "/api/v1/organizations/" + f.uid() + "/users"
	f.member("boss", enrolv1alpha1.MemberSpec{
		Username: "boss", Roles: []enrolv1alpha1.RoleName{"viewer"}, KubernetesRole: new(enrolv1alpha1.KubernetesRoleClusterAdmin),
	})
	f.eventually(func() error {
		if got := f.on(facades[0]).get(admin, path); !strings.Contains(string(got.body), `"boss"`) {
			return errNotYet
		}
		return nil
	})
	good := `{"user_id": "good", "project_ids": null}`
	f.send(admin, http.MethodPut, path, `[`+good+`, {"user_id": "boss", "project_ids": null}]`).want(t, http.StatusForbidden)
	f.send(admin, http.MethodPut, path, `[`+good+`, {"user_id": "system:bad", "project_ids": null}]`).want(t, http.StatusUnprocessableEntity)
	var members enrolv1alpha1.MemberList
	if err := f.admin.List(t.Context(), &members, client.InNamespace(f.home())); err != nil {
		t.Fatal(err)
	}
	if len(members.Items) != 1 {
		t.Errorf("there are %d Members, want the one that was there: %v", len(members.Items), members.Items)
	}
}
