// Package avisi is the dialect of Avisi Cloud: it adds members, and answers what the caller is a member of.
package avisi

import (
	"fmt"
	"net/http"

	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// organisationSlug is the path parameter that names the organisation.
const organisationSlug = "organisationSlug"

// New is the dialect over a domain.
func New(d *domain.Domain) *dialect.Dialect {
	s := &server{domain: d}
	return &dialect.Dialect{
		Name:  "avisi",
		Roots: []string{"/api/v1/organisations/", "/api/v1/memberships"},
		Operations: map[string]dialect.Operation{
			"addMember": {
				Organisation: organisationSlug, Ref: dialect.BySlug,
				Rights: []review.Right{domain.CreateMembers, domain.UpdateMembers}, OnePerson: true,
				Values: s.checkAddition,
			},
			"readOwnMembership": {Organisation: organisationSlug, Ref: dialect.BySlug, Entry: dialect.ByMembership},
			"listMemberships":   {},
		},
		Register: func(mux *http.ServeMux, hooks dialect.Hooks) {
			strict := NewStrictHandlerWithOptions(s, nil, StrictHTTPServerOptions{
				RequestErrorHandlerFunc: hooks.BadRequest, ResponseErrorHandlerFunc: hooks.Refuse,
			})
			HandlerWithOptions(strict, StdHTTPServerOptions{
				BaseRouter: mux, Middlewares: []MiddlewareFunc{hooks.Gate}, ErrorHandlerFunc: hooks.BadRequest,
			})
		},
		Envelope: envelope,
		Fields: map[fault.Field]string{
			fault.Username: "username", fault.Email: "email", fault.Role: "role", fault.KubernetesRole: "kubernetesRole",
		},
		BadPath:       fault.Invalid,
		UnknownMethod: fault.MethodNotAllowed,
	}
}

// causes are what the platform says of each cause.
var causes = map[fault.Kind]struct {
	status  int
	message string
}{
	fault.Internal:         {http.StatusInternalServerError, "Internal error"},
	fault.Invalid:          {http.StatusBadRequest, "Invalid request"},
	fault.Unauthenticated:  {http.StatusUnauthorized, "Authentication required"},
	fault.Forbidden:        {http.StatusForbidden, "Forbidden"},
	fault.NotFound:         {http.StatusNotFound, "Organisation not found"},
	fault.MethodNotAllowed: {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.TooLarge:         {http.StatusRequestEntityTooLarge, "Request body too large"},
	fault.UnsupportedMedia: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.Conflict:         {http.StatusConflict, "Conflict"},
	fault.LostUpdate:       {http.StatusInternalServerError, "Internal error"},
	fault.NeedsTLS:         {http.StatusUpgradeRequired, "Use HTTPS"},
	fault.RateLimited:      {http.StatusTooManyRequests, "Too many requests"},
	fault.Unavailable:      {http.StatusInternalServerError, "Internal error"},
	fault.Timeout:          {http.StatusInternalServerError, "Internal error"},
}

func envelope(e *fault.Error) (status int, body any) {
	cause, ok := causes[e.Kind]
	if !ok {
		cause = causes[fault.Internal]
	}
	details := make([]string, 0, len(e.Details)+1)
	for _, d := range e.Details {
		details = append(details, where(d)+": "+d.Text)
	}
	if e.Text != "" && (e.Kind == fault.Forbidden || e.Kind == fault.Conflict) {
		details = append(details, e.Text)
	}
	return cause.status, Error{Message: cause.message, Details: details}
}

// where is the field that a fault is about; faults of the whole body are about the body.
func where(d fault.Detail) string {
	if len(d.Path) == 0 || d.Reason == fault.NotJSON {
		return string(fault.Body)
	}
	return fmt.Sprint(d.Path[0])
}
