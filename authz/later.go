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
	s, q := asked(ctx, kind)
	if q == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	more := q.and(Resource{Kind: kind, ID: id})
	rights, _ := s.Rights.(*Rights)
	if d := rights.decide(&more, (*ids)(&s.IDs), s.Environment, q.age(s.Now, s.Proved)); !d.Allowed {
		return &DeniedError{Decision: d, Permission: more.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow, for
// lists: filter by it in the query, as [Set.Where] does, so that pages and
// totals are right. It is empty where no route has asked anything.
func Visible(ctx context.Context, kind string) Set {
	s, q := asked(ctx, kind)
	if q == nil {
		return Set{}
	}
	rights, _ := s.Rights.(*Rights)
	return rights.visible(q, (*ids)(&s.IDs), s.Environment, q.age(s.Now, s.Proved), kind)
}

// asked returns what was asked of the request, which is now asked about a
// kind; nil where nothing was.
func asked(ctx context.Context, kind string) (s *request.State, q *question) {
	if s = request.From(ctx); s == nil {
		return nil, nil
	}
	if w := s.Watcher(); w != nil {
		w.Checked(kind)
	}
	q, _ = s.Question.(*question)
	return s, q
}
