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

// Reasons of an Organisation's Ready=True.
const (
	// ReasonReconciled: all access that the Organisation and its Members give is bound.
	ReasonReconciled = "Reconciled"
)

// Reasons of a Member's Ready=True.
const (
	// ReasonGranted: the Kubernetes role is bound in the named projects.
	ReasonGranted = "Granted"
	// ReasonNoProjects: only the organisation roles are bound, because the Member names no projects.
	ReasonNoProjects = "NoProjects"
	// ReasonNoKubernetesRole: only the organisation roles are bound, because the Member gives no Kubernetes role.
	ReasonNoKubernetesRole = "NoKubernetesRole"
	// ReasonExpired: nothing is bound, because expireTime has passed.
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
)

// Reasons of Ready=False with Reconciling=True.
const (
	// ReasonNamespaceTerminating: the home namespace is being deleted; it is made again when it has gone.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonProgressing: the operator is at work, or the API server refused a write that will be tried again.
	ReasonProgressing = "Progressing"
)
