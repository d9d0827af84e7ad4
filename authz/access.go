package authz

import (
	"context"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/internal/watch"
)

// An Access is a request that was allowed: who makes it, and what it is about.
// A handler's later questions are decided by it, under the same need. It is
// immutable. The zero Access allows nothing.
type Access struct {
	requirement *Requirement
	caller      Caller
	target      Target
}

// Access returns what [CheckResource] and [Visible] decide by, for a request of
// c about t that q has allowed. It does not check that: call Decide first. Put
// it on the context of this request only, because any code that has the context
// can ask by it.
func (q *Requirement) Access(c Caller, t Target) Access { return Access{q, c, t} }

// Announce tells the test that watches ctx that the request was allowed: see
// package authztest. Without such a test it does nothing.
func (a *Access) Announce(ctx context.Context) {
	if w := watch.From(ctx); w != nil {
		w.Admitted(a, a.requirement.need.ID, a.requirement.need.CheckedByHandler)
	}
}

// CheckResource decides the request of ctx again, with one more resource: may
// the caller do the same to this one? It returns nil, or a *[DeniedError],
// which [Problem] turns into an answer.
//
// Call it before looking the resource up, so that the answer is the same for
// ids that exist and ids that do not. It knows nothing of accounts, so the
// look-up must ask for the account as well.
//
// It denies if no route has allowed the request, as in a public route: a
// handler that is mounted by mistake under one opens nothing.
func CheckResource(ctx context.Context, kind, id string) error {
	a := checked(ctx, kind)
	if a == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	// The same need and the same caller as before, with one more resource: a
	// handler cannot ask under weaker terms than its route's.
	more := a.requirement.of(&a.target).and(Resource{Kind: kind, ID: id})
	age := more.age(a.caller.Now, a.caller.Proved)
	if d := a.caller.Rights.decide(&more, &a.target.ids, a.caller.Environment, age); !d.Allowed {
		return &DeniedError{Decision: d, Permission: more.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow. It is for
// lists: put them into the query, as [Set.Where] does, so that pages are full
// and totals are right. Filtering after the query gives neither. The result is
// empty if no route has allowed the request.
func Visible(ctx context.Context, kind string) Set {
	a := checked(ctx, kind)
	if a == nil {
		return Set{}
	}
	q := a.requirement.of(&a.target)
	age := q.age(a.caller.Now, a.caller.Proved)
	return a.caller.Rights.visible(q, &a.target.ids, a.caller.Environment, age, kind)
}

// checked returns the access of ctx, or nil. It tells a watching test that the
// handler has asked about the kind.
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

// Caller returns who makes the request.
func (a *Access) Caller() *Caller { return &a.caller }
