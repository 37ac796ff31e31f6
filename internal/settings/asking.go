package settings

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
)

// Asking is what a program is asked, instead of being run.
type Asking struct{ version, flags bool }

// Add adds the flags.
func (a *Asking) Add(flags *flag.FlagSet) {
	flags.BoolVar(&a.version, "version", false, "print the version and end")
	flags.BoolVar(&a.flags, "describe-flags", false, "print what there is to know about each flag, in JSON, and end")
}

// Answer writes what is asked, and tells whether anything was.
func (a *Asking) Answer(w io.Writer, version string, flags *flag.FlagSet) (asked bool, err error) {
	switch {
	case a.version:
		_, err = fmt.Fprintln(w, version)
	case a.flags:
		err = describe(w, flags)
	default:
		return false, nil
	}
	return true, err
}

// Flag is what there is to know about a flag.
type Flag struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	Usage   string `json:"usage"`
}

// describe writes a list of Flag in JSON, sorted by name.
func describe(w io.Writer, flags *flag.FlagSet) error {
	var all []Flag
	flags.VisitAll(func(f *flag.Flag) { all = append(all, Flag{Name: f.Name, Default: f.DefValue, Usage: f.Usage}) })
	return json.NewEncoder(w).Encode(all)
}

// Parse reads the flags of a program that takes nothing else.
func Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("must have flags only, not %q", flags.Args())
	}
	return nil
}
