package authn

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// maxCredential bounds the header before anything else looks at it. The
// longest credential by far is a JWT.
const maxCredential = 8 << 10

// A Credential is what a request carries. It prints redacted.
type Credential struct {
	Scheme      string // lower case: "bearer", "session"
	Cookie      bool   // it came in a cookie, not in a header
	Environment string // X-Environment: where the request asks to act; "": it does not say
	// MemoryOnly asks an [Authenticator] that remembers for an answer from memory:
	// [ErrNotRemembered] if it has none. Nobody writes to the principal then: it
	// is shared. See [Principal.Clone].
	MemoryOnly bool

	token   string
	request *http.Request
	resolve func(*http.Request) netip.Addr
}

// NewCredential makes a credential, for tests and for callers that have no
// HTTP request.
func NewCredential(scheme, token string) Credential {
	return Credential{Scheme: lower(scheme), token: token}
}

// Address returns the address of the client: the zero Addr if nobody can tell.
// It resolves the address anew at each call, which only credentials that are
// bound to addresses need.
func (c Credential) Address() netip.Addr {
	if c.resolve == nil {
		return netip.Addr{}
	}
	return c.resolve(c.request)
}

// At returns c as it is if sent from addr, for tests.
func (c Credential) At(addr netip.Addr) Credential {
	c.resolve = func(*http.Request) netip.Addr { return addr }
	return c
}

// Reveal returns the token. It belongs in no log and no error.
func (c Credential) Reveal() string { return c.token }

// Format redacts the token under every verb.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.Scheme+" [redacted]") }

// read takes the credential from the Authorization header (RFC 9110 §11.6.2,
// RFC 6750 §2.1) or, only where there is none, from the cookie of that name.
// Nothing else is ever read: no query string, no form field.
func read(h http.Header, cookie string) (Credential, error) {
	var c Credential
	if v := h["X-Environment"]; len(v) > 0 {
		if len(v) > 1 || v[0] == "" || strings.Contains(v[0], ",") {
			return c, errEnvironments
		}
		c.Environment = v[0]
	}
	values := h["Authorization"]
	switch {
	case len(values) == 0 && cookie != "":
		return c.fromCookie(h["Cookie"], cookie)
	case len(values) == 0:
		return c, ErrMissing
	case len(values) > 1:
		return c, ErrAmbiguous
	case len(values[0]) > maxCredential:
		return c, ErrRejected
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	c.Scheme, c.token = lower(scheme), strings.TrimLeft(token, " ")
	if !token68(c.token) {
		return c, ErrRejected
	}
	return c, nil
}

// fromCookie takes the one cookie of that name. Two of them are not one: a
// page on a sibling host may have planted the second.
func (c Credential) fromCookie(lines []string, name string) (Credential, error) {
	found := 0
	for _, line := range lines {
		if len(line) > maxCredential {
			return c, ErrRejected
		}
		for part := range strings.SplitSeq(line, ";") {
			if value, ok := strings.CutPrefix(request.Trim(part), name+"="); ok {
				c.token = value
				found++
			}
		}
	}
	c.Scheme, c.Cookie = "session", true
	switch {
	case found == 0:
		return c, ErrMissing
	case found > 1 || !token68(c.token):
		return c, ErrRejected
	}
	return c, nil
}

// lower spares the usual spellings the allocation.
func lower(scheme string) string {
	switch scheme {
	case "Bearer", "bearer":
		return "bearer"
	case "Session", "session":
		return "session"
	}
	return request.Lower(scheme)
}

// token68 reports whether s is in the alphabet of RFC 9110 §11.2.
func token68(s string) bool {
	for i := range len(s) {
		if !alphabet68[s[i]] {
			return false
		}
	}
	return s != ""
}

var alphabet68 = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") {
		t[c] = true
	}
	return t
}()
