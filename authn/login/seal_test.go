package login

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// case L17: what is counted together is the same, and nothing else is.
func TestSubjects(t *testing.T) {
	s := newSeal([]byte("secret"))
	seen := map[string]string{}
	for _, tt := range []struct{ name, subject string }{
		{"a:b, c", s.subject("x", "a:b", "c")}, {"a, b:c", s.subject("x", "a", "b:c")}, {"a:b:c", s.subject("x", "a:b:c")},
		{"ab, c", s.subject("x", "ab", "c")}, {"a, bc", s.subject("x", "a", "bc")}, {"abc", s.subject("x", "abc")},
		{"abc, nothing", s.subject("x", "abc", "")}, {"of another purpose", s.subject("xa", "bc")}, {"of another secret", newSeal([]byte("another")).subject("x", "abc")},
	} {
		if before, ok := seen[tt.subject]; ok {
			t.Errorf("%s and %s are one", before, tt.name)
		}
		seen[tt.subject] = tt.name
	}
	if first, again := s.subject("x", "a", "b"), newSeal([]byte("secret")).subject("x", "a", "b"); first != again {
		t.Error("one subject has two names")
	}
}

// What was signed is opened for its purpose until it expires, whatever the
// fields hold.
func TestSeal(t *testing.T) {
	s := newSeal([]byte("secret"))
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, fields := range [][]string{{"a", "b"}, {"", ""}, {"a.b", "\x00ü"}, {"1", "."}} {
		signed := s.sign("x", now, fields...)
		got, ok := s.open("x", 2, signed, now.Add(-time.Second))
		if diff := cmp.Diff(fields, got); !ok || diff != "" {
			t.Errorf("%q: %t, %s", fields, ok, diff)
		}
		for _, tt := range []struct {
			name string
			open func() ([]string, bool)
		}{
			{"expired", func() ([]string, bool) { return s.open("x", 2, signed, now) }},
			{"another purpose", func() ([]string, bool) { return s.open("y", 2, signed, now.Add(-time.Second)) }},
			{"another number", func() ([]string, bool) { return s.open("x", 1, signed, now.Add(-time.Second)) }},
			{"another secret", func() ([]string, bool) {
				return newSeal([]byte("another")).open("x", 2, signed, now.Add(-time.Second))
			}},
			{"more text", func() ([]string, bool) { return s.open("x", 2, signed+"=", now.Add(-time.Second)) }},
		} {
			if got, ok := tt.open(); ok || got != nil {
				t.Errorf("%q, %s: opened as %q", fields, tt.name, got)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := newSeal([]byte("secret"))
	at := time.Unix(1, 0)
	signed := s.sign("x", at.Add(time.Hour), "a", "b")
	for _, seed := range []string{"", ".", "...", signed, signed + ".", "." + signed, signed[1:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if fields, ok := s.open("x", 2, text, at); ok && text != signed {
			t.Errorf("%q opens as %q", text, fields)
		}
	})
}
