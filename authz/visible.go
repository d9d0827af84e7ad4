package authz

import "time"

// Visible returns the ids of a kind that the principal may name in q: exactly
// those for which [Rights.Decide] would allow q with that resource added. Use
// it to filter a list in its query. It is [All] if the principal is not limited
// to some of them, and empty if they may not do this at all.
func (r *Rights) Visible(q Request, kind string) Set {
	if r == nil {
		return Set{}
	}
	c := q.compile(r.model)
	ids := q.ids()
	return r.visible(&c, &ids, q.Environment, c.age(q.Now, q.Proved), kind)
}

// visible computes the union of the matching grants in each layer, and the
// intersection of the layers. That is the decision of allows, with the id left
// open: a grant counts only if it contains everything else that the request
// asks for.
func (r *Rights) visible(q *compiledRequest, ids *ids, environment string, age time.Duration, kind string) Set {
	if r.empty() || r.model.kinds[kind] == 0 || r.status.refuses(q) != "" || age > q.recent {
		return Set{}
	}
	if q.model != r.model {
		c := q.with(r.model)
		q = &c
	}
	environment = q.in(environment)
	// Start with everything, and let each layer take away.
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
