package portal

import (
	"net/http"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
)

// A shownSelf is what a credential is told about itself.
type shownSelf struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // key, session, or user, of the application's own login
	Account     string    `json:"account"`
	User        string    `json:"user,omitempty"`
	Environment string    `json:"environment"`
	ExpiresAt   string    `json:"expires_at,omitempty"`
	Plan        shownPlan `json:"plan"`
	// Layers are what it was given and what its owner may do. It may do what each of
	// them holds, which is Effective: any of these grants.
	Layers    []shownLayer  `json:"layers"`
	Effective []authz.Grant `json:"effective"`
	Status    string        `json:"account_status"` // while it is not active, little is effective
}

type shownLayer struct {
	Name   string        `json:"name"`
	Grants []authz.Grant `json:"grants"`
}

// whoami tells a credential what it is and what it may do. It costs nothing of the plan.
func (a *accountRoutes) whoami(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	v := shownSelf{
		ID: by.ID, Kind: "key", Account: by.Account, User: by.User, Environment: by.Environment, ExpiresAt: wire.FormatTime(by.Expires),
		Plan: showPlan(a.gate.PlanOf(by)), Status: authz.Active.String(),
	}
	switch by.Kind {
	case authn.KindSession:
		v.Kind = "session"
	case authn.KindUser:
		v.Kind = "user"
	}
	// A status that refuses says so before anything else is looked at.
	if d := by.Rights.Decide(authz.Request{Anyone: true, Writes: true}); d.Layer == "status" {
		v.Status = d.Held
	}
	layers := by.Rights.Layers()
	for i, grants := range layers {
		name := "credential"
		if i > 0 {
			name = "owner"
		}
		v.Layers = append(v.Layers, shownLayer{name, grants})
	}
	v.Effective = effective(layers)
	return wire.JSON(w, http.StatusOK, v)
}
