package organisation

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// gatherFirst is how long what is added waits for company when nothing has happened for a while.
	gatherFirst = 50 * time.Millisecond
	// gatherNext is how far the starts of passes are apart in a burst of additions: with 10,000 Members in a burst of 56
	// seconds and 3 projects it makes 560 writes of bindings, and the last of them have access after a second.
	gatherNext = 400 * time.Millisecond
	// urgentNext is how far the starts of passes are apart while access is taken away.
	urgentNext = 50 * time.Millisecond
)

// urgency says what a change may bring.
type urgency int

const (
	// additive changes can only add access, or need no hurry.
	additive urgency = iota
	// revoking changes can take access away. They overtake everything else.
	revoking
)

// pace says when the next pass over an Organisation is due, so that a burst leads to a handful of passes.
type pace struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	last map[string]time.Time
}

func newPace(c clock.PassiveClock) *pace {
	return &pace{clock: c, last: map[string]time.Time{}}
}

// started notes that a pass has just started: what changes from now on is for the next one.
func (p *pace) started(organisation string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.last[organisation] = now
	if len(p.last) > maxRemembered {
		p.forget(now)
	}
}

// maxRemembered bounds the memory of passes; older than a burst they no longer matter.
const maxRemembered = 10_000

func (p *pace) forget(now time.Time) {
	for organisation, last := range p.last {
		if now.Sub(last) > gatherNext {
			delete(p.last, organisation)
		}
	}
}

// wait is how long to wait for the pass that a change asks for.
func (p *pace) wait(organisation string, u urgency) time.Duration {
	p.mu.Lock()
	last, known := p.last[organisation]
	p.mu.Unlock()
	first, next := gatherFirst, gatherNext
	if u == revoking {
		first, next = 0, urgentNext
	}
	if !known {
		return first
	}
	// Bounded, should the clock have been set back.
	return max(first, min(next, next-p.clock.Now().Sub(last)))
}
