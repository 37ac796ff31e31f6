package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// route is a request to one: a good one, unless its conversation is about what is wrong with it.
type route struct{ method, path, body string }

// statuses are a dialect's for what is refused before any handler is asked.
type statuses struct{ otherMethod, mediaType, size int }

// guarded has every route refuse what every route refuses: requests from nobody, in clear, too many, or with another method; and
// bodies that are too large or something else than JSON. A body may have so many bytes.
func (c *conversation) guarded(routes []route, want statuses, most func(route) int) {
	c.Helper()
	behindProxy := http.Header{"X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"203.0.113.7"}}
	token := "Bearer " + tokenOf(c, ada)
	for i, r := range routes {
		c.say("", r.method, r.path, r.body, http.StatusUnauthorized)
		c.say(ada, http.MethodPatch, r.path, "", want.otherMethod)
		c.sayWith(plain, behindProxy, r.method, r.path, r.body, http.StatusUpgradeRequired)
		caller := fmt.Sprintf("%s/caller-%d", c.home(), i)
		c.on(limited).send(caller, r.method, r.path, r.body)
		c.sayTo(limited, caller, r.method, r.path, r.body, http.StatusTooManyRequests)
		if r.body == "" {
			continue
		}
		c.sayWith(facades[0], http.Header{"Authorization": {token}, "Content-Type": {"text/plain"}}, r.method, r.path, r.body,
			want.mediaType)
		c.sayWith(facades[0], http.Header{"Authorization": {token}, "Content-Type": {"application/json"}}, r.method, r.path,
			`"`+strings.Repeat("x", most(r))+`"`, want.size)
	}
}

// small is what most bodies may have.
func small(route) int { return 64 << 10 }

// hidden has every route answer whoever may not see the organisation as if it were not there. The paths have the organisation's
// name, or its id.
func (c *conversation) hidden(routes []route, name, unknown string) {
	c.Helper()
	for _, r := range routes {
		seen := c.say(eve, r.method, r.path, r.body, http.StatusNotFound)
		absent := c.say(ada, r.method, strings.Replace(r.path, name, unknown, 1), r.body, http.StatusNotFound)
		if string(seen.body) != string(absent.body) {
			c.Errorf("%s %s tells %s from %s", r.method, r.path, seen.body, absent.body)
		}
	}
}

// inTrouble has every route answer what is wrong with the API server, and then what it answers when that is over.
func (c *conversation) inTrouble(x *troubled, routes []route, want []troubleStatus) {
	c.Helper()
	for _, w := range want {
		x.is(w.trouble)
		answers := make([]*answer, len(routes))
		var group sync.WaitGroup
		for i, r := range routes {
			group.Go(func() { answers[i] = c.on(x.replica).send(ada, r.method, r.path, r.body) })
		}
		group.Wait()
		fmt.Fprintf(&c.text, "=== The API server %s.\n\n", w.title)
		for i, r := range routes {
			c.record(ada, answers[i], r.body)
			answers[i].want(c, w.status)
		}
	}
	x.is(none)
}

// troubleStatus is the answer to trouble.
type troubleStatus struct {
	trouble trouble
	title   string
	status  int
}

// invited makes an Invitation as the platform team, without a mail, and waits until it can be answered by all replicas. It returns the
// id.
func (f *fixture) invited(name string, spec enrolv1alpha1.InvitationSpec, changes ...func(*enrolv1alpha1.Invitation)) string {
	f.Helper()
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.home()}, Spec: spec}
	i.Spec.SendEmail, i.Spec.Projects = new(false), enrolv1alpha1.Projects{enrolv1alpha1.AllProjects}
	if i.Spec.InvitedBy.Username == "" {
		i.Spec.InvitedBy = enrolv1alpha1.Inviter{Username: platform, Email: platform}
	}
	for _, change := range changes {
		change(i)
	}
	f.create(i)
	f.eventually(func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(i), i); err != nil {
			return err
		}
		if i.Status.ExpireTime == nil {
			return fmt.Errorf("%s is not open yet: %+v", name, i.Status)
		}
		return nil
	})
	f.everywhere(newQovery(f).invitation(string(i.UID)), "PENDING")
	return string(i.UID)
}

// expire lets time pass for an Invitation, and waits until all replicas show that.
func (f *fixture) expire(name string) {
	f.Helper()
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Namespace: f.home(), Name: name}}
	patch := []byte(`{"status": {"expireTime": "` + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + `"}}`)
	if err := f.admin.Status().Patch(f.Context(), i, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		f.Fatal(err)
	}
	f.eventually(func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKeyFromObject(i), i); err != nil {
			return err
		}
		if i.Status.Outcome == "" {
			return fmt.Errorf("%s has not expired: %+v", name, i.Status)
		}
		return nil
	})
	f.everywhere(newQovery(f).invitation(string(i.UID)), "EXPIRED")
}

// keptInGit marks an object as one that is kept in Git.
func keptInGit(o client.Object) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["kustomize.toolkit.fluxcd.io/name"] = "acme"
	o.SetLabels(labels)
}

// until sends a request until it is answered so: the first replica hears of changes that others made on its own.
func (f *fixture) until(status int, as, method, path, body string) *answer {
	f.Helper()
	var got *answer
	f.eventually(func() error {
		if got = f.send(as, method, path, body); got.status != status {
			return fmt.Errorf("got %s, want status %d", got, status)
		}
		return nil
	})
	return got
}

// sees waits until somebody reads an answer with a text in it: only their own changes do people see at once.
func (f *fixture) sees(as, path, text string) {
	f.Helper()
	f.eventually(func() error {
		if got := f.send(as, http.MethodGet, path, ""); got.status != http.StatusOK || !strings.Contains(string(got.body), text) {
			return fmt.Errorf("got %s, want %s in it", got, text)
		}
		return nil
	})
}

// idOf is the id of what has none of its own: of a user, a role or the membership of an owner.
func (f *fixture) idOf(name string) string {
	return uuid.NewSHA1(uuid.MustParse(f.uid()), []byte(name)).String()
}

// later waits until what is made is younger than what is there: times are in whole seconds.
func (f *fixture) later() {
	f.Helper()
	begun := time.Now().Unix()
	f.eventually(func() error {
		if time.Now().Unix() == begun {
			return errNotYet
		}
		return nil
	})
}

// knows waits until a replica that has just been started knows of the organisation.
func (f *fixture) knows(r *replica) {
	f.Helper()
	f.eventually(func() error {
		if got := f.on(r).get(ada, "/api/v1/organisations/"+f.name+"/me"); got.status != http.StatusOK {
			return fmt.Errorf("the facade does not know the organisation yet: %s", got)
		}
		return nil
	})
}
