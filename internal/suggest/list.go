package suggest

import "strings"

// List returns names for a sentence: "a, b or c", and "none" if there are none.
func List(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}
