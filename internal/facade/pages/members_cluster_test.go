package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
	"github.com/enrol-dev/enrol/internal/facade/session"
	"github.com/enrol-dev/enrol/internal/facade/store"
	"github.com/enrol-dev/enrol/internal/subject"
)

// cluster speaks as much of the API server's protocol as pages cause: lists and watches of what a test puts in, access reviews
// by the tables of the organisation roles, and writes, which it notes. What people can do with a real API server is told by the
// tests of the program.
type cluster struct {
	objects map[string][]client.Object
	// roles are the organisation roles of people in every home namespace.
	roles map[string]enrolv1alpha1.RoleName

	mu     sync.Mutex
	writes []string
	// gone has an entry for each object that was deleted, by resource.
	gone map[string]chan client.Object
}

// start is about now: what waits for the operator does so in real time.
var start = time.Now().Truncate(time.Second)

// kindOf are the kinds by resource.
var kindOf = map[string]string{
	"organisations": "Organisation", "members": "Member", "invitations": "Invitation", "namespaces": "Namespace", "rolebindings": "RoleBinding",
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	parts := strings.Split(r.URL.Path, "/")
	resource := parts[len(parts)-1]
	switch {
	case resource == "subjectaccessreviews":
		c.review(w, r)
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") != "":
		c.watch(w, r, resource)
	case r.Method == http.MethodGet && kindOf[resource] != "":
		list := map[string]any{"kind": kindOf[resource] + "List", "apiVersion": apiVersion(parts), "metadata": version, "items": c.objects[resource]}
		reply(w, list)
	case r.Method == http.MethodGet:
		c.get(w, parts[len(parts)-2], resource)
	case r.Method == http.MethodDelete:
		c.delete(w, r, parts[len(parts)-2], resource)
	default:
		c.write(w, r)
	}
}

// reply ends the answer where the facade has gone away.
func reply(w io.Writer, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(http.ErrAbortHandler)
	}
}

var version = map[string]any{"resourceVersion": "1"}

func apiVersion(parts []string) string {
	if parts[1] == "api" {
		return parts[2]
	}
	return path.Join(parts[2], parts[3])
}

func (c *cluster) find(resource, name string) client.Object {
	for _, object := range c.objects[resource] {
		if object.GetName() == name {
			return object
		}
	}
	return nil
}

func (c *cluster) get(w http.ResponseWriter, resource, name string) {
	object := c.find(resource, name)
	if object == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		return
	}
	reply(w, object)
}

func (c *cluster) note(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
}

func (c *cluster) delete(w http.ResponseWriter, r *http.Request, resource, name string) {
	c.note(r)
	c.gone[resource] <- c.find(resource, name)
	_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
}

// write answers what it was sent, with what an API server adds.
func (c *cluster) write(w http.ResponseWriter, r *http.Request) {
	c.note(r)
	var object map[string]any
	if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	metadata := object["metadata"].(map[string]any)
	metadata["resourceVersion"], metadata["uid"] = "1", "written"
	metadata["creationTimestamp"] = start.Format(time.RFC3339)
	reply(w, object)
}

func (c *cluster) watch(w http.ResponseWriter, r *http.Request, resource string) {
	say := func(kind string, object any) {
		reply(w, map[string]any{"type": kind, "object": object})
		w.(http.Flusher).Flush()
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, object := range c.objects[resource] {
			say("ADDED", object)
		}
		say("BOOKMARK", map[string]any{
			"kind": kindOf[resource], "apiVersion": apiVersion(strings.Split(r.URL.Path, "/")),
			"metadata": map[string]any{"resourceVersion": "1", "annotations": map[string]string{"k8s.io/initial-events-end": "true"}},
		})
	}
	for {
		select {
		case object := <-c.gone[resource]:
			say("DELETED", object)
		case <-r.Context().Done():
			return
		}
	}
}

func (c *cluster) review(w http.ResponseWriter, r *http.Request) {
	var asked authorizationv1.SubjectAccessReview
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if asked.Spec.User == "" && len(asked.Spec.Groups) == 0 {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
		return
	}
	what := asked.Spec.ResourceAttributes
	asked.Status.Allowed = allows(c.roles[asked.Spec.User], what.Verb, what.Resource, what.Name)
	reply(w, asked)
}

// recruiter may invite viewers, and nothing else: a role that a cluster's administrators have made.
const recruiter = "recruiter"

// allows is the table of config/rbac/organisation_roles.yaml.
func allows(role enrolv1alpha1.RoleName, verb, resource, name string) bool {
	switch role {
	case "owner":
		return true
	case "admin":
		return verb != "grant" || slices.Contains([]string{"admin", "developer", "billing-admin", "viewer", "edit", "view"}, name)
	case recruiter:
		return verb == "list" || verb == "create" && resource == "invitations" || verb == "grant" && name == "viewer"
	case "viewer":
		return verb == "list" && resource == "members"
	default:
		return false
	}
}

// The people of the tests.
const ada, jane, joe, kim, maxim = "ada@example.com", "jane@example.com", "joe@example.com", "kim@example.com", "max@example.com"

// acme is an organisation that ada owns, with admin jane and viewer joe, one person who has not signed in and one who is
// suspended, an open invitation for kim and an expired one.
func acme(change ...func(*enrolv1alpha1.Organisation)) *cluster {
	o := &enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	o.Spec.DisplayName = "Acme Ltd"
	o.Spec.Owners = []enrolv1alpha1.Owner{{Username: ada, Email: ada}}
	o.Status.Slug, o.Status.Namespace = "acme", "org-acme"
	for _, do := range change {
		do(o)
	}
	c := &cluster{
		roles:   map[string]enrolv1alpha1.RoleName{ada: "owner", jane: "admin", joe: "viewer", maxim: recruiter},
		objects: map[string][]client.Object{}, gone: map[string]chan client.Object{},
	}
	for resource := range kindOf {
		c.gone[resource] = make(chan client.Object, 1)
	}
	c.add("organisations", o)
	c.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"admin"}, Projects: enrolv1alpha1.Projects{"*"}})
	c.member("joe", enrolv1alpha1.MemberSpec{Username: joe, Roles: []enrolv1alpha1.RoleName{"viewer"}, Projects: enrolv1alpha1.Projects{"web", "data"}})
	c.member("new", enrolv1alpha1.MemberSpec{Email: "new@example.com"})
	c.member("off", enrolv1alpha1.MemberSpec{Username: "off@example.com", Suspend: true})
	c.invitation("kim", start.Add(24*time.Hour), enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"developer"}})
	c.invitation("late", start.Add(-time.Hour), enrolv1alpha1.InvitationSpec{Email: "late@example.com", Roles: []enrolv1alpha1.RoleName{"owner"}})
	return c
}

// add puts an object in. Its UID is its name, since the facade looks objects up by it.
func (c *cluster) add(resource string, object client.Object) {
	object.GetObjectKind().SetGroupVersionKind(enrolv1alpha1.SchemeGroupVersion.WithKind(kindOf[resource]))
	object.SetUID(types.UID(object.GetName()))
	object.SetResourceVersion("1")
	object.SetCreationTimestamp(metav1.NewTime(start.Add(time.Duration(len(c.objects[resource])-24) * time.Hour)))
	c.objects[resource] = append(c.objects[resource], object)
}

func (c *cluster) member(name string, spec enrolv1alpha1.MemberSpec) {
	c.add("members", &enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "org-acme"}, Spec: spec})
}

func (c *cluster) invitation(name string, expire time.Time, spec enrolv1alpha1.InvitationSpec) {
	spec.InvitedBy = enrolv1alpha1.Inviter{Username: ada, Email: ada}
	i := &enrolv1alpha1.Invitation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "org-acme"}, Spec: spec}
	i.Status.ExpireTime, i.Status.SendNumber = &metav1.Time{Time: expire}, 1
	c.add("invitations", i)
}

// finder takes a header of the tests' own for a session. A name with a '?' in front is of an issuer that the API server does not know;
// with a '!', an address that such an issuer has not verified.
type finder struct{}

func (finder) Visitor(r *http.Request) (*session.Visitor, error) {
	name, foreign := strings.CutPrefix(r.Header.Get("Test-Visitor"), "?")
	if name == "" {
		return nil, nil
	}
	if name, unverified := strings.CutPrefix(name, "!"); unverified {
		return &session.Visitor{Caller: &identity.Caller{Name: name}, Email: name}, nil
	}
	v := &session.Visitor{Caller: &identity.Caller{Name: name, VerifiedEmail: name}, Email: name, EmailVerified: true, Vouched: true, Trusted: !foreign}
	if v.Trusted {
		v.Caller.Username, v.Caller.Token = name, "token-of-"+name
	}
	return v, nil
}

// site is what a test asks for pages.
type site struct {
	*cluster

	handler http.Handler
	pages   *Pages
}

// serve starts pages over a cluster, and returns when their caches are filled.
func serve(t *testing.T, c *cluster) *site {
	t.Helper()
	server := httptest.NewServer(c)
	config := &rest.Config{Host: server.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	naming, clock := subject.Naming{EmailIsUsername: true}, clock.RealClock{}
	objects, err := store.New(config, naming, clock)
	if err != nil {
		t.Fatal(err)
	}
	reviews, err := authorizationclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		objects.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		server.CloseClientConnections()
		server.Close()
	})
	for deadline := time.After(time.Minute); !objects.Synced(); {
		select {
		case <-deadline:
			t.Fatal("the caches are not filled")
		case <-time.After(5 * time.Millisecond):
		}
	}
	pages, err := New(Options{
		Domain: domain.New(domain.Options{
			Store: objects, Access: review.New(reviews.SubjectAccessReviews(), clock), Naming: naming, Clock: clock, Log: logr.Discard(),
		}),
		Sessions: finder{}, PublicURL: "https://enrol.example.com", Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	pages.registerMembers(mux)
	pages.registerInvitations(mux)
	return &site{cluster: c, handler: mux, pages: pages}
}

// get asks for a page as somebody, "" for nobody.
func (s *site) get(who, target string) *httptest.ResponseRecorder {
	return s.send(httptest.NewRequest(http.MethodGet, target, http.NoBody), who)
}

// post sends a form of the page of acme as a browser does.
func (s *site) post(who string, form url.Values) *httptest.ResponseRecorder {
	return s.send(request("/organisations/acme", form), who)
}

func request(target string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (s *site) send(r *http.Request, who string) *httptest.ResponseRecorder {
	r.Header.Set("Test-Visitor", who)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// written are the writes so far.
func (s *site) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.writes)
}
