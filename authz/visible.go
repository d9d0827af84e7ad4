package authz

import "time"

// Visible returns the ids of a kind that the principal may name in q: exactly
// those for which [Rights.Decide] would allow q with that resource added. For
// lists, to filter in the query.
func (r *Rights) Visible(q Request, kind string) Set {
	if r == nil {
		return Set{}
	}
	c := q.compile(r.model)
	ids := q.ids()
	return r.visible(&c, &ids, q.Environment, c.age(q.Now, q.Proved), kind)
}

func (r *Rights) visible(q *compiledRequest, ids *ids, environment string, age time.Duration, kind string) Set {
	if r.empty() || r.model.kinds[kind] == 0 || r.status.refuses(q) != "" || age > q.recent {
		return Set{}
	}
	if q.model != r.model {
		c := q.with(r.model)
		q = &c
	}
	environment = q.in(environment)
	seen := All()
	for i := range r.layers {
		var here Set
		for j := range r.layers[i].grants {
			if g := &r.layers[i].grants[j]; g.firstMismatch(q, ids, environment) == nothing {
				here = here.union(g.scope[r.model.kinds[kind]-1])
			}
		}
		seen = seen.intersect(here)
	}
	return seen
}
