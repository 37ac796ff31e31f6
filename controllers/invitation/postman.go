package invitation

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers/metrics"
	"github.com/enrol-dev/enrol/internal/mail"
)

// letter is a mail to hand over: which attempt of what.
type letter struct {
	invitation   *enrolv1alpha1.Invitation
	organisation *enrolv1alpha1.Organisation
}

func (l *letter) key() types.NamespacedName {
	return types.NamespacedName{Namespace: l.invitation.Namespace, Name: l.invitation.Name}
}

// postman hands mails over, beside the passes: a mail server that hangs holds up other mails and nothing else.
type postman struct {
	transport mail.Transport
	writer    *writer
	clock     clock.PassiveClock
	// parallel mails at a time.
	parallel int
	// done asks for a pass over the Invitation whose mail was handed over, or not.
	done func(types.NamespacedName)

	queue workqueue.TypedInterface[types.NamespacedName]
	mu    sync.Mutex
	// letters wait to be handed over.
	letters map[types.NamespacedName]*letter
	// deliveries are those whose outcome is not recorded yet.
	deliveries map[types.NamespacedName]*known
}

// known is what is known of the mail of an Invitation with that UID.
type known struct {
	uid types.UID
	delivery
}

func newPostman(transport mail.Transport, w *writer, c clock.PassiveClock, parallel int) *postman {
	return &postman{
		transport: transport, writer: w, clock: c, parallel: parallel,
		queue:      workqueue.NewTyped[types.NamespacedName](),
		letters:    map[types.NamespacedName]*letter{},
		deliveries: map[types.NamespacedName]*known{},
	}
}

// dispatch takes a letter whose intent is recorded.
func (p *postman) dispatch(l *letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := &l.invitation.Status
	p.letters[l.key()] = l
	p.deliveries[l.key()] = &known{
		uid: l.invitation.UID, delivery: delivery{number: status.SendNumber, attempt: status.Mail.Attempts},
	}
	p.queue.Add(l.key())
}

// look is what is known of an Invitation's mail; nil for nothing.
func (p *postman) look(i *enrolv1alpha1.Invitation) *delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.deliveries[types.NamespacedName{Namespace: i.Namespace, Name: i.Name}]
	if found == nil || found.uid != i.UID {
		return nil
	}
	seen := found.delivery
	return &seen
}

// forget drops what is recorded, or of no interest any more.
func (p *postman) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.deliveries, key)
}

// Start hands letters over until the context ends.
func (p *postman) Start(ctx context.Context) error {
	var workers sync.WaitGroup
	for range p.parallel {
		workers.Go(func() {
			for {
				key, end := p.queue.Get()
				if end {
					return
				}
				p.deliver(ctx, key)
				p.queue.Done(key)
			}
		})
	}
	<-ctx.Done()
	// What is on its way is handed over still; what waits is for the next operator.
	p.queue.ShutDown()
	workers.Wait()
	return nil
}

func (p *postman) deliver(ctx context.Context, key types.NamespacedName) {
	p.mu.Lock()
	l := p.letters[key]
	delete(p.letters, key)
	p.mu.Unlock()
	if l == nil || ctx.Err() != nil {
		return
	}
	message, problem, err := p.writer.write(l)
	if err == nil {
		err = p.transport.Send(context.WithoutCancel(ctx), message)
	}
	failure, text := failureOf(err)
	metrics.MailAttempted(failure)
	p.mu.Lock()
	status := &l.invitation.Status
	if found := p.deliveries[key]; found != nil && found.uid == l.invitation.UID &&
		found.number == status.SendNumber && found.attempt == status.Mail.Attempts {
		found.ended, found.templates = p.clock.Now(), problem
		found.failure, found.message = failure, text
	}
	p.mu.Unlock()
	p.done(key)
}

// failureOf is what the status says of an error.
func failureOf(err error) (enrolv1alpha1.MailFailure, string) {
	if err == nil {
		return "", ""
	}
	var f *mail.Error
	if !errors.As(err, &f) {
		return enrolv1alpha1.MailDeferred, err.Error()
	}
	switch f.Kind {
	case mail.Refused:
		return enrolv1alpha1.MailRefused, err.Error()
	case mail.Unconfirmed:
		return enrolv1alpha1.MailUnconfirmed, err.Error()
	case mail.Unusable:
		return enrolv1alpha1.MailUnusable, err.Error()
	default:
		return enrolv1alpha1.MailDeferred, err.Error()
	}
}

// requestTimeout bounds a request that belongs to no pass.
const requestTimeout = 30 * time.Second
