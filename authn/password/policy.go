package password

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a password in characters. A character is a Unicode code point
// of the form that is hashed; a byte that is not UTF-8 counts as one. NIST SP
// 800-63B-4 §3.1.1.2 asks for at least 15 characters if the password is the
// only factor, and forbids rules about which characters it has.
const (
	minLength, maxLength = 15, 256
	maxBytes             = maxLength * utf8.UTFMax
)

// A PolicyError says why a password may not be chosen. It wraps ErrInvalid.
type PolicyError struct {
	Code   string // too_short, too_long, guessable or breached
	Detail string // one sentence for the person who chose it
}

// Error does not contain the password.
func (p *PolicyError) Error() string { return "password: refused: " + p.Code }

// Unwrap returns ErrInvalid.
func (p *PolicyError) Unwrap() error { return ErrInvalid }

// Check returns a *PolicyError if a person should not have this password,
// because it
//
//   - has fewer than 15 or more than 256 characters,
//   - consists of what everybody tries first, or
//   - is known from a breach (Config.Breached).
//
// about is what is known of the person, such as name and email address.
// Attackers try that first too.
func (p *Hasher) Check(ctx context.Context, password string, about ...string) error {
	form := normal(password)
	if form == "" {
		form = password // far too short or far too long; the length decides below
	}
	password = form
	n := utf8.RuneCountInString(password)
	switch {
	case n < minLength:
		return &PolicyError{"too_short", fmt.Sprintf("The password has fewer than %d characters: choose a longer one.", minLength)}
	case n > maxLength:
		return &PolicyError{"too_long", fmt.Sprintf("The password has more than %d characters: choose a shorter one.", maxLength)}
	case guessable(password, slices.Concat(p.words, habits(about))):
		return &PolicyError{"guessable", "The password consists of common words, patterns or repetitions: choose other words."}
	case p.config.Breached == nil:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.Wait)
	defer cancel()
	found, err := p.config.Breached(ctx, password)
	if err != nil {
		p.config.Logger.LogAttrs(ctx, slog.LevelWarn, "password not looked up among breached ones", slog.Any("err", err))
		return nil
	}
	if found {
		return &PolicyError{"breached", "The password is known from a data breach: choose another one."}
	}
	return nil
}

// guessable reports whether a password that is long enough consists of little:
// a short part that is repeated, or a few words and runs.
//
// A word or a run is one choice for somebody who guesses, no matter how long it
// is. A password of seven choices or more is not guessable here, and neither is
// one with a choice for every three characters.
func guessable(password string, words []string) bool {
	lowered := strings.ToLower(password)
	runes := []rune(lowered)
	for n := 1; n < minLength && n <= len(runes)/2; n++ {
		if slices.Equal(runes[n:], runes[:len(runes)-n]) {
			return true
		}
	}
	lowered = strings.Map(skipSeparators, lowered)
	return choices(lowered, words) <= min(len(runes)/3, 6)
}

// choices cuts s into words and runs from left to right, each as long as
// possible, and returns how many there are. It takes time proportional to the
// length of s and the number of words; both have bounds.
func choices(s string, words []string) int {
	leet := unleet.Replace(s) // has the same length as s
	n := 0
	for i := 0; i < len(s); n++ {
		size := run(s[i:])
		for _, w := range words {
			if len(w) > size && (strings.HasPrefix(s[i:], w) || strings.HasPrefix(leet[i:], w)) {
				size = len(w)
			}
		}
		i += size
	}
	return n
}

// unleet replaces digits and signs by the letters that they stand for.
var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// run returns the length in bytes of the longest run that s begins with, which
// is at least one character. A run goes on as it begins: through an alphabet or
// over a keyboard, forwards or backwards, with or without repetitions.
func run(s string) int {
	last, size := utf8.DecodeRuneInString(s)
	ways := ^uint8(0)
	for i, r := range s[size:] {
		if ways &= steps(last, r); ways == 0 {
			return size + i
		}
		last = r
	}
	return len(s)
}

// steps returns the ways in which b may follow a in a run, one bit for each
// way.
func steps(a, b rune) (ways uint8) {
	switch b - a {
	case 0:
		return ^ways
	case 1:
		ways = 1
	case -1:
		ways = 2
	}
	if strings.Contains(walks, string([]rune{a, b})) {
		ways |= 4
	}
	if strings.Contains(walks, string([]rune{b, a})) {
		ways |= 8
	}
	return ways
}

// habits returns the words that people make passwords of when they are given
// texts: each word of a text, and all of its words together. Words of fewer
// than three characters would occur in any password.
func habits(texts []string) []string {
	var words []string
	for _, t := range texts {
		t = strings.ToLower(t)
		local, _, _ := strings.Cut(t, "@") // without the domain of an email address
		words = append(words, strings.Map(skipSeparators, local))
		words = append(words, strings.FieldsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 3 })
}

// skipSeparators removes what people put between words.
func skipSeparators(r rune) rune {
	if strings.ContainsRune(" -_.,+/", r) {
		return -1
	}
	return r
}
