// Promcheck holds rules and a dashboard against what programs really tell Prometheus: every expression must be PromQL, ask for
// metrics and labels that there are, and have an answer; scenarios say which alerts fire when. Prometheus' own engine evaluates
// all of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "promcheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var rulesFile, dashboardFile, runbooksFile, scenariosFile string
	flags := flag.NewFlagSet("promcheck", flag.ContinueOnError)
	flags.StringVar(&rulesFile, "rules", "", "`file` with a PrometheusRule")
	flags.StringVar(&dashboardFile, "dashboard", "", "`file` with a dashboard of Grafana, in JSON")
	flags.StringVar(&runbooksFile, "runbooks", "", "`file` in Markdown with a section for each alert")
	flags.StringVar(&scenariosFile, "scenarios", "", "`file` with series, and the alerts that they make fire")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(flags.Output(),
			"usage: promcheck [flags] JOB=FILE...\nEach file is an answer of a job's /metrics, in order of time.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	rules, err := readRules(rulesFile)
	if err != nil {
		return err
	}
	queries, err := readDashboard(dashboardFile)
	if err != nil {
		return err
	}
	scrapes := map[string][]string{}
	for _, arg := range flags.Args() {
		job, file, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q must be JOB=FILE", arg)
		}
		scrapes[job] = append(scrapes[job], file)
	}
	return errors.Join(
		checkRunbooks(runbooksFile, rules),
		checkAnswers(ctx, rules, queries, scrapes),
		checkScenarios(ctx, scenariosFile, rules),
	)
}
