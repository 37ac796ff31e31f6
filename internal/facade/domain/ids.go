package domain

import (
	"github.com/google/uuid"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// derivedID is the id of something that is no object of its own: a UUIDv5 of its name within the organisation.
func (o *Organisation) derivedID(name string) string {
	namespace, err := uuid.Parse(o.ID())
	if err != nil {
		// The API server makes UIDs, and makes them so.
		return ""
	}
	return uuid.NewSHA1(namespace, []byte(name)).String()
}

// UserID is the id of a user where a UUID is wanted: of the username or, while none is known, of the address.
func (o *Organisation) UserID(usernameOrEmail string) string {
	return o.derivedID("user/" + usernameOrEmail)
}

// RoleID is the id of a role.
func (o *Organisation) RoleID(role enrolv1alpha1.RoleName) string {
	return o.derivedID("role/" + string(role))
}

// groupID is the id of a group.
func (o *Organisation) groupID(group enrolv1alpha1.GroupName) string {
	return o.derivedID("group/" + string(group))
}

// PermissionID is the id of a permission.
func (o *Organisation) PermissionID(name string) string { return o.derivedID("permission/" + name) }

// ownerID is the id of the membership of an owner who is no Member.
func (o *Organisation) ownerID(username string) string { return o.derivedID("owner/" + username) }
