package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/naming"
)

// onVersori are the paths of an organisation.
type onVersori struct {
	*fixture

	all, base, invitations, members string
}

func newVersori(f *fixture) onVersori {
	all := "/api/organisations/v1/organisations"
	base := all + "/" + ulidOf(f.uid())
	return onVersori{fixture: f, all: all, base: base, invitations: base + "/invitations", members: base + "/members"}
}

// ulidOf writes the text of a UUID as that of a ULID.
func ulidOf(id string) string { return ulid.ULID(uuid.MustParse(id)).String() }

func (p onVersori) invitation(id string) string { return p.invitations + "/" + id }

func (p onVersori) accept(id string) string { return p.invitation(id) + "/accept" }

func (p onVersori) resend(id string) string { return p.invitation(id) + "/resend" }

func (p onVersori) member(id string) string { return p.members + "/" + id }

// invite is the body that invites somebody, with links that are always allowed, and with roles unless they are "".
func (onVersori) invite(email, kind, roles string) string {
	if roles != "" {
		roles = `, "roles": ` + roles
	}
	return `{"email": "` + email + `", "url": "` + publicURL + `/accept", "authUrl": "` + publicURL + `/sign-up?from=mail", "inviteType": "` +
		kind + `"` + roles + `}`
}

// reaches waits until the invited person can answer: a replica hears of what others made on its own.
func (p onVersori) reaches(who, id string) {
	p.Helper()
	p.until(http.StatusOK, who, http.MethodGet, newQovery(p.fixture).invitation(uuid.UUID(ulid.MustParse(id)).String()), "")
}

// join is invite to join.
func (p onVersori) join(email, roles string) string {
	return p.invite(email, "join_organisation", roles)
}

// routes are all of an organisation's, with requests that the owner may make.
func (p onVersori) routes(member, invitation string) []route {
	return []route{
		{http.MethodGet, p.invitations, ""},
		{http.MethodPost, p.invitations, p.join("new@example.org", "")},
		{http.MethodDelete, p.invitation(invitation), ""},
		{http.MethodPut, p.resend(invitation), p.join(kim, "")},
		{http.MethodGet, p.members, ""},
		{http.MethodGet, p.member(member), ""},
		{http.MethodDelete, p.member(member), ""},
		{http.MethodPut, p.accept(invitation), ""},
	}
}

// newConversation begins one in which roles have their names.
func (p onVersori) newConversation(name string) *conversation {
	c := newConversation(p.fixture, "versori", name)
	for _, role := range []string{"owner", "admin", "developer", "billing-admin", "viewer", "operations"} {
		c.call(ulidOf(p.idOf("role/"+role)), "role "+role)
	}
	c.call(ulidOf(p.uid()), "organisation as a ULID")
	c.call(p.idOf("owner/"+ada), "membership of ada")
	return c
}

// versoriInvitation is one as it is answered.
type versoriInvitation struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// TestVersoriInvitations: from the invitation to the member.
func TestVersoriInvitations(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	f.later()
	f.member("jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	f.later()
	c := p.newConversation("invitations")
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	made := read[versoriInvitation](t, c.say(ada, http.MethodPost, p.invitations, p.join("Kim@Example.com", `["developer"]`), http.StatusCreated))
	uid := string(f.invitationNamed(naming.Invitation(kim, 1)).UID)
	if made.ID != ulidOf(uid) {
		t.Errorf("the id is %s, want %s", made.ID, ulidOf(uid))
	}
	if lives := made.ExpiresAt.Sub(made.CreatedAt); lives != 7*24*time.Hour {
		t.Errorf("it lives for %s, want 7 days", lives)
	}
	c.say(ada, http.MethodPost, p.invitations, p.join("kim@example.COM", ""), http.StatusConflict)
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	c.say(ada, http.MethodGet, "/api/organisations/v1/organisations/"+f.uid()+"/invitations", "", http.StatusOK)
	c.say(ada, http.MethodGet, strings.Replace(p.invitations, ulidOf(f.uid()), strings.ToLower(ulidOf(f.uid())), 1), "", http.StatusOK)
	c.say(ada, http.MethodGet, p.invitation(made.ID), "", http.StatusMethodNotAllowed)
	c.say(jane, http.MethodPut, p.accept(made.ID), "", http.StatusForbidden)
	c.say(eve, http.MethodPut, p.accept(made.ID), "", http.StatusForbidden)
	c.say(f.home()+"/nobody", http.MethodPut, p.accept(made.ID), "", http.StatusForbidden)
	c.say(kim, http.MethodPut, p.accept(ulidOf(unknownID)), "", http.StatusNotFound)
	c.say(kim, http.MethodPut, p.accept(strings.ToLower(made.ID)), `what is sent does not matter`, http.StatusNoContent)
	c.say(kim, http.MethodPut, p.accept(uid), "", http.StatusNotFound)
	f.shows(ada, p.members, kim)
	f.hides(ada, p.invitations, kim)
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	f.until(http.StatusOK, kim, http.MethodGet, p.members, "")
	c.say(kim, http.MethodGet, p.members, "", http.StatusOK)
	c.say(ada, http.MethodPost, p.invitations, p.join(kim, ""), http.StatusConflict)
	f.eventually(func() error {
		if !f.can(kim, "create", "web") {
			return errNotYet
		}
		return nil
	})
}

// TestVersoriInvites: to which roles, with which links, and what is shown of what others made.
func TestVersoriInvites(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations, func(o *enrolv1alpha1.Organisation) {
		o.Spec.DefaultRole = "billing-admin"
		o.Spec.Groups = []enrolv1alpha1.Group{{Name: "team"}}
		o.Spec.Invitations.AllowedLinkOrigins = []string{"https://app.example.org", "http://localhost:3000"}
	})
	p := newVersori(f)
	c := p.newConversation("invites")
	c.call(ulidOf(f.idOf("group/team")), "group team")
	eighth := "eight." + f.name + "@example.org"
	for _, body := range []string{
		p.join("one@example.org", ""),
		p.join("two@example.org", "[]"),
		p.join("three@example.org", "null"),
		p.join("four@example.org", `["viewer", "operations", "viewer", "developer", "admin"]`),
		p.join("five@example.org", `["owner"]`),
		p.invite("six@example.org", "transfer_ownership", ""),
		p.invite("seven@example.org", "transfer_ownership", `["developer"]`),
		`{"email": "` + eighth + `", "url": "https://APP.example.org:443/a?b=c", "authUrl": "http://localhost:3000", ` +
			`"inviteType": "join_organisation", "another": {"field": []}}`,
	} {
		c.say(ada, http.MethodPost, p.invitations, body, http.StatusCreated)
		f.later()
	}
	stored := f.invitationNamed(naming.Invitation(eighth, 1)).Spec
	if stored.AcceptURL != "https://APP.example.org:443/a?b=c" || stored.SignInURL != "http://localhost:3000" {
		t.Errorf("the links are stored as %s and %s", stored.AcceptURL, stored.SignInURL)
	}
	// A link may have 2048 characters, which nobody wants to read here.
	long := strings.Replace(p.join("long@example.org", ""), publicURL+"/accept", publicURL+"/"+strings.Repeat("x", 2047-len(publicURL)), 1)
	made := read[versoriInvitation](t, f.send(ada, http.MethodPost, p.invitations, long).want(t, http.StatusCreated))
	f.send(ada, http.MethodDelete, p.invitation(made.ID), "").want(t, http.StatusNoContent)
	f.invited("nine", enrolv1alpha1.InvitationSpec{Email: "nine@example.org", Groups: []enrolv1alpha1.GroupName{"team"}})
	f.shows(ada, p.invitations, "nine@example.org")
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	f.sent(naming.Invitation(eighth, 1), 1)
	mails := operator.Post.MailsTo(eighth)
	if len(mails) != 1 {
		t.Errorf("there are %d mails, want 1", len(mails))
	}
	id := read[versoriInvitation](t, c.say(ada, http.MethodPost, p.invitations, p.join("ten@example.org", ""), http.StatusCreated)).ID
	c.say(ada, http.MethodDelete, p.invitation(strings.ToLower(id)), "", http.StatusNoContent)
	c.say(ada, http.MethodDelete, p.invitation(id), "", http.StatusNotFound)
	c.say(ada, http.MethodPost, p.invitations, p.join("ten@example.org", ""), http.StatusCreated)
}

// TestVersoriResends: once more, with new links, but not too often.
func TestVersoriResends(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	address := "resent." + f.name + "@example.org"
	name := naming.Invitation(address, 1)
	c := p.newConversation("resends")
	made := read[versoriInvitation](t, c.say(ada, http.MethodPost, p.invitations, p.join(address, `["viewer"]`), http.StatusCreated))
	f.sent(name, 1)
	got := c.say(ada, http.MethodPut, p.resend(made.ID), p.join(address, ""), http.StatusTooManyRequests)
	if after := retryAfter(c, got); after > time.Minute {
		t.Errorf("come back after %s, want a minute at most", after)
	}
	body := strings.Replace(p.join("Resent."+f.name+"@Example.org", ""), "/accept", "/other", 1)
	for times := range int32(5) {
		f.shows(ada, p.invitations, f.sentLongAgo(name))
		got := c.say(ada, http.MethodPut, p.resend(made.ID), body, http.StatusOK)
		if left := time.Until(read[versoriInvitation](t, got).ExpiresAt); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour {
			t.Errorf("it expires in %s, want 7 days", left)
		}
		f.sent(name, times+2)
	}
	if sent := f.invitationNamed(name).Spec; sent.AcceptURL != publicURL+"/other" {
		t.Errorf("the link is still %s", sent.AcceptURL)
	}
	if mails := operator.Post.MailsTo(address); len(mails) != 6 {
		t.Errorf("there are %d mails, want 6", len(mails))
	}
	f.shows(ada, p.invitations, f.sentLongAgo(name))
	c.say(ada, http.MethodPut, p.resend(made.ID), body, http.StatusTooManyRequests)
	for _, wrong := range []string{
		p.join("other@example.org", ""), p.invite(address, "transfer_ownership", ""), strings.Replace(body, "https://", "http://", 1), `{}`,
	} {
		c.say(ada, http.MethodPut, p.resend(made.ID), wrong, http.StatusBadRequest)
	}
	c.say(ada, http.MethodPut, p.resend(ulidOf(unknownID)), body, http.StatusNotFound)
	c.say(ada, http.MethodPut, p.resend(ulidOf(unknownID)), strings.Replace(body, publicURL, "https://example.net", 1), http.StatusBadRequest)
}

// TestVersoriAnswers: an invitation is answered once, by whom it is for, in time; and in time it is again when it was sent again.
func TestVersoriAnswers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	c := p.newConversation("answers")
	invited := func(body string) string {
		return read[versoriInvitation](t, c.say(ada, http.MethodPost, p.invitations, body, http.StatusCreated)).ID
	}
	expired := func(n int) {
		f.sent(naming.Invitation(kim, n), 1)
		f.sentLongAgo(naming.Invitation(kim, n))
		f.expire(naming.Invitation(kim, n))
		f.until(http.StatusBadRequest, kim, http.MethodPut, p.accept(string(f.invitationNamed(naming.Invitation(kim, n)).UID)), "")
	}
	first := invited(p.join(kim, ""))
	expired(1)
	c.say(eve, http.MethodPut, p.accept(first), "", http.StatusForbidden)
	c.say(kim, http.MethodPut, p.accept(first), "", http.StatusBadRequest)
	f.later()
	second := invited(p.join(kim, ""))
	c.say(ada, http.MethodGet, p.invitations, "", http.StatusOK)
	c.say(ada, http.MethodPut, p.resend(first), p.join(kim, ""), http.StatusConflict)
	c.say(ada, http.MethodDelete, p.invitation(second), "", http.StatusNoContent)
	c.say(kim, http.MethodPut, p.accept(second), "", http.StatusNotFound)
	c.say(ada, http.MethodPut, p.resend(first), p.join(kim, ""), http.StatusOK)
	c.say(kim, http.MethodPut, p.accept(first), "", http.StatusNoContent)
	f.shows(ada, p.members, kim)
	f.hides(ada, p.invitations, kim)
	c.say(ada, http.MethodPut, p.resend(first), p.join(kim, ""), http.StatusNotFound)
	// Whoever has become a member otherwise is not asked again.
	late := f.invited("max", enrolv1alpha1.InvitationSpec{Email: maxim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	f.expire("max")
	f.member("max", enrolv1alpha1.MemberSpec{Username: maxim})
	f.shows(ada, p.members, maxim)
	f.until(http.StatusBadRequest, maxim, http.MethodPut, p.accept(late), "")
	c.say(ada, http.MethodPut, p.resend(late), p.join(maxim, ""), http.StatusConflict)
}

// TestVersoriMembers: who is in an organisation, and with which roles.
func TestVersoriMembers(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t, withOperations)
	p := newVersori(f)
	c := p.newConversation("members")
	ids := map[string]string{}
	for _, m := range []struct {
		name string
		spec enrolv1alpha1.MemberSpec
	}{
		{"jane", enrolv1alpha1.MemberSpec{Username: jane, Roles: []enrolv1alpha1.RoleName{"viewer", "operations", "developer"}}},
		{"bob", enrolv1alpha1.MemberSpec{Username: "bob"}},
		{"carol", enrolv1alpha1.MemberSpec{Username: "carol", Email: "carol@example.org", Roles: []enrolv1alpha1.RoleName{"viewer"}}},
		{"carol-too", enrolv1alpha1.MemberSpec{Username: "carol", Roles: []enrolv1alpha1.RoleName{"admin", "viewer"}}},
		{"pending", enrolv1alpha1.MemberSpec{Email: "pending@example.org", Roles: []enrolv1alpha1.RoleName{"billing-admin"}}},
		{"ada", enrolv1alpha1.MemberSpec{Username: ada, Roles: []enrolv1alpha1.RoleName{"developer"}}},
		{"suspended", enrolv1alpha1.MemberSpec{Username: "dave", Suspend: true, Roles: []enrolv1alpha1.RoleName{"viewer"}}},
		{"expired", enrolv1alpha1.MemberSpec{Username: "erin", ExpireTime: &metav1.Time{Time: time.Now().Add(-time.Hour)}}},
		{"group", enrolv1alpha1.MemberSpec{Group: "team"}},
	} {
		f.later()
		ids[m.name] = string(f.member(m.name, m.spec).UID)
		c.call(ids[m.name], "membership of "+m.name+" as a Member")
	}
	f.until(http.StatusOK, jane, http.MethodGet, p.members, "")
	c.say(ada, http.MethodGet, p.members, "", http.StatusOK)
	c.say(jane, http.MethodGet, p.members+"?identity_type=user", "", http.StatusOK)
	c.say(jane, http.MethodGet, p.members+"?identity_type=service_account&another=1", "", http.StatusOK)
	for _, query := range []string{"identity_type=", "identity_type=USER", "identity_type=group", "identity_type=user&identity_type=user"} {
		c.say(jane, http.MethodGet, p.members+"?"+query, "", http.StatusBadRequest)
	}
	c.say(jane, http.MethodGet, p.member(ids["jane"]), "", http.StatusOK)
	c.say(jane, http.MethodGet, p.member(strings.ToUpper(ids["pending"])), "", http.StatusOK)
	for _, absent := range []string{ids["expired"], ids["group"], f.idOf("owner/" + ada), ulidOf(ids["jane"]), jane, unknownID} {
		c.say(jane, http.MethodGet, p.member(absent), "", http.StatusNotFound)
		c.say(ada, http.MethodDelete, p.member(absent), "", http.StatusNotFound)
	}
	// A person goes with all that the person has.
	for _, name := range []string{"carol-too", "pending", "suspended", "bob"} {
		c.say(ada, http.MethodDelete, p.member(ids[name]), "", http.StatusNoContent)
		c.say(ada, http.MethodDelete, p.member(ids[name]), "", http.StatusNotFound)
	}
	c.say(ada, http.MethodDelete, p.member(ids["ada"]), "", http.StatusConflict)
	c.say(jane, http.MethodGet, p.members, "", http.StatusOK)
}

// becomes waits until somebody has those roles, in their order, and returns the id of the membership.
func (p onVersori) becomes(who, roles string) string {
	p.Helper()
	id := ""
	p.eventually(func() error {
		// Whoever goes from one role to another may have none in between.
		got := p.on(facades[0]).get(ada, p.members)
		if got.status != http.StatusOK {
			return fmt.Errorf("got %s, want the members", got)
		}
		for _, m := range read[[]struct {
			Members []struct {
				ID           string `json:"id"`
				IdentityID   string `json:"identityId"`
				RoleBindings []struct {
					Role struct {
						Name string `json:"name"`
					} `json:"role"`
				} `json:"roleBindings"`
			} `json:"members"`
		}](p, got)[0].Members {
			var names []string
			for _, binding := range m.RoleBindings {
				names = append(names, binding.Role.Name)
			}
			if m.IdentityID == who && strings.Join(names, " ") == roles {
				id = m.ID
				return nil
			}
		}
		return fmt.Errorf("%s does not have roles %s: %s", who, roles, got)
	})
	return id
}

// TestVersoriOwnership goes from hand to hand by invitations.
func TestVersoriOwnership(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	c := p.newConversation("ownership")
	invited := func(as, body string) string {
		return read[versoriInvitation](t, c.say(as, http.MethodPost, p.invitations, body, http.StatusCreated)).ID
	}
	is := func(who, roles string) string {
		id := p.becomes(who, roles)
		if c.ids[id] == "" {
			c.call(id, "membership of "+who+" as "+roles)
		}
		c.say(ada, http.MethodGet, p.member(id), "", http.StatusOK)
		return id
	}
	// Handing over to oneself changes nothing, and takes the right to.
	mayOwn := func(who string) {
		f.until(http.StatusNoContent, who, http.MethodPost, newQovery(f).transfer, newQovery(f).person(who))
	}
	first := invited(ada, p.invite(jane, "transfer_ownership", ""))
	second := invited(ada, p.invite(joe, "transfer_ownership", ""))
	p.reaches(jane, first)
	p.reaches(joe, second)
	c.say(jane, http.MethodPut, p.accept(first), "", http.StatusNoContent)
	is(jane, "owner")
	is(ada, "admin")
	// Who was the owner has nothing to hand over any more.
	c.say(joe, http.MethodPut, p.accept(second), "", http.StatusConflict)
	f.eventually(func() error {
		got := f.send(ada, http.MethodPost, p.invitations, p.invite(joe, "transfer_ownership", ""))
		if !strings.Contains(string(got.body), "grant on organisationroles") {
			return fmt.Errorf("got %s, want an admin's answer", got)
		}
		return nil
	})
	c.say(ada, http.MethodPost, p.invitations, p.invite(kim, "transfer_ownership", ""), http.StatusForbidden)
	c.say(ada, http.MethodDelete, p.invitation(second), "", http.StatusForbidden)
	mayOwn(jane)
	c.say(jane, http.MethodPut, p.resend(second), p.invite(joe, "transfer_ownership", ""), http.StatusConflict)
	c.say(jane, http.MethodDelete, p.invitation(second), "", http.StatusNoContent)
	// And back, beside somebody who becomes an owner as well.
	third, fourth := invited(jane, p.invite(ada, "transfer_ownership", "")), invited(jane, p.join(kim, `["viewer", "owner"]`))
	p.reaches(ada, third)
	p.reaches(kim, fourth)
	c.say(kim, http.MethodPut, p.accept(fourth), "", http.StatusNoContent)
	kims := is(kim, "owner viewer")
	c.say(ada, http.MethodPut, p.accept(third), "", http.StatusNoContent)
	is(ada, "owner admin")
	janes := is(jane, "admin")
	// Roles are given besides.
	mayOwn(ada)
	fifth := invited(ada, p.invite(maxim, "transfer_ownership", `["developer"]`))
	p.reaches(maxim, fifth)
	c.say(maxim, http.MethodPut, p.accept(fifth), "", http.StatusNoContent)
	last := is(maxim, "owner developer")
	is(ada, "admin")
	mayOwn(maxim)
	for _, id := range []string{kims, janes} {
		c.say(maxim, http.MethodDelete, p.member(id), "", http.StatusNoContent)
	}
	c.say(maxim, http.MethodDelete, p.member(last), "", http.StatusConflict)
}

// TestVersoriOrganisations are the caller's own.
func TestVersoriOrganisations(t *testing.T) {
	t.Parallel()
	// In no other test: the list is of all organisations.
	const person = "p13@example.com"
	f := newOrganisation(t, func(o *enrolv1alpha1.Organisation) { o.Spec.DisplayName = "" })
	p := newVersori(f)
	f.shows(person, p.all, `"totalCount":0`)
	c := p.newConversation("organisations")
	c.say(person, http.MethodGet, p.all, "", http.StatusOK)
	f.member("p13", enrolv1alpha1.MemberSpec{Username: person, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	other := newOrganisation(t, func(o *enrolv1alpha1.Organisation) {
		o.Spec.DisplayName, o.Spec.Slug = "Day & Night Works", "zz-"+f.name
		o.Spec.Owners = append(o.Spec.Owners, enrolv1alpha1.Owner{Username: person, Email: person})
	})
	c.call(ulidOf(other.uid()), "other organisation as a ULID")
	f.shows(person, p.all, `"totalCount":2`)
	c.say(person, http.MethodGet, p.all, "", http.StatusOK)
	for _, filter := range []string{"", "DAY & n", "ZZ-", "nobody", "%", f.name} {
		c.say(person, http.MethodGet, p.all+"?filter="+url.QueryEscape(filter), "", http.StatusOK)
	}
	c.say(person, http.MethodGet, p.all+"?filter=a&filter=b", "", http.StatusBadRequest)
	c.say(f.home()+"/nobody", http.MethodGet, p.all, "", http.StatusOK)
	c.guarded([]route{{http.MethodGet, p.all, ""}}, versoriStatuses, small)
	c.credentials(http.MethodGet, p.all+"?filter=nobody")
	// Whatever runs next begins without any.
	for _, o := range []*enrolv1alpha1.Organisation{f.organisation, other.organisation} {
		if err := f.platform.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheSameResendAtOnce: one is carried out, and everybody else hears that it is too early for another.
func TestTheSameResendAtOnce(t *testing.T) {
	t.Parallel()
	f := newOrganisation(t)
	p := newVersori(f)
	id := f.invited("kim", enrolv1alpha1.InvitationSpec{Email: kim, Roles: []enrolv1alpha1.RoleName{"viewer"}})
	for range 3 {
		expire := f.sentLongAgo("kim")
		for _, r := range facades {
			f.eventually(func() error {
				if got := f.on(r).get(ada, p.invitations); !strings.Contains(string(got.body), expire) {
					return fmt.Errorf("got %s, want %s in it", got, expire)
				}
				return nil
			})
		}
		statuses := together(4, func(r *replica) *answer { return f.on(r).send(ada, http.MethodPut, p.resend(id), p.join(kim, "")) })
		if statuses[http.StatusOK] != 1 || statuses[http.StatusTooManyRequests] != 3 {
			t.Errorf("the statuses are %v, want 200 once and 429 3 times", statuses)
		}
	}
}
