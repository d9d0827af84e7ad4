package authz

import (
	"context"

	"medtwin.ai/tollgate/internal/request"
)

// CheckResource asks the question of the request's route again, with one more
// resource: may this be done to it as well? It returns a *[DeniedError], for
// [Refuse], or nil. It denies where no route has asked anything, as in public
// routes. Ask before looking the resource up.
func CheckResource(ctx context.Context, kind, id string) error {
	s, rights, q := asked(ctx)
	if q == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	more, about := q.and(kind), ids(s.IDs)
	about[later] = id
	if d := rights.decide(&more, &about, s.Environment); !d.Allowed {
		return &DeniedError{Decision: d, Permission: q.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow, for
// lists: filter by it in the query, so that pages and totals are right. It is
// empty where no route has asked anything.
func Visible(ctx context.Context, kind string) Set {
	s, rights, q := asked(ctx)
	if q == nil {
		return Set{}
	}
	return rights.visible(q, (*ids)(&s.IDs), s.Environment, kind)
}

// asked returns what the request's route asked, and of whom; nil where none
// did.
func asked(ctx context.Context) (*request.State, *Rights, *question) {
	s := request.From(ctx)
	if s == nil {
		return nil, nil, nil
	}
	rights, _ := s.Rights.(*Rights)
	q, _ := s.Question.(*question)
	return s, rights, q
}
