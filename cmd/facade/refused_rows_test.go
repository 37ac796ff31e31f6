package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// invalid is the status of a value that is wrong.
func invalid(dialect string) int {
	if dialect == llamacloudDialect || dialect == dreadnodeDialect {
		return http.StatusUnprocessableEntity
	}
	return http.StatusBadRequest
}

// credentials are requests without a credential that counts.
func (x *targeted) credentials(o *operation, dead map[string]string) []refusal {
	good := tokenOf(x, ada)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	bad := map[string][]string{
		"no credential": nil, "an empty header": {""}, "a scheme alone": {"Bearer"}, "a scheme and a space": {"Bearer "},
		"two headers": {"Bearer " + good, "Bearer " + good}, "another header first": {"Basic YTpi", "Bearer " + good},
		"no scheme": {good}, "an unknown scheme": {"Basic " + good}, "a scheme that begins alike": {"Bearers " + good},
		"two tokens": {"Bearer " + good + " " + good}, "a list": {"Bearer " + good + ", Bearer " + good}, "a comma": {"Bearer " + good + ","},
		"a tab": {"Bearer\t" + good}, "garbage": {"Bearer garbage"}, "garbage in three parts": {"Token a.b.c"},
		"binary garbage": {"Bearer \xff\xfe"}, "a signature cut off": {"Bearer " + good[:len(good)-6]},
		"no signature": {"Bearer " + parts[0] + "." + parts[1] + "."}, "algorithm none": {"Bearer " + none + "." + parts[1] + "."},
		"another's signature": {"Bearer " + parts[0] + "." + parts[1] + "." + strings.Split(tokenOf(x, joe), ".")[2]},
		"a very long token":   {"Bearer " + strings.Repeat("x", 16<<10)},
		"quotes":              {`Bearer "` + good + `"`},
	}
	for name, token := range dead {
		bad[name] = []string{"Bearer " + token}
	}
	var rows []refusal
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		row := x.row(o, ada, name, http.StatusUnauthorized)
		row.header["Authorization"] = bad[name]
		if bad[name] == nil {
			delete(row.header, "Authorization")
		}
		rows = append(rows, row)
	}
	elsewhere := map[string]func(*refusal){
		"a token in the query":         func(r *refusal) { r.target += "?access_token=" + good },
		"a token as a cookie":          func(r *refusal) { r.header.Set("Cookie", "session="+good) },
		"a token as the other cookie":  func(r *refusal) { r.header.Set("Cookie", "__Host-session="+good) },
		"a token of a proxy":           func(r *refusal) { r.header.Set("Proxy-Authorization", "Bearer "+good) },
		"a user of a proxy":            func(r *refusal) { r.header.Set("X-Remote-User", ada) },
		"a user to impersonate":        func(r *refusal) { r.header.Set("Impersonate-User", ada) },
		"a forwarded user":             func(r *refusal) { r.header.Set("X-Forwarded-User", ada) },
		"a forwarded address and user": func(r *refusal) { r.header.Set("X-Forwarded-Email", ada); r.header.Set("X-Auth-Request-Email", ada) },
	}
	for _, name := range slices.Sorted(maps.Keys(elsewhere)) {
		row := x.row(o, ada, name, http.StatusUnauthorized)
		delete(row.header, "Authorization")
		elsewhere[name](&row)
		if strings.Count(row.target, "?") > 1 {
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// paths are tricks with the path.
func (x *targeted) paths(o *operation) []refusal {
	whole := x.fill(o.dialect, o.path)
	cut := strings.LastIndexByte(whole, '/')
	head, last := whole[:cut], whole[cut+1:]
	// What becomes a part of a parameter is that parameter's trouble, and may make the path another one.
	other := []int{http.StatusNotFound, http.StatusMethodNotAllowed, invalid(o.dialect)}
	tricks := map[string]struct {
		target string
		want   []int
	}{
		"a slash at the end":            {whole + "/", []int{http.StatusNotFound}},
		"two slashes":                   {head + "//" + last, []int{http.StatusNotFound}},
		"a dot segment":                 {head + "/./" + last, []int{http.StatusNotFound}},
		"two dot segments":              {whole + "/../" + last, []int{http.StatusNotFound}},
		"one segment more":              {whole + "/more", other},
		"an encoded slash at the end":   {whole + "%2F", other},
		"encoded dot segments":          {whole + "/%2e%2e/" + last, other},
		"an encoded slash for a slash":  {head + "%2F" + last, other},
		"a backslash for a slash":       {head + "%5C" + last, other},
		"a question mark in the path":   {whole + "%3Fpage=1", other},
		"letters in another case":       {strings.ToUpper(head) + "/" + last, []int{http.StatusNotFound}},
		"the first letter in uppercase": {"/" + strings.ToUpper(whole[1:2]) + whole[2:], []int{http.StatusNotFound}},
	}
	if !strings.HasSuffix(o.path, "}") {
		tricks["the last word in uppercase"] = struct {
			target string
			want   []int
		}{head + "/" + strings.ToUpper(last), other}
	}
	rows := make([]refusal, 0, len(tricks)+1)
	for _, name := range slices.Sorted(maps.Keys(tricks)) {
		row := x.row(o, ada, name, tricks[name].want...)
		row.target, row.loose = tricks[name].target, true
		rows = append(rows, row)
	}
	// Encoded letters are letters: it is the same route.
	encoded := x.row(o, ada, "encoded letters, and no credential", http.StatusUnauthorized)
	encoded.target = strings.NewReplacer("organi", "%6F%72gani", "org/", "or%67/", "m", "%6D", "v2", "%762").Replace(whole)
	delete(encoded.header, "Authorization")
	rows = append(rows, encoded)
	for _, p := range o.parameters {
		if p.In == openapi3.ParameterInPath {
			rows = append(rows, x.badIDs(o, p)...)
		}
	}
	return rows
}

// badIDs are texts in the place of an id.
func (x *targeted) badIDs(o *operation, p *openapi3.Parameter) []refusal {
	id := x.id(o.dialect, p.Name)
	texts := map[string]string{
		"an id and a NUL": id + "%00", "a NUL": "%00", "a line": id + "%0d%0aX-Evil:%201", "a space": "%20", "dots": "%2f..%2f..",
		"an id and more": id + ";x=y", "an overlong slash": "%C0%AF", "a lone surrogate": "%ED%A0%80", "a star": "*",
		"somebody of Kubernetes": "system:masters", "an id in braces": "%7B" + id + "%7D", "a URN": "urn:uuid:" + id,
		"a long text": strings.Repeat("A", 9000), "a text encoded twice": "%2541" + id, "a letter of another script": "%D0%B0" + id,
		"quotes": "%22%27--", "a template": "$%7B7*7%7D", "the byte order mark": "%EF%BB%BF" + id, "an id twice": id + "," + id,
	}
	want, isUUID := http.StatusNotFound, p.Schema.Value.Format == "uuid"
	if o.dialect == avisiDialect || isUUID && (o.dialect == llamacloudDialect || o.dialect == dreadnodeDialect) {
		want = invalid(o.dialect)
	}
	rows := make([]refusal, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		row := x.row(o, ada, name+" as "+p.Name, want)
		row.target = x.fill(o.dialect, strings.Replace(o.path, "{"+p.Name+"}", "\x01", 1)) + requiredQuery(x, o)
		row.target = strings.Replace(row.target, "\x01", texts[name], 1)
		rows = append(rows, row)
	}
	return rows
}

// methods are those that a path does not know.
func (x *targeted) methods(o *operation) []refusal {
	want := http.StatusMethodNotAllowed
	if o.dialect == dreadnodeDialect {
		want = http.StatusNotFound
	}
	var known []string
	for _, other := range operations(x, o.dialect) {
		if other.path == o.path {
			known = append(known, other.method)
		}
	}
	if o.method != known[0] {
		// Once for each path is enough.
		return nil
	}
	var rows []refusal
	for _, method := range []string{"PATCH", "TRACE", "FOO", "get", "OPTIONS", "GET", "PUT", "POST", "DELETE", "HEAD", "PROPFIND"} {
		if slices.Contains(known, method) || method == http.MethodHead && slices.Contains(known, http.MethodGet) {
			continue
		}
		row := x.row(o, ada, "the method "+method, want)
		row.method = method
		rows = append(rows, row)
	}
	return rows
}

// unknownIDs are ids of nothing.
func (x *targeted) unknownIDs(o *operation) []refusal {
	var rows []refusal
	for _, p := range o.parameters {
		if p.In != openapi3.ParameterInPath {
			continue
		}
		text := uuid.NewString()
		if p.Name == "organisationSlug" || p.Name == "org" {
			text = "no-such-organisation"
		}
		row := x.row(o, ada, p.Name+" of nothing", http.StatusNotFound)
		row.target = x.fill(o.dialect, strings.Replace(o.path, "{"+p.Name+"}", text, 1)) + requiredQuery(x, o)
		rows = append(rows, row)
	}
	return rows
}

// answersOwn are the operations that need no right in the organisation.
var answersOwn = []string{
	"dreadnode/respondToInvitation", "llamacloud/acceptInvite", "llamacloud/declineInvite",
	"qovery/acceptInvitation", "versori/acceptInvitation",
}

// forOthers are the headers by which a proxy would say who calls, and others that must not mean anything.
func forOthers() map[string]http.Header {
	return map[string]http.Header{
		"without a right": {},
		"impersonating":   {"Impersonate-User": {ada}, "Impersonate-Group": {"system:masters"}, "Impersonate-Uid": {"1"}},
		"with X-Remote":   {"X-Remote-User": {ada}, "X-Remote-Group": {"system:masters"}, "X-Remote-Extra-Scopes": {"all"}},
		"forwarded": {
			"X-Forwarded-User": {ada}, "X-Forwarded-Email": {ada}, "X-Forwarded-Preferred-Username": {ada}, "X-Auth-Request-User": {ada},
			"X-Forwarded-For": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1"}, "X-Original-Url": {"/docs"}, "X-Http-Method-Override": {"GET"},
		},
		"with another extra": {"Impersonate-Extra-Enrol.dev%2fverified-Email": {ada, kim}, "X-User": {ada}, "From": {ada}},
	}
}

// strangers are valid requests of people who may not send them, whatever their headers say.
func (x *targeted) strangers(o *operation) []refusal {
	if len(o.parameters) == 0 || !strings.Contains(o.path, "{") {
		return nil
	}
	stranger, viewer := http.StatusNotFound, http.StatusForbidden
	if slices.Contains(answersOwn, o.String()) {
		stranger = http.StatusForbidden
	}
	others := forOthers()
	var rows []refusal
	for _, name := range slices.Sorted(maps.Keys(others)) {
		people := map[string]int{eve: stranger}
		if o.method != http.MethodGet {
			people[jane] = viewer
		}
		if o.OperationID == "readOwnRole" {
			// A stranger hears nothing of the organisation here either.
			people = map[string]int{eve: http.StatusNotFound}
		}
		for _, person := range slices.Sorted(maps.Keys(people)) {
			row := x.row(o, person, person+" "+name, people[person])
			maps.Copy(row.header, others[name])
			rows = append(rows, row)
		}
	}
	return rows
}

// bodyLimit is how many bytes a body may have.
func bodyLimit(o *operation) int {
	if o.OperationID == "addUsers" || o.OperationID == "removeUsers" {
		return 1 << 20
	}
	return 64 << 10
}

// media are bodies of another type, packed, or too large.
func (x *targeted) media(o *operation) []refusal {
	unsupported, tooLarge := http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge
	if o.dialect == dreadnodeDialect {
		unsupported, tooLarge = http.StatusBadRequest, http.StatusBadRequest
	}
	types := map[string][]string{
		"no content type": nil, "an empty content type": {""}, "a text": {"text/plain"}, "a form": {"application/x-www-form-urlencoded"},
		"a multipart form": {"multipart/form-data; boundary=x"}, "another kind of JSON": {"application/problem+json"}, "JSON lines": {"application/jsonl"},
		"two types in one": {"application/json, text/plain"}, "broken parameters": {"application/json; charset"}, "a space": {"application/ json"},
		"another first": {"text/plain", "application/json"}, "any": {"*/*"}, "XML": {"application/xml"}, "JSON of old": {"text/json"},
		"a type alone": {"application"}, "the same parameter twice": {"application/json; charset=utf-8; charset=utf-16"},
	}
	var rows []refusal
	for _, name := range slices.Sorted(maps.Keys(types)) {
		row := x.row(o, ada, name, unsupported)
		row.header["Content-Type"] = types[name]
		rows = append(rows, row)
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "identity, gzip", "x-unknown"} {
		row := x.row(o, ada, "a body packed by "+encoding, unsupported)
		row.header.Set("Content-Encoding", encoding)
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, err := writer.Write([]byte(row.body))
		if err = cmp.Or(err, writer.Close()); err != nil {
			x.Fatal(err)
		}
		row.body = packed.String()
		rows = append(rows, row)
	}
	limit := bodyLimit(o)
	if limit > 64<<10 {
		many := x.row(o, ada, "1,001 rows", tooLarge)
		row := strings.Trim(many.body, "[]")
		many.body = "[" + strings.Repeat(row+",", 1000) + row + "]"
		rows = append(rows, many)
	}
	large := x.row(o, ada, "a body one byte too large", tooLarge)
	large.body += strings.Repeat(" ", limit+1-len(large.body))
	junk := x.row(o, ada, "junk that is too large", tooLarge)
	junk.body = strings.Repeat("[", 2*limit)
	return append(rows, large, junk)
}

// texts are bodies that are no JSON, or no JSON that counts.
func (x *targeted) texts(o *operation) []refusal {
	good := x.body(o.String())
	inside := func(member string) string {
		at := strings.IndexByte(good, '{') + 1
		if at == 0 {
			return "[" + member + "]"
		}
		return good[:at] + member + ", " + good[at:]
	}
	deep := strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001)
	texts := map[string]string{
		"a number": "1", "a text": `"x"`, "true": "true", "a brace": "{", "a bracket": "[", "words": "hello", "a closing brace": good + "}",
		"another value behind": good + " {}", "the same value twice": good + good, "a word behind": good + " x", "a NUL behind": good + "\x00",
		"a byte order mark": "\ufeff" + good, "UTF-16": "\xff\xfe{\x00}\x00", "a body cut off": good[:len(good)-1], "a space alone": " ", "a NUL": "\x00",
		"broken UTF-8": inside("\"x\": \"\xff\""), "broken UTF-8 in a name": inside("\"\xc3\": 1"), "an overlong slash": inside("\"x\": \"\xc0\xaf\""),
		"a lone surrogate": inside(`"x": "\ud800"`), "surrogates in the wrong order": inside(`"x": "\udc00\ud800"`),
		"a raw surrogate": inside("\"x\": \"\xed\xa0\x80\""), "a raw line in a text": inside("\"x\": \"a\nb\""), "an unknown escape": inside(`"x": "\q"`),
		"half an escape": inside(`"x": "\u12"`), "a name twice": inside(`"x": 1, "x": 1`), "a name twice, once escaped": inside(`"x": 1, "\u0078": 1`),
		"a name twice within": inside(`"x": {"y": {"z": 1, "z": 2}}`), "a name twice in a list": inside(`"x": [{"z": 1, "z": 1}]`),
		"no colon": inside(`"x" 1`), "a name without quotes": inside(`x: 1`), "single quotes": inside(`'x': 1`), "a comma too much": inside(`"x": [1,]`),
		"a comment": inside(`/* x */ "x": 1`), "NaN": inside(`"x": NaN`), "infinity": inside(`"x": -Infinity`), "a number too large": inside(`"x": 1e400`),
		"a zero in front": inside(`"x": 01`), "a plus": inside(`"x": +1`), "hexadecimal": inside(`"x": 0x10`), "a dot alone": inside(`"x": 1.`),
		"a depth bomb of lists":  strings.Repeat("[", 60<<10),
		"a depth bomb that ends": inside(`"x": ` + strings.Repeat("[", 12000) + strings.Repeat("]", 12000)),
		"a depth bomb of names":  inside(`"x": ` + deep[:min(len(deep), 60<<10)]),
	}
	if o.needed {
		texts["an empty body"], texts["null"] = "", "null"
	}
	if o.schema.Type.Is(openapi3.TypeArray) {
		texts["an object"], texts["a list in a list"], texts["a number in a list"], texts["null in a list"] = "{}", "[[]]", "[1]", "[null]"
		texts["a text in a list"], texts["a list of lists of lists"] = `["x"]`, "[[[[]]]]"
		if o.schema.Items.Value.Format == "uuid" {
			texts["numbers, as many as fit"] = "[" + strings.Repeat("1,", 32000) + "1]"
		}
	} else {
		texts["a list"], texts["a list with the object"], texts["a list of pairs"] = "[]", "["+good+"]", `[["a", 1]]`
	}
	rows := make([]refusal, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		row := x.row(o, ada, name, invalid(o.dialect))
		row.body = texts[name]
		rows = append(rows, row)
	}
	charset := x.row(o, ada, "another charset, which means nothing", invalid(o.dialect))
	charset.header.Set("Content-Type", "application/json; charset=utf-16")
	charset.body = "\x00{\x00}"
	return append(rows, charset)
}

// values are fields with values that do not do, one at a time, each in a body that is good but for that.
func (x *targeted) values(o *operation) []refusal {
	object, isList := o.schema, false
	if object.Type.Is(openapi3.TypeArray) {
		if object, isList = object.Items.Value, true; !object.Type.Is(openapi3.TypeObject) {
			return nil
		}
	}
	var rows []refusal
	add := func(what string, change func(fields map[string]any)) {
		var fields map[string]any
		good := x.body(o.String())
		if isList {
			good = good[1 : len(good)-1]
		}
		if err := json.Unmarshal([]byte(good), &fields); err != nil {
			x.Fatalf("%s: %v", o, err)
		}
		change(fields)
		text, err := json.Marshal(fields)
		if err != nil {
			x.Fatal(err)
		}
		row := x.row(o, ada, what, invalid(o.dialect))
		if row.body = string(text); isList {
			row.body = "[" + string(text) + "]"
		}
		rows = append(rows, row)
	}
	for _, name := range slices.Sorted(maps.Keys(object.Properties)) {
		schema := object.Properties[name].Value
		if slices.Contains(object.Required, name) {
			add(name+" missing", func(fields map[string]any) { delete(fields, name) })
			add(name+" in another case", func(fields map[string]any) {
				fields[strings.ToUpper(name)] = fields[name]
				delete(fields, name)
			})
			if !schema.Nullable {
				add(name+" null", func(fields map[string]any) { fields[name] = nil })
			}
		}
		bad := badValues(o, name, schema)
		for _, what := range slices.Sorted(maps.Keys(bad)) {
			add(name+" "+what, func(fields map[string]any) { fields[name] = bad[what] })
		}
	}
	return rows
}
