package main

import (
	"net/http"

	"medtwin.ai/tollgate/store"
)

// auditLog is what has happened in the caller's account, the newest first.
func (s *server) auditLog(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	s.showEvents(w, r, p.Account)
}

// operatorLog is what has happened in ?account or, without one, what concerns
// the operators alone.
func (s *server) operatorLog(w http.ResponseWriter, r *http.Request) {
	s.showEvents(w, r, r.URL.Query().Get("account"))
}

func (s *server) showEvents(w http.ResponseWriter, r *http.Request, account string) {
	after, limit, err := pageOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	events, err := s.Events().List(r.Context(), account, after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, pageFrom(events, limit, func(e store.Event) string { return e.ID }, renderEvent))
}

type eventAnswer struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Actor   string `json:"actor"`
	Subject string `json:"subject"`
	Address string `json:"address,omitempty"`
	At      string `json:"at"`
	Note    string `json:"note,omitempty"`
}

func renderEvent(e store.Event) eventAnswer {
	return eventAnswer{e.ID, e.Kind, e.Actor, e.Subject, e.Address, rfc3339(e.At), e.Note}
}
