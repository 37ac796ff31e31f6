package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// rolesAge is how old the rules of the ClusterRoles may get: they change when Enrol is upgraded.
const rolesAge = 30 * time.Second

// clusterRoles are the rules of the ClusterRoles that enforce organisation roles.
type clusterRoles struct {
	own   client.Reader
	clock clock.Clock

	mu    sync.Mutex
	read  time.Time
	rules map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule
}

// Rules are those of the ClusterRole of each built-in role.
func (s *Store) Rules(ctx context.Context) (map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule, error) {
	c := s.roles
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rules != nil && c.clock.Since(c.read) < rolesAge {
		return c.rules, nil
	}
	rules := map[enrolv1alpha1.RoleName][]rbacv1.PolicyRule{}
	for _, role := range enrolv1alpha1.BuiltInRoles() {
		clusterRole := &rbacv1.ClusterRole{}
		if err := c.own.Get(ctx, client.ObjectKey{Name: role.ClusterRole()}, clusterRole); err != nil {
			return nil, fmt.Errorf("reading what role %s allows: %w", role, err)
		}
		rules[role] = clusterRole.Rules
	}
	c.rules, c.read = rules, c.clock.Now()
	return rules, nil
}
