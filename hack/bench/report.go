package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// result is a line of the table.
type result struct {
	Row    string `json:"row"`
	Figure string `json:"figure"`
	// Against is what the reference is; empty: there is none.
	Against string `json:"reference,omitempty"`
	Unit    string `json:"unit"`
	// Values and References are what each repetition measured; the table shows their medians.
	Values     []float64 `json:"values"`
	References []float64 `json:"referenceValues,omitempty"`
	// MostRatio, Most, LeastRatio or Least is what must be reached, the others 0.
	MostRatio  float64 `json:"mostRatio,omitempty"`
	Most       float64 `json:"most,omitempty"`
	LeastRatio float64 `json:"leastRatio,omitempty"`
	Least      float64 `json:"least,omitempty"`
	// Exact results have Most in force even if it is 0.
	Exact bool     `json:"exact,omitempty"`
	Notes []string `json:"notes,omitempty"`
	// Samples are the single measurements that Values are percentiles of, by what they are.
	Samples map[string][]float64 `json:"samples,omitempty"`

	// trial results are of shrunken sizes and reach nothing.
	trial bool
}

func (b *bench) add(r *result) {
	r.trial = b.scale != 1
	b.results = append(b.results, r)
	b.say("  %s: %s", r.Figure, strings.Join(r.cells()[1:], " | "))
}

func (r *result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// sample keeps single measurements for the JSON.
func (r *result) sample(name string, values []float64) {
	if r.Samples == nil {
		r.Samples = map[string][]float64{}
	}
	r.Samples[name] = append(r.Samples[name], values...)
}

func (r *result) ratio() float64 {
	if len(r.References) == 0 {
		return 0
	}
	return median(r.Values) / median(r.References)
}

func (r *result) reached() bool {
	switch {
	case r.MostRatio > 0:
		return r.ratio() <= r.MostRatio
	case r.LeastRatio > 0:
		return r.ratio() >= r.LeastRatio
	case r.Least > 0:
		return median(r.Values) >= r.Least
	}
	return median(r.Values) <= r.Most
}

// cells are the columns: figure, value, reference, ratio, must reach, reached.
func (r *result) cells() []string {
	const none = "-"
	cells := []string{r.Figure, r.format(median(r.Values)), none, none, none, none}
	if len(r.References) > 0 {
		cells[2] = r.format(median(r.References)) + ": " + r.Against
		cells[3] = fmt.Sprintf("%.2f", r.ratio())
	}
	switch {
	case r.MostRatio > 0:
		cells[4] = fmt.Sprintf("at most %g times", r.MostRatio)
	case r.LeastRatio > 0:
		cells[4] = fmt.Sprintf("at least %.2g times", r.LeastRatio)
	case r.Least > 0:
		cells[4] = strings.TrimSpace(fmt.Sprintf("at least %g %s", r.Least, r.Unit))
	case r.Exact:
		cells[4] = "0"
	case r.Most > 0:
		cells[4] = strings.TrimSpace(fmt.Sprintf("at most %g %s", r.Most, r.Unit))
	default:
		return cells
	}
	switch {
	case r.trial:
		cells[5] = "trial"
	case r.reached():
		cells[5] = "yes"
	default:
		cells[5] = "no"
	}
	return cells
}

func (r *result) format(value float64) string {
	digits := 2
	switch {
	case value == float64(int64(value)):
		digits = 0
	case value >= 100:
		digits = 0
	case value >= 10:
		digits = 1
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, value, r.Unit))
}

// print prints the table in Markdown.
func (b *bench) print(out io.Writer) error {
	if len(b.results) == 0 {
		return nil
	}
	var text strings.Builder
	if b.scale != 1 {
		fmt.Fprintf(&text, "\nA trial at scale %g: nothing here speaks of what must be reached.\n", b.scale)
	}
	text.WriteString("\n| figure | value | reference | ratio | must reach | reached |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range b.results {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	text.WriteString("\n")
	for _, r := range b.results {
		for _, note := range r.Notes {
			fmt.Fprintf(&text, "* %s: %s\n", r.Row, note)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// save writes all measurements.
func (b *bench) save() error {
	if len(b.results) == 0 {
		return nil
	}
	content, err := json.MarshalIndent(map[string]any{
		"time":    time.Now().UTC().Format(time.RFC3339),
		"scale":   b.scale,
		"repeat":  b.repeat,
		"cpus":    runtime.NumCPU(),
		"go":      runtime.Version(),
		"results": b.results,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the measurements: %w", err)
	}
	err = errors.Join(
		os.MkdirAll(filepath.Dir(b.json), 0o755),
		os.WriteFile(b.json, append(content, '\n'), 0o600))
	if err != nil {
		return fmt.Errorf("writing the measurements: %w", err)
	}
	return nil
}
