package keyfmt

// maxForeign is more than any token of a Format has, and more than the keys of
// other systems have: those of GitHub have 93 characters.
const maxForeign = 128

// Foreign returns s as the token of another system. The token has 1 to 128
// characters of a token68 (RFC 9110 §11.2), which are all that a header can
// carry as a credential. Otherwise the error wraps [ErrMalformed].
//
// A foreign token has no checksum, and it is unknown which part of it is
// secret. So its hint is "…" alone.
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

// mark reports whether c is a character of a token68 that is not in our
// alphabet.
func mark(c byte) bool {
	switch c {
	case '-', '.', '_', '~', '+', '/', '=':
		return true
	}
	return false
}
