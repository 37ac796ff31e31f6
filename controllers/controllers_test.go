package controllers_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/testenv"
)

var environment *testenv.Environment

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run starts a control plane and, with nothing but its own ServiceAccount's rights, the operator.
func run(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return testenv.RunWith(m, &environment, func() (stop func() error, err error) {
		if err := environment.BindPlatformTeam(platform); err != nil {
			return nil, err
		}
		config, err := environment.ServiceAccountConfig(ctx, testenv.SystemNamespace, testenv.OperatorServiceAccount)
		if err != nil {
			return nil, err
		}
		mgr, err := ctrl.NewManager(config, ctrl.Options{
			Scheme:  testenv.Scheme,
			Cache:   controllers.CacheOptions(),
			Client:  controllers.ClientOptions(),
			Metrics: server.Options{BindAddress: "0"},
		})
		if err != nil {
			return nil, err
		}
		if err := controllers.Setup(ctx, mgr, controllers.Options{
			Naming:    subject.Naming{EmailIsUsername: true},
			Namespace: testenv.SystemNamespace,
			Clock:     clock.RealClock{},
		}); err != nil {
			return nil, err
		}
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(ctx) }()
		return func() error {
			cancel()
			if err := <-ended; err != nil {
				return fmt.Errorf("the operator ended: %w", err)
			}
			return nil
		}, nil
	})
}
