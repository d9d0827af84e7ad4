package authz

import (
	"fmt"
	"strings"
)

// Explain returns several lines about how [Rights.Decide] answers q: the
// verdict, the status, each layer with what each of its grants lacks, and the
// proof of identity. It is for operators, because it shows what the caller
// holds. The form may change. For example:
//
//	denied: out_of_scope
//	status active: yes
//	credential: no
//	  grant 1 lacks scope.projects "p2", has "p1"
//	owner: yes
//	  grant 1 holds it all
//
// The key of that caller is limited to project p1, and its owner may do more.
func (r *Rights) Explain(q Request) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if d := r.Decide(q); d.Allowed {
		line("allowed")
	} else {
		line("denied: %s", d.Code)
	}
	if r.empty() {
		line("nothing was given: there are no layers")
		return b.String()
	}
	// The functions below are those that decide, so the explanation cannot
	// differ from the decision.
	c, about := q.compile(r.model), q.ids()
	line("status %s: %s", r.status, verdict(r.status.refuses(&c) == ""))
	for i := range r.layers {
		l := &r.layers[i]
		line("%s: %s", l.name, verdict(l.holds(&c, &about, q.Environment)))
		for j := range l.grants {
			switch lacks := l.grants[j].lacks(&c, &about, q.Environment); {
			case c.asksNothing():
				line("  grant %d: nothing is asked of it", j+1)
			case lacks == nil:
				line("  grant %d holds it all", j+1)
			default:
				line("  grant %d lacks %s", j+1, strings.Join(lacks, "; "))
			}
		}
		if len(l.grants) == 0 {
			line("  no grant")
		}
		if l.void > 0 {
			line("  void, since Model.Validate refuses them: %d", l.void)
		}
	}
	if c.recent != 0 {
		age := c.age(q.Now, q.Proved)
		if d := c.stale(age); c.recent == anyAge {
			line("proof: wanted of a person: %s", verdict(age <= c.recent))
		} else {
			line("proof: wanted %s ago at most, was %s: %s", c.recent, d.Held, verdict(age <= c.recent))
		}
	}
	return b.String()
}

// verdict returns a yes or no in words.
func verdict(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// lacks returns everything in which the grant does not contain q, in words.
// firstMismatch stops at the first.
func (c *compiledGrant) lacks(q *compiledRequest, ids *ids, environment string) []string {
	var all []string
	add := func(dimension, wanted string, held Set) {
		all = append(all, fmt.Sprintf("%s %q, has %q", dimension, wanted, held))
	}
	if c.permissions&q.bit == 0 {
		add("permissions", q.permission, c.grant.Permissions)
	}
	if !covers(c.grant.Endpoints)(q.endpoint) {
		add("endpoints", q.endpoint, c.grant.Endpoints)
	}
	if !c.environments.Has(environment) {
		add("environments", environment, c.environments)
	}
	for i, kind := range q.kinds {
		if x := q.resource(i, ids); kind != 0 && !c.has(kind, x.ID) {
			add("scope."+x.Kind, x.ID, c.grant.Scope[x.Kind])
		}
	}
	return all
}
