package organisation

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestPace(t *testing.T) {
	cases := map[string]struct {
		reason string
		// since is the time since the last pass; negative: there was none.
		since   time.Duration
		urgency urgency
		want    time.Duration
	}{
		"FirstAddition":      {"what is added waits a moment for company", -1, additive, gatherFirst},
		"FirstRevocation":    {"what is taken away does not", -1, revoking, 0},
		"AdditionInBurst":    {"in a burst, passes keep their distance", 0, additive, gatherNext},
		"LaterInBurst":       {"from the last pass, not from the change", gatherNext - 100*time.Millisecond, additive, 100 * time.Millisecond},
		"AdditionAtRest":     {"at rest, only the moment", time.Hour, additive, gatherFirst},
		"RevocationInBurst":  {"many leavers share passes too", 0, revoking, urgentNext},
		"RevocationAtRest":   {"at rest, at once", time.Hour, revoking, 0},
		"ClockSetBack":       {"a clock that was set back does not stop the passes for long", -2, additive, gatherNext},
		"RevocationSetBack":  {"nor the revocations", -2, revoking, urgentNext},
		"AdditionJustBefore": {"never sooner than the moment", gatherNext - time.Millisecond, additive, gatherFirst},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			p := newPace(clock)
			switch tc.since {
			case -1:
			case -2:
				p.started("acme")
				clock.SetTime(clock.Now().Add(-time.Hour))
			default:
				p.started("acme")
				clock.Step(tc.since)
			}
			if got := p.wait("acme", tc.urgency); got != tc.want {
				t.Errorf("wait = %s, want %s: %s", got, tc.want, tc.reason)
			}
		})
	}
}

func TestPaceForgets(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p := newPace(clock)
	for i := range 3 * maxRemembered {
		p.started(string(rune(i)))
		clock.Step(time.Millisecond)
	}
	if len(p.last) > maxRemembered+1 {
		t.Errorf("remembers %d passes, want at most %d", len(p.last), maxRemembered+1)
	}
}
