// Package qovery is the dialect of Qovery: it invites people, and deals with members and their roles.
package qovery

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// organizationID is the path parameter that names the organisation.
const organizationID = "organizationId"

// New is the dialect over a domain. PublicURL is where people reach the facade, for the links in invitations.
func New(d *domain.Domain, publicURL string) *dialect.Dialect {
	return &dialect.Dialect{
		Name:       "qovery",
		Roots:      []string{"/organization/"},
		Operations: operations(),
		Register: func(mux *http.ServeMux, hooks dialect.Hooks) {
			server := &server{domain: d, publicURL: strings.TrimSuffix(publicURL, "/")}
			strict := NewStrictHandlerWithOptions(server, nil, StrictHTTPServerOptions{
				RequestErrorHandlerFunc: hooks.BadRequest, ResponseErrorHandlerFunc: hooks.Refuse,
			})
			HandlerWithOptions(strict, StdHTTPServerOptions{
				BaseRouter: mux, Middlewares: []MiddlewareFunc{hooks.Gate}, ErrorHandlerFunc: hooks.BadRequest,
			})
		},
		Envelope:      envelope,
		Fields:        map[fault.Field]string{fault.Username: "user_id", fault.Email: "email", fault.Role: "role_id"},
		BadPath:       fault.NotFound,
		UnknownMethod: fault.MethodNotAllowed,
	}
}

// operations say who may come in. Whoever changes a role, or transfers the ownership, may do either of two things to Members:
// which one it comes to is known when the person is.
func operations() map[string]dialect.Operation {
	within := func(entry dialect.Entry, rights ...review.Right) dialect.Operation {
		return dialect.Operation{Organisation: organizationID, Ref: byID, Entry: entry, Rights: rights}
	}
	invite := within(dialect.ByRight, domain.CreateInvitations)
	invite.OnePerson = true
	return map[string]dialect.Operation{
		"inviteMember":      invite,
		"listInvitations":   within(dialect.ByRight, domain.ListInvitations),
		"readInvitation":    within(dialect.ByInvitation),
		"acceptInvitation":  within(dialect.ByInvitation),
		"deleteInvitation":  within(dialect.ByRight, domain.DeleteInvitations),
		"listMembers":       within(dialect.ByRight),
		"changeMemberRole":  within(dialect.ByRight, domain.UpdateMembers, domain.CreateMembers),
		"removeMember":      within(dialect.ByRight, domain.DeleteMembers),
		"transferOwnership": within(dialect.ByRight, domain.UpdateMembers, domain.CreateMembers),
		"listRoles":         within(dialect.ByRight),
	}
}

// byID reads an organisation's id, which the document keeps to a UUID in any case.
func byID(value string) domain.Ref { return domain.Ref{UID: strings.ToLower(value)} }

// causes are the status of each cause, and what is said where nothing more is known.
var causes = map[fault.Kind]struct {
	status int
	detail string
}{
	fault.Internal:         {http.StatusInternalServerError, "internal error"},
	fault.Invalid:          {http.StatusBadRequest, "the request is wrong"},
	fault.Unauthenticated:  {http.StatusUnauthorized, "no valid token"},
	fault.Forbidden:        {http.StatusForbidden, "not allowed"},
	fault.NotFound:         {http.StatusNotFound, "organization not found"},
	fault.MethodNotAllowed: {http.StatusMethodNotAllowed, "method not allowed"},
	fault.TooLarge:         {http.StatusRequestEntityTooLarge, "body is too large"},
	fault.UnsupportedMedia: {http.StatusUnsupportedMediaType, "media type must be application/json"},
	fault.AlreadyInvited:   {http.StatusConflict, "address already has an invitation"},
	fault.AlreadyMember:    {http.StatusConflict, "address belongs to a member"},
	fault.Expired:          {http.StatusBadRequest, "the invitation has expired"},
	fault.Conflict:         {http.StatusConflict, "not possible as things are"},
	fault.LostUpdate:       {http.StatusConflict, "others changed it at the same time"},
	fault.NeedsTLS:         {http.StatusUpgradeRequired, "use HTTPS"},
	fault.RateLimited:      {http.StatusTooManyRequests, "too many requests"},
	fault.Unavailable:      {http.StatusInternalServerError, "the cluster cannot be reached"},
	fault.Timeout:          {http.StatusInternalServerError, "the cluster took too long"},
}

// misread are the letters by which some readers take a 400 for a 404.
const misread = "exist"

func envelope(e *fault.Error) (status int, body any) {
	cause, ok := causes[e.Kind]
	if !ok {
		cause = causes[fault.Internal]
	}
	detail := cmp.Or(dialect.Describe(e.Details), e.Text, cause.detail)
	if cause.status == http.StatusBadRequest && strings.Contains(strings.ToLower(detail), misread) {
		detail = cause.detail
	}
	return cause.status, Error{Status: cause.status, Error: http.StatusText(cause.status), Detail: detail}
}
