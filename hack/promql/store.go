package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
)

// step is how often is scraped, and rules are evaluated.
const step = time.Minute

// store is a Prometheus without anything around it.
type store struct {
	folder     string
	db         *tsdb.DB
	engine     *promql.Engine
	start, end time.Time
}

func newStore() (*store, error) {
	folder, err := os.MkdirTemp("", "promcheck-")
	if err != nil {
		return nil, err
	}
	options := tsdb.DefaultOptions()
	// One block holds it all, in whatever order it comes.
	options.MinBlockDuration, options.MaxBlockDuration = (4 * history).Milliseconds(), (4 * history).Milliseconds()
	db, err := tsdb.Open(folder, slog.New(slog.DiscardHandler), nil, options, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	start := time.Unix(1_700_000_000, 0).UTC().Truncate(time.Hour)
	const samples, patience = 10_000_000, time.Minute
	return &store{
		folder: folder, db: db, start: start, end: start.Add(history),
		engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples: samples, Timeout: patience, LookbackDelta: 5 * time.Minute, Parser: language,
		}),
	}, nil
}

func (s *store) close() { _ = errors.Join(s.engine.Close(), s.db.Close(), os.RemoveAll(s.folder)) }

// vector is the answer to an expression.
func (s *store) vector(ctx context.Context, expression string, at time.Time) (promql.Vector, error) {
	query, err := s.engine.NewInstantQuery(ctx, s.db, nil, expression, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expression, err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, fmt.Errorf("%s: %w", expression, result.Err)
	}
	switch value := result.Value.(type) {
	case promql.Vector:
		// What a query returns belongs to it until it is closed.
		return append(promql.Vector(nil), value...), nil
	case promql.Scalar:
		return promql.Vector{{T: value.T, F: value.V}}, nil
	default:
		return nil, fmt.Errorf("%s is a %s", expression, result.Value.Type())
	}
}

// ask is how many series the answer has.
func (s *store) ask(ctx context.Context, expression string, at time.Time) (int, error) {
	found, err := s.vector(ctx, expression, at)
	return len(found), err
}

// record evaluates the rules that record, all the time.
func (s *store) record(ctx context.Context, rules []rulefmt.Rule) error {
	for at := s.start; !at.After(s.end); at = at.Add(step) {
		for _, rule := range rules {
			if rule.Record == "" {
				continue
			}
			found, err := s.vector(ctx, rule.Expr, at)
			if err != nil {
				return err
			}
			app := s.db.Appender(ctx)
			for _, sample := range found {
				b := labels.NewBuilder(sample.Metric).Set(model.MetricNameLabel, rule.Record)
				if _, err := app.Append(0, b.Labels(), at.UnixMilli(), sample.F); err != nil {
					return errors.Join(err, app.Rollback())
				}
			}
			if err := app.Commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds tells whether an alert fires: whether its expression has had an answer for as long as it says.
func (s *store) holds(ctx context.Context, rule rulefmt.Rule, at time.Time) (bool, error) {
	for since := at.Add(-time.Duration(rule.For)); !since.After(at); since = since.Add(step) {
		count, err := s.ask(ctx, rule.Expr, since)
		if err != nil || count == 0 {
			return false, err
		}
	}
	return true, nil
}

// any tells whether there is a series.
func (s *store) any(ctx context.Context, matchers []*labels.Matcher) (bool, error) {
	q, err := s.db.Querier(s.start.UnixMilli(), s.end.UnixMilli())
	if err != nil {
		return false, err
	}
	defer func() { _ = q.Close() }()
	set := q.Select(ctx, false, nil, matchers...)
	return set.Next(), set.Err()
}
