package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/enrol-dev/enrol/internal/process"
)

// manyMembers measures what many Members cost an operator that has them all.
func (b *bench) manyMembers(ctx context.Context, s *stage) error {
	if err := b.startObserved(ctx, s); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	empty, err := b.measureHeap(ctx, s)
	if err != nil {
		return err
	}
	var rows []*result
	members := 0
	for i := range largeOrganisations {
		o := organisation{name: fmt.Sprintf("large-%d", i), projects: projectsOfOne}
		b.say("adding %d Members to organisation %d of %d ...", b.members, i+1, largeOrganisations)
		if err := b.grow(ctx, s, o); err != nil {
			return err
		}
		members += b.members
		if i != 0 && i != largeOrganisations-1 {
			continue
		}
		row, err := b.compareHeap(ctx, s, empty, members)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	s.stopOperator()
	if b.wants(rowMemory) {
		rows[0].note("asked of the operator's controllers, running inside this program's own binary, by a signal")
		for _, row := range rows {
			b.add(row)
		}
	}
	if !b.wants(rowRestart) {
		return nil
	}
	return b.restart(ctx, s, members)
}

func (b *bench) grow(ctx context.Context, s *stage, o organisation) error {
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return err
	}
	if _, err := s.untilReady(ctx, o.home(), b.members, func(ctx context.Context) error {
		return parallel(ctx, b.members, func(ctx context.Context, i int) error {
			_, err := s.addMember(ctx, o, i)
			return err
		})
	}); err != nil {
		return err
	}
	return s.awaitRest(ctx)
}

// memory is that of an operator at a time, in bytes.
type memory struct {
	heaps    []float64
	resident float64
}

func (b *bench) measureHeap(ctx context.Context, s *stage) (memory, error) {
	var m memory
	for range b.repeat {
		heap, resident, err := s.operator.heap(ctx)
		if err != nil {
			return memory{}, err
		}
		m.heaps, m.resident = append(m.heaps, heap), resident
	}
	return m, nil
}

func (b *bench) compareHeap(ctx context.Context, s *stage, empty memory, members int) (*result, error) {
	full, err := b.measureHeap(ctx, s)
	if err != nil {
		return nil, err
	}
	r := &result{
		Row: rowMemory, Unit: "KiB", Most: 4,
		Figure: fmt.Sprintf("heap of the operator after a collection with %d Members, per Member above empty", members),
	}
	for _, heap := range full.heaps {
		r.Values = append(r.Values, (heap-median(empty.heaps))/1024/float64(members))
	}
	const mebibyte = 1 << 20
	r.note("%d Members: heap %.1f MiB, empty %.1f MiB; resident %.0f MiB, empty %.0f MiB", members,
		median(full.heaps)/mebibyte, median(empty.heaps)/mebibyte, full.resident/mebibyte, empty.resident/mebibyte)
	return r, nil
}

// restart measures an operator's start until its first full pass, beside a plain client that lists the same.
func (b *bench) restart(ctx context.Context, s *stage, members int) error {
	r := &result{
		Row: rowRestart, Unit: "s", MostRatio: 2,
		Figure:  fmt.Sprintf("restart with %d Members, process start to first full pass", members),
		Against: "a plain client's process lists the same",
	}
	writes := &result{Row: rowRestart, Exact: true, Figure: "writes of the operator in that time and after"}
	b.say("restarting the operator ...")
	for range b.repeat {
		took, err := b.timeStart(ctx, s)
		if err != nil {
			return err
		}
		r.Values = append(r.Values, took.Seconds())
		if err := s.awaitRest(ctx); err != nil {
			return err
		}
		sent, err := s.operatorSent(ctx)
		if err != nil {
			return err
		}
		writes.Values = append(writes.Values, sent)
		s.stopOperator()
		took, err = s.timeList(ctx)
		if err != nil {
			return err
		}
		r.References = append(r.References, took.Seconds())
	}
	r.note("the first full pass is over when as many passes have ended as there are Organisations, and no more go on")
	b.add(r)
	b.add(writes)
	return nil
}

const startProbe = 5 * time.Millisecond

// timeStart is how long an operator takes from its process's start until it has looked at every Organisation.
func (b *bench) timeStart(ctx context.Context, s *stage) (time.Duration, error) {
	begun := time.Now()
	if err := b.startOperator(ctx, s); err != nil {
		return 0, err
	}
	for {
		m, err := scrape(ctx, s.operator.metricsURL)
		if err == nil && m.passes(passes) >= largeOrganisations && m.busy(passes) == 0 {
			return time.Since(begun), nil
		}
		if err := pause(ctx, startProbe); err != nil {
			return 0, errors.Join(err, errors.New("waiting for the first full pass"))
		}
	}
}

// timeList is how long a process takes that lists all that the operator keeps, as the ordinary user.
func (s *stage) timeList(ctx context.Context) (time.Duration, error) {
	kubeconfig, err := s.plane.Kubeconfig(s.plane.URL(), userName)
	if err != nil {
		return 0, err
	}
	file := filepath.Join(s.dir, "user.kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return 0, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	p, err := process.Start(listCommand, filepath.Join(s.dir, "logs", "list.log"), self, listCommand, "--kubeconfig="+file)
	if err != nil {
		return 0, err
	}
	if err := p.Wait(ctx); err != nil {
		return 0, err
	}
	return time.Since(begun), nil
}
