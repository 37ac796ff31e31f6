package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

// Names of the rows, for --only.
const (
	rowMembers       = "members"
	rowAccessLag     = "access-lag"
	rowWrites        = "writes"
	rowReview        = "review"
	rowRevoke        = "revoke"
	rowRevokeBusy    = "revoke-busy"
	rowOrganisations = "organisations"
	rowMemory        = "memory"
	rowRestart       = "restart"
	rowInvitations   = "invitations"
	rowPending       = "pending"
	rowFacadeAdd     = "facade-add"
	rowFacadeList    = "facade-list"
	rowFacadeBatch   = "facade-batch"
	rowFacadeInvite  = "facade-invite"
	rowFacadeMe      = "facade-me"
	rowFacadeMemory  = "facade-memory"
)

var rowNames = []string{
	rowMembers, rowAccessLag, rowWrites, rowReview, rowRevoke, rowRevokeBusy, rowOrganisations, rowMemory, rowRestart,
	rowInvitations, rowPending,
	rowFacadeAdd, rowFacadeList, rowFacadeBatch, rowFacadeInvite, rowFacadeMe, rowFacadeMemory,
}

const (
	// workers write at a time: more get no more out of the API server.
	workers = 16
	// projectsOfOne is how many projects an organisation of thousands has.
	projectsOfOne = 3
	// membersOfMany is how many Members each of many organisations has.
	membersOfMany = 10
	// largeOrganisations share the largest number of Members.
	largeOrganisations = 5

	fullMembers       = 10_000
	fullOrganisations = 1_000
	fullSamples       = 200
	// fullInvitations are sent by invitingOrganisations, and fullPending wait for an answer.
	fullInvitations       = 1_000
	invitingOrganisations = 20
	fullPending           = 10_000
	fullReviews           = 1_000
	// fullCalls are what a percentile of the facade's latency is taken of, and the rows of a batch.
	fullCalls = 1_000
	fullLoad  = 10 * time.Second
	leastLoad = 500 * time.Millisecond
	fullRest  = 60 * time.Second
	leastRest = 5 * time.Second
)

// options say what is measured, and how large.
type options struct {
	only     []string
	repeat   int
	scale    float64
	json     string
	binary   string
	facade   string
	profiles string

	// members of an organisation, organisations of membersOfMany, samples of a latency, reviews for a median.
	members, organisations, samples, reviews int
	// invitations of one organisation of invitingOrganisations, and those that wait for an answer.
	invitations, pending int
	// calls of the facade for a percentile, and rows of a batch.
	calls int
	// rest is how long nothing may be written, and load how long the facade is asked as often as it answers.
	rest, load time.Duration
}

func parse(args []string) (options, error) {
	root, err := controlplane.Root()
	if err != nil {
		return options{}, err
	}
	var (
		o    options
		only string
	)
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&only, "only", "", "`rows` to measure, with commas between them; empty: all of "+
		strings.Join(rowNames, ","))
	flags.Float64Var(&o.scale, "scale", 1, "shrinks all sizes, for a quick trial; what must be reached holds for 1")
	flags.IntVar(&o.repeat, "repeat", 3, "`times` that each figure is measured, in turn with its reference")
	flags.StringVar(&o.json, "json", filepath.Join(root, "bin", "bench.json"), "`file` for all measurements")
	flags.StringVar(&o.binary, "operator", filepath.Join(root, "bin", "operator"), "the operator's `binary`")
	flags.StringVar(&o.facade, "facade", filepath.Join(root, "bin", "facade"), "the facade's `binary`")
	flags.StringVar(&o.profiles, "profiles", "", "`folder` for CPU and heap profiles of the operator and the facade, which then "+
		"run inside this program's own binary; empty: none")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.scale <= 0 || o.scale > 1 || o.repeat < 1 {
		return options{}, errors.New("--scale must be above 0 and at most 1, and --repeat at least 1")
	}
	o.only = strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, row := range o.only {
		if !slices.Contains(rowNames, row) {
			return options{}, fmt.Errorf("--only must name rows of %s, not %q", strings.Join(rowNames, ","), row)
		}
	}
	o.size()
	return o, nil
}

// size derives the sizes from the scale. Some have a least, or there is nothing to take a percentile of.
func (o *options) size() {
	scaled := func(full, least int) int {
		return max(least, int(math.Round(float64(full)*o.scale)))
	}
	o.members = scaled(fullMembers, 1)
	o.organisations = scaled(fullOrganisations, 1)
	o.invitations = scaled(fullInvitations/invitingOrganisations, 1)
	o.pending = scaled(fullPending, 1)
	o.samples = min(scaled(fullSamples, 10), o.members)
	o.reviews = scaled(fullReviews, 100)
	o.calls = scaled(fullCalls, roundsOfCalls)
	o.load = max(leastLoad, time.Duration(float64(fullLoad)*o.scale))
	o.rest = max(leastRest, time.Duration(float64(fullRest)*o.scale))
}

// wants tells whether any of these rows is to be measured.
func (o *options) wants(rows ...string) bool {
	return len(o.only) == 0 || slices.ContainsFunc(rows, func(row string) bool {
		return slices.Contains(o.only, row)
	})
}
