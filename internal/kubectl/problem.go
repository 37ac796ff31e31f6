package kubectl

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/enrol-dev/enrol/internal/kubectl/terminal"
)

// What the program ends with.
const (
	// ExitFine: what was asked for was done, and all that was checked is as it should be.
	ExitFine = 0
	// ExitFailed: it could not be done, or could not be asked.
	ExitFailed = 1
	// ExitNotHealthy: check asked, and something is not as it should be.
	ExitNotHealthy = 2
	// ExitTimeout: check --wait waited, and something still is not.
	ExitTimeout = 3
)

// verdict is an error that says what the program ends with.
type verdict struct {
	code int
	text string
}

func (v verdict) Error() string { return v.text }

// usageError is a mistake in what was typed.
type usageError struct{ error }

// Report prints an error for people and says what the program ends with.
func Report(w io.Writer, err error) int {
	if err == nil {
		return ExitFine
	}
	// Suggestions of what may have been meant are indented by a tab.
	_, _ = fmt.Fprintln(w, "error: "+terminal.Lines(strings.ReplaceAll(explain(err), "\t", "  ")))
	if v, ok := errors.AsType[verdict](err); ok {
		return v.code
	}
	return ExitFailed
}

// explain says what a person can do something with. The API server's own words name the right that is missing.
func explain(err error) string {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "the API server cannot be reached: " + err.Error()
	}
	if isNotInstalled(err) {
		return "Enrol is not installed in this cluster: " + err.Error()
	}
	if apierrors.IsUnauthorized(err) {
		return "the API server does not know you: sign in anew, or check the kubeconfig: " + err.Error()
	}
	return err.Error()
}

// isNotInstalled tells whether the API server does not know the kind that it was asked for.
func isNotInstalled(err error) bool {
	return meta.IsNoMatchError(err) || discovery.IsGroupDiscoveryFailedError(err)
}

// missing says which right a refusal was for.
func missing(verb string, err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil || status.ErrStatus.Details.Kind == "" {
		return err.Error()
	}
	resource := schema.GroupResource{Group: status.ErrStatus.Details.Group, Resource: status.ErrStatus.Details.Kind}
	return "needs the right to " + verb + " " + resource.String()
}
