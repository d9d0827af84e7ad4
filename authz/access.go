package authz

import (
	"context"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/internal/watch"
)

// An Access is a request that was allowed: who made it, and what it is about.
// It is immutable, and the zero Access allows nothing.
type Access struct {
	requirement *Requirement
	caller      Caller
	target      Target
}

// Access returns what [CheckResource] and [Visible] go by in a handler, for a
// request that q has allowed.
func (q *Requirement) Access(c Caller, t Target) Access { return Access{q, c, t} }

// Announce tells the test that watches ctx, if there is one, that the request
// was allowed: see package authztest.
func (a *Access) Announce(ctx context.Context) {
	if w := watch.From(ctx); w != nil {
		w.Admitted(a, a.requirement.need.ID, a.requirement.need.CheckedByHandler)
	}
}

// CheckResource decides the request of ctx again, with one more resource: may the
// caller do this to it as well? It returns nil, or a *[DeniedError], which
// [Problem] turns into an answer. It denies if no route has allowed the request,
// as in public routes. Ask before looking the resource up.
func CheckResource(ctx context.Context, kind, id string) error {
	a := checked(ctx, kind)
	if a == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	more := a.requirement.of(&a.target).and(Resource{Kind: kind, ID: id})
	age := more.age(a.caller.Now, a.caller.Proved)
	if d := a.caller.Rights.decide(&more, &a.target.ids, a.caller.Environment, age); !d.Allowed {
		return &DeniedError{Decision: d, Permission: more.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow, for lists:
// filter by it in the query, as [Set.Where] does, so that pages and totals are
// right. It is empty if no route has allowed the request.
func Visible(ctx context.Context, kind string) Set {
	a := checked(ctx, kind)
	if a == nil {
		return Set{}
	}
	q := a.requirement.of(&a.target)
	age := q.age(a.caller.Now, a.caller.Proved)
	return a.caller.Rights.visible(q, &a.target.ids, a.caller.Environment, age, kind)
}

// checked returns the access of ctx, which is now asked about a kind, or nil.
func checked(ctx context.Context, kind string) *Access {
	a, _ := ctx.Value(request.AccessKey{}).(*Access)
	if a == nil || a.requirement == nil {
		return nil
	}
	if w := watch.From(ctx); w != nil {
		w.Checked(a, kind)
	}
	return a
}

// Caller is who makes the request.
func (a *Access) Caller() *Caller { return &a.caller }
