package preflight

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/enrol-dev/enrol/internal/installed"
)

// Policies that are there need not be enforced: the API server gets to know of new ones within a second or so, and its
// admission plugin for them may be off. So the operator tries, as a dry run, something that its rights allow and the policy
// refusing does not.
const (
	refusing  = "enrol-self-secrets"
	probeName = "enrol-policy-probe"
)

// enforced tells whether the API server enforces the policies on whoever asks. It is true for anybody but the operator's
// ServiceAccount, of which alone they speak. An error says that it could not be found out.
func (g *gatherer) enforced(ctx context.Context) (bool, error) {
	self, err := g.kubernetes.AuthenticationV1().SelfSubjectReviews().Create(ctx,
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("asking the API server who this is: %w", err)
	}
	if self.Status.UserInfo.Username != "system:serviceaccount:"+g.namespace+":"+installed.Operator {
		return true, nil
	}
	_, err = g.kubernetes.CoreV1().Secrets(g.namespace).Create(ctx,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: probeName}},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil:
		return false, nil
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), refusing):
		return true, nil
	default:
		return false, fmt.Errorf("trying what a policy refuses: %w", err)
	}
}

func notEnforced() Finding {
	return Finding{
		Severity: Hold, Reason: PoliciesNotEnforced,
		What: "the admission policies are there, and the API server lets through what they refuse",
		Why:  unbounded,
		Do:   "wait a few seconds after they were made; else turn the API server's admission plugin ValidatingAdmissionPolicy on",
	}
}
