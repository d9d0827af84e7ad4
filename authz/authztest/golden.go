// Package authztest holds what an application tests its routes with. [Golden]
// makes a change of what a route requires visible in review. [Tripwire] finds
// handlers that do not keep the promises of their needs.
package authztest

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authz"
)

// update is the environment variable that makes Golden write its file.
const update = "AUTHZTEST_UPDATE"

// Golden compares what every route requires with the file at path, such as
// "testdata/routes.golden". So opening a route wider changes a line that a
// reviewer reads. With AUTHZTEST_UPDATE=1 in the environment, Golden writes the
// file instead.
//
// A line is "pattern: id needs permission", followed by the other fields of the
// need. The lines are sorted by path, so that the order of the declarations
// does not matter.
func Golden(t testing.TB, routes []authz.Route, path string) {
	t.Helper()
	have := strings.Join(lines(routes), "")
	if os.Getenv(update) == "1" {
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			err = os.WriteFile(path, []byte(have), 0o666)
		}
		if err != nil {
			t.Errorf("authztest: the golden file cannot be written: %v", err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("authztest: no golden file to compare with: %v\nRun the test with %s=1, and read what it writes.", err, update)
		return
	}
	want := strings.ReplaceAll(string(text), "\r\n", "\n") // git may check it out like this
	if want != have {
		t.Errorf("authztest: the routes do not require what %s says:\n%sIf that is meant, run the test with %s=1 and have the change reviewed.",
			path, missing("- ", want, have)+missing("+ ", have, want), update)
	}
}

// missing returns the lines of the text of that the text in does not have.
func missing(mark, of, in string) string {
	var all strings.Builder
	others := slices.Collect(strings.Lines(in))
	for line := range strings.Lines(of) {
		if !slices.Contains(others, line) {
			all.WriteString(mark + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return all.String()
}

// lines returns one line for each route, sorted by path and then by method.
func lines(table []authz.Route) []string {
	table = slices.Clone(table)
	slices.SortFunc(table, func(a, b authz.Route) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Need.ID, b.Need.ID))
	})
	var all []string
	for _, r := range table {
		if r.Public != "" {
			all = append(all, fmt.Sprintf("%s: public: %q\n", r.Pattern, r.Public))
			continue
		}
		all = append(all, r.Pattern+": "+needs(r.Need)+"\n")
	}
	return all
}

// place returns a pattern without its method.
func place(r authz.Route) string {
	return strings.TrimLeft(strings.TrimPrefix(r.Pattern, r.Method), " \t")
}

// needs returns a need in words, with every field that is not at its default.
func needs(n authz.Need) string {
	first := fmt.Sprintf("%s needs %s", n.ID, n.Permission)
	switch {
	case n.Anyone:
		first = n.ID + " is for anyone known"
	case n.Person && n.Permission == "":
		first = n.ID + " is for people"
	}
	say := []string{first}
	add := func(when bool, format string, args ...any) {
		if when {
			say = append(say, fmt.Sprintf(format, args...))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(n.From)) {
		add(true, "%s from {%s}", kind, n.From[kind])
	}
	for _, kind := range n.CheckedByHandler {
		add(true, "%s later", kind)
	}
	for _, kind := range n.AllOf {
		add(true, "all %s", kind)
	}
	add(n.Person && n.Permission != "", "of people")
	add(n.Environment != "", "held in %s", n.Environment)
	add(n.Recent != 0, "proof of the last %s", n.Recent)
	add(n.ReadOnly, "read-only")
	add(n.Suspended, "suspended too")
	add(n.HideDenial, "hidden")
	add(n.Cost > 0, "costs %d", n.Cost)
	add(n.Cost < 0, "costs nothing")
	return strings.Join(say, ", ")
}
