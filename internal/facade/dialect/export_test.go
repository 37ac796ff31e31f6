package dialect

import (
	"net/http"
	"net/http/httptest"

	"github.com/getkin/kin-openapi/openapi3"
)

// Bodies are the schemas of the bodies that a dialect reads, by the pattern of the mux.
func (s *Served) Bodies() map[string]*openapi3.Schema {
	bodies := map[string]*openapi3.Schema{}
	for pattern, o := range s.handler.operations {
		if o.body != nil {
			bodies[pattern] = o.body
		}
	}
	return bodies
}

// ReadBody is what stands between a body and the generated code, but for what only the domain knows.
func (s *Served) ReadBody(pattern string, r *http.Request) (*http.Request, error) {
	o := *s.handler.operations[pattern]
	o.Values = nil
	return s.handler.readBody(httptest.NewRecorder(), r, &o)
}
