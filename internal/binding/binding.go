// Package binding plans the RoleBindings that carry an Organisation's access: pure functions from what is bound and
// what is wanted to the writes in between.
//
// Many subjects share a binding, because the API server reads every binding of a namespace for every request in it:
// 10,000 bindings of one subject make an access review four times as slow as 20 bindings of 500.
package binding

import (
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/subject"
)

// shardSize is how many subjects a RoleBinding names at most. One of 500 takes some 30 KB; the API server takes about
// as long for writing one as for writing 10 of a single subject.
const shardSize = 500

// maxShard is more than any Organisation needs. A higher number was made up by somebody.
const maxShard = 99_999

// Place is a ClusterRole in a namespace.
type Place struct {
	Namespace, ClusterRole string
}

// Subjects is a set of subjects, numbered from 0 in the order of their coming.
type Subjects map[subject.Subject]int

// Add puts somebody in.
func (s Subjects) Add(who subject.Subject) {
	if _, ok := s[who]; !ok {
		s[who] = len(s)
	}
}

// Wanted is who shall have which ClusterRole where. Places may share a set.
type Wanted map[Place]Subjects

// Owner is the Organisation whose access is bound.
type Owner struct {
	Name string
	UID  types.UID
}

// prefix begins the names of all RoleBindings of the Organisation.
func (o Owner) prefix() string { return "enrol:" + o.Name + ":" }

// name of a shard's RoleBinding. With the ClusterRole in it, a change of role never meets the immutable roleRef.
func (o Owner) name(clusterRole string, number int) string {
	return o.prefix() + clusterRole + ":" + strconv.Itoa(number)
}

// shard says which shard of which ClusterRole a name stands for; false for a name that Enrol does not give.
func (o Owner) shard(name string) (clusterRole string, number int, ok bool) {
	rest, ok := strings.CutPrefix(name, o.prefix())
	if !ok {
		return "", 0, false
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 1 {
		return "", 0, false
	}
	number, err := strconv.Atoi(rest[i+1:])
	if err != nil || number < 0 || number > maxShard || strconv.Itoa(number) != rest[i+1:] {
		return "", 0, false
	}
	return rest[:i], number, true
}

// Owns tells whether a RoleBinding is Enrol's for this Organisation: by its labels or, when somebody took these away,
// by its owner.
func (o Owner) Owns(b *rbacv1.RoleBinding) bool {
	if b.Labels[enrolv1alpha1.LabelManagedBy] == enrolv1alpha1.ManagedBy &&
		b.Labels[enrolv1alpha1.LabelOrganisation] == o.Name {
		return true
	}
	for _, reference := range b.OwnerReferences {
		if o.UID != "" && reference.UID == o.UID {
			return true
		}
	}
	return false
}

// Made tells whether a RoleBinding has a name that Enrol gives, and is for the ClusterRole that this name says.
func (o Owner) Made(b *rbacv1.RoleBinding) bool {
	clusterRole, _, ok := o.shard(b.Name)
	return ok && RefersTo(b, clusterRole)
}

// Object is the RoleBinding of a shard.
func (o Owner) Object(place Place, number int, subjects []subject.Subject) *rbacv1.RoleBinding {
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: place.Namespace,
			Name:      o.name(place.ClusterRole, number),
		},
		RoleRef: roleRef(place.ClusterRole),
	}
	o.Adjust(b, subjects)
	return b
}

// Adjust puts right all that Enrol decides about a RoleBinding, besides its immutable roleRef, and leaves what others
// added: their labels, annotations and finalizers.
func (o Owner) Adjust(b *rbacv1.RoleBinding, subjects []subject.Subject) {
	if b.Labels == nil {
		b.Labels = map[string]string{}
	}
	b.Labels[enrolv1alpha1.LabelManagedBy] = enrolv1alpha1.ManagedBy
	b.Labels[enrolv1alpha1.LabelOrganisation] = o.Name
	b.OwnerReferences = []metav1.OwnerReference{o.reference()}
	b.Subjects = make([]rbacv1.Subject, len(subjects))
	for i, s := range subjects {
		b.Subjects[i] = s.RBAC()
	}
}

// reference makes the Organisation the owner, so that garbage collection takes the binding along and tools show the
// tree. The owner does not wait for its bindings: nothing must get stuck.
func (o Owner) reference() metav1.OwnerReference {
	controller := true
	return metav1.OwnerReference{
		APIVersion: enrolv1alpha1.SchemeGroupVersion.String(),
		Kind:       "Organisation",
		Name:       o.Name,
		UID:        o.UID,
		Controller: &controller,
	}
}

// correct tells whether Adjust would change nothing but, perhaps, subjects.
func (o Owner) correct(b *rbacv1.RoleBinding) bool {
	if b.Labels[enrolv1alpha1.LabelManagedBy] != enrolv1alpha1.ManagedBy ||
		b.Labels[enrolv1alpha1.LabelOrganisation] != o.Name || len(b.OwnerReferences) != 1 {
		return false
	}
	got, want := b.OwnerReferences[0], o.reference()
	return got.UID == want.UID && got.Kind == want.Kind && got.Name == want.Name && got.APIVersion == want.APIVersion &&
		got.Controller != nil && *got.Controller
}

// RefersTo tells whether a RoleBinding is for that ClusterRole.
func RefersTo(b *rbacv1.RoleBinding, clusterRole string) bool {
	return b.RoleRef == roleRef(clusterRole)
}

func roleRef(clusterRole string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}
}
