package domain

import (
	"context"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/facade/fault"
	"github.com/enrol-dev/enrol/internal/facade/identity"
	"github.com/enrol-dev/enrol/internal/facade/review"
)

// Powers tell what a caller may do in an organisation, for a page that offers only that. Each right is asked for once. They
// permit nothing: whoever goes on to do it is asked again. They are good for one request, and not safe for concurrent use.
type Powers struct {
	domain       *Domain
	caller       *identity.Caller
	organisation *Organisation
	answers      map[right]bool
}

// Powers of a caller in an organisation.
func (d *Domain) Powers(caller *identity.Caller, o *Organisation) *Powers {
	return &Powers{domain: d, caller: caller, organisation: o, answers: map[right]bool{}}
}

// Has tells whether the caller has all of the rights.
func (p *Powers) Has(ctx context.Context, rights ...review.Right) (bool, error) {
	for _, asked := range rights {
		allowed, known := p.answers[asked]
		if !known {
			var err error
			allowed, err = p.domain.Access.Allowed(ctx, p.caller, p.organisation.HomeNamespace(), asked)
			if err != nil {
				return false, fault.OfSelf(err)
			}
			p.answers[asked] = allowed
		}
		if !allowed {
			return false, nil
		}
	}
	return true, nil
}

// Invitable are the roles that the caller may invite people to, strongest first; none for whoever may invite nobody.
func (p *Powers) Invitable(ctx context.Context) ([]Role, error) {
	if allowed, err := p.Has(ctx, CreateInvitations); err != nil || !allowed {
		return nil, err
	}
	var roles []Role
	for _, role := range p.organisation.Roles() {
		allowed, err := p.Has(ctx, review.Grant(review.OrganisationRoles, string(role.Name)))
		if err != nil {
			return nil, err
		}
		inGit := role.Name == enrolv1alpha1.RoleOwner && p.domain.organisationKeptBy(p.organisation.Organisation) != ""
		if allowed && !inGit {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// MayResend tells whether the caller may have an invitation sent again, however soon.
func (p *Powers) MayResend(ctx context.Context, i *Invitation) (bool, error) {
	return p.mayAnswerFor(ctx, i, UpdateInvitations)
}

// MayRevoke tells whether the caller may withdraw an invitation.
func (p *Powers) MayRevoke(ctx context.Context, i *Invitation) (bool, error) {
	return p.mayAnswerFor(ctx, i, DeleteInvitations)
}

func (p *Powers) mayAnswerFor(ctx context.Context, i *Invitation, to right) (bool, error) {
	if p.domain.invitationKeptBy(i.object) != "" {
		return false, nil
	}
	return p.Has(ctx, append(invitationGrants(&i.object.Spec), to)...)
}

// MayRemove tells whether the caller may take a person out, and the person can be: the last owner cannot, nor what Git keeps.
func (p *Powers) MayRemove(ctx context.Context, m *Membership) (bool, error) {
	if p.domain.KeptInGit(m) != "" {
		return false, nil
	}
	for _, member := range m.members {
		if allowed, err := p.Has(ctx, append(grants(&member.Spec), DeleteMembers)...); err != nil || !allowed {
			return false, err
		}
	}
	if !m.Owner {
		return true, nil
	}
	o := p.organisation.Organisation
	if len(o.Spec.Owners) == 1 || p.domain.organisationKeptBy(o) != "" {
		return false, nil
	}
	return p.Has(ctx, review.Grant(review.OrganisationRoles, string(enrolv1alpha1.RoleOwner)))
}

// KeptInGit says by what one of a person's Members is kept in Git, where nobody can take it out from here; "" for none.
func (d *Domain) KeptInGit(m *Membership) string {
	for _, member := range m.members {
		if by := d.memberKeptBy(member); by != "" {
			return by
		}
	}
	return ""
}

// InvitationKeptInGit is KeptInGit for an invitation.
func (d *Domain) InvitationKeptInGit(i *Invitation) string { return d.invitationKeptBy(i.object) }

// KubernetesRole is what a role of an organisation gives in projects.
func (o *Organisation) KubernetesRole(name enrolv1alpha1.RoleName) enrolv1alpha1.KubernetesRole {
	return o.terms.KubernetesRole(name)
}

// SendAgain is Resend with the address, the type and the links that the invitation has.
func (d *Domain) SendAgain(ctx context.Context, caller *identity.Caller, o *Organisation, id string) (*Invitation, error) {
	view, err := d.invitationByID(o, id)
	if err != nil {
		return nil, err
	}
	spec := &view.object.Spec
	return d.Resend(ctx, caller, o, id, Resend{
		Email: view.Email, Type: view.Type, AcceptURL: spec.AcceptURL, SignInURL: spec.SignInURL,
	})
}
