package authz

import (
	"maps"
	"net/http"
	"slices"

	"medtwin.ai/tollgate/internal/request"
)

// An asker asks the question of a route about requests: a need compiled for
// one model.
type asker struct {
	question question
	ids      ids      // whole but for those in the path
	paths    []string // the wildcards that hold the first ids
	cost     int
	later    []string // the kinds that the handler has promised to check
}

// newAsker compiles a need that holds. writes: for methods that are unsafe.
func newAsker(m *Model, n Need, writes bool) *asker {
	q := Request{
		Permission: n.Permission,
		Endpoint:   n.ID,
		Writes:     writes && !n.ReadOnly,
		Suspended:  n.Suspended,
		Anyone:     n.Anyone,
		Recent:     n.Recent,
	}
	var paths []string
	for i, kind := range slices.Sorted(maps.Keys(n.From)) {
		q.Resources[i] = Resource{Kind: kind, ID: star} // until asked
		paths = append(paths, n.From[kind])
	}
	for i, kind := range n.Whole {
		q.Resources[len(paths)+i] = Resource{Kind: kind, ID: star}
	}
	c := q.compile(m)
	c.hide, c.environment = n.Hide, n.Environment
	return &asker{question: c, ids: q.ids(), paths: paths, cost: n.Cost, later: n.Later}
}

// ask fills in what r asks about.
func (a *asker) ask(r *http.Request, about *ids) {
	*about = a.ids
	for i, wildcard := range a.paths {
		about[i] = r.PathValue(wildcard)
	}
}

// admit decides r and notes question, cost and denial on its state.
func (a *asker) admit(rights *Rights, r *http.Request, s *request.State) bool {
	about := (*ids)(&s.IDs) // a copy: another mux behind this one changes the path values
	a.ask(r, about)
	s.Question, s.Cost, s.Denied = &a.question, a.cost, nil
	d := rights.decide(&a.question, about, s.Environment, a.question.age(s.Now, s.Proved))
	if !d.Allowed {
		s.Denied = &DeniedError{Decision: d, Permission: a.question.permission}
	} else if w := s.Watcher(); w != nil {
		s.Watch(w.Admitted(a.question.endpoint, a.later))
	}
	return d.Allowed
}

// plain reports whether a path value can be an id: 1 to 128 of
// [A-Za-z0-9._~-], the unreserved characters of RFC 3986, and not "." or "..".
func plain(s string) bool {
	if len(s) == 0 || len(s) > 128 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}
