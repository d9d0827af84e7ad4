package session

import (
	"net/http"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Cookie returns the cookie that carries the token of a session to its end. A
// name that begins with "__Host-" has browsers insist on what is set here: that
// it came over TLS and belongs to this host alone, so that no other host of the
// domain can plant one (RFC 6265bis §4.1.3.2).
func Cookie(name string, token keyfmt.Token, s store.Session, now time.Time) *http.Cookie {
	c := cookie(name)
	c.Value = token.Reveal()
	c.Expires = s.Expires
	c.MaxAge = max(1, int(s.Expires.Sub(now)/time.Second)) // 0 would leave the attribute out
	return c
}

// ClearCookie returns what makes a browser forget that cookie. It is for the
// answer to a log-out, never for a 401: any page that can provoke a 401 would
// log people out.
func ClearCookie(name string) *http.Cookie {
	c := cookie(name)
	c.Expires = time.Unix(0, 0)
	c.MaxAge = -1
	return c
}

func cookie(name string) *http.Cookie {
	return &http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
