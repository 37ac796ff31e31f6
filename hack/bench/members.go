package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// oneOrganisation measures organisations with many Members each.
func (b *bench) oneOrganisation(ctx context.Context, s *stage) error {
	if err := b.startOperator(ctx, s); err != nil {
		return err
	}
	var o organisation
	repeat := b.repeat
	if !b.wants(rowMembers, rowAccessLag, rowWrites) {
		// The other rows need an organisation with Members, but not the times of making it.
		repeat = 1
	}
	m := b.newMembersRows()
	for i := range repeat {
		o = organisation{name: fmt.Sprintf("figure-%d", i), projects: projectsOfOne}
		b.say("adding %d Members to one organisation ...", b.members)
		if err := b.addMembers(ctx, s, o, m); err != nil {
			return err
		}
		if !b.wants(rowMembers) {
			continue
		}
		b.say("adding %d Members with a plain client ...", b.members)
		reference := organisation{name: fmt.Sprintf("plain-%d", i), projects: projectsOfOne}
		if err := b.addMembersPlainly(ctx, s, reference, m); err != nil {
			return err
		}
	}
	if err := b.finishMembers(ctx, s, m); err != nil {
		return err
	}
	for _, row := range []struct {
		name    string
		measure func(context.Context, *stage, organisation) error
	}{
		{rowReview, b.accessReviews},
		{rowRevoke, b.revoke},
		{rowRevokeBusy, b.revokeBusy},
	} {
		if !b.wants(row.name) {
			continue
		}
		if err := row.measure(ctx, s, o); err != nil {
			return fmt.Errorf("measuring %s: %w", row.name, err)
		}
	}
	return nil
}

// membersRows are the results of adding Members to one organisation.
type membersRows struct {
	untilReady, cost, accessLag, bindings, atRest, statuses *result
}

func (b *bench) newMembersRows() *membersRows {
	return &membersRows{
		untilReady: &result{
			Row: rowMembers, Unit: "s", MostRatio: 1.15,
			Figure:  fmt.Sprintf("%d Members created by %d clients, until all are Ready", b.members, workers),
			Against: "a plain client writes them and their statuses",
		},
		cost: cost(rowMembers),
		accessLag: &result{
			Row: rowAccessLag, Unit: "ms", Most: 1000,
			Figure: fmt.Sprintf("access lag of the last %d of them, p99", b.samples),
		},
		bindings: &result{Row: rowWrites, Most: 600, Figure: "RoleBinding writes for them"},
		atRest: &result{
			Row: rowWrites, Exact: true, Figure: fmt.Sprintf("writes of the operator in %s at rest", b.rest),
		},
		statuses: &result{Row: rowWrites, Most: 1.05, Figure: "status writes per Member"},
	}
}

// addMembers has clients add Members, and the operator work.
func (b *bench) addMembers(ctx context.Context, s *stage, o organisation, m *membersRows) error {
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	before, err := s.serverMetrics(ctx)
	if err != nil {
		return err
	}
	lag, people := newLagMeter(b.samples), b.samples
	lagged := make(chan error, 1)
	go func() { lagged <- lag.run(ctx, s, people) }()
	unused := s.usage()
	took, err := s.untilReady(ctx, o.home(), b.members, func(ctx context.Context) error {
		return parallel(ctx, b.members, func(ctx context.Context, i int) error {
			if i < b.members-people {
				_, err := s.addMember(ctx, o, i)
				return err
			}
			waiting := lag.expect(o.user(i), o.project(i%o.projects))
			_, err := s.addMember(ctx, o, i)
			lag.answer(waiting)
			return err
		})
	})
	if err != nil {
		return err
	}
	used := s.usage().since(unused)
	if err := <-lagged; err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	after, err := s.serverMetrics(ctx)
	if err != nil {
		return err
	}
	m.untilReady.Values = append(m.untilReady.Values, took.Seconds())
	m.cost.used(used)
	lags := lag.lags()
	m.accessLag.Values = append(m.accessLag.Values, quantile(lags, 0.99))
	m.accessLag.sample("access lag, ms", lags)
	m.bindings.Values = append(m.bindings.Values,
		after.received("rolebindings", "")-before.received("rolebindings", ""))
	m.statuses.Values = append(m.statuses.Values,
		(after.received("members", "status")-before.received("members", "status"))/float64(b.members))
	b.say("  %.1f s, lag p99 %.0f ms, %.0f RoleBinding writes", took.Seconds(), quantile(lags, 0.99),
		m.bindings.Values[len(m.bindings.Values)-1])
	return s.learn(ctx, o)
}

// addMembersPlainly has the same clients write the statuses as well, while the operator is down.
func (b *bench) addMembersPlainly(ctx context.Context, s *stage, o organisation, m *membersRows) error {
	s.stopOperator()
	if _, err := s.makeOrganisation(ctx, o); err != nil {
		return err
	}
	unused := s.usage()
	took, err := s.untilReady(ctx, o.home(), b.members, func(ctx context.Context) error {
		return parallel(ctx, b.members, func(ctx context.Context, i int) error {
			return s.addFinished(ctx, o, i)
		})
	})
	if err != nil {
		return err
	}
	m.untilReady.References = append(m.untilReady.References, took.Seconds())
	m.cost.usedByReference(s.usage().since(unused))
	b.say("  %.1f s", took.Seconds())
	if err := b.startOperator(ctx, s); err != nil {
		return err
	}
	return s.awaitRest(ctx)
}

// finishMembers looks at the operator at rest, and reports.
func (b *bench) finishMembers(ctx context.Context, s *stage, m *membersRows) error {
	if b.wants(rowMembers) {
		b.add(m.untilReady)
		b.add(m.cost)
	}
	if b.wants(rowAccessLag) {
		m.accessLag.note("everybody is asked for every %s, so that a lag is overstated by up to that", lagPause)
		b.add(m.accessLag)
	}
	if !b.wants(rowWrites) {
		return nil
	}
	b.say("watching the operator rest for %s ...", b.rest)
	sent, err := b.sentAtRest(ctx, s)
	if err != nil {
		return err
	}
	m.atRest.Values = []float64{sent}
	m.atRest.note("counted by the operator's own client, whatever the resource; it runs without leader election here")
	m.bindings.note("RoleBinding and status writes are those that the API server answered, whatever the answer")
	b.add(m.bindings)
	b.add(m.atRest)
	b.add(m.statuses)
	return nil
}

// sentAtRest is how many writing requests the operator sends while nothing happens.
func (b *bench) sentAtRest(ctx context.Context, s *stage) (float64, error) {
	before, err := s.operatorSent(ctx)
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, b.rest); err != nil {
		return 0, err
	}
	after, err := s.operatorSent(ctx)
	return after - before, err
}

// operatorSent is how many writing requests the operator has sent since its start.
func (s *stage) operatorSent(ctx context.Context) (float64, error) {
	m, err := scrape(ctx, s.operator.metricsURL)
	if err != nil {
		return 0, err
	}
	return m.sent(), nil
}

// accessReviews compares reviews in a project of thousands with reviews in an empty namespace.
func (b *bench) accessReviews(ctx context.Context, s *stage, o organisation) error {
	const empty = "empty"
	if err := s.makeNamespace(ctx, empty); err != nil {
		return err
	}
	if err := s.awaitRest(ctx); err != nil {
		return err
	}
	r := &result{
		Row: rowReview, Unit: "ms", MostRatio: 1.2,
		Figure: "access review in a project, p50", Against: "in an empty namespace",
	}
	strangers := &result{
		Row: rowReview, Unit: "ms",
		Figure: "the same for somebody who is no Member, p50", Against: "in an empty namespace",
	}
	for range b.repeat {
		for _, of := range []struct {
			result *result
			person func(i int) string
		}{
			{r, func(i int) string { return o.user(i * b.members / b.reviews) }},
			{strangers, func(int) string { return "stranger@example.com" }},
		} {
			figure, reference, err := b.reviewPairs(ctx, s, [2]string{o.project(0), empty}, of.person)
			if err != nil {
				return err
			}
			of.result.Values = append(of.result.Values, median(figure))
			of.result.References = append(of.result.References, median(reference))
			of.result.sample("project, ms", figure)
			of.result.sample("empty namespace, ms", reference)
		}
	}
	b.add(r)
	b.add(strangers)
	return nil
}

// reviewPairs asks in two namespaces in turn.
func (b *bench) reviewPairs(
	ctx context.Context, s *stage, namespaces [2]string, person func(i int) string,
) (first, second []float64, err error) {
	var took [2][]float64
	for i := range b.reviews {
		for j, namespace := range namespaces {
			begun := time.Now()
			if _, err := s.allowed(ctx, person(i), namespace); err != nil {
				return nil, nil, err
			}
			took[j] = append(took[j], milliseconds(time.Since(begun)))
		}
	}
	return slices.Clip(took[0]), slices.Clip(took[1]), nil
}
