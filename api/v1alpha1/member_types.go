package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MemberSpec says who is a member and what the membership gives.
//
// +kubebuilder:validation:XValidation:rule="has(self.group) != (has(self.username) || has(self.email))",message="must name a person by username, email or both, or else a group"
// +kubebuilder:validation:XValidation:rule="!has(self.roles) || !self.roles.exists(r, r == 'owner')",message="roles must not name owner: owners are listed in the Organisation"
type MemberSpec struct {
	// username is the name that the API server knows the person by. Left out: see email.
	//
	// +optional
	Username Username `json:"username,omitempty"`

	// email is the person's address. With no username, the person is bound by the username that they were first seen
	// to sign in with under that address; until then by the address itself if the operator runs with
	// --username-claim=email, else not at all. Left out: unknown.
	//
	// +optional
	Email Email `json:"email,omitempty"`

	// group makes everybody in this group of the identity provider a member. Excludes username and email.
	//
	// +optional
	Group Username `json:"group,omitempty"`

	// roles in the organisation; their rights add up. Left out or empty: the Organisation's defaultRole.
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

	// groups of the Organisation that the member is in. Left out: none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Groups []GroupName `json:"groups,omitempty"`

	// invitedBy is who asked for the membership. Left out: unknown.
	//
	// +optional
	InvitedBy *Inviter `json:"invitedBy,omitempty"`

	// expireTime ends the access at that time, without anyone acting. Left out: never.
	//
	// The pattern says what Go reads: format date-time lets through more, and one object that cannot be read would keep
	// the operator from reading any.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	ExpireTime *metav1.Time `json:"expireTime,omitempty"`

	// suspend withdraws the access and deletes nothing. Left out: false.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// Inviter is who asked for a membership.
//
// +kubebuilder:validation:MinProperties=1
type Inviter struct {
	// username of the inviter. Left out: unknown.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[!-~]+( [!-~]+)*$`
	Username string `json:"username,omitempty"`

	// email of the inviter. Left out: unknown.
	//
	// +optional
	Email Email `json:"email,omitempty"`

	// groups of the inviter. Left out: none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[!-~]+( [!-~]+)*$`
	Groups []string `json:"groups,omitempty"`
}

// MemberStatus says what access the membership gives, and why.
type MemberStatus struct {
	// conditions are Ready, and Reconciling or Stalled while they hold. The reason of Ready says why somebody has
	// access, or has none.
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

	// username that a person with the address usernameEmail, verified by the identity provider, was first seen to
	// sign in with. It counts only while spec.email is that address.
	//
	// +optional
	Username Username `json:"username,omitempty"`

	// usernameEmail is the address that username was recorded for.
	//
	// +optional
	UsernameEmail Email `json:"usernameEmail,omitempty"`

	// subject is whom RoleBindings name. Absent while nobody is bound.
	//
	// +optional
	Subject *Subject `json:"subject,omitempty"`

	// kubernetesRole in force in the member's projects. Absent: none.
	//
	// +optional
	KubernetesRole KubernetesRole `json:"kubernetesRole,omitempty"`
}

// Subject is a user or a group as RBAC names it.
type Subject struct {
	// kind is User or Group.
	//
	// +required
	// +kubebuilder:validation:Enum=User;Group
	Kind string `json:"kind,omitempty"`

	// name of the user or group, with the prefix that the API server puts in front.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Name string `json:"name,omitempty"`
}

// Member is a person, or a group of the identity provider, in an organisation.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mbr,categories=enrol
// +kubebuilder:selectablefield:JSONPath=`.spec.email`
// +kubebuilder:selectablefield:JSONPath=`.spec.username`
// +kubebuilder:printcolumn:name="Subject",type=string,JSONPath=`.status.subject.name`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name="Kubernetes",type=string,JSONPath=`.status.kubernetesRole`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Email",type=string,priority=1,JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name="Expires",type=string,priority=1,JSONPath=`.spec.expireTime`
// +kubebuilder:printcolumn:name="Projects",type=string,priority=1,JSONPath=`.spec.projects`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=='Ready')].message`
type Member struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is wanted.
	//
	// +required
	Spec MemberSpec `json:"spec,omitzero"`

	// status is what is.
	//
	// +optional
	// +default={"observedGeneration": -1}
	Status MemberStatus `json:"status,omitzero"`
}

// Expired tells whether the membership has ended by its expireTime.
func (m *Member) Expired(now time.Time) bool {
	return m.Spec.ExpireTime != nil && !now.Before(m.Spec.ExpireTime.Time)
}

// MemberList is a list of Members.
//
// +kubebuilder:object:root=true
type MemberList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Member `json:"items"`
}
