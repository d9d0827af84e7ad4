package wire

import (
	"net/http"
	"testing"
)

// case S30: half of a surrogate pair is no text, wherever it stands.
func TestSurrogates(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		refused    bool
	}{
		{"a pair", `{"name":"\ud83d\ude00"}`, false},
		{"a pair in capitals", `{"name":"\uD83D\uDE00"}`, false},
		{"two pairs", `{"name":"\ud83d\ude00\ud83d\ude00"}`, false},
		{"below and above", `{"name":"\ud7ff\ue000"}`, false},
		{"an escaped backslash", `{"name":"\\ud800"}`, false},
		{"an escaped quote before a pair", `{"name":"\"\ud83d\ude00"}`, false},
		{"high", `{"name":"\ud800"}`, true},
		{"low", `{"name":"\udfff"}`, true},
		{"high at the end of a text", `{"name":"x\udbff"}`, true},
		{"two high", `{"name":"\ud800\ud800"}`, true},
		{"the wrong way round", `{"name":"\ude00\ud83d"}`, true},
		{"high and a letter", `{"name":"\ud83d\u0041"}`, true},
		{"high and an escaped backslash", `{"name":"\ud83d\\ude00"}`, true},
		{"behind a pair", `{"name":"\ud83d\ude00\ude00"}`, true},
		{"behind an escaped backslash", `{"name":"\\\ud800"}`, true},
		{"in a list", `{"list":["\ud800"]}`, true},
		{"in a name", `{"any":{"\ud800":"x"}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body struct {
				Name string            `json:"name"`
				List []string          `json:"list"`
				Any  map[string]string `json:"any"`
			}
			got, want := "", ""
			if err := strict([]byte(tt.text), &body); err != nil {
				got = sentence(err)
			}
			if tt.refused {
				want = sentence(errSurrogate)
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// case S27: the media type is ASCII, and there is one.
func TestContentType(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		want   bool
	}{
		{"plain", []string{"application/json"}, true},
		{"capitals", []string{"Application/JSON"}, true},
		{"parameter", []string{"application/json; charset=utf-8"}, true},
		{"space and tab", []string{"application/json\t ;charset=utf-8"}, true},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"another", []string{"text/plain"}, false},
		{"two", []string{"application/json", "text/plain"}, false},
		{"list", []string{"application/json, text/plain"}, false},
		{"U+00A0", []string{"application/json\u00a0"}, false},
		{"U+2000", []string{"\u2000application/json"}, false},
		{"folds to ASCII", []string{"application/j\u017fon"}, false},
		{"parameter without a value", []string{"application/json; text/plain"}, false},
		{"quote not closed", []string{`application/json; charset="`}, false},
		{"trailing semicolon", []string{"application/json;"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := sendsJSON(http.Header{"Content-Type": tt.values}); got != tt.want {
				t.Errorf("%q: got %t, want %t", tt.values, got, tt.want)
			}
		})
	}
}
