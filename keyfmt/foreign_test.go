package keyfmt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"medtwin.ai/tollgate/keyfmt"
)

// case K4, for the keys of other systems
func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"one character", "a", true},
		{"all that a header may carry", "azAZ09-._~+/=", true},
		{"the longest", strings.Repeat("a", 128), true},
		{"empty", "", false},
		{"too long", strings.Repeat("a", 129), false},
		{"1 MB", strings.Repeat("a", 1<<20), false},
		{"space", "abc def", false},
		{"NUL", "abc\x00", false},
		{"not UTF-8", "abc\xff", false},
		{"full-width digit", "abc０", false},
		{"colon", "abc:def", false},
		{"quote", `abc"def`, false},
	} {
		token, err := keyfmt.Foreign(tt.text)
		switch {
		case tt.ok && (err != nil || token.Reveal() != tt.text):
			t.Errorf("%s: %q, %v", tt.name, token.Reveal(), err)
		case !tt.ok && (!errors.Is(err, keyfmt.ErrMalformed) || !token.IsZero()):
			t.Errorf("%s: %v, want ErrMalformed and no token", tt.name, err)
		case err != nil && len(tt.text) > 1 && strings.Contains(err.Error(), tt.text):
			t.Errorf("%s: the error repeats it", tt.name)
		}
	}
}

// case T1: nobody knows which part of a foreign token is secret, so nothing of
// it is shown.
func TestForeignShowsNothing(t *testing.T) {
	const text = "whsec-1234567890abcdef-1234567890abcdef-1234567890abcdef"
	token, err := keyfmt.Foreign(text)
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := json.Marshal(struct{ T keyfmt.Token }{token})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		token.Hint(), fmt.Sprintf("%v %+v %#v %s %q %x", token, token, token, token, token, token),
		fmt.Sprint(struct{ t keyfmt.Token }{token}), string(inJSON), slog.AnyValue(token).Resolve().String(),
	} {
		for i := range len(text) - 4 {
			if strings.Contains(shown, text[i:i+4]) {
				t.Errorf("%q shows %q", shown, text[i:i+4])
			}
		}
	}
}

// The digest is of the whole token, however long.
func TestForeignDigest(t *testing.T) {
	ring, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[keyfmt.Digest]string{}
	for _, n := range []int{1, 31, 32, 33, 69, 70, 127, 128} {
		for _, last := range []string{"x", "y"} {
			text := strings.Repeat("a", n-1) + last
			token, err := keyfmt.Foreign(text)
			if err != nil {
				t.Fatal(err)
			}
			d := ring.Digest(token)
			if seen[d] != "" {
				t.Errorf("%q and %q have one digest", seen[d], text)
			}
			seen[d] = text
			if again := ring.Digest(token); again != d {
				t.Errorf("%q has two digests", text)
			}
		}
	}
}
