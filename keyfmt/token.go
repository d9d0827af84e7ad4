package keyfmt

import (
	"fmt"
	"io"
	"log/slog"
	"unsafe"
)

// A Token is a secret that somebody was given or has sent. It prints, logs
// and marshals as its hint; only [Token.Reveal] shows it. Tokens do not
// compare with ==: compare their digests.
type Token struct {
	_ [0]func() // not comparable

	// The characters, as in a string. They are behind a pointer to one byte
	// because printers that reach a Token in somebody's unexported field do
	// not ask its methods: they find an address here, not the secret.
	p *byte
	n int

	foreign bool // made by another system
}

func newToken(s string) Token {
	return Token{p: unsafe.StringData(s), n: len(s)}
}

// Reveal returns the token itself, to be shown once and kept nowhere.
func (t Token) Reveal() string { return unsafe.String(t.p, t.n) }

// Hint returns what people recognize the token by and may be stored, shown
// and logged: its prefix, "…" and its last 4 characters, "mt_live_…x7Qa".
// Those belong to the checksum, so a hint tells at most 24 bits of the 136.
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

// IsZero reports whether t is the zero Token, which is no token at all.
func (t Token) IsZero() bool { return t.n == 0 }

// String returns the hint.
func (t Token) String() string { return t.Hint() }

// Format writes the hint, whatever the verb.
func (t Token) Format(w fmt.State, _ rune) { io.WriteString(w, t.Hint()) }

// LogValue returns the hint.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.Hint()) }

// MarshalText returns the hint, in JSON too.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.Hint()), nil }
