package authz

import "strings"

// Where returns the condition of an SQL query for the rows whose column holds
// an id of s. It is "1 = 1" for [All], "1 = 0" for the empty set, and otherwise
// "column IN (…)". Where calls arg with every id, which takes it as an argument
// of the query and returns its placeholder, "?" or "$3":
//
//	where := visible.Where("project", func(id any) string {
//		args = append(args, id)
//		return "?"
//	})
//
// The column is written into the query as it is, so never take it from a
// request. It must be compared byte by byte: a collation that ignores letter
// case finds "P1" for "p1". Databases bound the number of arguments: 32,766 in
// SQLite, 65,535 in PostgreSQL. A row whose column is NULL or "" belongs to no
// id, but "1 = 1" finds it.
func (s Set) Where(column string, arg func(any) string) string {
	if s.all {
		return "1 = 1"
	}
	var places []string
	for _, x := range s.items {
		if s.Has(x) { // "" and "*" are not names, although Of accepts them
			places = append(places, arg(x))
		}
	}
	if places == nil {
		return "1 = 0"
	}
	return column + " IN (" + strings.Join(places, ", ") + ")"
}
