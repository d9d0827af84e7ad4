package authz

import "strings"

// Where returns the condition of an SQL query that holds for the rows whose
// column [Set.Has]: "1 = 1" for [All], "1 = 0" where there is none, else
// "column IN (…)". For every name, arg takes it as an argument of the query
// and returns the placeholder: "?", or "$3".
//
//	where := visible.Where("project", func(id any) string {
//		args = append(args, id)
//		return "?"
//	})
//
// column is written as it is: never take it from a request. It must compare
// byte by byte, or a collation that folds case finds "P1" for "p1". A
// database bounds the arguments of a query: 32,766 in SQLite, 65,535 in
// PostgreSQL. A column that is NULL or "" holds no id, and is yet in "1 = 1".
func (s Set) Where(column string, arg func(any) string) string {
	if s.all {
		return "1 = 1"
	}
	var places []string
	for _, x := range s.items {
		if s.Has(x) { // "" and "*" are no names, though Of takes them
			places = append(places, arg(x))
		}
	}
	if places == nil {
		return "1 = 0"
	}
	return column + " IN (" + strings.Join(places, ", ") + ")"
}
