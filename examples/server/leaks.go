package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// leakedReason begins the reason for which a leaked key is revoked.
const leakedReason = "leaked: "

func (s *server) reportLeaks(w http.ResponseWriter, r *http.Request) { s.leaks.ServeHTTP(w, r) }

// leaked ends a key that somebody has found where everybody can read it, and
// tells its account. known says whether there is such a key, dead or alive:
// only a reporter whose signature has been verified hears that. Doing it again
// changes nothing, so that a report can be handled twice. Tokens of
// sessions, which are short-lived and seldom pasted anywhere, are not known
// here.
func (s *server) leaked(ctx context.Context, token, url, source string) (known bool, err error) {
	key, err := s.keys.Lookup(ctx, token)
	switch {
	case errors.Is(err, authn.ErrRejected):
		return false, nil
	case err != nil:
		return false, err
	}
	if key.Revoked.IsZero() {
		if err := s.keys.Revoke(ctx, authn.Operator(key.Account), key.ID, leakedReason+hostOf(url), s.now()); err != nil {
			return true, err
		}
		if key, err = s.KeyAdmin().Get(ctx, key.Account, key.ID); err != nil {
			return true, err
		}
	}
	// Events under ids that follow from the revocation: written once, even if
	// the process dies between it and them.
	e := store.Event{Account: key.Account, Actor: "secret scanning", Subject: key.ID, Note: key.Reason}
	if strings.HasPrefix(key.Reason, leakedReason) {
		e.ID, e.Kind = eventID(key.Revoked, "key.revoked", key.ID), "key.revoked"
		if err := s.write(ctx, e); err != nil {
			return true, err
		}
	}
	e.ID, e.Kind = eventID(key.Revoked, "key.leaked", key.ID), "key.leaked"
	e.Note = "found at " + hostOf(url)
	if legible(source, 1, 64) {
		e.Note += " (" + source + ")"
	}
	return true, s.write(ctx, e)
}
