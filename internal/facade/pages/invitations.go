package pages

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/edge"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/session"
	"github.com/enrol-dev/enrol/internal/invitation"
)

// Where the pages about invitations are.
const (
	invitationsPath = "/invitations"
	acceptedPath    = "/invitations/accepted"
)

// Names in queries and forms besides those of the mailed link.
const (
	// queryInviteToken and queryOrganization are the locator that clients of one of the platforms make; it holds no token.
	queryInviteToken  = "inviteToken"
	queryOrganization = "organization"
	queryOrganisation = "organisation"
	// querySignIn asks for a page with a link to sign in, where otherwise the browser would be sent on at once. It ends the redirects
	// after a form, which must not lead to another origin.
	querySignIn = "sign-in"

	answerAccept  = "accept"
	answerDecline = "decline"
)

func (p *Pages) registerInvitations(mux *http.ServeMux) {
	mux.Handle("GET "+invitationsPath, p.page(p.invitation))
	mux.Handle("POST "+invitationsPath, p.action(p.answerInvitation))
	mux.Handle("GET "+acceptedPath, p.page(p.accepted))
}

// letter is what a link or a form says.
type letter struct{ invitation, organisation, token string }

func letterOf(values url.Values) letter {
	return letter{
		invitation:   cmp.Or(values.Get(invitation.QueryInvitation), values.Get(queryInviteToken)),
		organisation: values.Get(queryOrganization),
		token:        values.Get(invitation.QueryToken),
	}
}

// path leads back to the invitation.
func (l letter) path() string { return invitationsPath + "?" + l.values().Encode() }

// ask leads to a page with a link to sign in.
func (l letter) ask() string {
	values := l.values()
	values.Set(querySignIn, "ask")
	return invitationsPath + "?" + values.Encode()
}

func (l letter) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		invitation.QueryInvitation: l.invitation, queryOrganization: l.organisation, invitation.QueryToken: l.token,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

func (l letter) ticket(visitor *session.Visitor) domain.Ticket {
	return domain.Ticket{Invitation: l.invitation, Organisation: l.organisation, Token: l.token, Person: personOf(visitor)}
}

// personOf is who answers. The address is what the identity provider says, whatever the API server makes of it.
func personOf(visitor *session.Visitor) *domain.Person {
	if visitor == nil {
		return nil
	}
	return &domain.Person{Caller: visitor.Caller, Person: invitation.Person{
		Username: visitor.Caller.Name, Email: visitor.Email, EmailVerified: visitor.EmailVerified,
		Issuer: visitor.Issuer, Subject: visitor.Subject,
	}}
}

// invitation shows where an invitation stands. It changes nothing, whoever looks, and however often.
func (p *Pages) invitation(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	query := r.URL.Query()
	l := letterOf(query)
	if visitor == nil && l.token == "" && query.Has(querySignIn) {
		return signInFirst(l), nil
	}
	return p.opening(ctx, visitor, l)
}

// opening is the page about an invitation as it is now.
func (p *Pages) opening(ctx context.Context, visitor *session.Visitor, l letter) (*answer, error) {
	opening, err := p.Domain.Opening(ctx, l.ticket(visitor))
	if err != nil {
		if fault.As(err).Kind == fault.Unauthenticated {
			return redirect(session.SignIn(l.path())), nil
		}
		if fault.As(err).Kind == fault.NotFound {
			return unknown(), nil
		}
		return nil, err
	}
	if opening.Organisation != nil {
		edge.AuditOf(ctx).SetOrganisation(opening.Organisation.Name)
	}
	switch opening.Standing {
	case domain.Waiting:
		return p.waiting(visitor, l, opening), nil
	case domain.Foreign:
		return foreign(visitor, l), nil
	case domain.Mine:
		if !visitor.Vouched {
			return unvouched(), nil
		}
		return redirect(acceptedPath + "?" + url.Values{queryOrganisation: {opening.Organisation.ID()}}.Encode()), nil
	default:
		return closed(visitor, opening), nil
	}
}

// invitationView is an invitation that can be answered.
type invitationView struct {
	Heading, Organisation, Initial, Logo string
	Inviter, Message                     string
	Transfer                             bool
	Roles                                []saying
	Projects, Access                     string
	Teams                                string
	Expire                               time.Time
	// SignIn is where to sign in, "" for somebody who has.
	SignIn string
	// Who has signed in.
	Who string
	// Form is what the answer carries along.
	Invitation, Organization, Token string
}

func (p *Pages) waiting(visitor *session.Visitor, l letter, opening *domain.Opening) *answer {
	o := opening.Organisation
	title := o.Title()
	view := invitationView{
		Heading: "Join " + title, Organisation: title, Initial: initial(title), Logo: o.Spec.LogoURL,
		Inviter: opening.Inviter, Message: opening.Message, Transfer: opening.Transfer,
		Roles: rolesInWords(o, opening.Roles), Projects: projectsInWords(opening.Projects),
		Teams: sequence(texts(opening.Groups)), Expire: opening.Expire,
		Who: who(visitor), Invitation: l.invitation, Organization: l.organisation, Token: l.token,
	}
	if opening.Transfer {
		view.Heading = "Become the owner of " + title
	}
	if view.Projects != "" {
		view.Access = accessInWords(o, opening.KubernetesRole)
	}
	if visitor == nil {
		view.SignIn = session.SignIn(l.path())
	}
	return show(http.StatusOK, "invitation", view.Heading, view)
}

// answerInvitation records an answer. Whatever keeps it from being recorded, the page then says where the invitation stands: that
// is what somebody wants to know who was too late, pressed twice or went back.
func (p *Pages) answerInvitation(ctx context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	l := letterOf(r.PostForm)
	if visitor == nil {
		return redirect(l.ask()), nil
	}
	var err error
	switch r.PostForm.Get("answer") {
	case answerAccept:
		_, err = p.Domain.AcceptTicket(ctx, l.ticket(visitor))
	case answerDecline:
		err = p.Domain.DeclineTicket(ctx, l.ticket(visitor))
	default:
		return nil, fault.New(fault.Invalid, "the answer must be to accept or to decline")
	}
	if err == nil {
		// The page that says so can be loaded again without a question.
		return redirect(l.path()), nil
	}
	switch fault.As(err).Kind {
	case fault.Unavailable, fault.RateLimited, fault.Internal:
		return nil, err
	default:
	}
	now, failed := p.opening(ctx, visitor, l)
	if failed == nil && now.name == "invitation" {
		return stillWaiting(l, err)
	}
	return now, failed
}

// stillWaiting says why an invitation could not be answered that is open all the same.
func stillWaiting(l letter, err error) (*answer, error) {
	e := fault.As(err)
	switch e.Kind {
	case fault.Forbidden, fault.Conflict:
		return show(http.StatusConflict, "message", "This invitation cannot be accepted now", message{
			Text: sentence(e.Text) + " Please tell whoever invited you.", Retry: l.path()}), nil
	default:
		return nil, err
	}
}

// unknown is the one page about invitations that there are not, forged and damaged links, and those of other keys.
func unknown() *answer {
	return show(http.StatusNotFound, "message", "This invitation does not exist", message{
		Text: "Perhaps the link was cut off on its way: please copy the whole of it from the mail. " +
			"If that does not help, ask whoever invited you to send the invitation again."})
}

// signInFirst asks to sign in, where sending the browser there at once is not possible.
func signInFirst(l letter) *answer {
	return show(http.StatusOK, "signin", "Sign in to see the invitation", signInView{SignIn: session.SignIn(l.path())})
}

type signInView struct{ SignIn string }

// foreignView offers to change the account.
type foreignView struct{ Who, Back string }

// foreign does not say whom the invitation is for.
func foreign(visitor *session.Visitor, l letter) *answer {
	return show(http.StatusForbidden, "foreign", "This invitation is for somebody else", foreignView{
		Who: who(visitor), Back: session.SignInAsAnother(l.path())})
}

// unvouched is for somebody who has accepted with the token of the mail, and is not shown more: the name is an address that the
// identity provider has not verified.
func unvouched() *answer {
	return show(http.StatusOK, "message", "You have accepted", message{
		Text: "Your answer is recorded. What you have can be seen here once your identity provider has verified your address."})
}

// closedView is about an invitation that cannot be answered any more.
type closedView struct {
	Text string
	// Home is true for somebody who has signed in, and can look at what there is.
	Home bool
}

// closed has the status Gone, as the link was good once and never will be again; but for a resend, which makes another link or
// opens the same page under the same address.
func closed(visitor *session.Visitor, opening *domain.Opening) *answer {
	organisation := "the organisation"
	if opening.Organisation != nil {
		organisation = opening.Organisation.Title()
	}
	var title, text string
	switch opening.Standing {
	case domain.Used:
		title = "This invitation has been accepted"
		text = "It was for " + organisation + ", and it works once. If it was you who accepted, sign in to see what you have."
	case domain.Declined:
		title = "This invitation was declined"
		text = "You are not a member of " + organisation + " by it. If that was a mistake, ask whoever invited you to do it again."
	case domain.Revoked:
		title = "This invitation was withdrawn"
		text = "Whoever invites people to " + organisation + " has taken it back. Nothing is left for you to do."
	case domain.Expired:
		title = "This invitation has expired"
		text = "It could be answered until " + date(opening.Expire) +
			". Ask whoever invited you to " + organisation + " to send it again."
	case domain.Replaced:
		title = "There is a newer mail"
		text = "The invitation to " + organisation + " was sent again later, and only the link in the latest mail works."
	default:
		title = "This invitation is finished"
		text = "It was answered, withdrawn or replaced some time ago."
	}
	return show(http.StatusGone, "closed", title, closedView{Text: text, Home: visitor != nil})
}

// accepted shows what the visitor has in an organisation now.
func (p *Pages) accepted(_ context.Context, visitor *session.Visitor, r *http.Request) (*answer, error) {
	if visitor == nil {
		return nil, fault.New(fault.Unauthenticated, "")
	}
	if !visitor.Vouched {
		return notFound(), nil
	}
	o, err := p.Domain.Find(domain.Ref{UID: r.URL.Query().Get(queryOrganisation)})
	if err != nil {
		return nil, err
	}
	own := p.Domain.Own(o, visitor.Caller)
	if p.Domain.Joining(o, personOf(visitor)) && (own == nil || own.Suspended) {
		return show(http.StatusAccepted, "joining", "You have accepted", joiningView{
			Organisation: o.Title(), Again: r.URL.RequestURI()}), nil
	}
	if own == nil {
		return notFound(), nil
	}
	return p.membership(own), nil
}

type joiningView struct{ Organisation, Again string }

// membershipView is what a member has.
type membershipView struct {
	Organisation, Initial, Logo string
	Slug                        string
	Roles                       []saying
	Projects, Access            string
	Teams                       string
	Suspended                   bool
	// Kubeconfig is "" where nothing is known of the cluster. Try is a command that works.
	Kubeconfig, Try string
}

func (p *Pages) membership(own *domain.Membership) *answer {
	o := own.Organisation
	title := o.Title()
	roles := own.Roles
	if len(roles) == 0 {
		roles = []enrolv1alpha1.RoleName{o.DefaultRole()}
	}
	view := membershipView{
		Organisation: title, Initial: initial(title), Logo: o.Spec.LogoURL, Slug: o.Slug(),
		Roles: rolesInWords(o, roles), Projects: projectsInWords(own.Projects),
		Teams: sequence(own.Teams()), Suspended: own.Suspended || o.Spec.Suspend,
	}
	if view.Projects != "" {
		view.Access = accessInWords(o, own.KubernetesRole)
	}
	namespace := ""
	if projects := p.Domain.ProjectsOf(own); len(projects) > 0 {
		namespace = projects[0].Name
		view.Try = "kubectl --namespace " + namespace + " get all"
	}
	view.Kubeconfig = p.Cluster.kubeconfig(namespace)
	return show(http.StatusOK, "membership", "You are a member of "+title, view)
}
