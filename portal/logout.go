package portal

import (
	"errors"
	"net/http"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/store"
)

// logout ends the session that the request brings. It answers 204 also if there is none,
// or none any more.
func (p *loginRoutes) logout(w http.ResponseWriter, r *http.Request) error {
	c, err := p.gate.Credential(r)
	inHeader := len(r.Header["Authorization"]) > 0
	switch {
	case errors.Is(err, authn.ErrMissing), errors.Is(err, authn.ErrRejected) && inHeader:
		w.WriteHeader(http.StatusNoContent) // a cookie is gone after the first time; nothing else can be a session
		return nil
	case err != nil: // of two cookies one may be a session that lives on
		return err
	}
	// Known sessions pass. A token that has to be looked up counts against the failures of
	// its address, or anybody could ask for any number.
	by, err := p.gate.Identify(r) // only to record whose session it was
	if _, throttled := errors.AsType[*authn.ThrottledError](err); throttled {
		return err
	}
	if err := p.gate.Sessions().Logout(r.Context(), c, p.of.Now()); err != nil {
		return err
	}
	if by != nil && by.Kind == authn.KindSession {
		p.gate.Record(r.Context(), store.Event{
			Account: by.Account, Actor: by.User, Kind: "session.ended", Subject: by.ID, Address: p.address(r), Note: "logged out",
		})
	}
	if c.Cookie {
		http.SetCookie(w, session.ClearCookie(tollgate.SessionCookie))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
