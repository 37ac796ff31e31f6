package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
	"github.com/enrol-dev/enrol/internal/facade/session"
)

// registerMembers adds the pages for people who have signed in. The forms of an organisation's page are sent to the page itself, so
// that whoever has to sign in between comes back to a page.
func (p *Pages) registerMembers(mux *http.ServeMux) {
	mux.Handle("GET /{$}", p.page(p.home))
	mux.Handle("GET /organisations/{slug}", p.page(p.organisation))
	mux.Handle("POST /organisations/{slug}", p.action(p.changeOrganisation))
}

// home are the organisations and the invitations of whoever has signed in; for others, how to sign in.
func (p *Pages) home(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	if visitor == nil {
		return show(http.StatusOK, "members-home", "Welcome", homeView{SignIn: session.SignIn("/")}), nil
	}
	p.Domain.Store.Settle(ctx, visitor.Caller.Username)
	view := homeView{Done: done(r), Foreign: !visitor.Trusted, Invitations: invitationsFor(p.Domain.InvitationsFor(visitor.Caller))}
	if visitor.Trusted {
		view.Organisations = organisationsOf(p.Domain.Mine(visitor.Caller))
	}
	return show(http.StatusOK, "members-home", "Your organisations", view), nil
}

// organisation is the page of an organisation.
func (p *Pages) organisation(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	if visitor == nil {
		return redirect(session.SignIn(here(r))), nil
	}
	o, err := p.enter(ctx, visitor, r)
	if err != nil {
		return nil, err
	}
	return p.organisationPage(ctx, visitor.Caller, o, state{
		status: http.StatusOK, done: done(r), people: pageNumber(r, queryPeople), invitations: pageNumber(r, queryInvitations),
	})
}

// enter is domain.Enter. What the visitor has not got, or cannot have since the API server does not take the visitor's token, is
// the same as what is not there.
func (p *Pages) enter(
	ctx context.Context, visitor *session.Visitor, r *http.Request, rights ...review.Right,
) (*domain.Organisation, error) {
	if !visitor.Trusted {
		return nil, fault.New(fault.NotFound, "")
	}
	p.Domain.Store.Settle(ctx, visitor.Caller.Username)
	o, err := p.Domain.Enter(ctx, visitor.Caller, domain.Ref{Slug: r.PathValue("slug")}, rights...)
	if o != nil {
		edge.AuditOf(ctx).SetOrganisation(o.Name)
	}
	return o, err
}

// change is what a form of an organisation's page asks for. It returns the code of what is said when it is done.
type change struct {
	right review.Right
	do    func(ctx context.Context, caller *identity.Caller, o *domain.Organisation, form url.Values) (code string, err error)
}

// changes are the forms by the value of their field action.
func (p *Pages) changes() map[string]change {
	return map[string]change{
		actionInvite: {domain.CreateInvitations, p.invite},
		actionResend: {domain.UpdateInvitations, p.resend},
		actionRevoke: {domain.DeleteInvitations, p.revoke},
		actionRemove: {domain.DeleteMembers, p.remove},
	}
}

// The forms of an organisation's page.
const (
	actionInvite = "invite"
	actionResend = "resend"
	actionRevoke = "revoke"
	actionRemove = "remove"

	// scopeAll is an invitation to all projects. Whatever else the form says is one to those that it names.
	scopeAll = "all"
)

// maxChange bounds a change: the longest wait for the operator, and what leads up to it.
const maxChange = 30 * time.Second

// changeOrganisation does what a form asks for. What the visitor can mend is said on the page that the form stands on.
func (p *Pages) changeOrganisation(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, maxChange)
	defer cancel()
	if visitor == nil {
		return redirect(session.SignIn(here(r))), nil
	}
	wanted, known := p.changes()[r.PostForm.Get("action")]
	if !known {
		return nil, fault.New(fault.Invalid, "the form cannot be read")
	}
	o, err := p.enter(ctx, visitor, r, wanted.right)
	var code string
	if err == nil {
		code, err = wanted.do(ctx, visitor.Caller, o, r.PostForm)
	}
	if err != nil {
		return p.refused(ctx, visitor.Caller, o, r, err)
	}
	if code == doneLeft {
		return redirect("/?" + queryDone + "=" + code), nil
	}
	return redirect(organisationPath(o) + "?" + queryDone + "=" + code), nil
}

// refused shows the page again with why not, for whoever has seen it before, and for what the visitor can mend.
func (p *Pages) refused(
	ctx context.Context, caller *identity.Caller, o *domain.Organisation, r *http.Request, err error,
) (*answer, error) {
	status, text := refusal(fault.As(err))
	if o == nil || status == 0 {
		return nil, err
	}
	return p.organisationPage(ctx, caller, o, state{
		status: status, failed: text, email: r.PostForm.Get("email"), role: r.PostForm.Get("role"),
		projects: shownProjects(r.PostForm), people: 1, invitations: 1,
	})
}

func (p *Pages) invite(ctx context.Context, caller *identity.Caller, o *domain.Organisation, form url.Values) (string, error) {
	wanted := domain.Invite{Email: strings.TrimSpace(form.Get("email")), Projects: chosenProjects(form)}
	if role := form.Get("role"); role != "" {
		wanted.Roles = []enrolv1alpha1.RoleName{enrolv1alpha1.RoleName(role)}
	}
	_, err := p.Domain.Invite(ctx, caller, o, wanted)
	return doneInvited, err
}

// chosenProjects are those that the form of an invitation names; nil for all, which the form has to say.
func chosenProjects(form url.Values) []string {
	if form.Get("scope") == scopeAll {
		return nil
	}
	return append([]string{}, form["project"]...)
}

// shownProjects are those to show as chosen when a form is shown again; nil for all, which is where the form starts.
func shownProjects(form url.Values) []string {
	if form.Get("action") != actionInvite {
		return nil
	}
	return chosenProjects(form)
}

func (p *Pages) resend(ctx context.Context, caller *identity.Caller, o *domain.Organisation, form url.Values) (string, error) {
	_, err := p.Domain.SendAgain(ctx, caller, o, form.Get("id"))
	return doneResent, err
}

func (p *Pages) revoke(ctx context.Context, caller *identity.Caller, o *domain.Organisation, form url.Values) (string, error) {
	return doneRevoked, p.Domain.Revoke(ctx, caller, o, form.Get("id"))
}

func (p *Pages) remove(ctx context.Context, caller *identity.Caller, o *domain.Organisation, form url.Values) (string, error) {
	id, code := form.Get("id"), doneRemoved
	if m, err := p.Domain.ByMembershipID(o, id); err == nil && isSelf(m, caller) {
		code = doneLeft
	}
	return code, p.Domain.Remove(ctx, caller, o, p.Domain.ByMembershipID, id)
}

// What is said after a change. Only the code is in the address, so that nobody can have a page say something else.
const (
	queryDone = "done"

	doneInvited = "invited"
	doneResent  = "resent"
	doneRevoked = "revoked"
	doneRemoved = "removed"
	doneLeft    = "left"
)

// done is what the code in an address stands for, "" for none that is known.
func done(r *http.Request) string {
	return map[string]string{
		doneInvited: "The invitation was made, and the mail is on its way.",
		doneResent:  "The invitation is sent again. The link in earlier mails does not work any more.",
		doneRevoked: "The invitation was revoked. Its link does not work any more.",
		doneRemoved: "The person was removed, and has no access any more.",
		doneLeft:    "You have left the organisation.",
	}[r.URL.Query().Get(queryDone)]
}

// refusal is the status and the text for an error that is told on the page; 0 for one that has a page of its own.
func refusal(e *fault.Error) (status int, text string) {
	switch e.Kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity, invalid(e)
	case fault.Forbidden:
		return http.StatusForbidden, "You may not do that. " + sentence(e.Text)
	case fault.NotFound:
		return http.StatusNotFound, "That is not there any more: somebody was faster, or it was finished meanwhile."
	case fault.AlreadyInvited:
		return http.StatusConflict, "There is an invitation for this address already. You can send it again below."
	case fault.AlreadyMember:
		return http.StatusConflict, "Somebody with this address is a member already."
	case fault.Conflict:
		return http.StatusConflict, sentence(e.Text)
	case fault.LostUpdate:
		return http.StatusConflict, "Somebody else changed it at the same time. Please look again, and try once more."
	case fault.RateLimited:
		if e.Text == "" {
			return 0, ""
		}
		return http.StatusTooManyRequests, sentence(e.Text) + wait(e.RetryAfter)
	case fault.Timeout:
		if e.Text == "" {
			return 0, ""
		}
		return http.StatusGatewayTimeout, sentence(e.Text) + " Please look again in a moment."
	default:
		return 0, ""
	}
}

// wait says when to come back, where that is soon enough to wait for.
func wait(after time.Duration) string {
	switch {
	case after <= 0 || after > 2*time.Hour:
		return ""
	case after <= time.Minute:
		return " Please try again in a minute."
	}
	return fmt.Sprintf(" Please try again in %d minutes.", max(2, int(after.Round(time.Minute)/time.Minute)))
}

// invalid says which fields of a form are wrong.
func invalid(e *fault.Error) string {
	names := map[any]string{fault.Email: "The address", fault.Role: "The role", fault.Project: "The choice"}
	var texts []string
	for _, d := range e.Details {
		name := "The form"
		if len(d.Path) > 0 && names[d.Path[0]] != "" {
			name = names[d.Path[0]]
		}
		text := d.Text
		if !strings.HasPrefix(text, "must ") {
			text = "is refused: " + text
		}
		texts = append(texts, name+" "+text+".")
	}
	if len(texts) == 0 {
		return "The form is wrong."
	}
	return strings.Join(texts, " ")
}

// organisationPage is the page of an organisation that the caller may see.
func (p *Pages) organisationPage(
	ctx context.Context, caller *identity.Caller, o *domain.Organisation, s state,
) (*answer, error) {
	view, err := p.organisationView(ctx, caller, o, s)
	if err != nil {
		return nil, err
	}
	return show(s.status, "members", o.Title(), view), nil
}
