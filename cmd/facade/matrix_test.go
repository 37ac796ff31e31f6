package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// The accounts of the matrix, and its people besides those with a name.
const (
	platformAccount, readerAccount = "default/matrix-platform", "default/matrix-reader"
	adminAccount, powerlessAccount = "default/matrix-admin", "default/matrix-powerless"

	p0, p1 = "p0@example.com", "p1@example.com"
)

// callers are the columns of the matrix. Each is asked about every row, in every organisation.
var callers = []struct{ title, short, who string }{
	{"an owner", "Own", ada},
	{"a member with role admin", "Adm", jane},
	{"a member with role developer", "Dev", joe},
	{"a member with role billing-admin", "Bil", kim},
	{"a member with role viewer", "Vie", maxim},
	{"a member with a role of the organisation's own, based on developer", "Cus", p0},
	{"the platform team: an account bound to `enrol:platform` in the cluster", "Pla", platformAccount},
	{"an account bound to `enrol:reader` in the cluster", "Rea", readerAccount},
	{"an account bound to `enrol:admin` in the home namespace", "Acc", adminAccount},
	{"an account without rights", "Non", powerlessAccount},
	{"a person who has nothing to do with the organisation", "Str", eve},
	{"a person with a pending invitation, by a verified address; where a row is about an invitation, it is this person's own",
		"Inv", p1},
	{"nobody: a request without a token", "–", ""},
}

const invitedCaller = 11

// target is whom a request is about, or what. Each cell has one of its own, so that no cell sees what another did.
type target int

const (
	// nothing in particular.
	nothing target = iota
	// newcomer is neither a member nor invited.
	newcomer
	aViewer
	anAdmin
	// aClusterAdmin is a viewer with Kubernetes role cluster-admin.
	aClusterAdmin
	// aLead has the organisation's own role.
	aLead
	// aTeammate is a viewer in a group.
	aTeammate
	// aGuest is a viewer in one project.
	aGuest
	anOwner
	// theOwner is the only one.
	theOwner
	// anInvitation to join as a viewer.
	anInvitation
	// anOwnership is an invitation to be an owner.
	anOwnership
	// aTransfer is an invitation to be an owner in the place of the inviter.
	aTransfer
)

// cell is a row for one caller.
type cell struct {
	*row

	caller int
	// person whom the request is about; "" for nobody.
	person string
	// member and invitation are the ids of what is there for it.
	member, invitation string
	token              string
	got                int
}

func (c *cell) String() string {
	return fmt.Sprintf("%s (%s), as %s", c.request, c.what, callers[c.caller].title)
}

// wanted is what the contract says.
func (c *cell) wanted() int { return c.statuses()[c.caller] }

// writes tells whether the request must change something about its person.
func (c *cell) writes() bool {
	return c.wanted() < http.StatusMultipleChoices && c.method() != http.MethodGet
}

// TestAccessMatrix asks every route as every kind of caller, wants what the contract says, and wants a refused caller to
// have changed nothing.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	checkRows(t)
	bind(t)
	cells, rows := map[string][]*cell{}, map[*row][]*cell{}
	people := 0
	for i := range matrix {
		r := &matrix[i]
		for caller := range callers {
			people++
			c := &cell{row: r, caller: caller, token: callers[caller].who}
			if r.on != nothing {
				c.person = fmt.Sprintf("t%d@example.com", people)
			}
			rows[r], cells[r.organisation()] = append(rows[r], c), append(cells[r.organisation()], c)
		}
	}
	// Once all organisations are through.
	t.Cleanup(func() {
		text := document(rows)
		t.Log("\n" + text)
		compareMatrix(t, text)
	})
	for name, cells := range cells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, cells)
		})
	}
}

// checkRows wants a row for each operation that is documented, and a status for each caller.
func checkRows(t *testing.T) {
	t.Helper()
	asked := map[string]bool{}
	for i := range matrix {
		r := &matrix[i]
		if len(r.statuses()) != len(callers) {
			t.Fatalf("%s (%s) has %d statuses", r.request, r.what, len(r.statuses()))
		}
		path, _, _ := strings.Cut(r.request, "?")
		asked[path] = true
		if documentOf(t, r.dialect).routes[path] == nil {
			t.Errorf("%s is not in the document of %s", path, r.dialect)
		}
	}
	for _, d := range dialects {
		for pattern := range documentOf(t, d.name).routes {
			if !asked[pattern] {
				t.Errorf("no row is about %s", pattern)
			}
		}
	}
}

// bind gives the accounts their rights in the cluster.
func bind(t *testing.T) {
	t.Helper()
	for account, role := range map[string]string{platformAccount: "enrol:platform", readerAccount: "enrol:reader"} {
		namespace, name, _ := strings.Cut(account, "/")
		err := environment.AdminClient(t).Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// said is what people can say about an Invitation. Its resourceVersion is none of it: whenever the owners change, the operator
// notes on each that it waits for the Organisation.
func said(v *enrolv1alpha1.Invitation) string {
	return fmt.Sprint(v.Generation, v.Labels, v.Annotations, v.Status.SendNumber, v.Status.AcceptedBy, v.Status.DeclinedBy)
}

// snapshot is what there is about each person: objects with their versions, and whether the person is an owner.
func (s *stage) snapshot() map[string][]string {
	s.Helper()
	found := map[string][]string{}
	members, invitations := s.list()
	for i := range members {
		m := &members[i]
		person := cmp.Or(string(m.Spec.Username), string(m.Spec.Email))
		found[person] = append(found[person], "Member "+m.Name+" "+string(m.UID)+" "+m.ResourceVersion)
	}
	for i := range invitations {
		v := &invitations[i]
		person := string(v.Spec.Email)
		found[person] = append(found[person], "Invitation "+v.Name+" "+string(v.UID)+" "+said(v))
	}
	o := &enrolv1alpha1.Organisation{}
	if err := s.admin.Get(s.Context(), client.ObjectKeyFromObject(s.organisation), o); err != nil {
		s.Fatal(err)
	}
	for _, owner := range o.Spec.Owners {
		found[string(owner.Username)] = append(found[string(owner.Username)], "owner")
	}
	return found
}

// checkChanges wants the people to have changed whom somebody was allowed to change, and nobody else.
func (s *stage) checkChanges(before map[string][]string) {
	s.Helper()
	about, wanted := map[string]*cell{}, map[string]bool{}
	for _, c := range s.cells {
		about[c.person] = c
		if c.writes() {
			wanted[c.person] = true
		}
		if c.writes() && c.besides != "" {
			wanted[c.besides] = true
		}
	}
	var after map[string][]string
	// What was accepted is carried out by the operator.
	s.eventually(func() error {
		after = s.snapshot()
		for person := range wanted {
			if slices.Equal(before[person], after[person]) {
				return fmt.Errorf("%s, about %s: nothing has come of it: %q", about[person], person, after[person])
			}
		}
		return nil
	})
	people := maps.Clone(after)
	maps.Copy(people, before)
	for person := range people {
		if was, is := before[person], after[person]; !wanted[person] && !slices.Equal(was, is) {
			s.Errorf("%s, about %s: changed from %q to %q", about[person], person, was, is)
		}
	}
}

// derived is an id that is made of a name.
func (s *stage) derived(name string) string {
	return uuid.NewSHA1(uuid.MustParse(s.uid()), []byte(name)).String()
}

// try sends a cell's request.
func (s *stage) try(ctx context.Context, c *cell) error {
	if c.on == anOwner || c.owners {
		s.owners.Lock()
		defer s.owners.Unlock()
	}
	user := c.person
	if c.dialect == "dreadnode" {
		user = s.derived("user/" + c.person)
	}
	fill := strings.NewReplacer(
		"{organisationSlug}", s.name, "{org}", s.name,
		"{organization_id}", s.uid(), "{organizationId}", s.uid(), "{organisation_id}", s.uid(),
		"{member_user_id}", c.person, "{user_id}", user, "{member_id}", c.member, "{person}", c.person,
		"{invite_id}", c.invitation, "{invitation_id}", c.invitation, "{inviteId}", c.invitation, "{project_id}", s.project,
		"{viewer}", s.derived("role/viewer"), "{developer}", s.derived("role/developer"), "{admin}", s.derived("role/admin"),
		"{owner}", s.derived("role/owner"), "{lead}", s.derived("role/lead"),
		"{link}", publicURL+"/welcome",
	)
	_, path, _ := strings.Cut(c.request, " ")
	request, err := http.NewRequestWithContext(ctx, c.method(), facades[0].url+fill.Replace(path), strings.NewReader(fill.Replace(c.body)))
	if err != nil {
		return err
	}
	if c.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := facades[0].client.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	a := &answer{request: request, status: response.StatusCode, header: response.Header, body: body}
	c.got = a.status
	if c.got != c.wanted() {
		s.Errorf("%s: got %s, want status %d", c, a, c.wanted())
	}
	checkDocumented(s, c.dialect, a)
	return errors.Join(err, response.Body.Close())
}

// document is the matrix as it was found.
func document(rows map[*row][]*cell) string {
	var text strings.Builder
	text.WriteString(introduction)
	for _, c := range callers {
		fmt.Fprintf(&text, "| %s | %s |\n", c.short, c.title)
	}
	text.WriteString(reading)
	for _, d := range dialects {
		fmt.Fprintf(&text, "\n## %s\n\n| request | what |", d.name)
		for _, c := range callers {
			text.WriteString(" " + c.short + " |")
		}
		text.WriteString("\n| --- | --- |" + strings.Repeat(" --- |", len(callers)) + "\n")
		for i := range matrix {
			r := &matrix[i]
			if r.dialect != d.name {
				continue
			}
			fmt.Fprintf(&text, "| `%s` | %s |", strings.Replace(r.request, d.base, "…", 1), r.what)
			for _, c := range rows[r] {
				text.WriteString(" " + strconv.Itoa(c.got) + " |")
			}
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "\n`…` stands for `%s`.\n", d.base)
	}
	return text.String()
}

// compareMatrix compares with the documentation.
func compareMatrix(t *testing.T, text string) {
	t.Helper()
	if t.Failed() {
		return
	}
	file := filepath.Join("..", "..", "docs", "access-matrix.md")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), text); diff != "" {
		t.Errorf("the documentation differs (-documented +found); -update writes it anew:\n%s", diff)
	}
}
