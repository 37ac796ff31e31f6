package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// shows waits until a text is in what somebody reads.
func (f *fixture) shows(as, path, text string) {
	f.Helper()
	f.eventually(func() error {
		got := f.on(facades[0]).get(as, path)
		if got.status != http.StatusOK || !strings.Contains(string(got.body), text) {
			return fmt.Errorf("got %s, want %s in it", got, text)
		}
		return nil
	})
}

// hides waits until a text is no longer in what somebody reads.
func (f *fixture) hides(as, path, text string) {
	f.Helper()
	f.eventually(func() error {
		got := f.on(facades[0]).get(as, path)
		if got.status != http.StatusOK || strings.Contains(string(got.body), text) {
			return fmt.Errorf("got %s, want no %s in it", got, text)
		}
		return nil
	})
}

// sent waits until an Invitation was sent so often, and waits for its answer.
func (f *fixture) sent(name string, times int32) *enrolv1alpha1.Invitation {
	f.Helper()
	i := &enrolv1alpha1.Invitation{}
	f.eventually(func() error {
		if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(i.Status.Conditions, enrolv1alpha1.ConditionReady)
		if ready == nil || ready.Reason != enrolv1alpha1.ReasonPending || i.Status.SendNumber != times {
			return fmt.Errorf("%s was not sent %d times: %+v", name, times, i.Status)
		}
		return nil
	})
	return i
}

// sentLongAgo has an Invitation sent an hour ago, when it may be sent again. It returns when it expires then, by which a reader
// sees that it has heard of that.
func (f *fixture) sentLongAgo(name string) string {
	f.Helper()
	now := time.Now().UTC()
	sent, expire := now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
	i := &enrolv1alpha1.Invitation{}
	i.Namespace, i.Name = f.home(), name
	patch := []byte(`{"status": {"sendTime": "` + sent + `", "expireTime": "` + expire + `"}}`)
	if err := f.admin.Status().Patch(f.Context(), i, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		f.Fatal(err)
	}
	return expire
}

// revoke withdraws an Invitation, as it can be in Git.
func (f *fixture) revoke(name string) {
	f.Helper()
	i := f.invitationNamed(name)
	if err := f.platform.Patch(f.Context(), i, client.RawPatch("application/merge-patch+json", []byte(`{"spec": {"revoked": true}}`))); err != nil {
		f.Fatal(err)
	}
}

// change changes the organisation, as the platform team.
func (f *fixture) change(do func(*enrolv1alpha1.Organisation)) {
	f.Helper()
	f.eventually(func() error {
		o := &enrolv1alpha1.Organisation{}
		if err := f.platform.Get(f.Context(), client.ObjectKey{Name: f.name}, o); err != nil {
			return err
		}
		do(o)
		return f.platform.Update(f.Context(), o)
	})
}

// counted waits until the organisation has caused so many mails, and all replicas know that.
func (f *fixture) counted(mails int32) {
	f.Helper()
	f.eventually(func() error {
		o := &enrolv1alpha1.Organisation{}
		if err := f.admin.Get(f.Context(), client.ObjectKey{Name: f.name}, o); err != nil {
			return err
		}
		count := int32(0)
		for _, hour := range o.Status.Mails {
			count += hour.Count
		}
		if count != mails {
			return fmt.Errorf("%d mails are counted, want %d", count, mails)
		}
		return nil
	})
	// No answer has the count. Whoever has heard of a later change has heard of it.
	const later = "Counted Works"
	f.change(func(o *enrolv1alpha1.Organisation) { o.Spec.DisplayName = later })
	f.everywhere(newVersori(f).all+"?filter="+f.name, later)
}

// bindOwner gives somebody the rights of an owner, and makes no owner.
func (f *fixture) bindOwner(person string) {
	f.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.home(), Name: "deputy"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "enrol:owner"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: person}},
	}
	if err := f.admin.Create(f.Context(), binding); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) memberNamed(name string) *enrolv1alpha1.Member {
	f.Helper()
	m := &enrolv1alpha1.Member{}
	if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, m); err != nil {
		f.Fatal(err)
	}
	return m
}

func (f *fixture) invitationNamed(name string) *enrolv1alpha1.Invitation {
	f.Helper()
	i := &enrolv1alpha1.Invitation{}
	if err := f.admin.Get(f.Context(), client.ObjectKey{Namespace: f.home(), Name: name}, i); err != nil {
		f.Fatal(err)
	}
	return i
}

// retryAfter is when to come back.
func retryAfter(t testing.TB, got *answer) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	if err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	return time.Duration(seconds) * time.Second
}

// credentials has a route take a token by both names of the scheme, in any case, and nothing else.
func (c *conversation) credentials(method, path string) {
	c.Helper()
	token := tokenOf(c, ada)
	for _, credential := range []struct {
		who    string
		header http.Header
		status int
	}{
		{"ada, with Token", http.Header{"Authorization": {"Token " + token}}, http.StatusOK},
		{"ada, with another case", http.Header{"Authorization": {"bEARER " + token}}, http.StatusOK},
		{"somebody without a scheme", http.Header{"Authorization": {token}}, http.StatusUnauthorized},
		{"somebody with another scheme", http.Header{"Authorization": {"Basic " + token}}, http.StatusUnauthorized},
		{"somebody without a token", http.Header{"Authorization": {"Bearer "}}, http.StatusUnauthorized},
		{"somebody with a token that was cut", http.Header{"Authorization": {"Bearer " + token[:len(token)-8]}}, http.StatusUnauthorized},
		{"ada, with two credentials", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, http.StatusUnauthorized},
		{"ada, with a cookie", http.Header{"Cookie": {"session=" + token}}, http.StatusUnauthorized},
	} {
		got := c.on(facades[0]).do(method, path, credential.header, http.NoBody)
		c.record(credential.who, got, "")
		got.want(c, credential.status)
	}
}

// annotatedInGit marks an object as one that is kept in Git, with Enrol's own mark.
func annotatedInGit(o client.Object) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[enrolv1alpha1.AnnotationManagedInGit] = "true"
	o.SetAnnotations(annotations)
}
