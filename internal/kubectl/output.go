package kubectl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/enrol-dev/enrol/internal/kubectl/terminal"
)

// Formats of flag --output.
const (
	formatTable = ""
	formatWide  = "wide"
	formatName  = "name"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

var formats = []string{formatJSON, formatYAML, formatName, formatWide}

// output is how a command answers.
type output struct {
	format string
}

// add adds flag --output.
func (o *output) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", o.format, "one of: "+strings.Join(formats, ", ")+"; left out: a table")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
}

// check refuses a format that there is not, before anything is asked or done.
func (o *output) check() error {
	if o.format != formatTable && !slices.Contains(formats, o.format) {
		return usageError{fmt.Errorf("--output must be one of %s, not %q", strings.Join(formats, ", "), o.format)}
	}
	return nil
}

// forPeople tells whether a person reads it.
func (o *output) forPeople() bool { return o.format == formatTable || o.format == formatWide }

// table prints a table for people.
func (o *output) table(w io.Writer, s *sheet) error {
	return printers.NewTablePrinter(printers.PrintOptions{Wide: o.format == formatWide}).PrintObj(&s.table, w)
}

// one prints an object for machines, as itself.
func (o *output) one(w io.Writer, object runtime.Object) error {
	u, err := plain(object)
	if err != nil {
		return err
	}
	return o.machine(w, u)
}

// many prints objects for machines, as a list.
func (o *output) many(w io.Writer, objects []client.Object) error {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, object := range objects {
		u, err := plain(object)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, *u)
	}
	return o.machine(w, list)
}

// report prints what is no object of the API, for machines.
func (o *output) report(w io.Writer, report any) error {
	content, err := json.Marshal(report)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(content, &u.Object); err != nil {
		return err
	}
	return o.machine(w, u)
}

func (o *output) machine(w io.Writer, object runtime.Object) error {
	flags := genericclioptions.PrintFlags{
		JSONYamlPrintFlags: genericclioptions.NewJSONYamlPrintFlags(),
		NamePrintFlags:     genericclioptions.NewNamePrintFlags(""),
		OutputFormat:       &o.format,
	}
	printer, err := flags.ToPrinter()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := printer.PrintObj(object, &b); err != nil {
		return err
	}
	text := b.String()
	if o.format == formatJSON {
		text = terminal.JSON(text)
	}
	_, err = io.WriteString(w, text)
	return err
}

// plain is an object with its kind and without what only the API server's bookkeeping needs.
func plain(object runtime.Object) (*unstructured.Unstructured, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		return u, nil
	}
	gvk, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	if t := u.GetCreationTimestamp(); t.IsZero() {
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	}
	return u, nil
}

// sheet is a table whose cells hold what others wrote.
type sheet struct {
	table metav1.Table
}

// columns of a table. A name that begins with + is for the wide one only.
func columns(names ...string) *sheet {
	s := &sheet{}
	for _, name := range names {
		name, wide := strings.CutPrefix(name, "+")
		column := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if wide {
			column.Priority = 1
		}
		s.table.ColumnDefinitions = append(s.table.ColumnDefinitions, column)
	}
	return s
}

// longest is how long a cell may be, in characters.
const longest = 400

func (s *sheet) row(cells ...string) {
	row := metav1.TableRow{}
	for _, cell := range cells {
		row.Cells = append(row.Cells, terminal.Short(cell, longest))
	}
	s.table.Rows = append(s.table.Rows, row)
}

func (s *sheet) isEmpty() bool { return len(s.table.Rows) == 0 }

// say prints a line for people in which others' words are harmless.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintln(w, terminal.Text(fmt.Sprintf(format, args...)))
}

// must is for what only a mistake in this program makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
