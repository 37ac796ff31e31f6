// Package subject says whom a membership names in RBAC, and refuses names that must never be bound.
package subject

import (
	"errors"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Subject is a user or a group as RBAC names it. It is comparable.
type Subject struct {
	// Kind is rbacv1.UserKind or rbacv1.GroupKind.
	Kind string
	// Name includes the prefix that the API server puts in front.
	Name string
}

func (s Subject) String() string { return s.Kind + " " + s.Name }

// RBAC is the subject as a RoleBinding has it.
func (s Subject) RBAC() rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: s.Kind, Name: s.Name}
}

// FromRBAC is the reverse of RBAC; false for a subject that Enrol never writes, a ServiceAccount for example.
func FromRBAC(s rbacv1.Subject) (Subject, bool) {
	known := s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind
	return Subject{Kind: s.Kind, Name: s.Name}, known && s.APIGroup == rbacv1.GroupName && s.Namespace == ""
}

// Naming says how the API server derives usernames and groups from the claims of the identity provider.
type Naming struct {
	// UsernamePrefix and GroupsPrefix are what the API server puts in front, "" for nothing.
	UsernamePrefix, GroupsPrefix string
	// EmailIsUsername is true where the username is the verified address. Wrong where people choose their usernames.
	EmailIsUsername bool
}

// User is the subject of a person with that username.
func (n Naming) User(username string) (Subject, error) {
	return checked(rbacv1.UserKind, n.UsernamePrefix, username)
}

// Group is the subject of a group of the identity provider.
func (n Naming) Group(group string) (Subject, error) {
	return checked(rbacv1.GroupKind, n.GroupsPrefix, group)
}

// MaxLength of a username or group, in bytes, without prefix.
const MaxLength = 255

// IsPrintable tells whether a name is ASCII with single inner spaces: everything else is a way to look like somebody
// else. It says the same as the pattern ^[!-~]+( [!-~]+)*$ of the API group, and is asked of every Member in every pass.
func IsPrintable(name string) bool {
	// A space is fine where a letter was before it.
	letter := false
	for i := range len(name) {
		c := name[i]
		if c < ' ' || c > '~' || (c == ' ' && !letter) {
			return false
		}
		letter = c != ' '
	}
	return letter
}

// checked refuses what the API group refuses as well: objects stored before a rule existed get past that.
func checked(kind, prefix, name string) (Subject, error) {
	full := prefix + name
	switch {
	case len(name) > MaxLength:
		return Subject{}, fmt.Errorf("the name must have at most %d characters, but has %d", MaxLength, len(name))
	case !IsPrintable(name) || !IsPrintable(full):
		return Subject{}, fmt.Errorf("the name %q must be printable ASCII with single inner spaces", name)
	case name == "*":
		return Subject{}, errors.New("the name must not be '*'")
	case reserved(name) || reserved(full):
		return Subject{}, fmt.Errorf("the name %q must not start with 'system:'", name)
	}
	return Subject{Kind: kind, Name: full}, nil
}

// reserved tells whether the name is one of Kubernetes' own, in any case of its letters.
func reserved(name string) bool {
	const prefix = "system:"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
