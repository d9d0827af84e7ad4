package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"medtwin.ai/tollgate/problem"
)

// case T7: a body is what the endpoint documents, to the letter, or refused with
// the name of the field and what is expected.
func TestDecode(t *testing.T) {
	type inner struct {
		IDs []string `json:"ids"`
	}
	type body struct {
		Name  string            `json:"name"`
		Count *int64            `json:"count"`
		Days  *int              `json:"days"`
		On    bool              `json:"on"`
		In    *inner            `json:"in"`
		Many  []inner           `json:"many"`
		By    map[string]inner  `json:"by"`
		Clear Nullable[inner]   `json:"clear"`
		Not   string            `json:"-"`
		Omit  Nullable[[]inner] `json:"omit,omitempty"`
	}
	const (
		syntax   = "invalid_json: The body is not valid JSON in UTF-8: correct its syntax."
		trailing = "invalid_json: The body goes on after its JSON object: send one object and nothing else."
		known    = ": there is no such field here; expected name, count, days, on, in, many, by, clear or omit."
		ids      = ": there is no such field here; expected ids."
		twice    = ": the field is there twice; send it once."
		odd      = "(a name of other characters, or too long)"
	)
	ill := func(path, want string) string { return "invalid_field: " + path + ": expected " + want + "." }
	for _, c := range []struct{ text, want string }{
		{`{}`, ""},
		{`{"name":"x","count":1,"on":true,"in":{"ids":["a"]},"many":[{"ids":[]}],"by":{"NAME":{"ids":["a"]}},"clear":null,"omit":[{}]}`, ""},
		{`{"n\u0061me":"x"}`, ""},

		{`{"nama":"x"}`, "unknown_field: nama" + known},
		{`{"Name":"x"}`, "unknown_field: Name" + known},
		{`{"\u004eame":"x"}`, "unknown_field: Name" + known},
		{`{"-":"x"}`, "unknown_field: -" + known},
		{`{"Not":"x"}`, "unknown_field: Not" + known},
		{`{"":"x"}`, "unknown_field: " + odd + known},
		{`{"<b>":"x"}`, "unknown_field: " + odd + known},
		{`{"mt_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaa":"x"}`, "unknown_field: " + odd + known},
		{`{"in":{"Ids":[]}}`, "unknown_field: in.Ids" + ids},
		{`{"many":[{},{"id":[]}]}`, "unknown_field: many[1].id" + ids},
		{`{"by":{"a":{"x":1}}}`, "unknown_field: by.a.x" + ids},
		{`{"clear":{"IDS":[]}}`, "unknown_field: clear.IDS" + ids},
		{`{"omit":[{"x":1}]}`, "unknown_field: omit[0].x" + ids},

		{`{"name":"x","name":"y"}`, "duplicate_field: name" + twice},
		{`{"name":"x","n\u0061me":"y"}`, "duplicate_field: name" + twice},
		{`{"in":{"ids":[],"ids":[]}}`, "duplicate_field: in.ids" + twice},
		{`{"clear":{"ids":[],"ids":["a"]}}`, "duplicate_field: clear.ids" + twice},
		{`{"by":{"a":{},"a":{}}}`, "duplicate_field: by.a" + twice},

		{`{"name":null}`, ill("name", "a string")},
		{`{"name":1}`, ill("name", "a string")},
		{`{"name":["x"]}`, ill("name", "a string")},
		{`{"count":null}`, ill("count", "a whole number")},
		{`{"count":1.5}`, ill("count", "a whole number")},
		{`{"count":1e400}`, ill("count", "a whole number")},
		{`{"count":"1"}`, ill("count", "a whole number")},
		{`{"count":9223372036854775808}`, ill("count", "a whole number")},
		{`{"days":30}`, ""},
		{`{"days":1.5}`, ill("days", "a whole number")},
		{`{"on":"true"}`, ill("on", "true or false")},
		{`{"on":1}`, ill("on", "true or false")},
		{`{"in":null}`, ill("in", "an object")},
		{`{"in":[]}`, ill("in", "an object")},
		{`{"in":{"ids":null}}`, ill("in.ids", "a list of strings")},
		{`{"in":{"ids":"a"}}`, ill("in.ids", "a list of strings")},
		{`{"in":{"ids":["a",null]}}`, ill("in.ids[1]", "a string")},
		{`{"many":[null]}`, ill("many[0]", "an object")},
		{`{"many":{}}`, ill("many", "a list of objects")},
		{`{"clear":[]}`, ill("clear", "an object")},
		{`{"clear":{"ids":null}}`, ill("clear.ids", "a list of strings")},
		{`{"omit":[null]}`, ill("omit[0]", "an object")},
		{`[]`, ill("The body", "an object")},
		{`null`, ill("The body", "an object")},
		{`"x"`, ill("The body", "an object")},
		{`{"name":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`, ill("name", "a string")},

		{`{} {}`, trailing},
		{`{}]`, trailing},
		{`{}x`, trailing},
		{`{"name":"x",}`, syntax},
		{`{"name" "x"}`, syntax},
		{`{"name":"x" "count":1}`, syntax},
		{`{1:"x"}`, syntax},
		{`{"in":{"ids":["a" "b"]}}`, syntax},
		{`{"in":{"ids":["a",]}}`, syntax},
		{`{"name":"\x"}`, syntax},
		{`{"name":"` + "\n" + `"}`, syntax},
		{``, syntax},
		{`{`, syntax},
		{`{"in":{"ids":[`, syntax},
		{"{\"name\":\"\xff\"}", syntax},
		{"\ufeff{}", syntax},
		{`{"name":"` + strings.Repeat("x", MaxBody) + `"}`, "body_too_large: The body may have at most 65536 bytes."},
	} {
		t.Run(fmt.Sprintf("%.60q", c.text), func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(c.text))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			got := ""
			if err := Decode(httptest.NewRecorder(), r, new(body)); err != nil {
				got = sentence(err)
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// A body of the wrong type is refused at its first token: what follows costs
// nothing, and those who send it have not been throttled yet.
func TestDecodeStopsAtFirstMismatch(t *testing.T) {
	var body struct {
		Email string `json:"email"`
	}
	count := func(text string) float64 {
		return testing.AllocsPerRun(10, func() {
			if strict([]byte(text), &body) == nil {
				t.Errorf("%.20s: accepted", text)
			}
		})
	}
	for _, c := range []struct{ name, start, repeated string }{
		{"a list", `{"email":[`, `1,`},
		{"an object", `{"email":{`, `"a":1,`},
		{"an unknown field", `{"emails":[`, `1,`},
		{"a field given twice", `{"email":"","email":[`, `1,`},
		{"no object", `[`, `1,`},
		{"trailing data", `{"email":""}`, `1,`},
	} {
		t.Run(c.name, func(t *testing.T) {
			short, long := count(c.start+c.repeated), count(c.start+strings.Repeat(c.repeated, 10_000))
			if long > short+20 { // the buffer grows
				t.Errorf("got %v allocations for 10,000 elements, want about the %v for one", long, short)
			}
		})
	}
}

func TestDecodeMedia(t *testing.T) {
	const unsupported = "unsupported_media_type: Send the body as application/json."
	for _, tt := range []struct {
		name, media string
		body        io.Reader
		want        string
	}{
		{"JSON", "application/json", strings.NewReader(`{}`), ""},
		{"JSON in capitals", "Application/JSON", strings.NewReader(`{}`), ""},
		{"none", "", strings.NewReader(`{}`), unsupported},
		{"text", "text/plain", strings.NewReader(`{}`), unsupported},
		{"JSON sequences", "application/json-seq", strings.NewReader(`{}`), unsupported},
		{"a form", "application/x-www-form-urlencoded", strings.NewReader(`{}`), unsupported},
		{"a client that hangs up", "application/json", iotest.ErrReader(errors.New("gone")), "invalid_json: The body could not be read: send it again."},
		{"a body that comes too late", "application/json", iotest.ErrReader(os.ErrDeadlineExceeded), "body_too_late: The body did not arrive in time."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", tt.body)
			r.Header.Set("Content-Type", tt.media)
			got := ""
			if err := Decode(httptest.NewRecorder(), r, new(struct{})); err != nil {
				got = sentence(err)
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// sentence returns the code and the detail of a problem.
func sentence(err error) string {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return "no problem: " + err.Error()
	}
	return p.Code + ": " + p.Detail
}

// A type that conform does not know shows with the first body, even an empty one.
func TestDecodeUnknownType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic for a float")
		}
	}()
	var body struct {
		In []struct {
			Rate *float64 `json:"rate"`
		} `json:"in"`
	}
	strict([]byte(`{}`), &body)
}
