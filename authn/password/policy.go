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

// The bounds of a password, in characters (Unicode code points in the form that
// is hashed; a byte that is not UTF-8 counts as one). NIST SP 800-63B-4 §3.1.1.2 asks for 15 where the
// password is the only factor, and for no rules of composition.
const (
	minLength, maxLength = 15, 256
	maxBytes             = maxLength * utf8.UTFMax
)

// A PolicyError says why a password may not be chosen. It is an ErrInvalid.
type PolicyError struct {
	Code   string // too_short, too_long, guessable or breached
	Detail string // one sentence for the person who chose it
}

// Error shows nothing of the password.
func (p *PolicyError) Error() string { return "password: refused: " + p.Code }

// Unwrap returns ErrInvalid.
func (p *PolicyError) Unwrap() error { return ErrInvalid }

// Check reports, as a *PolicyError, why a person should not have this
// password: too short or too long, made of what everyone tries first, or
// Breached, which gets the form that is hashed. About is what is known of the
// person, such as name and email address, and is tried first too.
func (p *Hasher) Check(ctx context.Context, password string, about ...string) error {
	form := normal(password)
	if form == "" {
		form = password // much too short or much too long
	}
	password = form
	n := utf8.RuneCountInString(password)
	switch {
	case n < minLength:
		return &PolicyError{"too_short", fmt.Sprintf("The password has fewer than %d characters.", minLength)}
	case n > maxLength:
		return &PolicyError{"too_long", fmt.Sprintf("The password has more than %d characters.", maxLength)}
	case guessable(password, slices.Concat(p.words, habits(about))):
		return &PolicyError{"guessable", "The password consists of common words, patterns or repetitions."}
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
		return &PolicyError{"breached", "The password is known from a data breach."}
	}
	return nil
}

// guessable reports whether a password that is long enough is made of little:
// a repeated part too short to be a password, or a few words and runs. A run
// or a word is one choice to a guesser, however long; from seven choices on,
// or where there is one to every three characters, a password is not for this
// function to judge.
func guessable(password string, words []string) bool {
	plain := strings.ToLower(password)
	runes := []rune(plain)
	for n := 1; n < minLength && n <= len(runes)/2; n++ {
		if slices.Equal(runes[n:], runes[:len(runes)-n]) {
			return true
		}
	}
	plain = strings.Map(skipSeparators, plain)
	return choices(plain, words) <= min(len(runes)/3, 6)
}

// choices cuts s into words and runs from left to right, each as long as
// possible, and counts them.
func choices(s string, words []string) int {
	leet := unleet.Replace(s) // of the same length
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

var unleet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// run returns the length in bytes of the longest start of s, at least one
// character, that goes on as it begins: through an alphabet or over a
// keyboard, forwards or backwards, with or without repetitions.
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

// steps returns the ways in which b comes after a, a bit for each.
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

// habits makes words to look for out of what people write: each of its words,
// and all of them together.
func habits(texts []string) []string {
	var words []string
	for _, t := range texts {
		t = strings.ToLower(t)
		local, _, _ := strings.Cut(t, "@") // of an email address
		words = append(words, strings.Map(skipSeparators, local))
		words = append(words, strings.FieldsFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 3 })
}

func skipSeparators(r rune) rune {
	if strings.ContainsRune(" -_.,+/", r) {
		return -1
	}
	return r
}
