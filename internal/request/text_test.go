package request

import "testing"

// case S27: white space and letter case in protocol text are those of ASCII.
func TestProtocolTextIsASCII(t *testing.T) {
	for _, tt := range []struct{ name, in, trimmed, lower string }{
		{"space and tab", " \tBearer\t ", "Bearer", " \tbearer\t "},
		{"inner space", "a b", "a b", "a b"},
		{"nothing to do", "bearer", "bearer", "bearer"},
		{"empty", "", "", ""},
		{"line ends", "\r\nA\v\f", "\r\nA\v\f", "\r\na\v\f"},
		{"U+0085", "\u0085A\u0085", "\u0085A\u0085", "\u0085a\u0085"},
		{"U+00A0", "\u00a0A\u00a0", "\u00a0A\u00a0", "\u00a0a\u00a0"},
		{"U+2000", "\u2000A", "\u2000A", "\u2000a"},
		{"U+2028", "\u2028A", "\u2028A", "\u2028a"},
		{"U+3000", "\u3000A", "\u3000A", "\u3000a"},
		{"letters that fold to ASCII", "\u0130\u017f\u212a", "\u0130\u017f\u212a", "\u0130\u017f\u212a"},
		{"other letters", "\u00c4", "\u00c4", "\u00c4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Trim(tt.in); got != tt.trimmed {
				t.Errorf("Trim(%q) = %q, want %q", tt.in, got, tt.trimmed)
			}
			if got := Lower(tt.in); got != tt.lower {
				t.Errorf("Lower(%q) = %q, want %q", tt.in, got, tt.lower)
			}
		})
	}
}
