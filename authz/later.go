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
	rights, q, environment := asked(ctx)
	if q == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	more, ids := q.and(kind, id)
	if d := rights.decide(&more, &ids, environment); !d.Allowed {
		return &DeniedError{Decision: d, Permission: q.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow, for
// lists: filter by it in the query, so that pages and totals are right. It is
// empty where no route has asked anything.
func Visible(ctx context.Context, kind string) Set {
	rights, q, environment := asked(ctx)
	if q == nil {
		return Set{}
	}
	return rights.visible(q.question, &q.ids, environment, kind)
}

// asked returns what the request's route asked, of whom, and where.
func asked(ctx context.Context) (*Rights, *query, string) {
	s := request.From(ctx)
	if s == nil {
		return nil, nil, ""
	}
	rights, _ := s.Rights.(*Rights)
	q, _ := s.Query.(*query)
	return rights, q, s.Environment
}
