package session

import (
	"net/http"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Cookie returns the cookie that carries the token until the session ends. Its
// attributes keep it from scripts (HttpOnly), from plain HTTP (Secure), and
// from requests of other sites but for links (SameSite=Lax).
//
// With a name that begins with "__Host-" browsers insist on these attributes,
// and on the absence of Domain: the cookie came over TLS and belongs to this
// host alone, so no other host of the domain can plant one (RFC 6265bis
// §4.1.3.2).
func Cookie(name string, token keyfmt.Token, s store.Session, now time.Time) *http.Cookie {
	c := cookie(name)
	c.Value = token.Reveal()
	c.Expires = s.Expires
	c.MaxAge = max(1, int(s.Expires.Sub(now)/time.Second)) // a MaxAge of 0 would leave the attribute out
	return c
}

// ClearCookie returns the cookie that makes a browser forget the one of that
// name. It is for the answer to a log-out. It must not be part of a 401: then
// any page that can provoke a 401 could log people out.
func ClearCookie(name string) *http.Cookie {
	c := cookie(name)
	c.Expires = time.Unix(0, 0)
	c.MaxAge = -1
	return c
}

// cookie returns what both have in common. A browser replaces a cookie only by
// one of the same name, path and host.
func cookie(name string) *http.Cookie {
	return &http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
