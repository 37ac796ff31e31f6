package testenv_test

import (
	"context"
	"os"
	"testing"

	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(testenv.Run(m, &environment)) }

func TestAStrangerMayDoNothing(t *testing.T) {
	kim := environment.As(t, "kim@example.com")
	access := testenv.Access{Verb: "list", Group: "enrol.dev", Resource: "organisations"}
	if allowed, err := testenv.Can(context.Background(), kim, access); err != nil || allowed {
		t.Errorf("Can = %v, %v, want false, nil", allowed, err)
	}
}
