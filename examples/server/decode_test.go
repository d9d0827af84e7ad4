package main

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// case T7: a body is what the endpoint documents, to the letter, or refused.
func TestDecode(t *testing.T) {
	type inner struct {
		IDs []string `json:"ids"`
	}
	type body struct {
		Name  string             `json:"name"`
		Count *int64             `json:"count"`
		In    *inner             `json:"in"`
		Many  []inner            `json:"many"`
		By    map[string]inner   `json:"by"`
		Clear clearable[inner]   `json:"clear"`
		Any   any                `json:"any"`
		Not   string             `json:"-"`
		Omit  clearable[[]inner] `json:"omit,omitempty"`
	}
	const document, field = "invalid_json", "unknown_field"
	for text, code := range map[string]string{
		`{}`: "",
		`{"name":"x","count":1,"in":{"ids":["a"]},"many":[{"ids":[]}],"by":{"NAME":{"ids":["a"]}},"clear":null,"any":{"Name":[1e400]},"omit":[{}]}`: document, // 1e400 is no number here
		`{"name":"x","count":1,"in":{"ids":["a"]},"many":[{"ids":[]}],"by":{"NAME":{"ids":["a"]}},"clear":null,"any":{"Name":[1]},"omit":[{}]}`:     "",
		`{"nama":"x"}`:                     field,
		`{"Name":"x"}`:                     field,
		`{"NAME":"x"}`:                     field,
		`{"n\u0061me":"x"}`:                "",
		`{"\u004eame":"x"}`:                field,
		`{"-":"x"}`:                        field,
		`{"Not":"x"}`:                      field,
		`{"":"x"}`:                         field,
		`{"in":{"Ids":[]}}`:                field,
		`{"many":[{},{"id":[]}]}`:          field,
		`{"by":{"a":{"x":1}}}`:             field,
		`{"clear":{"IDS":[]}}`:             field,
		`{"omit":[{"x":1}]}`:               field,
		`{"name":"x","name":"y"}`:          document,
		`{"name":"x","n\u0061me":"y"}`:     document,
		`{"in":{"ids":[],"ids":[]}}`:       document,
		`{"any":{"a":1,"a":2}}`:            document,
		`{"clear":{"ids":[],"ids":["a"]}}`: document,
		`{"by":{"a":{},"a":{}}}`:           document,
		`{"name":null}`:                    document,
		`{"count":null}`:                   document,
		`{"in":null}`:                      document,
		`{"in":{"ids":null}}`:              document,
		`{"in":{"ids":[null]}}`:            document,
		`{"many":[null]}`:                  document,
		`{"any":null}`:                     "",
		`{"name":1}`:                       document,
		`{"count":1.5}`:                    document,
		`{"count":"1"}`:                    document,
		`{"count":9223372036854775808}`:    document,
		`{"in":[]}`:                        document,
		`{"many":{}}`:                      document,
		`{"clear":[]}`:                     document,
		`{} {}`:                            document,
		`{}]`:                              document,
		`{"name":"x",}`:                    document,
		`[]`:                               document,
		`null`:                             document,
		`"x"`:                              document,
		``:                                 document,
		`{`:                                document,
		"{\"name\":\"\xff\"}":              document,
		"\ufeff{}":                         document,
		`{"any":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`: document,
		`{"name":"` + strings.Repeat("x", maxBody) + `"}`:                           "body_too_large",
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(text))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		var b body
		checkDecoded(t, text, decode(httptest.NewRecorder(), r, &b), code)
	}
	for media, code := range map[string]string{
		"application/json": "", "Application/JSON": "", "": "unsupported_media_type", "text/plain": "unsupported_media_type",
		"application/json-seq": "unsupported_media_type", "application/x-www-form-urlencoded": "unsupported_media_type",
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", media)
		checkDecoded(t, media, decode(httptest.NewRecorder(), r, new(body)), code)
	}
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(errors.New("gone")))
	r.Header.Set("Content-Type", "application/json")
	checkDecoded(t, "a client that hangs up", decode(httptest.NewRecorder(), r, new(body)), document)
}

func checkDecoded(t *testing.T, name string, err error, code string) {
	t.Helper()
	var bad *badRequest
	if errors.As(err, &bad) && bad.Code == code || err == nil && code == "" {
		return
	}
	t.Errorf("%.80s: %v, want %q", name, err, code)
}
