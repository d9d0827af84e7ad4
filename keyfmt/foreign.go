package keyfmt

// maxForeign is more than any token of a Format has, and than the keys of other
// systems have: those of GitHub are 93 characters.
const maxForeign = 128

// Foreign returns the token that another system made and that s spells, or an
// error that wraps [ErrMalformed]: it has 1 to 128 characters of RFC 9110
// §11.2, which are all that a header carries as a credential. It has no
// checksum, nobody here knows how random it is or which part is secret, and so
// its hint is "…" alone.
func Foreign(s string) (Token, error) {
	if len(s) == 0 || len(s) > maxForeign {
		return Token{}, errLength
	}
	for i := range len(s) {
		if digits[s[i]] == noDigit && !mark(s[i]) {
			return Token{}, errAlphabet
		}
	}
	t := newToken(s)
	t.foreign = true
	return t, nil
}

// mark reports whether c is one of the characters of a token68 that are no
// digits of ours.
func mark(c byte) bool {
	switch c {
	case '-', '.', '_', '~', '+', '/', '=':
		return true
	}
	return false
}
