package invitation

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/token"
)

// writer writes mails.
type writer struct {
	links invitation.Links
	keys  *token.Keys
	from  mail.Address

	mu        sync.RWMutex
	templates *mail.Templates
	// problem is what is wrong with the templates that were to take the place of these, "" for nothing.
	problem string
}

// load takes templates of the platform team's own into use, or says what is wrong with them: then those in use stay. No
// ConfigMap means the built-in ones.
func (w *writer) load(c *corev1.ConfigMap) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c == nil {
		w.templates, w.problem = mail.DefaultTemplates(), ""
		return nil
	}
	templates, err := mail.ParseTemplates(c.Data)
	if err != nil {
		w.problem = fmt.Sprintf("written with earlier templates, as those of ConfigMap %s/%s are not valid: %s",
			c.Namespace, c.Name, err)
		return err
	}
	w.templates, w.problem = templates, ""
	return nil
}

// write writes the mail of a letter. The link holds the token; it is nowhere but in the mail.
func (w *writer) write(l *letter) (m *mail.Message, problem string, err error) {
	i, o := l.invitation, l.organisation
	ring, err := w.keys.Ring()
	if err != nil {
		return nil, "", fmt.Errorf("making the link: %w", err)
	}
	proof, err := ring.Mint(token.Claims{
		Invitation: string(i.UID), SendNumber: i.Status.SendNumber,
		Expire: i.Status.ExpireTime.Time, Address: token.HashAddress(string(i.Spec.Email)),
	})
	if err != nil {
		return nil, "", fmt.Errorf("making the link: %w", err)
	}
	link, signIn, err := w.links.Mailed(i, &o.Spec.Invitations, proof)
	if err != nil {
		return nil, "", fmt.Errorf("making the link: %w", err)
	}
	w.mu.RLock()
	templates, problem := w.templates, w.problem
	w.mu.RUnlock()
	content, err := templates.Render(mail.Invitation{
		Organisation: cmp.Or(o.Spec.DisplayName, o.Slug()),
		Inviter:      cmp.Or(string(i.Spec.InvitedBy.Email), i.Spec.InvitedBy.Username),
		Email:        string(i.Spec.Email),
		Roles:        rolesInWords(i, o),
		Projects:     texts(i.Spec.Projects),
		Transfer:     i.Spec.Type == enrolv1alpha1.InvitationTransferOwnership,
		Message:      i.Spec.Message,
		Link:         link,
		SignInLink:   signIn,
		Expire:       i.Status.ExpireTime.Time,
	})
	if err != nil {
		return nil, problem, fmt.Errorf("writing the mail: %w", err)
	}
	return &mail.Message{
		From: w.from, To: string(i.Spec.Email), Content: content,
		MessageID: strings.Trim(i.Status.Mail.MessageID, "<>"), Date: i.Status.Mail.AttemptTime.Time,
	}, problem, nil
}

// rolesInWords are the roles as people know them, the Organisation's default where none is named.
func rolesInWords(i *enrolv1alpha1.Invitation, o *enrolv1alpha1.Organisation) []string {
	roles, makes := i.Spec.MemberRoles()
	if makes && len(roles) == 0 {
		roles = append(roles, cmp.Or(o.Spec.DefaultRole, enrolv1alpha1.RoleViewer))
	}
	if i.Spec.Owns() {
		roles = append([]enrolv1alpha1.RoleName{enrolv1alpha1.RoleOwner}, roles...)
	}
	named := make([]string, len(roles))
	for k, role := range roles {
		named[k] = role.Title()
		for _, custom := range o.Spec.Roles {
			if custom.Name == role && custom.DisplayName != "" {
				named[k] = custom.DisplayName
			}
		}
	}
	return named
}

func texts[T ~string](names []T) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		all = append(all, string(name))
	}
	return all
}
