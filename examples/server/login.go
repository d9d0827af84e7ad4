package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// deviceCookie identifies a device from which its owner has logged in. It grants
// no access.
const deviceCookie = "__Host-device"

func (s *server) declareLogin(routes table) {
	routes.Public("POST /v1/auth/login", "a user who logs in has no credential yet; guessing is limited", http.HandlerFunc(s.login))
	routes.Public("POST /v1/auth/logout", "a user who logs out is logged out, whatever the state of the session", http.HandlerFunc(s.logout))
	routes.Public("POST /v1/auth/accept", "the invitation is the credential; guessing is limited", http.HandlerFunc(s.accept))
	routes.Handle("POST /v1/auth/password", authz.Need{ID: "auth.password", Permission: self, Cost: -1}, http.HandlerFunc(s.changePassword))
	s.declareSessions(routes)
}

// login answers as seed 001 shows it. It ignores a session that the request
// brings: the new one has a token of its own.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		Account  string `json:"account"` // to act in
		Cookie   bool   `json:"cookie"`  // the token goes into a cookie and not into the body
	}
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.gate.CheckOrigin(r); body.Cookie && err != nil { // else any page could log its visitors in as somebody else
		s.failLogin(w, r, err)
		return
	}
	attempt := login.Attempt{
		Email: body.Email, Password: body.Password, Account: body.Account, Cookie: body.Cookie,
		Address: s.gate.ClientAddr(r), Agent: s.redacted(r.UserAgent()),
	}
	if c, err := r.Cookie(deviceCookie); err == nil {
		attempt.Device = c.Value
	}
	now := s.now()
	done, err := s.logins.Login(r.Context(), attempt, now)
	if err != nil {
		s.failLogin(w, r, err)
		return
	}
	s.note(r.Context(), store.Event{
		Account: done.Session.Account, Actor: done.Session.User, Kind: "session.started", Subject: done.Session.ID,
		Address: done.Session.Address,
	})
	http.SetCookie(w, s.logins.DeviceCookie(deviceCookie, done.Device, now))
	s.showSession(w, r, done, nil, now)
}

// showSession answers with the token of a session, which is shown this once.
// The session is known from now on, so that failures of others at the same address
// do not hold it up. keys is in the answer after a change of password.
func (s *server) showSession(w http.ResponseWriter, r *http.Request, done login.Success, keys *recentKeys, now time.Time) {
	c := authn.NewCredential("session", done.Token.Reveal())
	c.Cookie = done.Session.Cookie
	s.sessions.Authenticate(r.Context(), c, now) // an error will show at the next request, if it lasts
	w.Header().Set("Cache-Control", "private, no-store")
	answer := struct {
		Token   string      `json:"session_token,omitempty"`
		Expires string      `json:"expires_at"`
		Keys    *recentKeys `json:"recent_keys,omitempty"`
	}{done.Token.Reveal(), rfc3339(done.Session.Expires), keys}
	if done.Session.Cookie {
		http.SetCookie(w, session.Cookie(tollgate.SessionCookie, done.Token, done.Session, now))
		answer.Token = "" // scripts of a page cannot read the cookie either
	}
	s.respond(w, r, http.StatusOK, answer)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	c, err := s.gate.Credential(r)
	inHeader := len(r.Header["Authorization"]) > 0
	switch {
	case errors.Is(err, authn.ErrMissing), errors.Is(err, authn.ErrRejected) && inHeader:
		w.WriteHeader(http.StatusNoContent) // a cookie is gone after the first time; nothing else can be a session
		return
	case err != nil: // of two cookies one may be a session that lives on
		s.failLogin(w, r, err)
		return
	}
	now := s.now()
	// Known sessions pass. A token that has to be looked up counts against the
	// failures of its address, or anybody could ask for any number.
	var throttled *authn.ThrottledError
	p, err := s.gate.Identify(r) // only to write down whose session it was
	if errors.As(err, &throttled) {
		s.failLogin(w, r, err)
		return
	}
	if err := s.sessions.Logout(r.Context(), c, now); err != nil {
		s.fail(w, r, err)
		return
	}
	if p != nil && p.Kind == authn.KindSession {
		s.note(r.Context(), store.Event{
			Account: p.Account, Actor: p.User, Kind: "session.ended", Subject: p.ID, Address: shown(s.gate.ClientAddr(r)), Note: "logged out",
		})
	}
	if c.Cookie {
		http.SetCookie(w, session.ClearCookie(tollgate.SessionCookie))
	}
	w.WriteHeader(http.StatusNoContent)
}

// changePassword ends all sessions of the caller and begins one. Keys that the
// caller has made lately may be those of a thief: the answer counts them, and they
// are revoked where the body says so.
func (s *server) changePassword(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Current string `json:"current_password"`
		Next    string `json:"new_password"`
		Days    *int   `json:"revoke_keys_days"`
	}
	err := decode(w, r, &body)
	if err == nil && body.Days != nil && (*body.Days < 1 || *body.Days > maxRecentDays) {
		err = errDays
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p, _ := caller(r)
	now := s.now()
	done, err := s.logins.ChangePassword(r.Context(), &p, body.Current, body.Next, now)
	if errors.Is(err, login.ErrFailed) { // not 401: the session is good
		err = invalid(http.StatusBadRequest, "wrong_password", "The current password is another one.")
	}
	if err != nil {
		s.failLogin(w, r, err)
		return
	}
	s.record(r, "password.changed", p.User, "")
	// The former one is void.
	http.SetCookie(w, s.logins.DeviceCookie(deviceCookie, done.Device, now))
	keys := s.recentKeys(r, p.User, body.Days, now)
	if done.Token.IsZero() { // the password is changed, and the caller logs in anew
		s.respond(w, r, http.StatusOK, map[string]any{"recent_keys": keys})
		return
	}
	s.showSession(w, r, done, keys, now)
}

// accept sets the password of an invited user.
func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token    string `json:"token"`
		Password string `json:"password"`
	}
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	user, err := s.logins.Accept(r.Context(), body.Token, body.Password, s.gate.ClientAddr(r), s.now())
	if err != nil {
		s.failLogin(w, r, err)
		return
	}
	s.noteUser(r.Context(), store.Event{
		Actor: user, Kind: "password.changed", Subject: user, Address: shown(s.gate.ClientAddr(r)), Note: "by invitation",
	})
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(http.StatusNoContent)
}

// noteUser writes down an event about a person in all accounts that they belong
// to.
func (s *server) noteUser(ctx context.Context, e store.Event) {
	reading, cancel := detached(ctx, recordTimeout)
	defer cancel()
	members, err := s.Memberships().OfUser(reading, e.Subject)
	if err != nil || len(members) == 0 {
		members = []store.Membership{{}} // in the operator's log, then
	}
	for _, m := range members {
		e.Account = m.Account
		s.note(ctx, e)
	}
}

// failLogin answers with what an error of package login or authn means.
func (s *server) failLogin(w http.ResponseWriter, r *http.Request, err error) {
	var busy *password.BusyError
	var weak *password.PolicyError
	p := problem.Problem{}
	switch {
	case errors.As(err, &busy):
		p = problem.Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "Too many people are logging in.", Retry: busy.Retry}
	case errors.As(err, &weak):
		p = problem.Problem{Status: http.StatusBadRequest, Code: "password_" + weak.Code, Detail: weak.Detail}
	case errors.Is(err, login.ErrFailed):
		p = problem.Problem{Status: http.StatusUnauthorized, Code: "login_failed", Detail: "The email address or the password is wrong."}
	case errors.Is(err, login.ErrSuspended):
		p = problem.Problem{Status: http.StatusForbidden, Code: "account_suspended", Detail: "The user is suspended."}
	case errors.Is(err, login.ErrAccount):
		p = problem.Problem{Status: http.StatusForbidden, Code: "not_a_member", Detail: "The user is no member of the account."}
	case errors.Is(err, login.ErrInvitation):
		p = problem.Problem{Status: http.StatusBadRequest, Code: "invalid_invitation", Detail: "The invitation is wrong, has been used or has expired."}
	case errors.Is(err, authn.ErrRejected), errors.Is(err, authn.ErrAmbiguous), errors.Is(err, authn.ErrCrossOrigin):
		p = authn.Problem(err)
	case r.Context().Err() != nil: // nobody waits for the answer
		p = problem.Problem{Status: http.StatusServiceUnavailable, Retry: time.Second}
	default:
		s.fail(w, r, err)
		return
	}
	writeProblem(w, r, p)
}
