package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
)

// history is how long the scrapes are taken to have lasted: longer than any query looks back.
const history = 7 * time.Hour

// checkAnswers evaluates all rules and queries on what was scraped, each scrape of a job for an equal part of the time.
func checkAnswers(ctx context.Context, rules []rulefmt.Rule, queries map[string][]string, scrapes map[string][]string) error {
	s, err := newStore()
	if err != nil {
		return err
	}
	defer s.close()
	for job, files := range scrapes {
		if err := s.fill(ctx, job, files); err != nil {
			return err
		}
	}
	if err := s.record(ctx, rules); err != nil {
		return err
	}
	var errs []error
	check := func(what, expression string) bool {
		err := s.known(ctx, expression)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
			return false
		}
		return true
	}
	for _, rule := range rules {
		what := "rule " + rule.Alert + rule.Record
		if !check(what, rule.Expr) || rule.Alert == "" {
			continue
		}
		firing, err := s.holds(ctx, rule, s.end)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		} else if firing && rule.Labels["severity"] == "critical" {
			errs = append(errs, fmt.Errorf("alert %s fires, and all was well", rule.Alert))
		}
	}
	for panel, expressions := range queries {
		for _, expression := range expressions {
			if !check(fmt.Sprintf("panel %q", panel), expression) {
				continue
			}
			count, err := s.ask(ctx, expression, s.end)
			if err != nil {
				errs = append(errs, fmt.Errorf("panel %q: %w", panel, err))
			} else if count == 0 {
				errs = append(errs, fmt.Errorf("panel %q shows nothing for %s", panel, expression))
			}
		}
	}
	return errors.Join(errs...)
}

// fill stores scrapes of a job.
func (s *store) fill(ctx context.Context, job string, files []string) error {
	for at := s.start; !at.After(s.end); at = at.Add(step) {
		part := int(at.Sub(s.start) * time.Duration(len(files)) / (history + step))
		text, err := os.ReadFile(files[part])
		if err != nil {
			return err
		}
		target := labels.FromStrings("job", job, "instance", "10.0.0.1:8443", "namespace", "enrol-system")
		if err := s.scrape(ctx, text, target, at); err != nil {
			return fmt.Errorf("reading %s: %w", files[part], err)
		}
	}
	return nil
}

// scrape stores one answer of /metrics, and that there was one.
func (s *store) scrape(ctx context.Context, text []byte, target labels.Labels, at time.Time) error {
	p, err := textparse.New(text, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return err
	}
	app := s.db.Appender(ctx)
	add := func(series labels.Labels, value float64) error {
		b := labels.NewBuilder(series)
		target.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
		_, err := app.Append(0, b.Labels(), at.UnixMilli(), value)
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, app.Rollback())
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := p.Series()
		var series labels.Labels
		p.Labels(&series)
		if err := add(series, value); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
	if err := add(labels.FromStrings(model.MetricNameLabel, "up"), 1); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}

// known wants each selector of an expression to ask for a metric, labels and values that there are. What a matcher leaves open,
// as a pattern does, need not be there.
func (s *store) known(ctx context.Context, expression string) error {
	parsed, err := language.ParseExpr(expression)
	if err != nil {
		return fmt.Errorf("%s: %w", expression, err)
	}
	var errs []error
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var exact []*labels.Matcher
		for _, m := range selector.LabelMatchers {
			if m.Type == labels.MatchEqual {
				exact = append(exact, m)
			} else {
				exact = append(exact, labels.MustNewMatcher(labels.MatchRegexp, m.Name, ".+"))
			}
		}
		found, err := s.any(ctx, exact)
		if err != nil || !found {
			errs = append(errs, errors.Join(err, fmt.Errorf("nothing is there for %s", selector)))
		}
		return nil
	})
	return errors.Join(errs...)
}
