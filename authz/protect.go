package authz

import (
	"errors"
	"log/slog"
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
	return Guard{Model: m}.Protect(need, h)
}

// A Guard is [Protect] with what that leaves at its defaults.
type Guard struct {
	// Model is the vocabulary of the needs. Required.
	Model *Model
	// Errors writes refusals. Default: problem.Write.
	Errors problem.Writer
	// Logger hears of every refusal, at debug level. Default: none.
	Logger *slog.Logger
}

// Protect is the function of that name, with what g says.
func (g Guard) Protect(need Need, h http.Handler) http.Handler {
	m := g.Model
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
		errors:   problem.Logged(g.Errors, g.Logger),
	}
}

type protected struct {
	reads, writes *asker
	safeOnly      bool
	next          http.Handler
	errors        problem.Writer
}

func (p *protected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := p.reads
	if !safe(r.Method) {
		a = p.writes
	}
	for _, wildcard := range a.paths {
		switch id := r.PathValue(wildcard); {
		case id == "":
			p.errors(w, r, problem.Problem{Status: http.StatusInternalServerError})
			return
		case !plain(id):
			p.errors(w, r, problem.Problem{Status: http.StatusNotFound})
			return
		}
	}
	if a == p.writes && p.safeOnly {
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		p.errors(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
		return
	}
	r, s := request.Protect(r)
	rights, _ := s.Rights.(*Rights)
	switch {
	case rights == nil: // nobody authenticated
		p.errors(w, r, problem.Problem{Status: http.StatusUnauthorized})
	case a.admit(rights, r, s):
		p.next.ServeHTTP(w, r)
	default:
		p.errors(w, r, denial(r))
	}
}
