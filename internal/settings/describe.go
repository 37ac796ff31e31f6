package settings

import (
	"encoding/json"
	"flag"
	"io"
)

// Flag is what there is to know about a flag.
type Flag struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	Usage   string `json:"usage"`
}

// Describe writes a list of Flag in JSON, sorted by name.
func Describe(w io.Writer, flags *flag.FlagSet) error {
	var all []Flag
	flags.VisitAll(func(f *flag.Flag) { all = append(all, Flag{Name: f.Name, Default: f.DefValue, Usage: f.Usage}) })
	return json.NewEncoder(w).Encode(all)
}
