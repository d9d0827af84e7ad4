package keyfmt

import (
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func keyring(tb testing.TB, newest Pepper, older ...Pepper) *Keyring {
	tb.Helper()
	k, err := NewKeyring(newest, older...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// plain is the digest by the book.
func plain(p Pepper, t Token) Digest {
	h := hmac.New(sha256.New, p.Secret)
	io.WriteString(h, t.Reveal())
	return Digest{p.ID, [sha256.Size]byte(h.Sum(nil))}
}

func TestCandidates(t *testing.T) {
	a, b, c := GeneratePepper("c-3"), GeneratePepper("b-2"), GeneratePepper("a-1")
	keys := keyring(t, a, b, c)
	for _, prefix := range []string{"a_", "mt_live_", strings.Repeat("x", maxPrefix-1) + "_"} {
		token := format(t, prefix).Generate()
		want := []Digest{plain(a, token), plain(b, token), plain(c, token)}
		if d := cmp.Diff(want, slices.Collect(keys.Candidates(token))); d != "" {
			t.Errorf("candidates (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want[0], keys.Digest(token)); d != "" {
			t.Errorf("digest (-want +got):\n%s", d)
		}
		for got := range keys.Candidates(token) {
			if d := cmp.Diff(want[0], got); d != "" {
				t.Errorf("first candidate (-want +got):\n%s", d)
			}
			break
		}
		sum := Digest{Sum: sha256.Sum256([]byte(token.Reveal()))}
		if d := cmp.Diff([]Digest{sum}, slices.Collect(InsecureUnpeppered().Candidates(token))); d != "" {
			t.Errorf("without a pepper (-want +got):\n%s", d)
		}
	}
}

// case K5: a row planted by somebody without the pepper is under a digest
// that no token has.
func TestDigestNeedsThePepper(t *testing.T) {
	token := format(t, "mt_live_").Generate()
	mine := GeneratePepper("a")
	digests := slices.Collect(keyring(t, mine).Candidates(token))
	theirs := GeneratePepper("a")
	for _, tt := range []struct {
		name    string
		planted Digest
	}{
		{"no pepper", InsecureUnpeppered().Digest(token)},
		{"no pepper, right id", Digest{"a", InsecureUnpeppered().Digest(token).Sum}},
		{"right id", keyring(t, theirs).Digest(token)},
		{"right sum, no id", Digest{"", digests[0].Sum}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if slices.Contains(digests, tt.planted) {
				t.Error("the token has that digest")
			}
		})
	}
}

func TestDigestConcurrently(t *testing.T) {
	p := GeneratePepper("a")
	keys, f := keyring(t, p), format(t, "mt_live_")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				token := f.Generate()
				if got, want := keys.Digest(token), plain(p, token); got != want {
					t.Errorf("digest %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestNewKeyringCopies(t *testing.T) {
	p := GeneratePepper("a")
	keys, token := keyring(t, p), format(t, "mt_live_").Generate()
	want := plain(p, token)
	clear(p.Secret)
	if d := cmp.Diff(want, keys.Digest(token)); d != "" {
		t.Errorf("digest after the caller's copy was cleared (-want +got):\n%s", d)
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	good := GeneratePepper("x").Secret
	repeat := func(s string) []byte { return []byte(strings.Repeat(s, 64))[:64] }
	for _, c := range []struct {
		name    string
		peppers []Pepper
		want    []string // in the error, which is one line for each mistake
	}{
		{"zero", []Pepper{{}}, []string{`id ""`, "0 bytes"}},
		{"upper case", []Pepper{{"A", good}}, []string{`id "A"`}},
		{"underscore", []Pepper{{"a_b", good}}, []string{`id "a_b"`}},
		{"long id", []Pepper{{strings.Repeat("a", 33), good}}, []string{"1 to 32"}},
		{"short secret", []Pepper{{"a", good[:31]}}, []string{"31 bytes"}},
		{"zeros", []Pepper{{"a", make([]byte, 32)}}, []string{"only 1 different bytes"}},
		{"one letter", []Pepper{{"a", repeat("k")}}, []string{"only 1 different bytes"}},
		{"a word", []Pepper{{"a", repeat("changeme")}}, []string{"only 7 different bytes"}},
		{"twice", []Pepper{{"a", good}, {"b", good}, {"a", good}}, []string{`"a" is used twice`}},
		{"all at once", []Pepper{{"A", good[:1]}, {"B", nil}}, []string{`id "A"`, "1 bytes", `id "B"`, "0 bytes"}},
		{"nothing amiss", []Pepper{{strings.Repeat("a", 32), good}, {"0", repeat("0123456789abcdef")}}, nil},
		{"later one amiss", []Pepper{{"a", good}, {"b", good}, {"c", good[:8]}}, []string{`"c" is weak`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, err := NewKeyring(c.peppers[0], c.peppers[1:]...)
			if (err != nil) != (c.want != nil) || (keys == nil) != (err != nil) {
				t.Errorf("%v, %v", keys, err)
				return
			}
			if err == nil {
				return
			}
			lines := strings.Split(err.Error(), "\n")
			for i, want := range c.want {
				if len(lines) != len(c.want) || !strings.HasPrefix(lines[i], "keyfmt: ") || !strings.Contains(lines[i], want) {
					t.Errorf("refused with %q, want line %d to say %q", lines, i, want)
					break
				}
			}
			// case T6: a weak pepper is refused with the command that makes a good one.
			if strings.Contains(err.Error(), "weak") != strings.Contains(err.Error(), "openssl rand -hex 32") {
				t.Errorf("refused with %q", lines)
			}
		})
	}
}
