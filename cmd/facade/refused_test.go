package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/enrol-dev/enrol/api/openapi"
)

// refusal is a request that must be refused.
type refusal struct {
	name, dialect  string
	method, target string
	header         http.Header
	body           string
	// want are the statuses that will do.
	want []int
	// loose is true for paths that may be no dialect's.
	loose bool
}

// fewest is how many bad requests there are at least.
const fewest = 300

// TestRefused sends every bad request that comes to mind to every route. Each is refused in the dialect's own way, and
// nothing changes.
func TestRefused(t *testing.T) {
	t.Parallel()
	x := newTargeted(t)
	watched := newWatched(t)
	rows := x.refusals()
	x.eventually(func() error {
		// People's first sign-ins are recorded before anything is counted.
		for _, person := range []string{ada, joe, jane, kim, eve} {
			if got := x.on(watched).get(person, "/api/v1/memberships"); got.status != http.StatusOK {
				return fmt.Errorf("%s cannot sign in: %s", person, got)
			}
		}
		return nil
	})
	hidden := secrets(t)
	for _, token := range deadTokens(t) {
		hidden = append(hidden, token[strings.LastIndexByte(token, '.')+1:])
	}
	before := x.settled()
	of := map[string]int{}
	for _, row := range rows {
		of[row.dialect]++
		x.refuse(watched, row, hidden)
	}
	if diff := gocmp.Diff(before, x.versions()); diff != "" {
		t.Errorf("bad requests changed the organisation: -before, +after:\n%s", diff)
	}
	t.Logf("%d bad requests were refused: %v", len(rows), of)
	if len(rows) < fewest {
		t.Errorf("there are %d bad requests, want %d", len(rows), fewest)
	}
}

// refuse sends a request and looks at the refusal.
func (x *targeted) refuse(r *replica, row refusal, hidden []string) {
	x.Helper()
	began := time.Now()
	a, err := r.sendAsIs(x, row)
	if err != nil {
		x.Errorf("%s: %v", row.name, err)
		return
	}
	// A refusal must not cost more than the request: neither time nor bytes.
	const longest, largest = 30 * time.Second, 1 << 20
	if took := time.Since(began); took > longest || len(a.body) > largest {
		x.Errorf("%s: the answer took %s and has %d bytes", row.name, took, len(a.body))
	}
	if !slices.Contains(row.want, a.status) {
		x.Errorf("%s: got %d %s, want one of %v", row.name, a.status, shortened(a.body), row.want)
	}
	if a.status >= http.StatusInternalServerError {
		x.Errorf("%s: %d %s", row.name, a.status, shortened(a.body))
	}
	if a.header.Get("X-Request-ID") == "" {
		x.Errorf("%s: there is no request id", row.name)
	}
	if a.header.Get("X-Evil") != "" {
		x.Errorf("%s: a header came through", row.name)
	}
	for _, secret := range hidden {
		if bytes.Contains(a.body, []byte(secret)) || strings.Contains(fmt.Sprint(a.header), secret) {
			x.Errorf("%s: the answer has a token in it", row.name)
		}
	}
	if row.method == http.MethodHead || row.loose && a.status == http.StatusNotFound && len(a.body) == 0 {
		return
	}
	if err := checkEnvelope(row.dialect, a); err != nil {
		x.Errorf("%s: %v: %d %s", row.name, err, a.status, shortened(a.body))
	}
	if !row.loose {
		checkDocumented(x, row.dialect, a)
	}
}

func shortened(body []byte) string { return string(body[:min(len(body), 300)]) }

// sendAsIs sends a request with the target as it is, without cleaning it.
func (r *replica) sendAsIs(t testing.TB, row refusal) (*answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), row.method, r.url, strings.NewReader(row.body))
	if err != nil {
		return nil, err
	}
	request.URL.Opaque = row.target
	request.Header = row.header
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	looked := request.Clone(t.Context())
	if target, err := url.ParseRequestURI(row.target); err == nil {
		looked.URL = target
	}
	return &answer{request: looked, status: response.StatusCode, header: response.Header, body: content}, nil
}

// operation is an operation of a document, with what tests need to know of it.
type operation struct {
	*openapi3.Operation

	dialect, method, path string
	parameters            []*openapi3.Parameter
	// schema is nil where no body is documented.
	schema *openapi3.Schema
	needed bool
}

func (o *operation) String() string { return o.dialect + "/" + o.OperationID }

// served are the dialects that the facade serves.
func served(t testing.TB) []string {
	t.Helper()
	roots := map[string]string{
		avisiDialect: "/api/v1/memberships", dreadnodeDialect: "/api/v1/org/x/members", llamacloudDialect: "/api/v2/organizations",
		qoveryDialect: "/organization/x/member", versoriDialect: "/api/organisations/v1/organisations",
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		if got := (caller{TB: t, replica: facades[0]}).get("", roots[name]); got.status == http.StatusUnauthorized {
			names = append(names, name)
		} else {
			t.Errorf("%s is not served: %s", name, got)
		}
	}
	return names
}

// operations are those of a dialect, by path and method.
func operations(t testing.TB, dialect string) []*operation {
	t.Helper()
	text, err := openapi.Document(dialect)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	var found []*operation
	for path, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			o := &operation{Operation: described, dialect: dialect, method: method, path: path}
			for _, parameters := range []openapi3.Parameters{item.Parameters, described.Parameters} {
				for _, p := range parameters {
					o.parameters = append(o.parameters, p.Value)
				}
			}
			if described.RequestBody != nil {
				o.schema = described.RequestBody.Value.Content["application/json"].Schema.Value
				o.needed = described.RequestBody.Value.Required
			}
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *operation) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.method, b.method))
	})
	return found
}

// refusals are all of them.
func (x *targeted) refusals() []refusal {
	x.Helper()
	var rows []refusal
	dead := deadTokens(x)
	for _, dialect := range served(x) {
		for _, o := range operations(x, dialect) {
			rows = append(rows, x.credentials(o, dead)...)
			rows = append(rows, x.paths(o)...)
			rows = append(rows, x.methods(o)...)
			rows = append(rows, x.unknownIDs(o)...)
			rows = append(rows, x.strangers(o)...)
			if o.schema != nil {
				rows = append(rows, x.media(o)...)
				rows = append(rows, x.texts(o)...)
				rows = append(rows, x.values(o)...)
			}
		}
	}
	return append(rows, x.queries()...)
}

// row is a bad request of a person: a valid one, which the caller then spoils.
func (x *targeted) row(o *operation, as, what string, want ...int) refusal {
	x.Helper()
	header := http.Header{"Authorization": {"Bearer " + tokenOf(x, as)}}
	body := x.body(o.String())
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	return refusal{
		name: o.String() + ": " + what, dialect: o.dialect, method: o.method, target: x.fill(o.dialect, o.path) + requiredQuery(x, o),
		header: header, body: body, want: want,
	}
}

// requiredQuery is what the handler of an operation asks for in the query.
func requiredQuery(x *targeted, o *operation) string {
	if o.OperationID == "addUserToProject" {
		return "?project_id=" + x.projects["data"]
	}
	return ""
}
