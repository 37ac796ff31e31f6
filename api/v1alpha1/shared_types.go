package v1alpha1

// Names that Enrol writes to, and reads from, objects of other kinds.
const (
	// LabelOrganisation on a Namespace makes it a project of the Organisation that the value names; on a RoleBinding
	// it says for which Organisation Enrol made it.
	LabelOrganisation = "enrol.dev/organisation"
	// LabelHomeOf on a Namespace says that it is the home namespace of the Organisation that the value names.
	LabelHomeOf = "enrol.dev/home-of"
	// LabelManagedBy with the value ManagedBy marks what Enrol generates.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy, and Enrol's field manager.
	ManagedBy = "enrol"
	// AnnotationOrganisationUID on a home namespace is the UID of the Organisation that lives there, so that a later
	// one of the same name does not inherit its Members.
	AnnotationOrganisationUID = "enrol.dev/organisation-uid"
	// AnnotationInvitation on a Member is the UID of the Invitation that Enrol made it from.
	AnnotationInvitation = "enrol.dev/invitation"
	// AnnotationResend on an Invitation asks for it to be sent again whenever its value changes.
	AnnotationResend = "enrol.dev/resend-requested-at"
	// AnnotationManagedInGit with the value "true" says that an object is kept in Git, where nothing else says so.
	AnnotationManagedInGit = "enrol.dev/managed-in-git"
	// ExtraVerifiedEmail is the extra of a user that the API server maps from the claims of a token, and only where the
	// identity provider says that the address is verified.
	ExtraVerifiedEmail = "enrol.dev/verified-email"
	// HomeNamespacePrefix and the name of an Organisation make the name of its home namespace.
	HomeNamespacePrefix = "org-"
)

// AllProjects as the only entry of a list of projects stands for all projects of the Organisation.
const AllProjects = "*"

// RoleName names an organisation role: owner, admin, developer, billing-admin, viewer, or one of the Organisation's
// own.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type RoleName string

// The built-in roles. Each has a ClusterRole enrol:<role> that is bound in the home namespace.
const (
	RoleOwner        RoleName = "owner"
	RoleAdmin        RoleName = "admin"
	RoleDeveloper    RoleName = "developer"
	RoleBillingAdmin RoleName = "billing-admin"
	RoleViewer       RoleName = "viewer"
)

// BuiltInRoles are the roles that every Organisation has, strongest first.
func BuiltInRoles() []RoleName {
	return []RoleName{RoleOwner, RoleAdmin, RoleDeveloper, RoleBillingAdmin, RoleViewer}
}

// Title is what people call a role that no Organisation gives a name of its own.
func (r RoleName) Title() string {
	switch r {
	case RoleOwner:
		return "Owner"
	case RoleAdmin:
		return "Admin"
	case RoleDeveloper:
		return "Developer"
	case RoleBillingAdmin:
		return "Billing admin"
	case RoleViewer:
		return "Viewer"
	default:
		return string(r)
	}
}

// ClusterRole is the name of the ClusterRole that a built-in role is bound to in the home namespace.
func (r RoleName) ClusterRole() string { return "enrol:" + string(r) }

// GroupName names a team of an Organisation.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type GroupName string

// KubernetesRole says what somebody may do in projects. The empty value means nothing at all.
//
// +kubebuilder:validation:Enum=cluster-admin;edit;view;""
type KubernetesRole string

// The Kubernetes roles, highest first. Unless the Organisation remaps them, each is the ClusterRole of that name.
const (
	KubernetesRoleClusterAdmin KubernetesRole = "cluster-admin"
	KubernetesRoleEdit         KubernetesRole = "edit"
	KubernetesRoleView         KubernetesRole = "view"
	KubernetesRoleNone         KubernetesRole = ""
)

// KubernetesRoles are those that give something, highest first.
func KubernetesRoles() []KubernetesRole {
	return []KubernetesRole{KubernetesRoleClusterAdmin, KubernetesRoleEdit, KubernetesRoleView}
}

// Rank orders Kubernetes roles: a higher one includes what a lower one allows, and none is 0.
func (r KubernetesRole) Rank() int {
	switch r {
	case KubernetesRoleClusterAdmin:
		return 3
	case KubernetesRoleEdit:
		return 2
	case KubernetesRoleView:
		return 1
	default:
		return 0
	}
}

// Known is the role itself, or none for a value that got past validation.
func (r KubernetesRole) Known() KubernetesRole {
	if r.Rank() == 0 {
		return KubernetesRoleNone
	}
	return r
}

// Username is a name that the API server knows a person by: printable ASCII with single inner spaces, never one of
// Kubernetes' own (system:...).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:Pattern=`^[!-~]+( [!-~]+)*$`
// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('system:')",message="must not start with 'system:'"
// +kubebuilder:validation:XValidation:rule="self != '*'",message="must not be '*'"
type Username string

// Email is an address in lower case, with a local part in ASCII and a domain with a dot.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:Pattern="^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$"
// +kubebuilder:validation:XValidation:rule="self.indexOf('@') <= 64",message="must have at most 64 characters before the @"
type Email string

// Project is the name of a Namespace, or '*' for all projects of the Organisation.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
type Project string

// Projects is a list of project namespaces, or '*' alone for all of them. An empty list is none, never all.
//
// +listType=atomic
// +kubebuilder:validation:MaxItems=256
// +kubebuilder:validation:XValidation:rule="!self.exists(p, p == '*') || self.size() == 1",message="must name '*' alone or not at all"
type Projects []Project

// All tells whether the list stands for all projects of the Organisation.
func (p Projects) All() bool { return len(p) == 1 && p[0] == AllProjects }
