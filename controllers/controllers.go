// Package controllers lists Enrol's controllers and the rights that they need.
package controllers

// +kubebuilder:rbac:groups=enrol.dev,resources=organisations;members,verbs=get;list;watch
// +kubebuilder:rbac:groups=enrol.dev,resources=organisations/status;members/status,verbs=patch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
