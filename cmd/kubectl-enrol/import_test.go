package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/testenv"
)

func TestImport(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "import")
	golden(t, "Nothing", as(t, admin).run("import", "--organisation=import"))
	const sue = "sue@example.com"
	for _, args := range [][]string{
		{"create", "namespace", "import-old"},
		{"create", "rolebinding", "edit", "-n", "import-web", "--clusterrole=edit", "--user=" + sue, "--user=max@example.com"},
		{"create", "rolebinding", "edit", "-n", "import-data", "--clusterrole=edit", "--user=" + sue, "--group=devs"},
		{"create", "rolebinding", "joe", "-n", "import-web", "--clusterrole=view", "--user=" + joe},
		{"create", "rolebinding", "joe; reboot", "-n", "import-web", "--clusterrole=view", "--user=" + joe},
		{"create", "rolebinding", "ci", "-n", "import-web", "--clusterrole=edit", "--serviceaccount=import-web:ci"},
		{"create", "rolebinding", "admins", "-n", "import-data", "--clusterrole=admin", "--user=" + sue},
		{"create", "rolebinding", "view", "-n", "import-old", "--clusterrole=view", "--group=devs"},
	} {
		if _, err := environment.Kubectl(args...); err != nil {
			t.Fatal(err)
		}
	}
	boss, folder := as(t, admin), filepath.Join(t.TempDir(), "git")
	before := o.everything()
	golden(t, "Proposed", boss.run("import", "--organisation=import"))
	golden(t, "Namespaces", boss.run("import", "--organisation=import", "--namespaces=import-old,import-web", "-o", "name"))
	golden(t, "Files", anonymous(boss.run("import", "--organisation=import", "--output-dir="+folder), folder))
	golden(t, "FilesAgain", anonymous(boss.run("import", "--organisation=import", "--output-dir="+folder), folder))
	golden(t, "DryRun", boss.run("import", "--organisation=import", "--apply", "--dry-run=server"))
	if after := o.everything(); after != before {
		t.Errorf("nothing must be changed without --apply: %s before, %s after", before, after)
	}
	golden(t, "MayNot", as(t, joe).run("import", "--organisation=import", "--namespaces=import-web"))
	golden(t, "BadFlag", boss.run("import", "--organisation=import", "--admin-as=root"))

	golden(t, "Applied", boss.run("import", "--organisation=import", "--apply"))
	// Each Member is bound by itself, and a group after the person with whom it was in one RoleBinding.
	testenv.Eventually(t, func() error {
		got := boss.run("status", "import")
		if !strings.HasSuffix(strings.TrimSpace(got.out), " 0") {
			return errors.New(got.out + got.problems)
		}
		return nil
	})
	for made := range strings.FieldsSeq("m-0dd93d8f57d723a2b797-edit m-289ab7e7ca0d496333bc-edit m-874fa41e3d1270d5da53-edit") {
		o.ready(made, enrolv1alpha1.ReasonGranted)
	}
	got := boss.run("import", "--organisation=import")
	golden(t, "Afterwards", got)

	// What is printed as redundant is: without it, the access stays.
	for line := range strings.Lines(got.problems) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "kubectl "); ok {
			if _, err := environment.Kubectl(strings.Fields(command)...); err != nil {
				t.Error(err)
			}
		}
	}
	access := testenv.Access{Verb: "create", Resource: "configmaps", Namespace: "import-data"}
	if may, err := testenv.Can(t.Context(), environment.As(t, sue), access); err != nil || !may {
		t.Errorf("%s may work in import-data: %t, %v, want true", sue, may, err)
	}
}

// everything is the versions of all RoleBindings and Members in the test's namespaces.
func (o *organisation) everything() string {
	o.Helper()
	var all []string
	var bindings rbacv1.RoleBindingList
	var members enrolv1alpha1.MemberList
	if err := errors.Join(o.admin.List(o.Context(), &bindings), o.admin.List(o.Context(), &members, client.InNamespace(o.home()))); err != nil {
		o.Fatal(err)
	}
	for _, b := range bindings.Items {
		if strings.HasPrefix(b.Namespace, o.name+"-") {
			all = append(all, b.Namespace+"/"+b.Name+" "+b.ResourceVersion)
		}
	}
	for _, m := range members.Items {
		all = append(all, m.Name+" "+m.ResourceVersion)
	}
	return strings.Join(all, "\n")
}

// anonymous puts DIR in the place of a folder.
func anonymous(got answer, folder string) answer {
	got.out = strings.ReplaceAll(got.out, folder, "DIR")
	got.problems = strings.ReplaceAll(got.problems, folder, "DIR")
	return got
}

func TestInviteForGit(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, "git")
	folder := filepath.Join(t.TempDir(), "git")
	to := []string{"invite", "kim@example.com", "--organisation=git", "--output-dir=" + folder, "--role=viewer"}
	owner := as(t, ada)
	golden(t, "DryRun", anonymous(owner.run(append(to, "--dry-run=client")...), folder))
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run must make no folder: %v", err)
	}
	golden(t, "Written", anonymous(owner.run(to...), folder))
	golden(t, "Proposed", anonymous(as(t, joe).run(to...), folder))
	golden(t, "Bad", anonymous(owner.run(append(to, "--kubernetes-role=root")...), folder))
	o.invitations("What is written for Git is not created", 0)

	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("there are %q, want two files", files)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "File", answer{out: string(content)})
	// The platform team, or a tool with its rights, applies what ada wrote.
	if _, err := environment.Kubectl("apply", "-f", files[0], "--as="+platform); err != nil {
		t.Error(err)
	}
	o.pending("kim@example.com")
}
