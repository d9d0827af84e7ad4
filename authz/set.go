package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// star means everything in JSON, and the whole kind as the id of a [Resource].
// It is never an item of a set.
const star = "*"

// A Set is a finite set of names, or everything. The zero Set is empty. Sets
// are immutable, so they can be shared between grants and requests without a
// copy. In JSON a Set is "*" or a list of names.
//
// Everything is a value of its own, and not a name. So no list of names,
// however it came about, ever becomes everything.
type Set struct {
	all   bool
	items []string // sorted, distinct
}

// All returns the set of everything, including what does not exist yet.
func All() Set { return Set{all: true} }

// Of returns the set of the items. "*" is not a name: Of("*") is not [All] and
// contains nothing, and [Model.Validate] reports it. So text that comes from a
// request never becomes everything.
func Of(items ...string) Set {
	return sorted(slices.Clone(items))
}

// sorted is Of for a list that the set may keep.
func sorted(items []string) Set {
	if len(items) == 0 {
		return Set{}
	}
	slices.Sort(items)
	return Set{items: slices.Compact(items)}
}

// Has reports whether s contains x. No set contains "", so a resource without
// an id is in no scope. Only [All] contains "*", so the whole of a kind is in
// no list of ids.
func (s Set) Has(x string) bool {
	if s.all {
		return x != ""
	}
	if x == "" || x == star {
		return false
	}
	if len(s.items) <= 8 { // nearly always, and then comparing for equality is faster
		return slices.Contains(s.items, x)
	}
	_, ok := slices.BinarySearch(s.items, x)
	return ok
}

// IsAll reports whether s is everything.
func (s Set) IsAll() bool { return s.all }

// Items returns the names in s, sorted. It returns none for [All].
func (s Set) Items() []string { return slices.Clone(s.items) }

// Within reports whether o contains everything that s contains, now and later.
// All is only within All: a list that has every name of today is smaller.
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

// String returns "*" or the names, at most eight of them. It is for messages.
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

// union returns what is in s or in o.
func (s Set) union(o Set) Set {
	switch {
	case s.all || len(o.items) == 0 && !o.all:
		return s
	case o.all || len(s.items) == 0:
		return o
	}
	return Of(slices.Concat(s.items, o.items)...)
}

// intersect returns what is in both s and o. Everything is the neutral element,
// so a layer that allows all ids leaves those of the others.
func (s Set) intersect(o Set) Set {
	switch {
	case s.all:
		return o
	case o.all:
		return s
	}
	return s.except(func(x string) bool { return !o.Has(x) })
}

// except returns s without the names for which f returns true. It leaves
// everything as it is, which does not consist of names.
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

// UnmarshalJSON reads "*" or a list of names. null is the empty set. "*" in a
// list, an empty name and every other form are errors.
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
