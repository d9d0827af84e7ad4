package keyfmt

import (
	"math"
	"strings"
	"testing"
)

// case K1: the counts of 62 characters in 23 places of many tokens are what
// equal chances give. The bound on chi-squared lies 8 standard deviations
// above its mean: chance exceeds it once in some ten million runs, a plain
// modulo 62 exceeds it twentyfold.
func TestAlphabetIsEven(t *testing.T) {
	const tokens = 20_000
	f := format(t, "mt_live_")
	var counts [randomLen][62]int
	seen := map[string]bool{}
	for range tokens {
		s := f.Generate().Reveal()
		seen[s] = true
		for i, c := range s[len("mt_live_"):][:randomLen] {
			counts[i][strings.IndexRune(alphabet, c)]++
		}
	}
	if len(seen) != tokens {
		t.Errorf("%d tokens of %d differ", len(seen), tokens)
	}
	chi2 := func(n float64, counts [62]int) (sum float64) {
		for _, c := range counts {
			d := float64(c) - n/62
			sum += d * d / (n / 62)
		}
		return sum
	}
	const freedom = 61
	bound := freedom + 8*math.Sqrt(2*freedom)
	var all [62]int
	for i, place := range counts {
		for c, n := range place {
			all[c] += n
		}
		if got := chi2(tokens, place); got > bound {
			t.Errorf("place %d: chi-squared %.0f, want at most %.0f", i, got, bound)
		}
	}
	if got := chi2(tokens*randomLen, all); got > bound {
		t.Errorf("all places: chi-squared %.0f, want at most %.0f", got, bound)
	}
}

// case K1: every byte below 248 makes the character it should, those above
// none, and Generate reads on until it has enough.
func TestRejection(t *testing.T) {
	for r := range 256 {
		want := ""
		if r < 248 {
			want = alphabet[r%62 : r%62+1]
		}
		if got := string(sample(nil, []byte{byte(r)}, 1)); got != want {
			t.Errorf("byte %d makes %q, want %q", r, got, want)
		}
	}

	f := format(t, "mt_live_")
	reads := 0
	token := f.generate(func(b []byte) (int, error) {
		if reads++; reads > 100 {
			t.Fatal("reads for ever")
		}
		for i := range b {
			b[i] = 255 // nothing to be had
		}
		if reads > 2 {
			b[len(b)-1] = 247 // one character in each
		}
		return len(b), nil
	})
	if want := slowToken("mt_live_", strings.Repeat("z", randomLen)); token.Reveal() != want {
		t.Errorf("made %q, want %q", token.Reveal(), want)
	}
	if reads != 2+randomLen {
		t.Errorf("%d reads, want %d", reads, 2+randomLen)
	}
}

func TestChecksumIsPadded(t *testing.T) {
	for _, tt := range []struct {
		sum  uint32
		want string
	}{{0, "000000"}, {61, "00000z"}, {62, "000010"}, {1<<32 - 1, "4gfFC3"}} {
		if got := string(appendSum(nil, tt.sum)); got != tt.want {
			t.Errorf("sum %d is %q, want %q", tt.sum, got, tt.want)
		}
	}
}
