package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OrganisationSpec says who owns an organisation and how its roles map to access in its projects.
//
// +kubebuilder:validation:XValidation:rule="has(self.slug) == has(oldSelf.slug) && (!has(self.slug) || self.slug == oldSelf.slug)",message="slug must not change, be added or be removed"
type OrganisationSpec struct {
	// slug names the organisation in URLs. It must be unique among Organisations: the oldest keeps it, a younger one
	// is Stalled with reason SlugTaken. It must not change. Left out: metadata.name.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9_-]+$`
	Slug string `json:"slug,omitempty"`

	// displayName is the name for people. Left out: the slug is shown.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]+$`
	DisplayName string `json:"displayName,omitempty"`

	// logoURL is an https address of a picture for people. Left out: no picture.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https://[^\s"'<>\\]+$`
	LogoURL string `json:"logoURL,omitempty"`

	// owners are the people with role owner. There is always at least one. They are kept here and not as Members, so
	// that one object decides and no race leaves an organisation without an owner.
	//
	// +required
	// +listType=map
	// +listMapKey=username
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Owners []Owner `json:"owners,omitempty"`

	// roles customises built-in roles and adds roles of the organisation's own. Left out: the built-in roles as they are.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Roles []Role `json:"roles,omitempty"`

	// defaultRole is the role of a Member that names none. Left out: viewer.
	//
	// +optional
	// +default="viewer"
	// +kubebuilder:validation:Enum=viewer;developer;billing-admin
	DefaultRole RoleName `json:"defaultRole,omitempty"`

	// groups are teams: a Member in a group also gets the group's role in the group's projects. Left out: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Groups []Group `json:"groups,omitempty"`

	// kubernetesRoles binds other ClusterRoles than those named cluster-admin, edit and view. Left out: those.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=3
	KubernetesRoles []KubernetesRoleMapping `json:"kubernetesRoles,omitempty"`

	// invitations limits invitations to this organisation. Left out: the defaults of its fields.
	//
	// +optional
	// +default={}
	Invitations InvitationPolicy `json:"invitations,omitzero"`

	// suspend withdraws all access that the organisation gives, owners included, and deletes nothing else. Left out: false.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// Owner is a person who owns an organisation.
type Owner struct {
	// username is the name that the API server knows the person by.
	//
	// +required
	Username Username `json:"username,omitempty"`

	// email is the person's address. Left out: unknown.
	//
	// +optional
	Email Email `json:"email,omitempty"`
}

// Role customises a built-in role, or adds a role that is based on one.
//
// +kubebuilder:validation:XValidation:rule="(self.name in ['owner', 'admin', 'developer', 'billing-admin', 'viewer']) != has(self.basedOn)",message="basedOn must be given for an own role, and must not be given for a built-in one"
type Role struct {
	// name of the role.
	//
	// +required
	Name RoleName `json:"name,omitempty"`

	// displayName is the name for people. Left out: the name is shown.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]+$`
	DisplayName string `json:"displayName,omitempty"`

	// basedOn is the built-in role whose rights in the home namespace an own role has. Must be left out for a
	// built-in role.
	//
	// +optional
	// +kubebuilder:validation:Enum=admin;developer;billing-admin;viewer
	BasedOn RoleName `json:"basedOn,omitempty"`

	// kubernetesRole is what the role gives in projects; the empty string gives nothing. Left out: what the built-in
	// role gives.
	//
	// +optional
	KubernetesRole *KubernetesRole `json:"kubernetesRole,omitempty"`
}

// Group is a team within an organisation.
type Group struct {
	// name of the group.
	//
	// +required
	Name GroupName `json:"name,omitempty"`

	// kubernetesRole is what Members in the group get in the group's projects. Left out or empty: nothing.
	//
	// +optional
	KubernetesRole KubernetesRole `json:"kubernetesRole,omitempty"`

	// projects in which Members in the group get it; ["*"] stands for all. Left out or empty: none.
	//
	// +optional
	Projects Projects `json:"projects,omitempty"`
}

// KubernetesRoleMapping binds a ClusterRole in the place of the one that is named like the Kubernetes role.
type KubernetesRoleMapping struct {
	// name of the Kubernetes role: cluster-admin, edit or view.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	Name KubernetesRole `json:"name,omitempty"`

	// clusterRole is bound in its place. The operator must be allowed to bind it; it must not be one of Kubernetes'
	// own (system:...) or of Enrol's (enrol:...).
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[!-~]+$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="must be the name of a ClusterRole: no '/' and no '%'"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('system:') && !self.lowerAscii().startsWith('enrol:')",message="must not start with 'system:' or 'enrol:'"
	ClusterRole string `json:"clusterRole,omitempty"`
}

// InvitationPolicy limits the invitations of an organisation.
type InvitationPolicy struct {
	// validForSeconds is how long an invitation can be accepted. Left out: 604800, 7 days.
	//
	// +optional
	// +default=604800
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	ValidForSeconds *int64 `json:"validForSeconds,omitempty"`

	// expiredRetentionSeconds is how long an expired invitation is kept. Left out: 5184000, 60 days.
	//
	// +optional
	// +default=5184000
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	ExpiredRetentionSeconds *int64 `json:"expiredRetentionSeconds,omitempty"`

	// acceptedRetentionSeconds is how long an accepted invitation is kept. Left out: 0.
	//
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	AcceptedRetentionSeconds *int64 `json:"acceptedRetentionSeconds,omitempty"`

	// allowedEmailDomains are the domains that may be invited, in lower case. Left out or empty: all.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`
	AllowedEmailDomains []string `json:"allowedEmailDomains,omitempty"`

	// allowedLinkOrigins are the origins (scheme, host, port) that links in mails may lead to, besides the facade's
	// own. Left out or empty: only that.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=9
	// +kubebuilder:validation:items:MaxLength=267
	// +kubebuilder:validation:items:Pattern=`^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`
	AllowedLinkOrigins []string `json:"allowedLinkOrigins,omitempty"`

	// maxPer24Hours is how many mails the organisation may cause in 24 hours. Left out: 50.
	//
	// +optional
	// +default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MaxPer24Hours *int32 `json:"maxPer24Hours,omitempty"`
}

// OrganisationStatus is what the operator found and did.
type OrganisationStatus struct {
	// conditions are Ready, and Reconciling or Stalled while they hold.
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

	// slug in force. Absent while another Organisation has it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Slug string `json:"slug,omitempty"`

	// namespace is the home namespace. Absent while there is none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// members is the number of Members in the home namespace.
	//
	// +optional
	Members int32 `json:"members,omitempty"`

	// invitations is the number of Invitations in the home namespace.
	//
	// +optional
	Invitations int32 `json:"invitations,omitempty"`

	// projects is the number of namespaces that are projects of the organisation.
	//
	// +optional
	Projects int32 `json:"projects,omitempty"`

	// bindings is the number of RoleBindings that carry the organisation's access.
	//
	// +optional
	Bindings int32 `json:"bindings,omitempty"`

	// mails counts the mails that the organisation caused, by hour, for the last 24 hours.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=25
	Mails []MailCount `json:"mails,omitempty"`
}

// MailCount is how many mails were sent within an hour.
type MailCount struct {
	// hour is when the hour began.
	//
	// +required
	Hour metav1.Time `json:"hour,omitzero"`

	// count of mails.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Count int32 `json:"count,omitempty"`
}

// Organisation is a group of people who work in a set of namespaces.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=org,categories=enrol
// +kubebuilder:printcolumn:name="Slug",type=string,JSONPath=`.status.slug`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Projects",type=integer,JSONPath=`.status.projects`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=='Ready')].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Namespace",type=string,priority=1,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Invitations",type=integer,priority=1,JSONPath=`.status.invitations`
// +kubebuilder:printcolumn:name="Bindings",type=integer,priority=1,JSONPath=`.status.bindings`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=='Ready')].message`
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || (self.metadata.name.size() <= 59 && !self.metadata.name.contains('.'))",optionalOldSelf=true,message="metadata.name must be a DNS label of at most 59 characters, as org-<name> names the home namespace"
type Organisation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is wanted.
	//
	// +required
	Spec OrganisationSpec `json:"spec,omitzero"`

	// status is what is.
	//
	// +optional
	// +default={"observedGeneration": -1}
	Status OrganisationStatus `json:"status,omitzero"`
}

// Slug is the slug that the Organisation asks for.
func (o *Organisation) Slug() string {
	if o.Spec.Slug != "" {
		return o.Spec.Slug
	}
	return o.Name
}

// HomeNamespace is the name of the namespace that holds the Organisation's Members.
func (o *Organisation) HomeNamespace() string { return HomeNamespacePrefix + o.Name }

// OrganisationList is a list of Organisations.
//
// +kubebuilder:object:root=true
type OrganisationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Organisation `json:"items"`
}
