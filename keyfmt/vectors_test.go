package keyfmt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Vectors is testdata/vectors.json, which was not made by this package and is
// never rewritten: implementations in other languages read it as well.
type vectors struct {
	Alphabet string
	Pepper   struct {
		ID        string
		SecretHex string `json:"secret_hex"`
	}
	Vectors []struct {
		Prefix, Token string
		Valid         bool
		WhyNot        string `json:"why_not"` // begins with the rule that it breaks
		SHA256        string
		HMACSHA256    string `json:"hmac_sha256"`
	}
}

func readVectors(tb testing.TB) (v vectors) {
	tb.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// case K23
func TestVectors(t *testing.T) {
	v := readVectors(t)
	if v.Alphabet != alphabet {
		t.Errorf("alphabet %q, want %q", alphabet, v.Alphabet)
	}
	secret, err := hex.DecodeString(v.Pepper.SecretHex)
	if err != nil {
		t.Fatal(err)
	}
	peppered, err := NewKeyring(Pepper{v.Pepper.ID, secret})
	if err != nil {
		t.Fatal(err)
	}
	valid, rules := 0, map[string]int{}
	for _, c := range v.Vectors {
		f, err := New(c.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		token, err := f.Parse(c.Token)
		if !c.Valid {
			rule, _, _ := strings.Cut(c.WhyNot, ":")
			rules[rule]++
			if !errors.Is(err, ErrMalformed) || err.Error() != ErrMalformed.Error()+": "+rule {
				t.Errorf("Parse(%q) as %q = %v, want an error of %s", c.Token, c.Prefix, err, rule)
			}
			if !token.IsZero() {
				t.Errorf("Parse(%q) as %q returned a token with its error", c.Token, c.Prefix)
			}
			continue
		}
		valid++
		if err != nil {
			t.Errorf("Parse(%q) as %q = %v", c.Token, c.Prefix, err)
			continue
		}
		if d := cmp.Diff(c.Token, token.Reveal()); d != "" {
			t.Errorf("revealed (-want +got):\n%s", d)
		}
		want := Digest{Sum: [sha256.Size]byte(unhex(t, c.SHA256))}
		if d := cmp.Diff(want, InsecureUnpeppered().Digest(token)); d != "" {
			t.Errorf("%s: digest (-want +got):\n%s", c.Token, d)
		}
		want = Digest{v.Pepper.ID, [sha256.Size]byte(unhex(t, c.HMACSHA256))}
		if d := cmp.Diff(want, peppered.Digest(token)); d != "" {
			t.Errorf("%s: digest under a pepper (-want +got):\n%s", c.Token, d)
		}
	}
	if valid < 10 || len(rules) != 4 {
		t.Errorf("%d valid vectors and the rules %v: some are missing", valid, rules)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size {
		t.Fatalf("%q is not a SHA-256", s)
	}
	return b
}
