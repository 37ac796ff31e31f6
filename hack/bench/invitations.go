package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/mail"
	"github.com/enrol-dev/enrol/internal/mailbox"
)

const (
	mailUser, mailPassword = "enrol", "correct horse"
	// mailConnections are what the operator has by default, and the reference as well.
	mailConnections = 8
	mailFrom        = "enrol@example.com"
)

// startPost starts a mail server that forgets what it takes.
func (s *stage) startPost(ctx context.Context) error {
	certificate, err := s.plane.ServingCertificate("mail")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"username": mailUser, "password": mailPassword} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing the credentials: %w", err)
		}
	}
	s.post, err = mailbox.Start(ctx, mailbox.Options{
		TLS: mailbox.TLS(certificate), Username: mailUser, Password: mailPassword, Forgetful: true,
	})
	return err
}

// mailFlags are the operator's, where there is a mail server.
func (s *stage) mailFlags() []string {
	if s.post == nil {
		return nil
	}
	return []string{
		"--public-url=https://enrol.example.com", "--mail-transport=smtp", "--mail-from=" + mailFrom,
		"--smtp-address=" + s.post.Address(), "--smtp-credentials=" + s.dir, "--smtp-ca-file=" + s.plane.CAFile(),
	}
}

// manyInvitations measures Invitations that are created at once, until the mail server has all of their mails and each
// status says so.
func (b *bench) manyInvitations(ctx context.Context, s *stage) error {
	total := b.invitations * invitingOrganisations
	r := &result{
		Row: rowInvitations, Unit: "s", MostRatio: 1.3,
		Figure: fmt.Sprintf("%d Invitations of %d organisations, until all are handed over to the mail server",
			total, invitingOrganisations),
		Against: "a plain program writes two statuses each and sends as many mails over as many connections",
	}
	c := cost(rowInvitations)
	connections := &result{
		Row: rowInvitations, Most: mailConnections, Figure: "connections to the mail server at a time, at most",
	}
	if err := s.startPost(ctx); err != nil {
		return err
	}
	if err := b.startOperator(ctx, s); err != nil {
		return err
	}
	for repetition := range b.repeat {
		organisations, err := b.invitingOrganisations(ctx, s, fmt.Sprintf("figure-%d", repetition))
		if err != nil {
			return err
		}
		b.say("creating %d Invitations ...", total)
		unused := s.usage()
		took, err := b.createInvitations(ctx, s, organisations)
		if err != nil {
			return err
		}
		r.Values = append(r.Values, took.Seconds())
		connections.Values = append(connections.Values, float64(s.post.Counts().Parallel))
		c.used(s.usage().since(unused))

		reference, err := b.invitingOrganisations(ctx, s, fmt.Sprintf("plain-%d", repetition))
		if err != nil {
			return err
		}
		s.stopOperator()
		b.say("creating and sending %d Invitations with a plain program ...", total)
		unused = s.usage()
		if took, err = b.sendPlainly(ctx, s, reference); err != nil {
			return err
		}
		r.References = append(r.References, took.Seconds())
		c.usedByReference(s.usage().since(unused))
		if err := b.startOperator(ctx, s); err != nil {
			return err
		}
	}
	counts := s.post.Counts()
	connections.note("%d mails over %d connections in all, the references' included", counts.Taken, counts.Connections)
	b.add(r)
	b.add(c)
	b.add(connections)
	return nil
}

// invitingOrganisations makes the organisations, and waits until the operator has done with them.
func (b *bench) invitingOrganisations(ctx context.Context, s *stage, prefix string) ([]organisation, error) {
	var all []organisation
	for i := range invitingOrganisations {
		o := organisation{name: fmt.Sprintf("%s-%02d", prefix, i), projects: 1}
		if _, err := s.makeOrganisation(ctx, o); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, s.awaitRest(ctx)
}

func (o organisation) invitation(i int) *enrolv1alpha1.Invitation {
	return &enrolv1alpha1.Invitation{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.home(), Name: fmt.Sprintf("invitation-%05d", i)},
		Spec: enrolv1alpha1.InvitationSpec{
			Email:     enrolv1alpha1.Email(o.user(i)),
			Roles:     []enrolv1alpha1.RoleName{enrolv1alpha1.RoleViewer},
			Projects:  enrolv1alpha1.Projects{enrolv1alpha1.AllProjects},
			InvitedBy: enrolv1alpha1.Inviter{Username: o.owner()},
		},
	}
}

// createInvitations leaves the rest to the operator.
func (b *bench) createInvitations(ctx context.Context, s *stage, organisations []organisation) (time.Duration, error) {
	return b.untilHandedOver(ctx, s, len(organisations), func(ctx context.Context, i int) error {
		return s.user.Create(ctx, organisations[i%len(organisations)].invitation(i/len(organisations)))
	})
}

// untilHandedOver is how long it takes from the first create until a watch has seen the last Invitation handed over.
// Figures and references are watched alike.
func (b *bench) untilHandedOver(
	ctx context.Context, s *stage, organisations int, do func(context.Context, int) error,
) (time.Duration, error) {
	total := organisations * b.invitations
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var now enrolv1alpha1.InvitationList
	if err := s.user.List(ctx, &now, client.Limit(1)); err != nil {
		return 0, fmt.Errorf("listing Invitations: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.awaitHandedOver(ctx, total, now.ResourceVersion) }()
	begun := time.Now()
	if err := parallel(ctx, total, do); err != nil {
		return 0, fmt.Errorf("creating Invitations: %w", err)
	}
	err := <-done
	took := time.Since(begun)
	b.say("  %.1f s", took.Seconds())
	return took, err
}

// awaitHandedOver watches from a version on, and again where it left off when the API server ends a watch.
func (s *stage) awaitHandedOver(ctx context.Context, total int, version string) error {
	seen := map[client.ObjectKey]struct{}{}
	for len(seen) < total {
		w, err := s.user.Watch(ctx, &enrolv1alpha1.InvitationList{},
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})
		if err != nil {
			return fmt.Errorf("watching Invitations: %w", err)
		}
		for event := range w.ResultChan() {
			i, ok := event.Object.(*enrolv1alpha1.Invitation)
			if !ok {
				w.Stop()
				return fmt.Errorf("watching Invitations: %v", event.Object)
			}
			version = i.ResourceVersion
			if i.Status.Mail != nil && i.Status.Mail.HandedOverTime != nil {
				seen[client.ObjectKeyFromObject(i)] = struct{}{}
			}
			if len(seen) == total {
				break
			}
		}
		w.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// sendPlainly does, without an operator, what must be done: create, state the intent, send, record.
func (b *bench) sendPlainly(ctx context.Context, s *stage, organisations []organisation) (time.Duration, error) {
	transport, err := mail.NewSMTP(mail.SMTPOptions{
		Address: s.post.Address(), Encryption: mail.StartTLS, Credentials: s.dir, CAFile: s.plane.CAFile(),
		Connections: mailConnections,
	})
	if err != nil {
		return 0, err
	}
	defer transport.Close()
	templates := mail.DefaultTemplates()
	return b.untilHandedOver(ctx, s, len(organisations), func(ctx context.Context, i int) error {
		return s.sendOnePlainly(ctx, transport, templates,
			organisations[i%len(organisations)], i/len(organisations))
	})
}

func (s *stage) sendOnePlainly(
	ctx context.Context, transport mail.Transport, templates *mail.Templates, o organisation, i int,
) error {
	created := o.invitation(i)
	if err := s.user.Create(ctx, created); err != nil {
		return fmt.Errorf("creating an Invitation: %w", err)
	}
	now := metav1.Now()
	intent := created.DeepCopy()
	status := &intent.Status
	status.ObservedGeneration, status.LastUpdateTime, status.SendNumber, status.SendTime = 1, &now, 1, &now
	status.ExpireTime = &metav1.Time{Time: now.Add(7 * 24 * time.Hour)}
	status.Mail = &enrolv1alpha1.InvitationMail{
		MessageID: fmt.Sprintf("<%s.1@example.com>", created.UID), Attempts: 1, AttemptTime: now,
	}
	status.Conditions = condition.InProgress(enrolv1alpha1.ReasonSending, "the mail is on its way to the mail server").
		Set(nil, 1, now.Time)
	if err := s.user.Status().Patch(ctx, intent, client.MergeFrom(created)); err != nil {
		return fmt.Errorf("stating the intent: %w", err)
	}
	content, err := templates.Render(mail.Invitation{
		Organisation: o.name, Inviter: o.owner(), Email: o.user(i), Roles: []string{"viewer"}, Projects: []string{"*"},
		Link: "https://enrol.example.com/invitations?invitation=" + string(created.UID) + "&token=x", Expire: status.ExpireTime.Time,
	})
	if err != nil {
		return err
	}
	if err := transport.Send(ctx, &mail.Message{
		From: mail.Address{Address: mailFrom}, To: o.user(i), Date: now.Time, Content: content,
		MessageID: fmt.Sprintf("%s.1@example.com", created.UID),
	}); err != nil {
		return fmt.Errorf("sending a mail: %w", err)
	}
	recorded := intent.DeepCopy()
	recorded.Status.Mail.HandedOverTime = &now
	recorded.Status.Conditions = condition.Ready(enrolv1alpha1.ReasonPending, "waiting for an answer; the mail was handed over").
		Set(recorded.Status.Conditions, 1, now.Time)
	if err := s.user.Status().Patch(ctx, recorded, client.MergeFrom(intent)); err != nil {
		return fmt.Errorf("recording the mail: %w", err)
	}
	return nil
}

// pendingInvitations measures what Invitations cost that wait for an answer.
func (b *bench) pendingInvitations(ctx context.Context, s *stage) error {
	if err := b.startObserved(ctx, s); err != nil {
		return err
	}
	o := organisation{name: "waiting", projects: 1}
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	size := &memoryRows{name: rowPending, of: "the operator", most: 4, heap: func(ctx context.Context) (float64, float64, error) {
		return askHeap(ctx, s.operator.Process, s.operator.heapFile)
	}}
	var err error
	if size.empty, err = b.measureHeap(ctx, size.heap); err != nil {
		return err
	}
	b.say("creating %d Invitations ...", b.pending)
	if err := parallel(ctx, b.pending, func(ctx context.Context, i int) error {
		waiting := o.invitation(i)
		waiting.Spec.SendEmail = new(false)
		return s.user.Create(ctx, waiting)
	}); err != nil {
		return fmt.Errorf("creating Invitations: %w", err)
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	var list enrolv1alpha1.InvitationList
	if err := s.user.List(ctx, &list, client.InNamespace(o.home())); err != nil {
		return fmt.Errorf("listing Invitations: %w", err)
	}
	for k := range list.Items {
		if list.Items[k].Status.SendNumber != 1 {
			return fmt.Errorf("not pending: Invitation %s: %+v", list.Items[k].Name, list.Items[k].Status)
		}
	}
	row, err := b.compareHeap(ctx, size, b.pending)
	if err != nil {
		return err
	}
	row.Figure = fmt.Sprintf("heap of the operator after a collection with %d pending Invitations, per Invitation above empty", b.pending)
	row.Notes = nil
	sent, err := b.sentAtRest(ctx, s)
	if err != nil {
		return err
	}
	b.add(row)
	b.add(&result{
		Row: rowPending, Exact: true, Values: []float64{sent},
		Figure: fmt.Sprintf("writes of the operator with them in %s at rest", b.rest),
	})
	return nil
}
