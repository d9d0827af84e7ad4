package session_test

import (
	"fmt"
	"time"

	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// The cookie of a session cannot be read by scripts and is sent over TLS alone.
func ExampleCookie() {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	c := session.Cookie("__Host-sess", keyfmt.Token{}, store.Session{Expires: now.Add(24 * time.Hour), Cookie: true}, now)
	fmt.Println(c.HttpOnly, c.Secure, c.Path, c.Domain == "", c.MaxAge)
	// Output: true true / true 86400
}
