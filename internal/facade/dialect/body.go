package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/enrol-dev/enrol/internal/facade/fault"
)

const mediaType = "application/json"

// readBody reads a body, checks it by the document, and gives it to the generated code as what it means: without the nulls
// that mean nothing.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request, o *operation) (*http.Request, error) {
	text, err := receive(w, r, o)
	if err != nil || text == nil {
		return r, err
	}
	value, err := parse(text)
	if err != nil {
		return r, err
	}
	if rows, _ := value.([]any); o.MaxRows > 0 && len(rows) > o.MaxRows {
		return r, fault.New(fault.TooLarge, "")
	}
	value = withoutNulls(o.body, value)
	details := bodyFaults(o.body, value)
	if o.Values != nil && !slices.ContainsFunc(details, aboutAll) {
		more := o.Values(r.Context(), SessionOf(r.Context()).Organisation, value, details)
		if err := r.Context().Err(); err != nil {
			return r, fault.OfSelf(err)
		}
		details = sorted(o.body, append(details, h.named(more)...))
	}
	if len(details) > 0 {
		return r, &fault.Error{Kind: fault.Invalid, Details: details}
	}
	plain, err := json.Marshal(value)
	if err != nil {
		return r, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(plain)), int64(len(plain))
	return r, nil
}

// aboutAll tells whether a fault is about the whole body: of one of another type there are no values to look at.
func aboutAll(d fault.Detail) bool { return len(d.Path) == 0 }

// receive is the body as it came; nil when there is none and none is needed.
func receive(w http.ResponseWriter, r *http.Request, o *operation) ([]byte, error) {
	if r.ContentLength == 0 && !o.bodyNeeded {
		return nil, nil
	}
	if r.ContentLength == 0 && r.Header.Get("Content-Type") == "" {
		return nil, errNoBody
	}
	given, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if (err != nil || given != mediaType || r.Header.Get("Content-Encoding") != "") && (o.bodyNeeded || r.ContentLength != 0) {
		return nil, fault.New(fault.UnsupportedMedia, "")
	}
	if r.ContentLength > o.MaxBody {
		return nil, fault.New(fault.TooLarge, "")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, o.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(fault.TooLarge, "")
	case err != nil:
		return nil, notJSON(len(text), "the body ended too early")
	case len(text) == 0 && !o.bodyNeeded:
		return nil, nil
	case len(text) == 0:
		return nil, errNoBody
	}
	return text, nil
}

var errNoBody = &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
	{In: fault.Body, Reason: fault.Missing, Text: missing},
}}

// parse reads one JSON value in valid UTF-8, without a key twice, and nothing behind it.
func parse(text []byte) (any, error) {
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.ReadValue(); err != nil {
		return nil, notJSON(offset(err, decoder), "must be one JSON value in UTF-8 without a key twice")
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, notJSON(int(decoder.InputOffset()), "must be one JSON value and nothing else")
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, notJSON(0, "must be a JSON value")
	}
	return value, nil
}

func offset(err error, decoder *jsontext.Decoder) int {
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return int(syntactic.ByteOffset)
	}
	return int(decoder.InputOffset())
}

func notJSON(offset int, text string) error {
	return &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
		{In: fault.Body, Path: []any{offset}, Reason: fault.NotJSON, Text: text},
	}}
}

// writeJSON answers with a body.
func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		// Envelopes are structs of texts and numbers.
		panic(err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// seconds is a duration in whole seconds, at least 1, as Retry-After has it.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
