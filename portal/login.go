package portal

import (
	"net/http"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// deviceCookie identifies a device from which its owner has logged in. It grants no
// access.
const deviceCookie = "__Host-device"

// loginRoutes are for people who have no session yet, want none any more, or change
// their password.
type loginRoutes struct{ *portal }

func (p *portal) declareLogin() { (&loginRoutes{p}).declare() }

func (p *loginRoutes) declare() {
	p.public("POST /auth/login", "a person who logs in has no credential yet; guessing is limited", p.login)
	p.public("POST /auth/logout", "a person who logs out is logged out, whatever the state of the session", p.logout)
	p.public("POST /auth/accept", "the token of a mail is the credential; guessing is limited", p.accept)
	p.public("POST /auth/reset", "a person who has forgotten a password cannot log in; asking is limited", p.requestReset)
	p.handle("POST /auth/password", authz.Need{ID: "auth.password", Person: true}, p.changePassword)
}

// login begins a session. It ignores a session that the request brings: the new one has
// a token of its own.
func (p *loginRoutes) login(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		Account  string `json:"account"` // to act in; "": the one that the user has been a member of for longest
		Cookie   bool   `json:"cookie"`  // the token goes into a cookie and not into the body
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	if body.Cookie { // else any page could log its visitors in as somebody else
		if err := p.gate.CheckOrigin(r); err != nil {
			return err
		}
	}
	attempt := login.Attempt{
		Email: body.Email, Password: body.Password, Account: body.Account, Cookie: body.Cookie,
		Address: p.gate.ClientAddr(r), Agent: p.gate.Redact(r.UserAgent()),
	}
	if c, err := r.Cookie(deviceCookie); err == nil {
		attempt.Device = c.Value
	}
	now := p.of.Now()
	done, err := p.gate.Logins().Login(r.Context(), attempt, now)
	if err != nil {
		return err
	}
	p.gate.Record(r.Context(), store.Event{
		Account: done.Session.Account, Actor: done.Session.User, Kind: "session.started", Subject: done.Session.ID, Address: done.Session.Address,
	})
	return p.showSession(w, r, done, nil, now)
}

// showSession answers with the token of a session, which is shown this once, and makes
// the device known. keys is in the answer after a change of password.
func (p *loginRoutes) showSession(w http.ResponseWriter, r *http.Request, done login.Success, keys *recentKeys, now time.Time) error {
	// The session is known from now on, so that failures of others at the same address do
	// not hold it up. An error will show at the next request, if it lasts.
	c := authn.NewCredential("session", done.Token.Reveal())
	c.Cookie = done.Session.Cookie
	p.gate.Sessions().Authenticate(r.Context(), c, now)

	w.Header().Set("Cache-Control", "private, no-store")
	http.SetCookie(w, p.gate.Logins().DeviceCookie(deviceCookie, done.Device, now))
	answer := struct {
		Token   string      `json:"session_token,omitempty"`
		Expires string      `json:"expires_at"`
		Keys    *recentKeys `json:"recent_keys,omitempty"`
	}{done.Token.Reveal(), wire.FormatTime(done.Session.Expires), keys}
	if done.Session.Cookie {
		http.SetCookie(w, session.Cookie(tollgate.SessionCookie, done.Token, done.Session, now))
		answer.Token = "" // scripts of a page cannot read the cookie either
	}
	return wire.JSON(w, http.StatusOK, answer)
}
