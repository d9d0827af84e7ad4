package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// star is everything in JSON, and as the id of a [Resource] the whole kind.
// It is never an item of a set.
const star = "*"

// A Set is a finite set of names or everything; the zero Set is empty. Sets
// are immutable. In JSON it is "*" or a list of names.
type Set struct {
	all   bool
	items []string // sorted, distinct
}

// All returns the set of everything, what does not exist yet included.
func All() Set { return Set{all: true} }

// Of returns the set of the items. "*" is not a name: Of("*") is not [All], it
// holds nothing, and [Model.Validate] reports it.
func Of(items ...string) Set {
	return sorted(slices.Clone(items))
}

// sorted is Of for a list that it may keep.
func sorted(items []string) Set {
	if len(items) == 0 {
		return Set{}
	}
	slices.Sort(items)
	return Set{items: slices.Compact(items)}
}

// Has reports whether x is in s. "" is in no set, and "*" only in [All].
func (s Set) Has(x string) bool {
	if s.all {
		return x != ""
	}
	if x == "" || x == star {
		return false
	}
	if len(s.items) <= 8 { // nearly always; equality is cheaper than order
		return slices.Contains(s.items, x)
	}
	_, ok := slices.BinarySearch(s.items, x)
	return ok
}

// IsAll reports whether s is everything.
func (s Set) IsAll() bool { return s.all }

// Items returns the names in s, sorted; none for [All].
func (s Set) Items() []string { return slices.Clone(s.items) }

// Within reports whether everything in s is in o, now and later: All is only
// within All.
func (s Set) Within(o Set) bool {
	if s.all || o.all {
		return o.all
	}
	for _, x := range s.items {
		if _, ok := slices.BinarySearch(o.items, x); !ok {
			return false
		}
	}
	return true
}

// Equal reports whether s and o are the same set.
func (s Set) Equal(o Set) bool {
	return s.all == o.all && slices.Equal(s.items, o.items)
}

// String returns "*" or the names, at most eight of them: it is for messages.
func (s Set) String() string {
	if s.all {
		return star
	}
	if n := len(s.items); n > 8 {
		return fmt.Sprintf("%s … (%d in all)", strings.Join(s.items[:8], ", "), n)
	}
	return strings.Join(s.items, ", ")
}

// check returns an error for the first item that is not a name.
func (s Set) check() error {
	for _, x := range s.items {
		switch {
		case x == "":
			return errors.New("an empty name")
		case x == star:
			return errors.New(`"*" within a list: it stands alone`)
		case !utf8.ValidString(x):
			return fmt.Errorf("%q is not UTF-8", x)
		}
	}
	return nil
}

// union returns what is in s or o.
func (s Set) union(o Set) Set {
	switch {
	case s.all || len(o.items) == 0 && !o.all:
		return s
	case o.all || len(s.items) == 0:
		return o
	}
	return Of(slices.Concat(s.items, o.items)...)
}

// intersect returns what is in s and o.
func (s Set) intersect(o Set) Set {
	switch {
	case s.all:
		return o
	case o.all:
		return s
	}
	return s.except(func(x string) bool { return !o.Has(x) })
}

// except returns s without the names for which f is true; everything is not
// made of names.
func (s Set) except(f func(string) bool) Set {
	left := Set{all: s.all}
	for _, x := range s.items {
		if !f(x) {
			left.items = append(left.items, x)
		}
	}
	return left
}

// MarshalJSON returns "*" or the sorted list of names.
func (s Set) MarshalJSON() ([]byte, error) {
	if s.all {
		return []byte(`"*"`), nil
	}
	if len(s.items) == 0 {
		return []byte(`[]`), nil
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("authz: set: %w", err)
	}
	return json.Marshal(s.items)
}

// UnmarshalJSON reads "*" or a list of names; null is the empty set. "*"
// within a list, an empty name and every other form are errors.
func (s *Set) UnmarshalJSON(data []byte) error {
	if !json.Valid(data) {
		return fmt.Errorf("authz: set: %w", errMalformed)
	}
	set, err := readSet(strings.TrimSpace(string(data)))
	if err != nil {
		return err
	}
	*s = set
	return nil
}

// readSet reads a set from valid JSON.
func readSet(text string) (Set, error) {
	switch text {
	case `"*"`:
		return All(), nil
	case `null`:
		return Set{}, nil
	}
	list, err := items(text)
	if err != nil {
		return Set{}, fmt.Errorf(`authz: set: want "*" or a list of names: %w`, err)
	}
	set := sorted(list)
	if err := set.check(); err != nil {
		return Set{}, fmt.Errorf("authz: set: %w", err)
	}
	return set, nil
}
