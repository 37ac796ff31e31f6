// Package llamacloud is the dialect of LlamaCloud: it adds, lists and removes users in batches and one by one, gives them roles and
// projects, and answers and lists the caller's own invitations.
package llamacloud

import (
	"net/http"
	"strings"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

const (
	// organizationID is the path parameter that names the organisation.
	organizationID = "organization_id"
	// projectID is the query parameter that names a project.
	projectID = "project_id"

	// maxBatch and maxRows bound the bodies with a row for each user.
	maxBatch = 1 << 20
	maxRows  = 1000
)

// New is the dialect over a domain. The public URL gives the host of addresses that take no mail, for users who have none.
func New(d *domain.Domain, publicURL string) *dialect.Dialect {
	s := &server{domain: d, noReply: noReplyDomain(publicURL)}
	return &dialect.Dialect{
		Name:       "llamacloud",
		Roots:      []string{"/api/v1/organizations/", "/api/v2/invites", "/api/v2/invites/", "/api/v2/organizations"},
		Operations: operations(s),
		Register: func(mux *http.ServeMux, hooks dialect.Hooks) {
			strict := NewStrictHandlerWithOptions(s, nil, StrictHTTPServerOptions{
				RequestErrorHandlerFunc: hooks.BadRequest, ResponseErrorHandlerFunc: hooks.Refuse,
			})
			HandlerWithOptions(strict, StdHTTPServerOptions{
				BaseRouter: mux, Middlewares: []MiddlewareFunc{hooks.Gate}, ErrorHandlerFunc: hooks.BadRequest,
			})
		},
		Envelope: envelope,
		Headers:  headers,
		Fields: map[fault.Field]string{
			fault.Username: "user_id", fault.Email: "email", fault.Role: "role_id", fault.Project: "project_ids",
		},
		Credentials:   dialect.HeaderOrCookie,
		BadPath:       fault.Invalid,
		UnknownMethod: fault.MethodNotAllowed,
	}
}

func operations(s *server) map[string]dialect.Operation {
	within := func(rights ...review.Right) dialect.Operation {
		return dialect.Operation{Organisation: organizationID, Ref: byUID, Rights: rights}
	}
	batch := func(o dialect.Operation, values valuesFunc) dialect.Operation {
		o.MaxBody, o.MaxRows, o.Values = maxBatch, maxRows, values
		return o
	}
	addToProject := within(domain.UpdateMembers)
	addToProject.Needed = []string{projectID}
	return map[string]dialect.Operation{
		"addUsers":  batch(within(domain.CreateMembers, domain.UpdateMembers), s.checkAdditions),
		"listUsers": within(),
		// Whoever loses projects, and not the organisation, is changed.
		"removeUser":  within(domain.DeleteMembers, domain.UpdateMembers),
		"removeUsers": batch(within(domain.DeleteMembers, domain.UpdateMembers), s.checkRemovals),
		// An owner who is no Member becomes one with another role.
		"assignRole":            within(domain.UpdateMembers, domain.CreateMembers),
		"readOwnRole":           {Organisation: organizationID, Ref: byUID, Entry: dialect.ByMembership},
		"listRoles":             within(),
		"listUserProjects":      within(),
		"addUserToProject":      addToProject,
		"removeUserFromProject": within(domain.UpdateMembers),
		"listInvites":           {},
		"acceptInvite":          {},
		"declineInvite":         {},
		"listOrganizations":     {},
	}
}

// byUID reads an organisation's id, which the document keeps to a UUID in any case.
func byUID(value string) domain.Ref { return domain.Ref{UID: strings.ToLower(value)} }

// causes are what the platform says of each cause. An invitation that has expired is none any more.
var causes = map[fault.Kind]struct {
	status int
	detail string
}{
	fault.Internal:         {http.StatusInternalServerError, "Internal server error"},
	fault.Invalid:          {http.StatusUnprocessableEntity, ""},
	fault.Unauthenticated:  {http.StatusUnauthorized, "Not authenticated"},
	fault.Forbidden:        {http.StatusForbidden, "Forbidden"},
	fault.NotFound:         {http.StatusNotFound, "Organization not found"},
	fault.MethodNotAllowed: {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.TooLarge:         {http.StatusRequestEntityTooLarge, "Request body too large"},
	fault.UnsupportedMedia: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.Expired:          {http.StatusNotFound, "Invitation not found"},
	fault.Conflict:         {http.StatusConflict, "Conflict"},
	fault.LostUpdate:       {http.StatusConflict, "Somebody else changed it meanwhile"},
	fault.NeedsTLS:         {http.StatusUpgradeRequired, "Use HTTPS"},
	fault.RateLimited:      {http.StatusTooManyRequests, "Too many requests"},
	fault.Unavailable:      {http.StatusInternalServerError, "The cluster cannot be reached"},
	fault.Timeout:          {http.StatusInternalServerError, "The cluster took too long"},
}

func envelope(e *fault.Error) (status int, body any) {
	cause, ok := causes[e.Kind]
	if !ok {
		cause = causes[fault.Internal]
	}
	switch {
	case e.Kind == fault.Invalid:
		details := make([]ValidationError, 0, len(e.Details))
		for _, d := range e.Details {
			details = append(details, validationError(d))
		}
		return cause.status, HTTPValidationError{Detail: details}
	case e.Text != "" && ok && e.Kind != fault.Internal:
		cause.detail = dialect.Sentence(e.Text)
	}
	return cause.status, Error{Detail: cause.detail}
}

// headers tells clients, which send again what failed, where that is no use. What the cluster is at fault for may well work then.
func headers(e *fault.Error, header http.Header) {
	switch e.Kind {
	case fault.Conflict, fault.LostUpdate, fault.Internal:
		header.Set("X-Should-Retry", "false")
	default:
	}
}

// reasons are what the platform calls what is wrong with a value, where it has a name for it.
var reasons = map[fault.Reason]string{
	fault.Missing: "missing", fault.NotJSON: "json_invalid", fault.NotString: "string_type", fault.NotList: "list_type",
	fault.NotObject: "model_attributes_type", fault.NotUUID: "uuid_parsing",
}

// messages are what the platform says of such a value, where it does not say what it must be.
var messages = map[fault.Reason]string{fault.Missing: "Field required", fault.NotJSON: "JSON decode error"}

func validationError(d fault.Detail) ValidationError {
	e := ValidationError{Loc: append([]any{d.In}, d.Path...), Msg: dialect.Sentence(d.Text), Type: "value_error"}
	if reason, ok := reasons[d.Reason]; ok {
		e.Type = reason
	}
	if message, ok := messages[d.Reason]; ok {
		e.Msg = message
	}
	return e
}
