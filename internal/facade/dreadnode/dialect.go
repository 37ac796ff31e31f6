// Package dreadnode is the dialect of Dreadnode: it invites people, answers invitations, and lists and changes members.
package dreadnode

import (
	"net/http"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// org is the path parameter that names the organisation.
const org = "org"

// New is the dialect over a domain.
func New(d *domain.Domain) *dialect.Dialect {
	return &dialect.Dialect{
		Name:       "dreadnode",
		Roots:      []string{"/api/v1/org/", "/api/v1/invitations/"},
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
			fault.Username: "user_id", fault.Email: "email", fault.Role: "role",
		},
		BadPath:       fault.Invalid,
		UnknownMethod: fault.NotFound,
	}
}

func operations() map[string]dialect.Operation {
	within := func(rights ...review.Right) dialect.Operation {
		return dialect.Operation{Organisation: org, Ref: dialect.BySlug, Rights: rights}
	}
	invite := within(domain.CreateInvitations)
	invite.OnePerson = true
	return map[string]dialect.Operation{
		"inviteMember":        invite,
		"cancelInvitation":    within(domain.DeleteInvitations),
		"respondToInvitation": {},
		"listMembers":         within(),
		// An owner who is no Member becomes one with another role.
		"changeMemberRole": within(domain.UpdateMembers, domain.CreateMembers),
		"removeMember":     within(domain.DeleteMembers),
	}
}

// causes are what the platform says of each cause.
var causes = map[fault.Kind]struct {
	status     int
	kind, text string
}{
	fault.Internal:         {http.StatusInternalServerError, "server_error", "Internal server error"},
	fault.Invalid:          {http.StatusUnprocessableEntity, "validation_error", "Validation error"},
	fault.Unauthenticated:  {http.StatusUnauthorized, "authentication_error", "Authentication failed"},
	fault.Forbidden:        {http.StatusForbidden, "forbidden_error", "Access forbidden"},
	fault.NotFound:         {http.StatusNotFound, "not_found_error", "Organization not found"},
	fault.TooLarge:         {http.StatusBadRequest, "invalid_error", "Request body too large"},
	fault.UnsupportedMedia: {http.StatusBadRequest, "invalid_error", "The body must be of media type application/json"},
	fault.AlreadyInvited:   {http.StatusConflict, "already_exists_error", "An invitation for this address is pending"},
	fault.AlreadyMember:    {http.StatusConflict, "member_exists_error", "This address belongs to a member"},
	fault.Expired:          {http.StatusBadRequest, "invalid_error", "The invitation has expired"},
	fault.Conflict:         {http.StatusConflict, "conflict_error", "Conflict"},
	fault.LostUpdate:       {http.StatusConflict, "conflict_error", "Somebody else changed it meanwhile"},
	fault.NeedsTLS:         {http.StatusUpgradeRequired, "upgrade_required_error", "Use HTTPS"},
	fault.RateLimited:      {http.StatusTooManyRequests, "rate_limit_error", "Too many requests"},
	fault.Unavailable:      {http.StatusBadGateway, "bad_gateway_error", "The cluster cannot be reached"},
	fault.Timeout:          {http.StatusGatewayTimeout, "gateway_timeout_error", "The cluster took too long"},
}

func envelope(e *fault.Error) (status int, body any) {
	cause, ok := causes[e.Kind]
	if !ok {
		cause = causes[fault.Internal]
	}
	payload := APIErrorPayload{Code: cause.status, Detail: cause.text, Type: cause.kind}
	if e.Text != "" && e.Kind != fault.Internal {
		payload.Detail = dialect.Sentence(e.Text)
	}
	for _, d := range e.Details {
		payload.Errors = append(payload.Errors, errorDetail(d))
	}
	return cause.status, payload
}

// reasons are what the platform calls what is wrong with a value, where it has a name for it.
var reasons = map[fault.Reason]string{
	fault.Missing: "missing", fault.NotJSON: "json_invalid", fault.NotString: "string_type", fault.NotBoolean: "bool_type",
	fault.NotListed: "enum", fault.NotUUID: "uuid_parsing",
}

func errorDetail(d fault.Detail) ErrorDetail {
	detail := ErrorDetail{Loc: append([]any{d.In}, d.Path...), Msg: dialect.Sentence(d.Text), Type: "value_error"}
	if reason, ok := reasons[d.Reason]; ok {
		detail.Type = reason
	}
	if d.Reason == fault.Missing {
		detail.Msg = "Field required"
	}
	return detail
}
