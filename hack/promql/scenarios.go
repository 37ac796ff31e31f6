package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// scenario is what the world looks like, and which alerts fire in it.
type scenario struct {
	Name string `yaml:"name"`
	// Series in the notation of Prometheus' own tests, such as 'up{job="x"} 1+0x60', a value a minute.
	Series []string `yaml:"series"`
	// At is how long after the first value one looks.
	At time.Duration `yaml:"at"`
	// Firing are all the alerts that fire.
	Firing []string `yaml:"firing"`
}

// checkScenarios lets each scenario happen, and wants each alert to fire in one.
func checkScenarios(ctx context.Context, file string, rules []rulefmt.Rule) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var scenarios []scenario
	if err := yaml.Unmarshal(text, &scenarios); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	var errs []error
	fired := map[string]bool{}
	for _, sc := range scenarios {
		firing, err := sc.happen(ctx, rules)
		if err != nil {
			return fmt.Errorf("scenario %q: %w", sc.Name, err)
		}
		slices.Sort(sc.Firing)
		if !slices.Equal(firing, sc.Firing) {
			errs = append(errs, fmt.Errorf("scenario %q: %v fire, want %v", sc.Name, firing, sc.Firing))
		}
		for _, alert := range firing {
			fired[alert] = true
		}
	}
	for _, rule := range rules {
		if rule.Alert != "" && !fired[rule.Alert] {
			errs = append(errs, fmt.Errorf("alert %s fires in no scenario", rule.Alert))
		}
	}
	return errors.Join(errs...)
}

// happen says which alerts fire, sorted.
func (sc *scenario) happen(ctx context.Context, rules []rulefmt.Rule) ([]string, error) {
	s, err := newStore()
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.end = s.start.Add(sc.At)
	for _, text := range sc.Series {
		series, values, err := language.ParseSeriesDesc(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		app := s.db.Appender(ctx)
		for i, v := range values {
			at := s.start.Add(time.Duration(i) * step)
			if v.Omitted || at.After(s.end) {
				continue
			}
			if _, err := app.Append(0, series, at.UnixMilli(), v.Value); err != nil {
				return nil, errors.Join(err, app.Rollback())
			}
		}
		if err := app.Commit(); err != nil {
			return nil, err
		}
	}
	if err := s.record(ctx, rules); err != nil {
		return nil, err
	}
	var firing []string
	for _, rule := range rules {
		if rule.Alert == "" {
			continue
		}
		holds, err := s.holds(ctx, rule, s.end)
		if err != nil {
			return nil, err
		}
		if holds {
			firing = append(firing, rule.Alert)
		}
	}
	slices.Sort(firing)
	return firing, nil
}
