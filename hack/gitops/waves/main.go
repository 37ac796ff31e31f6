// Command waves syncs a folder of manifests once as Argo CD's controller does, which the engine's own command does not: it
// looks at what is there before each wave, judges it by the health checks under config/argocd, and says how the sync ended.
// `make test-gitops` calls it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/enrol-dev/enrol/hack/gitops/lua"
)

// group of the objects that the scripts judge.
const group = "enrol.dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "waves:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("waves", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "`file` that says whom to sync as")
	scripts := flags.String("scripts", "", "`folder` config/argocd")
	manifests := flags.String("manifests", "", "`folder` to sync")
	timeout := flags.Duration("timeout", time.Minute, "how long the sync may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	// As fast as Argo CD asks by default.
	config.QPS, config.Burst = 50, 100
	targets, err := read(*manifests)
	if err != nil {
		return err
	}
	clusterCache := cache.NewClusterCache(config, cache.SetLogr(logr.Discard()), cache.SetPopulateResourceInfoHandler(
		func(*unstructured.Unstructured, bool) (any, bool) { return nil, true }))
	if err := clusterCache.EnsureSynced(); err != nil {
		return fmt.Errorf("reading what is there: %w", err)
	}
	defer clusterCache.Invalidate()
	o := &operation{config: config, cache: clusterCache, targets: targets, checks: checks(*scripts), startedAt: metav1.Now()}
	return o.run(ctx)
}

// read reads the manifests in a folder.
func read(folder string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := kube.SplitYAML(content)
		if err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
		all = append(all, objects...)
	}
	return all, nil
}

// operation is a sync under way.
type operation struct {
	config    *rest.Config
	cache     cache.ClusterCache
	targets   []*unstructured.Unstructured
	checks    checks
	startedAt metav1.Time

	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
}

// run goes on until the operation is over, and says how.
func (o *operation) run(ctx context.Context) error {
	const interval = 500 * time.Millisecond
	for {
		if err := o.step(); err != nil {
			return err
		}
		if o.phase.Completed() {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the sync does not end: %s: %s", o.phase, o.message)
		case <-time.After(interval):
		}
	}
	for _, r := range o.results {
		fmt.Printf("%s: %s\n", r.ResourceKey.String(), r.Message)
	}
	fmt.Printf("%s: %s\n", o.phase, o.message)
	return nil
}

// step looks at what is there and takes the operation one step on.
func (o *operation) step() error {
	live, err := o.cache.GetManagedLiveObjs(o.targets, func(*cache.Resource) bool { return false })
	if err != nil {
		return fmt.Errorf("reading what is there: %w", err)
	}
	const namespace = metav1.NamespaceDefault
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	found := sync.Reconcile(o.targets, live, namespace, o.cache)
	syncing, cleanup, err := sync.NewSyncContext("", found, o.config, o.config, kubectl, namespace,
		sync.WithLogr(logr.Discard()), sync.WithHealthOverride(o.checks), sync.WithInitialState(o.phase, o.message, o.results, o.startedAt))
	if err != nil {
		return fmt.Errorf("preparing the sync: %w", err)
	}
	defer cleanup()
	syncing.Sync()
	o.phase, o.message, o.results = syncing.GetState()
	return nil
}

// checks are the health checks in a folder.
type checks string

// GetResourceHealth judges Enrol's objects, and leaves the others to the engine.
func (c checks) GetResourceHealth(o *unstructured.Unstructured) (*health.HealthStatus, error) {
	kind := o.GroupVersionKind()
	if kind.Group != group {
		return nil, nil
	}
	script, err := os.ReadFile(filepath.Join(string(c), group, kind.Kind, "health.lua"))
	if err != nil {
		return nil, err
	}
	status := &health.HealthStatus{}
	return status, lua.Run(string(script), o.Object, status)
}
