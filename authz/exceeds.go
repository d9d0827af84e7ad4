package authz

import "strings"

// detail returns what a client is told about a denial. A caller who hands out
// too much learns the dimension, and which part of their own request was too
// much, but nothing of what anybody holds. Names longer than any that an
// application gives are left out: they may be a credential in the wrong place.
func (d *Decision) detail() string {
	text := details[d.Code]
	if d.Code != "scope_exceeds_caller" || d.Layer == "status" || d.Dimension == "" {
		return text
	}
	text = strings.TrimSuffix(text, ".") + ": too much in " + d.Dimension
	switch wanted := strings.Split(d.Wanted, ", "); {
	case d.Wanted == star:
		text += ", everything"
	case repeatable(wanted):
		text += ", " + strings.Join(wanted, " and ")
	}
	return text + "."
}

// repeatable reports whether all names are short and plain enough to be told to
// the caller who sent them.
func repeatable(names []string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/*"
	for _, name := range names {
		if name == "" || len(name) > 32 || strings.Trim(name, plain) != "" {
			return false
		}
	}
	return true
}
