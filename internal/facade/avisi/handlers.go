package avisi

import (
	"context"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/domain"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// server answers what came through the gate.
type server struct{ domain *domain.Domain }

// AddMember adds a member, or changes one.
func (s *server) AddMember(ctx context.Context, r AddMemberRequestObject) (AddMemberResponseObject, error) {
	session := dialect.SessionOf(ctx)
	_, err := s.domain.Add(ctx, session.Caller, session.Organisation, domain.Addition{
		Username: value(r.Body.Username), Email: value(r.Body.Email),
		Role:           converted[enrolv1alpha1.RoleName](r.Body.Role),
		KubernetesRole: converted[enrolv1alpha1.KubernetesRole](r.Body.KubernetesRole),
	})
	return AddMember200Response{}, err
}

// checkAddition says what is wrong with the names of a person besides what is wrong by the document, so that one answer has all of it.
// Where nothing is, AddMember says so.
func (s *server) checkAddition(_ context.Context, o *domain.Organisation, body any, wrong []fault.Detail) []fault.Detail {
	if len(wrong) == 0 {
		return nil
	}
	given, _ := body.(map[string]any)
	a := domain.Addition{}
	a.Username, _ = given["username"].(string)
	a.Email, _ = given["email"].(string)
	unclear := false
	for _, d := range wrong {
		switch d.Path[0] {
		case "username":
			a.Username, unclear = "", true
		case "email":
			a.Email, unclear = "", true
		}
	}
	if unclear && a.Username == "" && a.Email == "" {
		return nil
	}
	return s.domain.Check(o, a)
}

// ReadOwnMembership answers what the caller is in an organisation.
func (s *server) ReadOwnMembership(ctx context.Context, _ ReadOwnMembershipRequestObject) (ReadOwnMembershipResponseObject, error) {
	session := dialect.SessionOf(ctx)
	own := s.domain.Own(session.Organisation, session.Caller)
	if own == nil {
		return nil, fault.New(fault.NotFound, "")
	}
	return ReadOwnMembership200JSONResponse(ownMembership(own)), nil
}

// ListMemberships answers what the caller is a member of, a page at a time.
func (s *server) ListMemberships(ctx context.Context, r ListMembershipsRequestObject) (ListMembershipsResponseObject, error) {
	return ListMemberships200JSONResponse(page(s.domain.Mine(dialect.SessionOf(ctx).Caller), number(r.Params.Page))), nil
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// converted is an optional text of another type.
func converted[To, From ~string](text *From) *To {
	if text == nil {
		return nil
	}
	to := To(*text)
	return &to
}
