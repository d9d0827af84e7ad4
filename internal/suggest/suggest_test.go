package suggest

import "testing"

func TestNames(t *testing.T) {
	known := []string{"read", "write", "notes:write", "go"}
	tests := []struct{ name, unknown, want string }{
		{"one letter too many", "reads", `did you mean "read"?`},
		{"one letter too few", "wrte", `did you mean "write"?`},
		{"two letters swapped", "raed", `did you mean "read"?`},
		{"another case", "Write", `did you mean "write"?`},
		{"two mistakes", "notes.wirte", `did you mean "notes:write"?`},
		{"short names are not like everything", "x", `want one of ["read" "write" "notes:write" "go"]`},
		{"nothing near", "publish", `want one of ["read" "write" "notes:write" "go"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Names(tt.unknown, known); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if got, want := Names("x", nil), "there are none"; got != want {
		t.Errorf("without names: got %s, want %s", got, want)
	}
}
