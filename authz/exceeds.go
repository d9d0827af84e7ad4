package authz

import "strings"

// detail returns the text that a client gets about a denial. A caller who hands
// out too much is told the dimension, and which part of their own request is
// too much. They are told nothing of what anybody holds. Names longer than
// those that applications give are left out, because they may be a credential
// in the wrong place.
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

// repeatable reports whether all names are short and harmless enough to be
// repeated to the caller who sent them.
func repeatable(names []string) bool {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/*"
	for _, name := range names {
		if name == "" || len(name) > 32 || strings.Trim(name, safe) != "" {
			return false
		}
	}
	return true
}
