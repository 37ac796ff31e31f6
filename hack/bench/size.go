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

// manyMembers measures what many Members cost an operator, and a facade, that have them all.
func (b *bench) manyMembers(ctx context.Context, s *stage) error {
	if err := b.startObserved(ctx, s); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	sizes := []*memoryRows{{name: rowMemory, of: "the operator", most: 4, heap: func(ctx context.Context) (float64, float64, error) {
		return askHeap(ctx, s.operator.Process, s.operator.heapFile)
	}}}
	if b.wants(rowFacadeMemory) {
		if err := b.startObservedFacade(ctx, s); err != nil {
			return err
		}
		sizes = append(sizes, &memoryRows{
			name: rowFacadeMemory, of: "the facade", most: 3, heap: func(ctx context.Context) (float64, float64, error) {
				return askHeap(ctx, s.facade.Process, s.facade.heapFile)
			},
		})
	}
	members, err := b.growInSteps(ctx, s, sizes)
	if err != nil {
		return err
	}
	s.stopFacade()
	s.stopOperator()
	for _, size := range sizes {
		if !b.wants(size.name) {
			continue
		}
		size.rows[0].note("asked of the same code, running inside this program's own binary, by a signal")
		for _, row := range size.rows {
			b.add(row)
		}
	}
	if !b.wants(rowRestart) {
		return nil
	}
	return b.restart(ctx, s, members)
}

// growInSteps adds one organisation after the other, and looks at the memory before the first, after it, and after the last.
func (b *bench) growInSteps(ctx context.Context, s *stage, sizes []*memoryRows) (members int, err error) {
	for _, size := range sizes {
		if size.empty, err = b.measureHeap(ctx, size.heap); err != nil {
			return 0, err
		}
	}
	for i := range largeOrganisations {
		o := organisation{name: fmt.Sprintf("large-%d", i), projects: projectsOfOne}
		b.say("adding %d Members to organisation %d of %d ...", b.members, i+1, largeOrganisations)
		if err := b.grow(ctx, s, o); err != nil {
			return 0, err
		}
		members += b.members
		if i != 0 && i != largeOrganisations-1 {
			continue
		}
		for _, size := range sizes {
			row, err := b.compareHeap(ctx, size, members)
			if err != nil {
				return 0, err
			}
			size.rows = append(size.rows, row)
		}
	}
	return members, nil
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

// memory is that of a process at a time, in bytes.
type memory struct {
	heaps    []float64
	resident float64
}

// memoryRows are the rows about the memory of a process.
type memoryRows struct {
	// name of the rows, of whom they are, and how many KiB each Member may take.
	name, of string
	most     float64
	heap     func(context.Context) (heapBytes, resident float64, err error)

	empty memory
	rows  []*result
}

func (b *bench) measureHeap(ctx context.Context, ask func(context.Context) (float64, float64, error)) (memory, error) {
	var m memory
	for range b.repeat {
		heap, resident, err := ask(ctx)
		if err != nil {
			return memory{}, err
		}
		m.heaps, m.resident = append(m.heaps, heap), resident
	}
	return m, nil
}

func (b *bench) compareHeap(ctx context.Context, size *memoryRows, members int) (*result, error) {
	full, err := b.measureHeap(ctx, size.heap)
	if err != nil {
		return nil, err
	}
	r := &result{
		Row: size.name, Unit: "KiB", Most: size.most,
		Figure: fmt.Sprintf("heap of %s after a collection with %d Members, per Member above empty", size.of, members),
	}
	for _, heap := range full.heaps {
		r.Values = append(r.Values, (heap-median(size.empty.heaps))/1024/float64(members))
	}
	const mebibyte = 1 << 20
	r.note("%d Members: heap %.1f MiB, empty %.1f MiB; resident %.0f MiB, empty %.0f MiB", members,
		median(full.heaps)/mebibyte, median(size.empty.heaps)/mebibyte, full.resident/mebibyte, size.empty.resident/mebibyte)
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
