package keyfmt

import (
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

// case K3
func TestEveryEditFails(t *testing.T) {
	live, test := format(t, "mt_live_"), format(t, "mt_test_")
	token := live.Generate().Reveal()
	if _, err := test.Parse(strings.Replace(token, "live", "test", 1)); !errors.Is(err, errChecksum) {
		t.Errorf("live edited to test: %v, want %v", err, errChecksum)
	}
	edited := []byte(token)
	for i := range edited {
		for c := range 256 {
			if byte(c) == token[i] {
				continue
			}
			edited[i] = byte(c)
			if _, err := live.Parse(string(edited)); !errors.Is(err, ErrMalformed) {
				t.Errorf("character %d of %s edited to %#02x: %v", i, token, byte(c), err)
			}
		}
		edited[i] = token[i]
	}
}

// case K4
func TestParseHostile(t *testing.T) {
	f := format(t, "mt_live_")
	token := f.Generate().Reveal()
	body := token[len("mt_live_"):]
	for _, c := range []struct {
		name, s string
		want    error
	}{
		{"1 MB", strings.Repeat("A", 1<<20), errLength},
		{"1 MB after prefix", "mt_live_" + strings.Repeat("A", 1<<20), errLength},
		{"empty", "", errLength},
		{"prefix alone", "mt_live_", errLength},
		{"space before", " " + token, errLength},
		{"space after", token + " ", errLength},
		{"scheme", "Bearer " + token, errLength},
		{"space inside", token[:20] + " " + token[21:], errAlphabet},
		{"tab", token[:20] + "\t" + token[21:], errAlphabet},
		{"line feed", token[:len(token)-1] + "\n", errAlphabet},
		{"NUL", token[:20] + "\x00" + token[21:], errAlphabet},
		{"NUL after", token + "\x00", errLength},
		{"not UTF-8", token[:20] + "\xff" + token[21:], errAlphabet},
		{"full-width digit", token[:20] + "１" + token[23:], errAlphabet},
		{"Cyrillic letter", token[:20] + "а" + token[22:], errAlphabet},
		{"neighbours", "mt_live_" + strings.Repeat("/:@[`{", 5)[:29], errAlphabet},
		{"upper-case prefix", "MT_LIVE_" + body, errPrefix},
		{"full-width prefix", "mt＿l" + token[6:], errPrefix},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := f.Parse(c.s)
			if err != c.want || !errors.Is(err, ErrMalformed) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if !got.IsZero() {
				t.Error("a token beside the error")
			}
			if n := testing.AllocsPerRun(10, func() { f.Parse(c.s) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
	if n := testing.AllocsPerRun(10, func() { f.Parse(token) }); n != 0 {
		t.Errorf("valid: %v allocations", n)
	}
}

// case K5
func TestDigestIsNoToken(t *testing.T) {
	f := format(t, "mt_live_")
	token := f.Generate()
	for _, keys := range []*Keyring{InsecureUnpeppered(), keyring(t, GeneratePepper("a"))} {
		sum := keys.Digest(token).Sum
		for _, replay := range []string{
			string(sum[:]), hex.EncodeToString(sum[:]), "mt_live_" + hex.EncodeToString(sum[:]),
			"mt_live_" + hex.EncodeToString(sum[:])[:bodyLen], token.Hint(),
		} {
			if _, err := f.Parse(replay); err == nil {
				t.Errorf("%q parses as a token", replay)
			}
		}
	}
}

func TestZeroFormat(t *testing.T) {
	if _, err := (Format{}).Parse(slowToken("", strings.Repeat("A", randomLen))); !errors.Is(err, ErrMalformed) {
		t.Errorf("the zero Format parsed a token: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("the zero Format generated a token")
		}
	}()
	Format{}.Generate()
}

// slowToken is the format once more, written for the reader: the CRC-32 bit
// by bit, the digits by big.Int, whose base 62 is 0-9a-zA-Z.
func slowToken(prefix, random string) string {
	crc := ^uint32(0)
	for _, c := range []byte(prefix + random) {
		crc ^= uint32(c)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ crc32.IEEE
			} else {
				crc >>= 1
			}
		}
	}
	digits := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, big.NewInt(int64(^crc)).Text(62))
	return prefix + random + strings.Repeat("0", sumLen-len(digits)) + digits
}

var wellFormed = regexp.MustCompile(`\A[0-9A-Za-z]{23}[0-9A-Za-z]{6}\z`)

func slowParse(prefix, s string) bool {
	body, ok := strings.CutPrefix(s, prefix)
	return ok && wellFormed.MatchString(body) && s == slowToken(prefix, body[:randomLen])
}

// FuzzParse holds Parse against the slow reading of the format, against
// Pattern, and against Reveal. Few inputs have a right checksum by chance, so
// every body is tried with the right one as well.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).Vectors {
		f.Add(v.Prefix, v.Token)
	}
	f.Fuzz(func(t *testing.T, prefix, s string) {
		format, err := New(prefix)
		if err != nil {
			return
		}
		exact := regexp.MustCompile(`\A(?:` + format.Pattern() + `)\z`)
		inputs := []string{s, prefix + s}
		if body, ok := strings.CutPrefix(s, prefix); ok && len(body) >= randomLen {
			inputs = append(inputs, slowToken(prefix, body[:randomLen]))
		}
		for _, s := range inputs {
			token, err := format.Parse(s)
			if want := slowParse(prefix, s); (err == nil) != want {
				t.Errorf("Parse(%q) = %v, but valid is %t", s, err, want)
			}
			shaped := err == nil || err == errChecksum
			if exact.MatchString(s) != shaped {
				t.Errorf("Parse(%q) = %v, but the pattern matches: %t", s, err, !shaped)
			}
			switch {
			case err == nil && token.Reveal() != s:
				t.Errorf("Parse(%q) revealed %q", s, token.Reveal())
			case err != nil && (!errors.Is(err, ErrMalformed) || !token.IsZero()):
				t.Errorf("Parse(%q) = %v with a token of %d characters", s, err, len(token.Reveal()))
			}
		}
	})
}
