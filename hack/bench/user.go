package main

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// userName puts all load on the API server, with a client certificate and without system:masters, which would skip RBAC.
const userName = "platform@example.com"

// viewClusterRole is what all Members get in projects.
const viewClusterRole = "view"

// admitUser binds the user to enrol:platform, and to what a client needs that does the operator's work by hand.
func (s *stage) admitUser(ctx context.Context) error {
	admin, err := client.New(s.plane.Admin(), client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	const name = "bench"
	all := []string{"get", "list", "watch", "create", "patch", "delete"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: all},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: all},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"list"}},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"},
			ResourceNames: []string{
				"cluster-admin", viewClusterRole,
				enrolv1alpha1.RoleOwner.ClusterRole(), enrolv1alpha1.RoleViewer.ClusterRole(),
			},
		},
		{
			APIGroups: []string{enrolv1alpha1.SchemeGroupVersion.Group},
			Resources: []string{"organisations/status", "members/status", "invitations/status"}, Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{"authorization.k8s.io"},
			Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"},
		},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	}}
	if err := admin.Create(ctx, role); err != nil {
		return err
	}
	for _, clusterRole := range []string{name, "enrol:platform"} {
		if err := admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "bench:" + clusterRole},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: userName}},
		}); err != nil {
			return err
		}
	}
	return nil
}
