package controllers

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// slim drops from an object on its way into the cache what no controller reads. What is left must be enough to make
// an update of a RoleBinding that takes nothing away which somebody else put there.
func slim(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	switch o := object.(type) {
	case *rbacv1.RoleBinding:
		for i := range o.Subjects {
			// Thousands of subjects share a few words; one copy of each will do.
			o.Subjects[i].Kind = intern(o.Subjects[i].Kind)
			o.Subjects[i].APIGroup = intern(o.Subjects[i].APIGroup)
		}
	case *enrolv1alpha1.Member:
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
		o.TypeMeta = metav1.TypeMeta{}
	case *enrolv1alpha1.Invitation:
		delete(o.Annotations, corev1.LastAppliedConfigAnnotation)
		o.TypeMeta = metav1.TypeMeta{}
	case *corev1.Namespace:
		o.Annotations = maps.Clone(o.Annotations)
		maps.DeleteFunc(o.Annotations, func(key, _ string) bool {
			return key != enrolv1alpha1.AnnotationOrganisationUID
		})
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	}
	return object, nil
}

// intern returns a shared copy of the words that RoleBindings repeat.
func intern(word string) string {
	switch word {
	case rbacv1.UserKind:
		return rbacv1.UserKind
	case rbacv1.GroupKind:
		return rbacv1.GroupKind
	case rbacv1.GroupName:
		return rbacv1.GroupName
	default:
		return word
	}
}
