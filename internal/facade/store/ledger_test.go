package store

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

// TestSettle notes writes and looks how long somebody waits for the caches to have them, who have version 5 of everything and
// get no further: settlePatience, or not at all.
func TestSettle(t *testing.T) {
	t.Parallel()
	members := &watched{seen: &watermark{version: "5"}}
	organisations := &watched{seen: &watermark{version: "5"}}
	unfilled := &watched{seen: &watermark{}}
	jane := written{kind: members, version: "7", about: []string{"jane", "", "jane@example.com"}}
	joe := written{kind: members, version: "6", about: []string{"joe"}}
	for name, test := range map[string]struct {
		reason string
		writes []written
		// names of who is settled for; nil: everybody.
		names []string
		want  bool
	}{
		"Everybody": {reason: "a list shows everything", writes: []written{jane}, want: true},
		"Nothing":   {reason: "there is nothing to wait for"},
		"SamePerson": {
			reason: "it is about the person, by any name",
			writes: []written{jane, joe}, names: []string{"x", "jane@example.com"}, want: true,
		},
		"Stranger": {reason: "others do not matter", writes: []written{jane, joe}, names: []string{"max"}},
		"NoName":   {reason: "two people without an address are two", writes: []written{jane}, names: []string{"max", ""}},
		"Organisation": {
			reason: "it matters to all",
			writes: []written{{kind: organisations, version: "8"}}, names: []string{"max"}, want: true,
		},
		"Seen": {
			reason: "the cache has it",
			writes: []written{{kind: members, version: "5", about: jane.about}}, names: []string{"jane"},
		},
		"Unfilled": {
			reason: "the cache has nothing",
			writes: []written{{kind: unfilled, version: "1", about: jane.about}}, names: []string{"jane"}, want: true,
		},
		"Many": {
			reason: "of so many it is not known whom they are about",
			writes: slices.Repeat([]written{jane, joe}, ledgerWrites), names: []string{"max"}, want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Store{written: newLedger(clock.RealClock{})}
				// Channels belong to the bubble that makes them.
				kinds := map[*watched]*watched{}
				for _, kind := range []*watched{members, organisations, unfilled} {
					kinds[kind] = &watched{seen: &watermark{version: kind.seen.version}}
				}
				for _, w := range test.writes {
					w.kind = kinds[w.kind]
					s.written.note("ada", w)
				}
				begun := time.Now()
				if test.names == nil {
					s.Settle(t.Context(), "ada")
				} else {
					s.SettleFor(t.Context(), "ada", test.names...)
				}
				want := time.Duration(0)
				if test.want {
					want = settlePatience
				}
				if diff := cmp.Diff(want, time.Since(begun)); diff != "" {
					t.Errorf("%s: -want +waited:\n%s", test.reason, diff)
				}
				if s.Settle(t.Context(), "jane"); time.Since(begun) != want {
					t.Error("somebody else waited as well")
				}
			})
		})
	}
}

// TestSettleEnds: whoever waits goes on when the cache has what was written, and what it has is forgotten.
func TestSettleEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		members := &watched{seen: &watermark{version: "5"}}
		s := &Store{written: newLedger(clock.RealClock{})}
		for _, version := range []string{"6", "7"} {
			s.written.note("ada", written{kind: members, version: version, about: []string{"jane"}})
		}
		settled := make(chan time.Duration, 1)
		begun := time.Now()
		go func() {
			s.SettleFor(t.Context(), "ada", "jane")
			settled <- time.Since(begun)
		}()
		synctest.Wait()
		if n := s.Unseen("ada"); n != 2 {
			t.Errorf("%d writes are not seen", n)
		}
		members.seen.OnAdd(&enrolv1alpha1.Member{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7"}}, false)
		if waited := <-settled; waited != 0 {
			t.Errorf("waited for %s", waited)
		}
		if n := s.Unseen("ada"); n != 0 {
			t.Errorf("%d writes are not seen", n)
		}
	})
}
