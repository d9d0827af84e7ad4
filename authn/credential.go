package authn

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// maxCredential is the size in bytes of the largest header that is read. Larger
// ones are refused before anything is parsed, hashed or cached. A JWT, which is
// by far the longest credential, fits.
const maxCredential = 8 << 10

// A Credential is what a request carries to say who makes it. It prints
// redacted, under every verb of package fmt.
type Credential struct {
	Scheme      string // lower case: "bearer", "session"
	Cookie      bool   // it came in a cookie, not in a header
	Environment string // the header X-Environment; "" if the request has none
	// MemoryOnly asks an [Authenticator] that caches for an answer from its
	// cache. Without one the answer is [ErrNotRemembered] or [ErrStale]. The
	// principal of such an answer is shared between requests, so nobody writes
	// to it: see [Principal.Clone].
	MemoryOnly bool

	token   string
	request *http.Request
	resolve func(*http.Request) netip.Addr // see Config.ClientAddr
}

// NewCredential returns a credential for tests, and for callers that have no
// HTTP request. It has no address: see [Credential.At].
func NewCredential(scheme, token string) Credential {
	return Credential{Scheme: lower(scheme), token: token}
}

// Address returns the address of the client, or the zero Addr if it is unknown.
// It resolves the address at each call, because only credentials that are bound
// to addresses need it.
func (c Credential) Address() netip.Addr {
	if c.resolve == nil {
		return netip.Addr{}
	}
	return c.resolve(c.request)
}

// At returns a copy of c that was sent from addr. It is for tests.
func (c Credential) At(addr netip.Addr) Credential {
	c.resolve = func(*http.Request) netip.Addr { return addr }
	return c
}

// Reveal returns the token. Do not put it into a log or an error.
func (c Credential) Reveal() string { return c.token }

// Format redacts the token under every verb. It implements [fmt.Formatter],
// which takes precedence over all other ways in which package fmt prints a
// value.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.Scheme+" [redacted]") }

// read returns the credential of the Authorization header (RFC 9110 §11.6.2,
// RFC 6750 §2.1). If a request has no such header, it returns the credential of
// the cookie with that name; "" means that no cookie is read. No query string
// and no form field is read, because those end up in logs and histories.
//
// A header that is present decides alone. If it is malformed, the request is
// refused even if it also has a good cookie: the caller chose the header, and
// must not act as somebody else without noticing.
//
// The header map is indexed by the canonical name and not read by Get, which
// returns the first of several values and hides the others.
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
	// Nothing else passes on to a hash or a cache: no space, no NUL, no byte
	// outside of ASCII.
	if !token68(c.token) {
		return c, ErrRejected
	}
	return c, nil
}

// fromCookie returns the credential of the cookie with that name. Two cookies
// of one name are refused, because a page on a sibling host may have planted
// one of them, and a browser does not say which one is its own (RFC 6265 §5.4).
func (c Credential) fromCookie(lines []string, name string) (Credential, error) {
	found := 0
	for _, line := range lines {
		if len(line) > maxCredential {
			return c, ErrRejected
		}
		for part := range strings.SplitSeq(line, ";") {
			// Everything before the "=" must be the name. A name that merely
			// resembles it, such as one that begins with a no-break space, is
			// another cookie.
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

// lower returns the scheme in lower case. It spares the usual spellings an
// allocation.
func lower(scheme string) string {
	switch scheme {
	case "Bearer", "bearer":
		return "bearer"
	case "Session", "session":
		return "session"
	}
	return request.Lower(scheme)
}

// token68 reports whether s is a token68 of RFC 9110 §11.2. It looks at single
// bytes, so it accepts ASCII only.
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
