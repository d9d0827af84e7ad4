package portal

import (
	"net/http"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// sessionRoutes are the handlers of people's own sessions.
type sessionRoutes struct{ *portal }

// declareSessions declares the routes on which people see and end their own sessions,
// whatever their role, and also while the account is suspended.
func (p *portal) declareSessions() {
	s := &sessionRoutes{p}
	p.handle("GET /auth/sessions", authz.Need{ID: "sessions.list", Person: true, Suspended: true}, s.list, "limit", "after")
	p.handle("DELETE /auth/sessions/{id}", authz.Need{ID: "sessions.revoke", Person: true, Suspended: true}, s.revoke)
	p.handle("POST /auth/sessions/revoke-others", authz.Need{ID: "sessions.revoke_others", Person: true, Suspended: true}, s.revokeOthers)
	p.handle("POST /auth/sessions/revoke-all", authz.Need{ID: "sessions.revoke_all", Person: true, Suspended: true}, s.revokeAll)
}

// A shownSession holds what people recognize a session by, and no part of its token.
type shownSession struct {
	ID      string `json:"id"`
	Account string `json:"account"` // that it acts in
	Created string `json:"created_at"`
	Seen    string `json:"last_seen_at"` // late by an eighth of the idle time at most
	Expires string `json:"expires_at"`
	Address string `json:"address,omitempty"` // of the login
	Agent   string `json:"agent,omitempty"`
	Current bool   `json:"current"`
}

func (s *sessionRoutes) list(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		return err
	}
	live, err := s.gate.Sessions().List(r.Context(), by, s.of.Now())
	if err != nil {
		return err
	}
	if after != "" { // newest first, and ids sort by time
		live = slices.DeleteFunc(live, func(one store.Session) bool { return one.ID >= after })
	}
	return wire.JSON(w, http.StatusOK, wire.NewPage(live, limit, func(one store.Session) string { return one.ID }, func(one store.Session) shownSession {
		seen := one.Seen
		if seen.Before(one.Created) {
			seen = one.Created
		}
		return shownSession{one.ID, one.Account, wire.FormatTime(one.Created), wire.FormatTime(seen), wire.FormatTime(one.Expires), one.Address, one.Agent, one.ID == by.ID}
	}))
}

func (s *sessionRoutes) revoke(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.gate.Sessions().Revoke(r.Context(), caller(r), id, s.of.Now()); err != nil {
		return err
	}
	s.record(r, "session.ended", id, "")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *sessionRoutes) revokeOthers(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	n, err := s.gate.Sessions().RevokeOthers(r.Context(), by, s.of.Now())
	if err != nil {
		return err
	}
	s.record(r, "session.ended", by.User, "all but "+by.ID)
	return wire.JSON(w, http.StatusOK, map[string]int{"revoked": n})
}

// revokeAll ends the caller's own session as well, and logins that are under way.
func (s *sessionRoutes) revokeAll(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	if err := s.gate.Sessions().RevokeAll(r.Context(), by, s.of.Now()); err != nil {
		return err
	}
	s.record(r, "session.ended", by.User, "all")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
