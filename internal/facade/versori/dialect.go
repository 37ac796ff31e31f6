// Package versori is the dialect of Versori: it invites people, and deals with members and the caller's organisations.
package versori

import (
	"cmp"
	"net/http"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// organisationID is the path parameter that names the organisation.
const organisationID = "organisation_id"

// New is the dialect over a domain.
func New(d *domain.Domain) *dialect.Dialect {
	return &dialect.Dialect{
		Name:       "versori",
		Roots:      []string{"/api/organisations/v1/"},
		Operations: operations(),
		Register: func(mux *http.ServeMux, hooks dialect.Hooks) {
			strict := NewStrictHandlerWithOptions(&server{domain: d}, nil, StrictHTTPServerOptions{
				RequestErrorHandlerFunc: hooks.BadRequest, ResponseErrorHandlerFunc: hooks.Refuse,
			})
			HandlerWithOptions(strict, StdHTTPServerOptions{
				BaseRouter: mux, Middlewares: []MiddlewareFunc{hooks.Gate}, ErrorHandlerFunc: hooks.BadRequest,
			})
		},
		Envelope: envelope,
		Fields: map[fault.Field]string{
			fault.Email: "email", fault.AcceptURL: "url", fault.SignInURL: "authUrl", fault.Type: "inviteType", fault.Role: "roles",
		},
		BadPath:       fault.NotFound,
		UnknownMethod: fault.MethodNotAllowed,
	}
}

// operations say who may come in.
func operations() map[string]dialect.Operation {
	within := func(entry dialect.Entry, rights ...review.Right) dialect.Operation {
		return dialect.Operation{Organisation: organisationID, Ref: byID, Entry: entry, Rights: rights}
	}
	invite := within(dialect.ByRight, domain.CreateInvitations)
	invite.OnePerson = true
	return map[string]dialect.Operation{
		"listOrganisations": {},
		"createInvitation":  invite,
		"listInvitations":   within(dialect.ByRight, domain.ListInvitations),
		"deleteInvitation":  within(dialect.ByRight, domain.DeleteInvitations),
		"acceptInvitation":  within(dialect.ByInvitation),
		"resendInvitation":  within(dialect.ByRight, domain.UpdateInvitations),
		"listMembers":       within(dialect.ByRight),
		"readMember":        within(dialect.ByRight),
		"removeMember":      within(dialect.ByRight, domain.DeleteMembers),
	}
}

// byID reads an organisation's id; what is none names no organisation.
func byID(value string) domain.Ref { return domain.Ref{UID: uidOf(value)} }

// causes are the status and code of each cause, and what is said where nothing more is known.
var causes = map[fault.Kind]struct {
	status        int
	code, message string
}{
	fault.Internal:         {http.StatusInternalServerError, "internal", "internal error"},
	fault.Invalid:          {http.StatusBadRequest, "invalid_argument", "invalid request"},
	fault.Unauthenticated:  {http.StatusUnauthorized, "unauthenticated", "no valid token"},
	fault.Forbidden:        {http.StatusForbidden, "permission_denied", "not allowed"},
	fault.NotFound:         {http.StatusNotFound, "not_found", "organisation not found"},
	fault.MethodNotAllowed: {http.StatusMethodNotAllowed, "method_not_allowed", "method not allowed"},
	fault.TooLarge:         {http.StatusRequestEntityTooLarge, "payload_too_large", "body is too large"},
	fault.UnsupportedMedia: {http.StatusUnsupportedMediaType, "unsupported_media_type", "media type must be application/json"},
	fault.AlreadyInvited:   {http.StatusConflict, "already_exists", "an invitation for this address is pending"},
	fault.AlreadyMember:    {http.StatusConflict, "already_member", "this address belongs to a member"},
	fault.Expired:          {http.StatusBadRequest, "invitation_expired", "the invitation has expired"},
	fault.Conflict:         {http.StatusConflict, "conflict", "not possible as things are"},
	fault.LostUpdate:       {http.StatusConflict, "conflict", "others changed it at the same time"},
	fault.NeedsTLS:         {http.StatusUpgradeRequired, "upgrade_required", "use HTTPS"},
	fault.RateLimited:      {http.StatusTooManyRequests, "rate_limited", "too many requests"},
	fault.Unavailable:      {http.StatusInternalServerError, "unavailable", "the cluster cannot be reached"},
	fault.Timeout:          {http.StatusInternalServerError, "timeout", "the cluster took too long"},
}

func envelope(e *fault.Error) (status int, body any) {
	cause, ok := causes[e.Kind]
	if !ok {
		cause = causes[fault.Internal]
	}
	return cause.status, Error{
		Code: cause.code, Message: cmp.Or(e.Text, cause.message), Cause: dialect.Describe(e.Details),
	}
}
