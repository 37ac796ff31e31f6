// Package gitops_test tries the samples here, and what docs/gitops.md says about them.
package gitops_test

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) {
	if os.Getenv(gitOpsVariable) != "" {
		// TestGitOps brings all that it needs. What its clients log is not what it looks at.
		log.SetLogger(logr.Discard())
		os.Exit(m.Run())
	}
	os.Exit(testenv.Run(m, &environment))
}
