// Package suggest finds the name that somebody probably meant.
package suggest

import "fmt"

// Names returns the end of an error message about an unknown name: the known
// name that is one or two typing mistakes away, or else all known names.
func Names(unknown string, known []string) string {
	best, least := "", 3
	for _, name := range known {
		if d := distance(unknown, name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return "there are none"
	}
	return fmt.Sprintf("want one of %q", known)
}

// distance returns how many bytes have to be inserted, deleted, replaced or
// swapped with their neighbour to turn a into b (V. I. Levenshtein, "Binary
// codes capable of correcting deletions, insertions and reversals", 1966).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 { // not a name; the table would be large
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
