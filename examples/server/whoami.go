package main

import (
	"net/http"
	"time"
)

// whoami tells a credential what it is and what it may do. It costs nothing of
// the plan.
func (s *server) whoami(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	plan, source := s.planOf(p)
	limits := []map[string]any{}
	for _, l := range plan.Limits() {
		limits = append(limits, map[string]any{"name": l.Name, "quota": l.Quota, "window_seconds": int64(l.Window / time.Second)})
	}
	answer := map[string]any{
		"id":          p.ID,
		"account":     p.Account,
		"environment": p.Environment,
		"plan":        map[string]any{"name": plan.Name(), "source": source, "limits": limits},
		"grants":      p.Rights.Layers()[0], // what the key was given
	}
	if !p.Expires.IsZero() {
		answer["expires_at"] = p.Expires.Format(time.RFC3339)
	}
	s.respond(w, r, http.StatusOK, answer)
}
