package edge_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/enrol-dev/enrol/internal/facade/edge"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := clocktesting.NewFakePassiveClock(time.Now())
	limiter := edge.NewLimiter(3, time.Minute, now)

	for i := range 3 {
		if _, ok := limiter.Allow("a"); !ok {
			t.Fatalf("Request %d of 3 was refused", i+1)
		}
	}
	after, ok := limiter.Allow("a")
	if ok || after < 20*time.Second || after > 21*time.Second {
		t.Fatalf("Got %v, %t for a fourth request, want a refusal for a third of the window", after, ok)
	}
	if _, ok := limiter.Allow("b"); !ok {
		t.Error("Another key was refused")
	}
	if again, _ := limiter.Allow("a"); again != after {
		t.Errorf("Got %v after another refusal, want %v: what is refused does not count", again, after)
	}
	now.SetTime(now.Now().Add(after - time.Second))
	if _, ok := limiter.Allow("a"); ok {
		t.Error("Allowed before the time that was named")
	}
	now.SetTime(now.Now().Add(time.Second))
	if _, ok := limiter.Allow("a"); !ok {
		t.Error("Refused after the time that was named")
	}
	if _, ok := limiter.Allow("a"); ok {
		t.Error("The window began anew, but it slides")
	}
}

func TestLimiterOff(t *testing.T) {
	t.Parallel()
	limiter := edge.NewLimiter(0, time.Minute, clocktesting.NewFakePassiveClock(time.Now()))
	for range 1000 {
		if _, ok := limiter.Allow("a"); !ok {
			t.Fatal("A limiter that is off refused")
		}
	}
}

func TestLimiterConcurrently(t *testing.T) {
	t.Parallel()
	limiter := edge.NewLimiter(100, time.Hour, clocktesting.NewFakePassiveClock(time.Now()))
	var allowed atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				if _, ok := limiter.Allow("a"); ok {
					allowed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if got := allowed.Load(); got != 100 {
		t.Errorf("Allowed %d requests, want 100", got)
	}
}

// It must not run beside others, which would be counted too.
func TestLimiterMemory(t *testing.T) { //nolint:paralleltest // It measures the heap.
	limiter := edge.NewLimiter(10, time.Minute, clocktesting.NewFakePassiveClock(time.Now()))
	flood := func(from, to int) uint64 {
		for i := from; i < to; i++ {
			limiter.Allow("attacker-" + strconv.Itoa(i))
		}
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := flood(0, 100_000)
	after := flood(100_000, 500_000)
	if after > before+4<<20 {
		t.Errorf("The heap grew from %d to %d bytes while new keys came", before, after)
	}
	runtime.KeepAlive(limiter)
}

func BenchmarkLimiter(b *testing.B) {
	limiter := edge.NewLimiter(1<<40, 1, clock.RealClock{})
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			limiter.Allow(keys[i%len(keys)])
		}
	})
}

func BenchmarkLimiterFlood(b *testing.B) {
	limiter := edge.NewLimiter(10, time.Minute, clock.RealClock{})
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			limiter.Allow(strconv.FormatInt(next.Add(1), 10))
		}
	})
}
