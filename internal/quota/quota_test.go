package quota

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

func hour(h int, count int32) enrolv1alpha1.MailCount {
	return enrolv1alpha1.MailCount{Hour: metav1.NewTime(time.Date(2026, 3, 1, h, 0, 0, 0, time.UTC)), Count: count}
}

func TestTake(t *testing.T) {
	at := func(h, m int) time.Time { return time.Date(2026, 3, 1, h, m, 0, 0, time.UTC) }
	cases := map[string]struct {
		reason          string
		counts          []enrolv1alpha1.MailCount
		maximum, wanted int
		now             time.Time
		taken           int
		updated         []enrolv1alpha1.MailCount
		again           time.Time
	}{
		"First":    {"the first of an hour", nil, 50, 1, at(12, 30), 1, []enrolv1alpha1.MailCount{hour(12, 1)}, time.Time{}},
		"Same":     {"another of the hour", []enrolv1alpha1.MailCount{hour(12, 1)}, 50, 2, at(12, 59), 2, []enrolv1alpha1.MailCount{hour(12, 3)}, time.Time{}},
		"Next":     {"one of the next", []enrolv1alpha1.MailCount{hour(12, 1)}, 50, 1, at(13, 0), 1, []enrolv1alpha1.MailCount{hour(12, 1), hour(13, 1)}, time.Time{}},
		"Full":     {"none is left, until the first hour counts no longer", []enrolv1alpha1.MailCount{hour(1, 20), hour(12, 30)}, 50, 1, at(13, 0), 0, []enrolv1alpha1.MailCount{hour(1, 20), hour(12, 30)}, at(26, 0)},
		"Some":     {"one of two is left", []enrolv1alpha1.MailCount{hour(1, 49)}, 50, 2, at(2, 0), 1, []enrolv1alpha1.MailCount{hour(1, 49), hour(2, 1)}, at(26, 0)},
		"Passed":   {"an hour counts until its last mail is 24 hours old", []enrolv1alpha1.MailCount{hour(1, 50)}, 50, 1, at(26, 0), 1, []enrolv1alpha1.MailCount{hour(26, 1)}, time.Time{}},
		"NotYet":   {"and not a moment less", []enrolv1alpha1.MailCount{hour(1, 50)}, 50, 1, at(25, 59), 0, []enrolv1alpha1.MailCount{hour(1, 50)}, at(26, 0)},
		"Lowered":  {"a lower maximum needs more hours to pass", []enrolv1alpha1.MailCount{hour(1, 10), hour(2, 10), hour(3, 10)}, 15, 1, at(4, 0), 0, []enrolv1alpha1.MailCount{hour(1, 10), hour(2, 10), hour(3, 10)}, at(27, 0)},
		"None":     {"with a maximum of 0 there never is one", nil, 0, 1, at(4, 0), 0, nil, time.Time{}},
		"Backward": {"a clock that went back makes no earlier hour", []enrolv1alpha1.MailCount{hour(12, 1)}, 50, 1, at(11, 0), 1, []enrolv1alpha1.MailCount{hour(12, 2)}, time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			taken, updated, again := Take(tc.counts, tc.maximum, tc.wanted, tc.now)
			if taken != tc.taken || !again.Equal(tc.again) {
				t.Errorf("%s: took %d, again at %s, want %d and %s", tc.reason, taken, again, tc.taken, tc.again)
			}
			if diff := cmp.Diff(tc.updated, updated); diff != "" {
				t.Errorf("%s\ncounts (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNeverTooMany: no 24 hours see more mails than the maximum, whenever they are wanted.
func TestNeverTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maximum := rapid.IntRange(1, 10).Draw(t, "maximum")
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var counts []enrolv1alpha1.MailCount
		var sent []time.Time
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "minutes")) * time.Minute)
			var taken int
			taken, counts, _ = Take(counts, maximum, rapid.IntRange(1, 5).Draw(t, "wanted"), now)
			for range taken {
				sent = append(sent, now)
			}
			recent := 0
			for _, at := range sent {
				if now.Sub(at) < window {
					recent++
				}
			}
			if recent > maximum {
				t.Fatalf("%d mails within 24 hours, want at most %d", recent, maximum)
			}
			if len(counts) > 25 {
				t.Fatalf("%d hours are counted, more than the status takes", len(counts))
			}
		}
	})
}
