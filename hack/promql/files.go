package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// language is PromQL without what is experimental.
var language = parser.NewParser(parser.Options{})

// readRules reads the rules of a PrometheusRule, as strictly as Prometheus does.
func readRules(file string) ([]rulefmt.Rule, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var object struct {
		Spec yaml.Node `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	spec, err := yaml.Marshal(&object.Spec)
	if err != nil {
		return nil, err
	}
	groups, errs := rulefmt.Parse(spec, false, model.UTF8Validation, language, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return nil, fmt.Errorf("reading %s: %w", file, errors.Join(errs...))
	}
	var rules []rulefmt.Rule
	for _, group := range groups.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}

// readDashboard reads the queries of all panels, by their panels' titles.
func readDashboard(file string) (map[string][]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var dashboard struct {
		Panels []struct {
			Type    string `json:"type"`
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	queries := map[string][]string{}
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			return nil, fmt.Errorf("panel %q asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			queries[panel.Title] = append(queries[panel.Title], strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
	return queries, nil
}

var heading = regexp.MustCompile(`(?m)^## (\S+)$`)

// checkRunbooks wants a section for each alert, where the alert says that it is, and none for an alert that there is not.
func checkRunbooks(file string, rules []rulefmt.Rule) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	sections := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(string(text), -1) {
		sections[found[1]] = true
	}
	var errs []error
	for _, rule := range rules {
		if rule.Alert == "" {
			continue
		}
		if !sections[rule.Alert] {
			errs = append(errs, fmt.Errorf("%s has no section %q", file, rule.Alert))
		}
		delete(sections, rule.Alert)
		// An anchor is a heading in lower case.
		if url := rule.Annotations["runbook_url"]; !strings.HasSuffix(url, "#"+strings.ToLower(rule.Alert)) {
			errs = append(errs, fmt.Errorf("alert %s has its runbook at %q", rule.Alert, url))
		}
		for _, name := range []string{"summary", "description"} {
			if rule.Annotations[name] == "" {
				errs = append(errs, fmt.Errorf("alert %s has no %s", rule.Alert, name))
			}
		}
		if rule.Labels["severity"] == "" {
			errs = append(errs, fmt.Errorf("alert %s has no severity", rule.Alert))
		}
	}
	for section := range sections {
		errs = append(errs, fmt.Errorf("%s has section %q, and there is no such alert", file, section))
	}
	return errors.Join(errs...)
}
