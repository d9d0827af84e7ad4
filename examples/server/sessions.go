package main

import (
	"net/http"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// declareSessions adds the routes by which a person sees and ends their own
// sessions, whatever their role, and also while the account is suspended.
func (s *server) declareSessions(routes table) {
	for _, route := range []struct {
		pattern, id string
		handle      http.HandlerFunc
	}{
		{"GET /v1/auth/sessions", "sessions.list", s.listSessions},
		{"DELETE /v1/auth/sessions/{id}", "sessions.revoke", s.revokeSession},
		{"POST /v1/auth/sessions/revoke-others", "sessions.revoke_others", s.revokeOtherSessions},
		{"POST /v1/auth/sessions/revoke-all", "sessions.revoke_all", s.revokeAllSessions},
	} {
		routes.Handle(route.pattern, authz.Need{ID: route.id, Permission: self, Cost: -1, Suspended: true}, route.handle)
	}
}

// A shownSession holds what people recognize a session by, and no part of its
// token.
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

func (s *server) listSessions(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	after, limit, err := pageOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	live, err := s.sessions.List(r.Context(), &p, s.now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if after != "" { // newest first, and ids sort by time
		live = slices.DeleteFunc(live, func(one store.Session) bool { return one.ID >= after })
	}
	s.respond(w, r, http.StatusOK, pageFrom(live, limit, func(one store.Session) string { return one.ID }, func(one store.Session) shownSession {
		seen := one.Seen
		if seen.Before(one.Created) {
			seen = one.Created
		}
		return shownSession{one.ID, one.Account, rfc3339(one.Created), rfc3339(seen), rfc3339(one.Expires), one.Address, one.Agent, one.ID == p.ID}
	}))
}

func (s *server) revokeSession(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	id := r.PathValue("id")
	if err := s.sessions.Revoke(r.Context(), &p, id, s.now()); err != nil {
		s.fail(w, r, err)
		return
	}
	s.record(r, "session.ended", id, "")
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) revokeOtherSessions(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	n, err := s.sessions.RevokeOthers(r.Context(), &p, s.now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.record(r, "session.ended", p.User, "all but "+p.ID)
	s.respond(w, r, http.StatusOK, map[string]int{"revoked": n})
}

// revokeAllSessions ends the caller's own session as well, and logins that are
// on their way.
func (s *server) revokeAllSessions(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	if err := s.sessions.RevokeAll(r.Context(), &p, s.now()); err != nil {
		s.fail(w, r, err)
		return
	}
	s.record(r, "session.ended", p.User, "all")
	w.WriteHeader(http.StatusNoContent)
}
