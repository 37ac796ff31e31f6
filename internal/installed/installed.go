// Package installed is what the manifests in config call what they install.
package installed

const (
	// Namespace is where they install Enrol as they are.
	Namespace = "enrol-system"
	// Operator is the name of the operator's Deployment, ServiceAccount and Lease.
	Operator = "enrol-operator"
	// Facade is the name of the facade's Deployment and ServiceAccount.
	Facade = "enrol-facade"
	// OperatorBinding is the ClusterRoleBinding that gives the operator its rights.
	OperatorBinding = "enrol:operator"
	// KeySecret is the Secret with the keys that links are made with: current, and after a rotation previous as well. Both
	// programs have it mounted.
	KeySecret = "enrol-token-keys" //nolint:gosec // A name, and no secret.
)
