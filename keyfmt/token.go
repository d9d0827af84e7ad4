package keyfmt

import (
	"fmt"
	"io"
	"log/slog"
	"unsafe"
)

// A Token is a secret that somebody was given or has sent. It prints, logs and
// marshals as its hint. Only [Token.Reveal] returns the secret. Tokens cannot
// be compared with ==, which would take a time that depends on the secret:
// compare their digests.
type Token struct {
	_ [0]func() // makes it not comparable

	// The characters, as in a string. They are behind a pointer to one byte,
	// because a printer that finds a Token in an unexported field does not call
	// its methods. It prints an address then, and not the secret.
	p *byte
	n int

	foreign bool // made by another system
}

// newToken returns s as a token. It keeps the bytes of s and copies nothing.
func newToken(s string) Token {
	return Token{p: unsafe.StringData(s), n: len(s)}
}

// Reveal returns the secret, to be shown once or digested. Do not store or log
// it.
func (t Token) Reveal() string { return unsafe.String(t.p, t.n) }

// Hint returns a text by which people recognize the token, and which may be
// stored, shown and logged: its prefix, "…" and its last 4 characters, such as
// "mt_live_…x7Qa". Those belong to the checksum, so a hint reveals at most 24
// of the 136 bits.
func (t Token) Hint() string {
	s := t.Reveal()
	switch {
	case t.foreign:
		return "…"
	case len(s) < bodyLen:
		return ""
	}
	return s[:len(s)-bodyLen] + "…" + s[len(s)-4:]
}

// IsZero reports whether t is the zero Token, which stands for none.
func (t Token) IsZero() bool { return t.n == 0 }

// String returns the hint.
func (t Token) String() string { return t.Hint() }

// Format writes the hint, under every verb.
func (t Token) Format(w fmt.State, _ rune) { io.WriteString(w, t.Hint()) }

// LogValue returns the hint.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.Hint()) }

// MarshalText returns the hint. Package json uses it too.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.Hint()), nil }
