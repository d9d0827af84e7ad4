package secretscan

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCut(t *testing.T) {
	long := strings.Repeat("x", maxURL-1) + "€"
	body, err := json.Marshal([]match{{Token: "a", URL: long, Source: strings.Repeat("y", 100)}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(body)
	want := []match{{Token: "a", URL: long[:maxURL-1], Source: strings.Repeat("y", maxSource)}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// What parses is valid JSON, holds each token once, within the bounds, and
// parses to the same when it is written again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"token":"a","type":"t","url":"u","source":"s"}]`, `[{"token":"a"},{"token":"b","new":[1]},{"token":"a","url":"x"}]`,
		` [ {"TOKEN":"a","token":"b"} ] `, `[{"token":"\ud800"}]`, "[{\"token\":\"\xff\"}]", `[{"token":"a"},null]`, `[{"token":"a"}]]`, `[1 2]`, `{}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parse(body)
		if err != nil {
			if list != nil {
				t.Fatal("an error and matches")
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("not JSON, but accepted: %q", body)
		}
		seen := map[string]bool{}
		for _, m := range list {
			if m.Token == "" || seen[m.Token] || len(m.URL) > maxURL || len(m.Source) > maxSource || !utf8.ValidString(m.Token+m.URL) {
				t.Fatalf("%q gives %+v", body, m)
			}
			seen[m.Token] = true
		}
		again, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return // null, which is no report
		}
		if second, err := parse(again); err != nil || !cmp.Equal(list, second) {
			t.Fatalf("written again: %v\n%s", err, cmp.Diff(list, second))
		}
	})
}
