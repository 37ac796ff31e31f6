package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/installed"
	"github.com/enrol-dev/enrol/internal/process"
	"github.com/enrol-dev/enrol/internal/subject"
	"github.com/enrol-dev/enrol/internal/token"
)

// observed runs the operator's controllers as cmd/operator does, and on SIGUSR1 collects garbage and writes down what
// is left of the heap. The operator itself has no such door.
func observed(ctx context.Context, args []string) (err error) {
	var kubeconfig, metricsAddress, heapFile, profiles, keys string
	flags := flag.NewFlagSet(operatorCommand, flag.ContinueOnError)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "`path` of a kubeconfig")
	flags.StringVar(&metricsAddress, "metrics-bind-address", "0", "`address` to serve metrics at")
	flags.StringVar(&keys, "token-keys", "", "`folder` of the keys for links")
	flags.StringVar(&heapFile, "heap-file", "", "`file` for the answer to SIGUSR1")
	flags.StringVar(&profiles, "profiles", "", "`folder` for profiles; empty: none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := loadConfig(kubeconfig)
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Cache:   controllers.CacheOptions(installed.Namespace),
		Client:  controllers.ClientOptions(),
		Metrics: server.Options{BindAddress: metricsAddress},
	})
	if err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, controllers.Options{
		Naming:    subject.Naming{EmailIsUsername: true},
		Namespace: installed.Namespace,
		Keys:      token.OpenKeys(keys, time.Now),
		Clock:     clock.RealClock{},
	}); err != nil {
		return err
	}
	stop, err := observe(operatorCommand, heapFile, profiles)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return mgr.Start(ctx)
}

// observe has this process answer SIGUSR1 with its heap, and takes a CPU profile until the returned function is called, if
// there is a folder for profiles.
func observe(name, heapFile, profiles string) (stop func() error, err error) {
	stop = func() error { return nil }
	if profiles != "" {
		if stop, err = profile(profiles, name); err != nil {
			return nil, fmt.Errorf("profiling: %w", err)
		}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			if err := answer(heapFile, profiles, name); err != nil {
				ctrl.Log.Error(err, "Cannot write down the heap")
			}
		}
	}()
	return stop, nil
}

// profile takes a CPU profile until the returned function is called.
func profile(folder, name string) (stop func() error, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-cpu-%d.pprof", name, time.Now().UnixMilli())))
	if err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, pprof.StartCPUProfile(file)
}

// heap is what an observed process answers.
type heap struct {
	// Bytes in use after a collection.
	Bytes uint64 `json:"bytes"`
}

func answer(heapFile, profiles, name string) error {
	// Twice: what sync.Pools hold is let go by the second collection.
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if profiles != "" {
		file, err := os.Create(filepath.Join(profiles, fmt.Sprintf("%s-heap-%d.pprof", name, time.Now().UnixMilli())))
		if err != nil {
			return err
		}
		if err := errors.Join(pprof.WriteHeapProfile(file), file.Close()); err != nil {
			return err
		}
	}
	content, err := json.Marshal(heap{Bytes: stats.HeapAlloc})
	if err != nil {
		return err
	}
	// Whole or not at all: the asker polls for the file.
	if err := os.WriteFile(heapFile+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(heapFile+".new", heapFile)
}

const answerTimeout = time.Minute

// askHeap asks an observed process for the bytes of its heap after a collection, and the kernel for those in memory.
func askHeap(ctx context.Context, p *process.Process, heapFile string) (heapBytes, resident float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := os.Remove(heapFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	if err := syscall.Kill(p.PID(), syscall.SIGUSR1); err != nil {
		return 0, 0, fmt.Errorf("asking %s for its heap: %w", p.Name, err)
	}
	for {
		content, err := os.ReadFile(heapFile)
		if err == nil {
			var h heap
			err := json.Unmarshal(content, &h)
			return float64(h.Bytes), residentBytes(p.PID()), err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("waiting for the heap of %s: %w", p.Name, err)
		}
	}
}

// residentBytes is what a process has in memory; 0 where the kernel does not tell.
func residentBytes(pid int) float64 {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kilobytes * 1024
		}
	}
	return 0
}

// list reads, as a plain client, all that the operator reads at its start.
func list(ctx context.Context, args []string) error {
	var kubeconfig string
	flags := flag.NewFlagSet(listCommand, flag.ContinueOnError)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "`path` of a kubeconfig")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := loadConfig(kubeconfig)
	if err != nil {
		return err
	}
	plain, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	var members enrolv1alpha1.MemberList
	clusterRoles := &metav1.PartialObjectMetadataList{}
	clusterRoles.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("ClusterRoleList"))
	for _, objects := range []client.ObjectList{
		&enrolv1alpha1.OrganisationList{}, &members, &enrolv1alpha1.InvitationList{}, &corev1.NamespaceList{}, clusterRoles,
	} {
		if err := plain.List(ctx, objects); err != nil {
			return fmt.Errorf("listing: %w", err)
		}
	}
	ours := client.MatchingLabels{enrolv1alpha1.LabelManagedBy: enrolv1alpha1.ManagedBy}
	if err := plain.List(ctx, &rbacv1.RoleBindingList{}, ours); err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	_, err = io.WriteString(os.Stdout, strconv.Itoa(len(members.Items)))
	return err
}

func loadConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", kubeconfig, err)
	}
	// Fairness among clients is the API server's business.
	config.QPS = -1
	return config, nil
}
