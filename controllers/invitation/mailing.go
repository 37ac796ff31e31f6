package invitation

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/condition"
	"github.com/enrol-dev/enrol/internal/invitation"
	"github.com/enrol-dev/enrol/internal/note"
)

// delivery is an attempt to hand a mail over, as this process knows it.
type delivery struct {
	// number and attempt say which mail and which attempt.
	number, attempt int32
	// ended is when the attempt ended; zero while it is under way.
	ended time.Time
	// failure is why it failed, "" when it did not, and message what the mail server said.
	failure enrolv1alpha1.MailFailure
	message string
	// templates says what is wrong with the present templates, "" for nothing.
	templates string
}

const (
	// gathering is how long a new Invitation waits for others. Kubernetes knows the second of a creation, so that those
	// of one second are due at once, and their mails are counted in a few writes.
	gathering = time.Second
	// firstRetry is how long after a refusal for now the next attempt is due, doubled each time up to the last.
	firstRetry = time.Minute
	lastRetry  = time.Hour
	// unconfirmedRetry is how long after an unknown outcome.
	unconfirmedRetry = 10 * time.Second
	// maxUnconfirmed attempts without an answer: a second copy is better than none, a third is a nuisance.
	maxUnconfirmed = 2
	// maxFailureMessage is what the status takes, in bytes.
	maxFailureMessage = 1024
)

// resendRequest is the value of the annotation that asks for a resend, no longer than the status takes.
func (w *world) resendRequest() string {
	const most = 256
	return note.Fit(w.invitation.Annotations[enrolv1alpha1.AnnotationResend], most)
}

// resendRequested tells whether the annotation asks for what was not dealt with yet.
func (w *world) resendRequested() bool {
	request := w.resendRequest()
	return request != "" && request != w.invitation.Status.LastHandledResend
}

// take takes over what became of the attempt that the status speaks of.
func (d *decision) take(w *world) {
	mail, known := d.status.Mail, w.delivery
	if mail == nil || !w.deliveryIs(mail) || known.ended.IsZero() {
		return
	}
	mail.Failure, mail.FailureMessage = known.failure, note.Fit(known.message, maxFailureMessage)
	mail.NextAttemptTime = nil
	ended := metav1.NewTime(known.ended)
	switch known.failure {
	case "":
		mail.HandedOverTime = &ended
	case enrolv1alpha1.MailDeferred, enrolv1alpha1.MailUnusable:
		next := metav1.NewTime(known.ended.Add(retryAfter(mail.Attempts)))
		mail.NextAttemptTime = &next
		d.event(string(known.failure), "the mail was not handed over: "+known.message)
	case enrolv1alpha1.MailUnconfirmed:
		if mail.Unconfirmed++; mail.Unconfirmed < maxUnconfirmed {
			next := metav1.NewTime(known.ended.Add(unconfirmedRetry))
			mail.NextAttemptTime = &next
		}
		d.event(string(known.failure), "the mail server did not say whether it took the mail: "+known.message)
	case enrolv1alpha1.MailRefused:
		d.event(enrolv1alpha1.ReasonMailRefused, "the mail server refused the mail: "+known.message)
	}
	if known.templates == "" {
		meta.RemoveStatusCondition(&d.status.Conditions, enrolv1alpha1.ConditionTemplatesBroken)
		return
	}
	d.also(w, enrolv1alpha1.ConditionTemplatesBroken, enrolv1alpha1.ReasonInvalid, known.templates)
}

// deliveryIs tells whether what this process knows is of the attempt that the status speaks of, and not recorded yet.
func (w *world) deliveryIs(mail *enrolv1alpha1.InvitationMail) bool {
	return w.delivery != nil && w.delivery.number == w.invitation.Status.SendNumber &&
		w.delivery.attempt == mail.Attempts && mail.HandedOverTime == nil && mail.Failure == ""
}

func retryAfter(attempts int32) time.Duration {
	wait := firstRetry
	for range attempts - 1 {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

// send sends the Invitation for the first time.
func (d *decision) send(w *world, s *Settings) {
	company := w.invitation.CreationTimestamp.Add(gathering)
	switch {
	case !w.invitation.Spec.Mails():
		d.sent(w, s)
	case w.now.Before(company):
		// There is nothing to say yet that would be worth a write.
		d.status = *w.invitation.Status.DeepCopy()
		d.wakeAt(company)
	case w.keyErr != nil:
		d.sayNoKey(w)
	case !w.exhausted.IsZero():
		d.say(w, condition.Stalled(enrolv1alpha1.ReasonRateLimited, w.overQuota()))
		d.wakeAt(w.exhausted)
	default:
		d.sent(w, s)
	}
}

func (d *decision) sayNoKey(w *world) {
	d.say(w, condition.InProgress(enrolv1alpha1.ReasonNoKey, "there is no key to make the link with: "+w.keyErr.Error()))
	d.wakeAt(w.now.Add(keyRecheck))
}

func (w *world) overQuota() string {
	if w.exhausted.Sub(w.now) >= never {
		return "the Organisation allows no mails: its maxPer24Hours is 0"
	}
	return "the organisation has caused as many mails in 24 hours as it may; it may cause more at " +
		w.exhausted.UTC().Format(time.RFC3339)
}

// resend sends the Invitation once more, or says why not yet.
func (d *decision) resend(w *world, s *Settings) {
	i := w.invitation
	earliest := invitation.EarliestResend(i)
	var refusal string
	switch {
	case i.Status.SendNumber > invitation.MaxResends:
		refusal = fmt.Sprintf("the Invitation was sent again %d times: make a new one", invitation.MaxResends)
	case w.now.Before(earliest):
		refusal = "resends must be a minute apart: ask again at " + earliest.UTC().Format(time.RFC3339)
	case i.Spec.Mails() && !w.exhausted.IsZero():
		refusal = w.overQuota()
	case i.Spec.Mails() && w.keyErr != nil:
		if i.Status.Outcome == "" {
			d.sayNoKey(w)
		}
		d.wakeAt(w.now.Add(keyRecheck))
		return
	default:
		d.sent(w, s)
		return
	}
	d.status.LastHandledResend = w.resendRequest()
	d.event(enrolv1alpha1.ReasonRateLimited, "not sent again: "+refusal)
	d.also(w, enrolv1alpha1.ConditionRateLimited, enrolv1alpha1.ReasonRateLimited, refusal)
	if i.Status.Outcome == enrolv1alpha1.InvitationExpired {
		d.finish(w, s, enrolv1alpha1.InvitationExpired)
		return
	}
	d.mailing(w)
}

// sent begins another life of the Invitation: a new link, a new time to expire and, where one is wanted, a mail.
func (d *decision) sent(w *world, s *Settings) {
	now := metav1.NewTime(w.now)
	status := &d.status
	status.SendNumber++
	status.SendTime = &now
	// As it is stored, so that the token says the same as the object.
	status.ExpireTime = &metav1.Time{Time: w.now.Add(invitation.ValidFor(w.policy())).Truncate(time.Second)}
	status.Outcome, status.CompletionTime = "", nil
	status.LastHandledResend = w.resendRequest()
	status.Mail = nil
	meta.RemoveStatusCondition(&status.Conditions, enrolv1alpha1.ConditionRateLimited)
	meta.RemoveStatusCondition(&status.Conditions, enrolv1alpha1.ConditionTemplatesBroken)
	meta.RemoveStatusCondition(&status.Conditions, enrolv1alpha1.ConditionRetainedByGitOps)
	d.wake = status.ExpireTime.Time
	if !w.invitation.Spec.Mails() {
		d.mailing(w)
		return
	}
	status.Mail = &enrolv1alpha1.InvitationMail{
		MessageID: fmt.Sprintf("<%s.%d@%s>", w.invitation.UID, status.SendNumber, s.MailDomain),
	}
	d.counted = true
	d.attempt(w)
}

// attempt states the intent to hand the mail over.
func (d *decision) attempt(w *world) {
	mail := d.status.Mail
	mail.Attempts++
	mail.AttemptTime = metav1.NewTime(w.now)
	mail.Failure, mail.FailureMessage, mail.NextAttemptTime = "", "", nil
	d.dispatch = true
	d.say(w, sending)
}

var sending = condition.InProgress(enrolv1alpha1.ReasonSending, "the mail is on its way to the mail server")

// mailing says where the mail stands, and tries again when that is due.
func (d *decision) mailing(w *world) {
	mail := d.status.Mail
	switch {
	case mail == nil:
		d.say(w, condition.Ready(enrolv1alpha1.ReasonPending, "waiting for an answer; no mail was wanted"))
	case mail.HandedOverTime != nil:
		d.say(w, condition.Ready(enrolv1alpha1.ReasonPending,
			"waiting for an answer; the mail was handed over at "+mail.HandedOverTime.UTC().Format(time.RFC3339)))
	case mail.Failure == enrolv1alpha1.MailRefused:
		d.say(w, condition.Stalled(enrolv1alpha1.ReasonMailRefused,
			"the mail server refused the mail for good: "+mail.FailureMessage))
	case mail.Failure == enrolv1alpha1.MailUnconfirmed && mail.NextAttemptTime == nil:
		d.say(w, condition.Stalled(enrolv1alpha1.ReasonMailUnconfirmed,
			"the mail may have arrived: twice the mail server did not say whether it took it: "+mail.FailureMessage))
	case mail.Failure == "" && w.deliveryIs(mail):
		d.say(w, sending)
	case w.keyErr != nil:
		d.sayNoKey(w)
	case mail.Failure == "" || !w.now.Before(mail.NextAttemptTime.Time):
		// Due, or nobody knows what became of it: whoever tried is gone.
		d.attempt(w)
	default:
		d.wakeAt(mail.NextAttemptTime.Time)
		d.say(w, waiting(mail))
	}
}

// waiting is the state between two attempts.
func waiting(mail *enrolv1alpha1.InvitationMail) condition.State {
	next := "; next attempt at " + mail.NextAttemptTime.UTC().Format(time.RFC3339)
	switch mail.Failure {
	case enrolv1alpha1.MailUnusable:
		return condition.Stalled(enrolv1alpha1.ReasonMailServerUnusable,
			"nothing can be sent through the mail server: "+mail.FailureMessage+next)
	case enrolv1alpha1.MailUnconfirmed:
		return condition.InProgress(enrolv1alpha1.ReasonMailDeferred,
			"the mail server did not say whether it took the mail: "+mail.FailureMessage+next)
	default:
		return condition.InProgress(enrolv1alpha1.ReasonMailDeferred,
			"the mail server does not take the mail for now: "+mail.FailureMessage+next)
	}
}
