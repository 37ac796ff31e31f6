package dialect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/enrol-dev/enrol/internal/facade/avisi" //nolint:depguard // A dialect is wanted, whichever.
	"github.com/enrol-dev/enrol/internal/facade/dialect"
	"github.com/enrol-dev/enrol/internal/facade/fault"
)

// quiet is a Guard that listens to what went wrong.
type quiet struct{ dialect.Guard }

func (quiet) Failed(context.Context, *fault.Error) {}

// Whoever refuses from outside of the routes, as after a panic, has no other header than what is set here.
func TestRefuse(t *testing.T) {
	t.Parallel()
	served, err := avisi.New(nil).Handler(nil, quiet{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	served.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody), fault.New(fault.Internal, ""))
	for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json"} {
		if got := w.Header().Get(name); got != want || w.Code != http.StatusInternalServerError {
			t.Errorf("%d with %s %q, want %q", w.Code, name, got, want)
		}
	}
}
