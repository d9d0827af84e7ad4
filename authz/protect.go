package authz

import (
	"errors"
	"net/http"

	"medtwin.ai/tollgate/internal/request"
	"medtwin.ai/tollgate/problem"
)

// Protect returns a handler that serves only requests that meet need, for
// muxes and frameworks that exist. Authentication goes around it, a limiter
// goes into it: auth.Wrap(authz.Protect(model, need, limit.Wrap(h))).
//
// The router must set the path values that need.From names, as
// [http.ServeMux] does; a value that is not set is answered with 500, because
// the route is misdeclared. A need whose permission only looks is served for
// safe methods alone, unless it says ReadOnly. Protect panics on a need that
// cannot hold.
func Protect(m *Model, need Need, h http.Handler) http.Handler {
	if m == nil {
		panic("authz: Protect: the model is nil")
	}
	errs := []error{m.check(need)}
	if h == nil {
		errs = append(errs, errors.New("the handler is nil"))
	}
	must("Protect "+need.ID, errs)
	need = need.clone()
	return &protected{
		reads:    newAsker(m, need, false),
		writes:   newAsker(m, need, true),
		safeOnly: m.looksOnly(need) && !need.ReadOnly,
		next:     h,
	}
}

type protected struct {
	reads, writes *asker
	safeOnly      bool
	next          http.Handler
}

func (p *protected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := p.reads
	if !safe(r.Method) {
		a = p.writes
	}
	for _, wildcard := range a.paths {
		switch id := r.PathValue(wildcard); {
		case id == "":
			problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError})
			return
		case !plain(id):
			NotFound(w, r)
			return
		}
	}
	if a == p.writes && p.safeOnly {
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		problem.Write(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
		return
	}
	r, s := request.Protect(r)
	rights, _ := s.Rights.(*Rights)
	switch {
	case rights == nil: // nobody authenticated
		problem.Write(w, r, problem.Problem{Status: http.StatusUnauthorized})
	case a.admit(rights, r, s):
		p.next.ServeHTTP(w, r)
	default:
		refuse(w, r)
	}
}
