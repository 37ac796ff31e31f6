package v1alpha1

// Types of conditions, in the sense of kstatus: Ready is always there once an object was seen; Reconciling and Stalled
// only while they hold.
const (
	// ConditionReady is True when the state that the spec asks for stands. Its reason says which state that is.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator expects to get there by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when somebody has to change something first; reason and message say what.
	ConditionStalled = "Stalled"
)

// Types of conditions that only Invitations have.
const (
	// ConditionRateLimited is True when a resend was refused; the message says from when on it may be asked for again.
	ConditionRateLimited = "RateLimited"
	// ConditionTemplatesBroken is True when the mail was written with earlier templates, as the present ones have the
	// fault that the message names.
	ConditionTemplatesBroken = "TemplatesBroken"
	// ConditionRetainedByGitOps is True when a finished Invitation is kept because Git tracks it.
	ConditionRetainedByGitOps = "RetainedByGitOps"
)

// Reasons of an Organisation's Ready=True.
const (
	// ReasonReconciled: all access that the Organisation and its Members give is bound.
	ReasonReconciled = "Reconciled"
)

// Reasons of a Member's Ready=True.
const (
	// ReasonGranted: the Kubernetes role is bound in the named projects. The message says which of them are none.
	ReasonGranted = "Granted"
	// ReasonNoProjects: only the organisation roles are bound, because the Member names no projects, or none that the
	// Organisation has.
	ReasonNoProjects = "NoProjects"
	// ReasonNoKubernetesRole: only the organisation roles are bound, because the Member gives no Kubernetes role.
	ReasonNoKubernetesRole = "NoKubernetesRole"
	// ReasonExpired: nothing is bound, because expireTime has passed. Of an Invitation: nobody answered in time.
	ReasonExpired = "Expired"
	// ReasonSuspended: nothing is bound, because the object itself says suspend.
	ReasonSuspended = "Suspended"
	// ReasonOrganisationSuspended: nothing is bound, because the Organisation says suspend.
	ReasonOrganisationSuspended = "OrganisationSuspended"
	// ReasonAwaitingSignIn: nothing is bound, because no username is known for the address yet. Waiting for a person
	// is not a fault, and a GitOps sync must not hang on it.
	ReasonAwaitingSignIn = "AwaitingSignIn"
)

// Reasons of a Member's Ready=False.
const (
	// ReasonOrganisationMissing: nothing is bound, because there is no Organisation of that home namespace.
	ReasonOrganisationMissing = "OrganisationMissing"
	// ReasonOrganisationStalled: nothing is bound, because the Organisation as a whole is refused.
	ReasonOrganisationStalled = "OrganisationStalled"
	// ReasonSubjectRefused: nothing is bound, because nobody may be bound under that name. Also Stalled.
	ReasonSubjectRefused = "SubjectRefused"
	// ReasonUnknownRole: the Member names a role that the Organisation does not have; it gives nothing. Also Stalled.
	ReasonUnknownRole = "UnknownRole"
	// ReasonUnknownGroup: the Member names a group that the Organisation does not have; it gives nothing. Also Stalled.
	ReasonUnknownGroup = "UnknownGroup"
)

// Reasons of Ready=False, on an Organisation and on the Members that it touches. All are also Stalled.
const (
	// ReasonSlugTaken: an older Organisation has the slug; nothing is bound.
	ReasonSlugTaken = "SlugTaken"
	// ReasonNamespaceNotOurs: the home namespace belongs to somebody else; nothing in it is touched.
	ReasonNamespaceNotOurs = "NamespaceNotOurs"
	// ReasonNamespaceProtected: a namespace that must never be a project is labelled as one; it is left alone.
	ReasonNamespaceProtected = "NamespaceProtected"
	// ReasonBindingNotOurs: somebody else's RoleBinding has the name of one of Enrol's; it is left alone.
	ReasonBindingNotOurs = "BindingNotOurs"
	// ReasonClusterRoleMissing: a mapped ClusterRole does not exist.
	ReasonClusterRoleMissing = "ClusterRoleMissing"
	// ReasonBindNotAllowed: the operator may not bind a mapped ClusterRole.
	ReasonBindNotAllowed = "BindNotAllowed"
	// ReasonPoliciesMissing: admission policies that say who may grant what are missing, changed or not enforced. What was
	// bound stands and what is taken away goes, but nobody is given anything new until they are there.
	ReasonPoliciesMissing = "PoliciesMissing"
	// ReasonInstallationOutdated: the CRDs, or the operator's own rights, are of another version than the operator. As with
	// PoliciesMissing, nobody is given anything new.
	ReasonInstallationOutdated = "InstallationOutdated"
)

// Reasons of Ready=False with Reconciling=True.
const (
	// ReasonNamespaceTerminating: the home namespace is being deleted; it is made again when it has gone.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonProgressing: the operator is at work, or the API server refused a write that will be tried again.
	ReasonProgressing = "Progressing"
)

// Reasons of an Invitation's Ready=True. Waiting for a person, or an unanswered mail, is not a fault, and a GitOps sync
// must not hang on it. Expired occurs here, too.
const (
	// ReasonPending: the person has not answered yet.
	ReasonPending = "Pending"
	// ReasonAccepted: the person accepted and has what was promised.
	ReasonAccepted = "Accepted"
	// ReasonAlreadyMember: the person is a member already; nothing was sent, and nothing about the membership changes. A
	// Member that is suspended or waits for a first sign-in counts, since inviting must not undo a suspension; one that has
	// expired does not: accepting makes another beside it.
	ReasonAlreadyMember = "AlreadyMember"
	// ReasonDeclined: the person declined.
	ReasonDeclined = "Declined"
	// ReasonRevoked: spec.revoked withdrew the Invitation.
	ReasonRevoked = "Revoked"
)

// Reasons of an Invitation's Ready=False with Reconciling=True. OrganisationMissing, OrganisationStalled and
// Progressing occur here, too.
const (
	// ReasonSending: the mail is on its way to the mail server.
	ReasonSending = "Sending"
	// ReasonMailDeferred: the mail server would not take the mail for now; the message says when it is tried again.
	ReasonMailDeferred = "MailDeferred"
	// ReasonNoKey: there is no key to make links with; the message says what to do about it.
	ReasonNoKey = "NoKey"
)

// Reasons of an Invitation's Ready=False that are also Stalled. UnknownRole, UnknownGroup, PoliciesMissing and
// InstallationOutdated occur here, too.
const (
	// ReasonMailRefused: the mail server refused the mail for good. A resend tries once more.
	ReasonMailRefused = "MailRefused"
	// ReasonMailUnconfirmed: twice the mail server did not say whether it took the mail. It may have arrived.
	ReasonMailUnconfirmed = "MailUnconfirmed"
	// ReasonMailServerUnusable: the mail server's certificate, or its answer to the operator's credentials, forbids to
	// send through it. It is tried again from time to time.
	ReasonMailServerUnusable = "MailServerUnusable"
	// ReasonMailNotConfigured: the operator was not told how to send mail.
	ReasonMailNotConfigured = "MailNotConfigured"
	// ReasonDomainNotAllowed: the Organisation does not allow to invite addresses of that domain.
	ReasonDomainNotAllowed = "DomainNotAllowed"
	// ReasonLinkNotAllowed: a link leads to where neither the operator nor the Organisation allows it to.
	ReasonLinkNotAllowed = "LinkNotAllowed"
	// ReasonRateLimited: the organisation has caused as many mails in 24 hours as it may; the message says when the next
	// one is sent. Also the reason of the condition of that name.
	ReasonRateLimited = "RateLimited"
	// ReasonAlreadyInvited: there is an older open Invitation for the address.
	ReasonAlreadyInvited = "AlreadyInvited"
	// ReasonInviterMayNotGrant: whoever invited may not, or may no longer, grant what the Invitation promises.
	ReasonInviterMayNotGrant = "InviterMayNotGrant"
	// ReasonManagedByGitOps: the Invitation leads to a change of owners of an Organisation that is kept in Git.
	ReasonManagedByGitOps = "ManagedByGitOps"
	// ReasonNotAcceptable: the API server refuses what acceptance makes; the message says why.
	ReasonNotAcceptable = "NotAcceptable"
	// ReasonInvalid is of TemplatesBroken: the platform team's templates cannot be used; the message says why.
	ReasonInvalid = "Invalid"
	// ReasonTrackedByGit is of RetainedByGitOps: what keeps the Invitation in Git would make it anew.
	ReasonTrackedByGit = "TrackedByGit"
)
