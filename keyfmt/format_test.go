package keyfmt

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func format(tb testing.TB, prefix string) Format {
	tb.Helper()
	f, err := New(prefix)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestNew(t *testing.T) {
	for _, prefix := range []string{"mt_live_", "a_", "a_b_c_test_", "z9_", "a__", strings.Repeat("x", 39) + "_"} {
		if f, err := New(prefix); err != nil || f.Prefix() != prefix {
			t.Errorf("New(%q) = %q, %v", prefix, f.Prefix(), err)
		}
	}
	for _, prefix := range []string{
		"", "a", "_", "__", "_a_", "9a_", "mt_live", "MT_", "mt-live_", "mt live_", "é_", "a_\n", "a\x00_",
		strings.Repeat("x", 40) + "_",
	} {
		if f, err := New(prefix); err == nil || f != (Format{}) {
			t.Errorf("New(%q) = %q, %v, want an error", prefix, f.Prefix(), err)
		}
	}
}

// case K2
func TestBrandsWithUnderscores(t *testing.T) {
	prefixes := []string{"mt_live_", "mt_test_", "mt_", "a_b_c_live_", "a_b_c_test_", "a_b_c_", "sess_"}
	for _, prefix := range prefixes {
		f := format(t, prefix)
		token := f.Generate()
		got, err := f.Parse(token.Reveal())
		if err != nil {
			t.Fatalf("%s: a generated token does not parse: %v", prefix, err)
		}
		if d := cmp.Diff(token.Reveal(), got.Reveal()); d != "" {
			t.Errorf("%s: parsed (-generated +parsed):\n%s", prefix, d)
		}
		if want := prefix + "…" + token.Reveal()[len(prefix)+25:]; got.Hint() != want {
			t.Errorf("%s: hint %q, want %q", prefix, got.Hint(), want)
		}
		for _, other := range prefixes {
			if _, err := format(t, other).Parse(token.Reveal()); (err == nil) != (other == prefix) {
				t.Errorf("a token of %s parsed as %s: %v", prefix, other, err)
			}
		}
	}
}

func TestPattern(t *testing.T) {
	f := format(t, "mt_live_")
	re := regexp.MustCompile(f.Pattern())
	token := f.Generate().Reveal()
	for _, text := range []string{
		"%", "\n%\n", "export KEY=%", `{"key":"%"}`, "Bearer %, then", "see (%).", "<b>%</b>", "é%é", "https://x/?k=%&a=1", "% %",
	} {
		want := slices.Repeat([]string{token}, strings.Count(text, "%"))
		if d := cmp.Diff(want, re.FindAllString(strings.ReplaceAll(text, "%", token), -1)); d != "" {
			t.Errorf("in %q: found (-want +got):\n%s", text, d)
		}
	}
	for _, text := range []string{"x%", "_%", "%0", "%_", strings.Repeat("A", 40), "mt_live_…x7Qa"} {
		if got := re.FindString(strings.ReplaceAll(text, "%", token)); got != "" {
			t.Errorf("in %q: found %q", text, got)
		}
	}
	if got := re.FindString(strings.Replace(token, "live", "test", 1)); got != "" {
		t.Errorf("found a token of another format: %q", got)
	}
}
