package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// admitted is a ServiceAccount of this test only, with the rights of an admin: nothing about it is remembered anywhere.
func (f *fixture) admitted(name string) string {
	f.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.home(), Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "enrol:admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: f.home(), Name: name}},
	}
	if err := f.admin.Create(f.Context(), binding); err != nil {
		f.Fatal(err)
	}
	who := f.home() + "/" + name
	f.eventually(func() error {
		if got := f.on(facades[0]).get(who, f.versoriMember("")[:len(f.versoriMember(""))-1]); got.status != http.StatusOK {
			return fmt.Errorf("no rights yet: %s", got)
		}
		return nil
	})
	return who
}

// TestOutages: whatever is wrong with the API server, nobody is let in, nothing is said to be done, and it ends by itself.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		what   trouble
		only   string
		want   int
	}{
		"Down":            {"A connection that is cut is no answer", down, "", http.StatusBadGateway},
		"Slow":            {"An answer that does not come is none", slow, "", http.StatusGatewayTimeout},
		"Nonsense":        {"A page of a proxy is no answer", nonsense, "", http.StatusBadGateway},
		"Failing":         {"A failure is not a yes", failing, "", http.StatusBadGateway},
		"ReviewsDown":     {"Whose a token is known, but not what they may do", down, "subjectaccessreviews", http.StatusBadGateway},
		"ReviewsNonsense": {"A review that cannot be read is no yes", nonsense, "subjectaccessreviews", http.StatusBadGateway},
		"TokensFailing":   {"Nobody is let in whom nobody knows", failing, "tokenreviews", http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOrganisation(t)
			who := f.admitted("caller")
			x := newTroubled(t)
			x.only = tc.only
			list, invite := "/api/v1/org/"+f.name+"/members", "/api/v1/org/"+f.name+"/invitations"
			f.eventually(func() error {
				if got := f.on(x.replica).get(ada, list); got.status != http.StatusOK {
					return fmt.Errorf("not known yet: %s", got)
				}
				return nil
			})
			x.is(tc.what)
			for _, got := range []*answer{
				f.on(x.replica).get(who, list),
				f.on(x.replica).send(who, http.MethodPost, invite, `{"email": "new@example.org"}`),
			} {
				if got.status != tc.want {
					t.Errorf("%s: got %s, want %d", tc.reason, got, tc.want)
				}
				checkDocumented(t, "dreadnode", got)
			}
			x.is(none)
			f.on(x.replica).get(who, list).want(t, http.StatusOK)
			var invitations enrolv1alpha1.InvitationList
			if err := f.admin.List(t.Context(), &invitations, client.InNamespace(f.home())); err != nil {
				t.Fatal(err)
			}
			if len(invitations.Items) > 0 {
				t.Errorf("%s, but an Invitation was made", tc.reason)
			}
		})
	}
}

// TestOutageOfWrites: a change that the API server did not answer is not said to be made.
func TestOutageOfWrites(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	x := newTroubled(t)
	x.only = "/members"
	members := "/api/v1/org/" + f.name + "/members"
	f.eventually(func() error {
		if got := f.on(x.replica).get(ada, members); got.status != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	x.is(nonsense)
	add := "/api/v1/organisations/" + f.name + "/members"
	f.on(x.replica).send(ada, http.MethodPost, add, `{"username": "new"}`).want(t, http.StatusInternalServerError)
	x.is(none)
	f.on(x.replica).send(ada, http.MethodPost, add, `{"username": "new"}`).want(t, http.StatusOK)
}

// TestTokenOfTheDeleted: a token that the API server takes back is good for ten seconds at most.
func TestTokenOfTheDeleted(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	who := f.admitted("leaver")
	list := "/api/v1/org/" + f.name + "/members"
	f.until(http.StatusOK, who, http.MethodGet, list, "")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: f.home(), Name: "leaver"}}
	if err := f.admin.Delete(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	f.eventually(func() error {
		// How long the answer takes does not matter.
		asked := time.Since(deleted)
		got := f.on(facades[0]).get(who, list)
		if asked > 15*time.Second && got.status == http.StatusOK {
			t.Fatalf("the token was good for %s", asked)
		}
		if got.status != http.StatusUnauthorized {
			return fmt.Errorf("still let in: %s", got)
		}
		return nil
	})
}

// TestRightsTakenAway: a right that is taken away is good for five seconds at most, and never for a write.
func TestRightsTakenAway(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	who := f.admitted("demoted")
	add := "/api/v1/organisations/" + f.name + "/members"
	f.send(who, http.MethodPost, add, `{"username": "before", "role": "viewer"}`).want(t, http.StatusOK)
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: f.home(), Name: "demoted"}}
	if err := f.admin.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	// What the facade remembers does not matter: the API server sees who writes.
	f.eventually(func() error {
		if got := f.send(who, http.MethodPost, add, `{"username": "after", "role": "viewer"}`); got.status == http.StatusOK {
			return fmt.Errorf("written: %s", got)
		}
		return nil
	})
	f.eventually(func() error {
		if got := f.on(facades[0]).get(who, "/api/v1/org/"+f.name+"/members"); got.status != http.StatusNotFound {
			return fmt.Errorf("still seen: %s", got)
		}
		return nil
	})
}

// TestFirstSignIn: whoever comes with a verified address is known by the username from then on.
func TestFirstSignIn(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	m := f.member("p", enrolv1alpha1.MemberSpec{Email: "p7@example.com"})
	f.eventually(func() error {
		if err := f.admin.Get(t.Context(), client.ObjectKeyFromObject(m), m); err != nil {
			return err
		}
		f.on(facades[0]).get("p7@example.com", "/api/v1/memberships").want(t, http.StatusOK)
		if m.Status.Username != "p7@example.com" || m.Status.UsernameEmail != "p7@example.com" {
			return fmt.Errorf("the username is not recorded: %+v", m.Status)
		}
		return nil
	})
}
