package v1alpha1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InvitationType says what accepting does.
type InvitationType string

const (
	// InvitationJoin makes the person a member or, with role owner, an owner as well.
	InvitationJoin InvitationType = "Join"
	// InvitationTransferOwnership makes the person an owner in the place of the inviter, who becomes an admin.
	InvitationTransferOwnership InvitationType = "TransferOwnership"
)

// InvitationSpec says who is invited to what. It must not change, but for revoked, acceptURL and signInURL.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) == has(oldSelf.email) && (!has(self.email) || self.email == oldSelf.email)",message="email must not change"
// +kubebuilder:validation:XValidation:rule="has(self.roles) == has(oldSelf.roles) && (!has(self.roles) || self.roles == oldSelf.roles)",message="roles must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.kubernetesRole) == has(oldSelf.kubernetesRole) && (!has(self.kubernetesRole) || self.kubernetesRole == oldSelf.kubernetesRole)",message="kubernetesRole must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.projects) == has(oldSelf.projects) && (!has(self.projects) || self.projects == oldSelf.projects)",message="projects must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.groups) == has(oldSelf.groups) && (!has(self.groups) || self.groups == oldSelf.groups)",message="groups must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.type) == has(oldSelf.type) && (!has(self.type) || self.type == oldSelf.type)",message="type must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.sendEmail) == has(oldSelf.sendEmail) && (!has(self.sendEmail) || self.sendEmail == oldSelf.sendEmail)",message="sendEmail must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="has(self.invitedBy) == has(oldSelf.invitedBy) && (!has(self.invitedBy) || self.invitedBy == oldSelf.invitedBy)",message="invitedBy must not change"
// +kubebuilder:validation:XValidation:rule="has(self.message) == has(oldSelf.message) && (!has(self.message) || self.message == oldSelf.message)",message="message must not change, be added or be removed"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",message="revoked must stay true once it is"
type InvitationSpec struct {
	// email is the address that is invited. Who accepts proves to hold it.
	//
	// +required
	Email Email `json:"email,omitempty"`

	// roles that the person gets in the organisation. They may name owner: the person is then added to the
	// Organisation's owners, and becomes a Member only with another role besides. Left out or empty: the Organisation's
	// defaultRole, or with type TransferOwnership none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Roles []RoleName `json:"roles,omitempty"`

	// kubernetesRole in projects; the empty string gives none. Left out: the highest that the roles map to.
	//
	// +optional
	KubernetesRole *KubernetesRole `json:"kubernetesRole,omitempty"`

	// projects in which the Kubernetes role holds; ["*"] stands for all. Left out or empty: none.
	//
	// +optional
	Projects Projects `json:"projects,omitempty"`

	// groups of the Organisation that the person will be in. Left out: none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Groups []GroupName `json:"groups,omitempty"`

	// type is Join, or TransferOwnership: the person then becomes an owner in the place of the inviter, who must be one
	// and becomes a Member with role admin. Left out: Join.
	//
	// +optional
	// +kubebuilder:validation:Enum=Join;TransferOwnership
	Type InvitationType `json:"type,omitempty"`

	// sendEmail says whether a mail is sent. Without one, the person finds the invitation by signing in with the
	// address. Left out: true.
	//
	// +optional
	SendEmail *bool `json:"sendEmail,omitempty"`

	// acceptURL is where the link in the mail leads to; invitation and token are added to its query. Its origin must be
	// that of the operator's --public-url or one of the Organisation's allowedLinkOrigins. Left out: Enrol's own page.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^[!-~]+$`
	AcceptURL string `json:"acceptURL,omitempty"`

	// signInURL is a second link in the mail, without a token, for those who have an account. What is said of the origin
	// of acceptURL is true of this one too. Left out: no such link.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^[!-~]+$`
	SignInURL string `json:"signInURL,omitempty"`

	// invitedBy is who invites: the username that the API server knows the person by, and groups that the right to
	// invite comes from, if it comes from any. What the inviter may grant is asked again on acceptance.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.username)",message="must have a username"
	InvitedBy Inviter `json:"invitedBy,omitzero"`

	// message of the inviter to the person, in one line. Left out: none.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]+$`
	Message string `json:"message,omitempty"`

	// revoked withdraws the invitation. Once true, it stays. It must not be set once the invitation was answered.
	// Left out: false.
	//
	// +optional
	Revoked bool `json:"revoked,omitempty"`
}

// Owns tells whether accepting makes the person an owner.
func (s *InvitationSpec) Owns() bool {
	return s.Type == InvitationTransferOwnership || slices.Contains(s.Roles, RoleOwner)
}

// MemberRoles are the roles of the Member that accepting makes; false when it makes none.
func (s *InvitationSpec) MemberRoles() ([]RoleName, bool) {
	roles := slices.DeleteFunc(slices.Clone(s.Roles), func(r RoleName) bool { return r == RoleOwner })
	return roles, len(roles) > 0 || !s.Owns()
}

// Mails tells whether a mail is wanted.
func (s *InvitationSpec) Mails() bool { return s.SendEmail == nil || *s.SendEmail }

// InvitationAnswer is who accepted or declined, as the identity provider and the API server know the person.
type InvitationAnswer struct {
	// username that the person is known by, without the prefix that the API server puts in front.
	//
	// +required
	Username Username `json:"username,omitempty"`

	// email that the person proved to hold.
	//
	// +required
	Email Email `json:"email,omitempty"`

	// issuer of the token that the person signed in with. Left out: unknown.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`

	// subject of that token. Left out: unknown.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Subject string `json:"subject,omitempty"`

	// time of the answer.
	//
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	Time metav1.Time `json:"time,omitzero"`
}

// InvitationMail is what became of the mail of one send number. 'Handed over' is all that can be known: the mail server
// took it; whether anybody reads it is another matter.
type InvitationMail struct {
	// messageID of the mail, the same for every attempt.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	MessageID string `json:"messageID,omitempty"`

	// attempts so far, the one under way included.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	Attempts int32 `json:"attempts,omitempty"`

	// attemptTime is when the latest attempt was about to begin.
	//
	// +required
	AttemptTime metav1.Time `json:"attemptTime,omitzero"`

	// unconfirmed counts the attempts after which the mail server did not say whether it took the mail.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Unconfirmed int32 `json:"unconfirmed,omitempty"`

	// handedOverTime is when the mail server took the mail. Absent: it has not, as far as is known.
	//
	// +optional
	HandedOverTime *metav1.Time `json:"handedOverTime,omitempty"`

	// failure is why the latest attempt failed: Refused, for good; Deferred, for now; Unconfirmed, nobody knows;
	// Unusable, by a mail server that cannot be talked to as the operator is set up. Absent: it did not fail, or is under way.
	//
	// +optional
	// +kubebuilder:validation:Enum=Refused;Deferred;Unconfirmed;Unusable
	Failure MailFailure `json:"failure,omitempty"`

	// failureMessage is what the mail server said.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	FailureMessage string `json:"failureMessage,omitempty"`

	// nextAttemptTime is when the next attempt is due. Absent: none is.
	//
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
}

// InvitationOutcome is a way for an invitation to be finished.
type InvitationOutcome string

// The ways for an invitation to be finished, as in the reasons of condition Ready.
const (
	InvitationAccepted      InvitationOutcome = ReasonAccepted
	InvitationAlreadyMember InvitationOutcome = ReasonAlreadyMember
	InvitationDeclined      InvitationOutcome = ReasonDeclined
	InvitationRevoked       InvitationOutcome = ReasonRevoked
	InvitationExpired       InvitationOutcome = ReasonExpired
)

// MailFailure is a way for a mail to fail.
type MailFailure string

// The ways for a mail to fail.
const (
	MailRefused     MailFailure = "Refused"
	MailDeferred    MailFailure = "Deferred"
	MailUnconfirmed MailFailure = "Unconfirmed"
	MailUnusable    MailFailure = "Unusable"
)

// InvitationStatus says where the invitation stands.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.acceptedBy) || (has(self.acceptedBy) && self.acceptedBy == oldSelf.acceptedBy)",message="acceptedBy must not change once it is there"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.declinedBy) || (has(self.declinedBy) && self.declinedBy == oldSelf.declinedBy)",message="declinedBy must not change once it is there"
// +kubebuilder:validation:XValidation:rule="!has(self.acceptedBy) || !has(self.declinedBy)",message="must have one of acceptedBy and declinedBy at most"
// +kubebuilder:validation:XValidation:rule="!has(self.acceptedBy) || has(oldSelf.acceptedBy) || (has(self.expireTime) && self.acceptedBy.time < self.expireTime)",message="acceptedBy.time must be before expireTime"
// +kubebuilder:validation:XValidation:rule="!has(self.declinedBy) || has(oldSelf.declinedBy) || (has(self.expireTime) && self.declinedBy.time < self.expireTime)",message="declinedBy.time must be before expireTime"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.outcome) || oldSelf.outcome == 'Expired' || (has(self.outcome) && self.outcome == oldSelf.outcome)",message="outcome must not change once it is there, Expired excepted"
// +kubebuilder:validation:XValidation:rule="!has(self.outcome) || (has(self.acceptedBy) ? self.outcome == 'Accepted' : has(self.declinedBy) ? self.outcome == 'Declined' : self.outcome in ['AlreadyMember', 'Revoked', 'Expired'])",message="outcome must be what the answer says"
type InvitationStatus struct {
	// conditions are Ready, and Reconciling or Stalled while they hold; RateLimited when a resend was refused;
	// TemplatesBroken when the mail was written with earlier templates; RetainedByGitOps when the invitation is due to be
	// deleted and is not, because the next sync would make it anew.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that this status speaks of; -1 before the first.
	//
	// +optional
	// +default=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// lastUpdateTime is when the spec was last seen to change.
	//
	// +optional
	LastUpdateTime *metav1.Time `json:"lastUpdateTime,omitempty"`

	// expireTime is when the invitation can be answered no longer.
	//
	// +optional
	ExpireTime *metav1.Time `json:"expireTime,omitempty"`

	// sendNumber counts the times that the invitation was sent, or with sendEmail false would have been. Links of earlier
	// sends are dead. 0: not sent yet.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	SendNumber int32 `json:"sendNumber,omitempty"`

	// sendTime is when the invitation was last sent, or would have been.
	//
	// +optional
	SendTime *metav1.Time `json:"sendTime,omitempty"`

	// mail of the latest send. Absent: there is none.
	//
	// +optional
	Mail *InvitationMail `json:"mail,omitempty"`

	// lastHandledResend is the value of the annotation enrol.dev/resend-requested-at that was dealt with last.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledResend string `json:"lastHandledResend,omitempty"`

	// acceptedBy is who accepted. It is written once.
	//
	// +optional
	AcceptedBy *InvitationAnswer `json:"acceptedBy,omitempty"`

	// declinedBy is who declined. It is written once.
	//
	// +optional
	DeclinedBy *InvitationAnswer `json:"declinedBy,omitempty"`

	// member is the Member that the person is by this invitation, or was already. Absent: none, or not yet.
	//
	// +optional
	Member *MemberReference `json:"member,omitempty"`

	// outcome is how the invitation was finished: Accepted and carried out, Declined, Revoked, Expired, or AlreadyMember.
	// It is final, but for an expired one, which a resend takes up again. Absent: it is open, or being carried out.
	//
	// +optional
	// +kubebuilder:validation:Enum=Accepted;AlreadyMember;Declined;Revoked;Expired
	Outcome InvitationOutcome `json:"outcome,omitempty"`

	// completionTime is when that was. Of an expired one, it is expireTime.
	//
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// MemberReference names a Member in the same namespace.
type MemberReference struct {
	// name of the Member.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the Member: another one of that name is not meant.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`
}

// Invitation invites the holder of an address to an organisation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=inv,categories=enrol
// +kubebuilder:selectablefield:JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expireTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Type",type=string,priority=1,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Sent",type=integer,priority=1,JSONPath=`.status.sendNumber`
// +kubebuilder:printcolumn:name="Inviter",type=string,priority=1,JSONPath=`.spec.invitedBy.username`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=='Ready')].message`
// +kubebuilder:validation:XValidation:rule="!(has(self.spec.revoked) && self.spec.revoked && has(self.status) && (has(self.status.acceptedBy) || has(self.status.declinedBy))) || (oldSelf.hasValue() && has(oldSelf.value().spec.revoked) && oldSelf.value().spec.revoked && has(oldSelf.value().status) && (has(oldSelf.value().status.acceptedBy) || has(oldSelf.value().status.declinedBy)))",optionalOldSelf=true,message="must not be revoked once it was answered, and must not be answered once it was revoked"
// +kubebuilder:validation:XValidation:rule="!has(self.status) || !has(self.status.acceptedBy) || self.status.acceptedBy.email == self.spec.email || (oldSelf.hasValue() && has(oldSelf.value().status) && has(oldSelf.value().status.acceptedBy))",optionalOldSelf=true,message="status.acceptedBy.email must be the invited address"
// +kubebuilder:validation:XValidation:rule="!has(self.status) || !has(self.status.declinedBy) || self.status.declinedBy.email == self.spec.email || (oldSelf.hasValue() && has(oldSelf.value().status) && has(oldSelf.value().status.declinedBy))",optionalOldSelf=true,message="status.declinedBy.email must be the invited address"
type Invitation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is wanted.
	//
	// +required
	Spec InvitationSpec `json:"spec,omitzero"`

	// status is what is.
	//
	// +optional
	// +default={"observedGeneration": -1}
	Status InvitationStatus `json:"status,omitzero"`
}

// InvitationList is a list of Invitations.
//
// +kubebuilder:object:root=true
type InvitationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Invitation `json:"items"`
}
