package controllers_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestQuick(t *testing.T) {
	ctx := context.Background()
	admin := environment.AdminClient(t)
	must := func(o client.Object) {
		t.Helper()
		testenv.Eventually(t, func() error { return admin.Create(ctx, o) })
	}
	must(&enrolv1alpha1.Organisation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: enrolv1alpha1.OrganisationSpec{Owners: []enrolv1alpha1.Owner{{Username: "ada@example.com"}}}})
	must(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme-web", Labels: map[string]string{enrolv1alpha1.LabelOrganisation: "acme"}}})
	must(&enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "jane", Namespace: "org-acme"}, Spec: enrolv1alpha1.MemberSpec{Email: "jane@example.com", Roles: []enrolv1alpha1.RoleName{"developer"}, Projects: enrolv1alpha1.Projects{"*"}}})
	jane := environment.As(t, "jane@example.com")
	testenv.Eventually(t, func() error {
		ok, err := testenv.Can(ctx, jane, testenv.Access{Verb: "create", Resource: "configmaps", Namespace: "acme-web"})
		if err == nil && !ok {
			err = fmt.Errorf("no access yet")
		}
		return err
	})
	testenv.Eventually(t, func() error {
		out, err := environment.Kubectl("get", "org,mbr,rolebindings,events", "-A", "-owide")
		t.Log(out)
		var m enrolv1alpha1.Member
		_ = admin.Get(ctx, client.ObjectKey{Namespace: "org-acme", Name: "jane"}, &m)
		if len(m.Status.Conditions) == 0 {
			return fmt.Errorf("no status")
		}
		return err
	})
	out, _ := environment.Kubectl("get", "mbr,org", "-A", "-oyaml")
	t.Log(out)
}
