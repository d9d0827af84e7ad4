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
	s, a := asked(ctx)
	if a == nil {
		d := denyAll("")
		d.Code, d.Dimension, d.Wanted = "out_of_scope", "scope."+kind, id
		return &DeniedError{Decision: d}
	}
	more, about := a.question.and(kind), a.ask(s.About)
	about[later] = id
	rights, _ := s.Rights.(*Rights)
	if d := rights.decide(&more, &about, s.Environment); !d.Allowed {
		return &DeniedError{Decision: d, Permission: more.permission}
	}
	return nil
}

// Visible returns the ids of a kind that [CheckResource] would allow, for
// lists: filter by it in the query, so that pages and totals are right. It is
// empty where no route has asked anything.
func Visible(ctx context.Context, kind string) Set {
	s, a := asked(ctx)
	if a == nil {
		return Set{}
	}
	about := a.ask(s.About)
	rights, _ := s.Rights.(*Rights)
	return rights.visible(&a.question, &about, s.Environment, kind)
}

// asked returns who asked what of the request, nil where nobody did.
func asked(ctx context.Context) (*request.State, *asker) {
	s := request.From(ctx)
	if s == nil {
		return nil, nil
	}
	a, _ := s.Question.(*asker)
	return s, a
}
