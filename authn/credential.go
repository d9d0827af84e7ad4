package authn

import (
	"fmt"
	"io"
	"strings"
)

// maxCredential bounds the header before anything else looks at it. The
// longest credential by far is a JWT.
const maxCredential = 8 << 10

// A Credential is what the request carried. It prints redacted.
type Credential struct {
	Scheme string // lower case: "bearer"
	token  string
}

// NewCredential makes a credential, for tests and for callers that have no
// HTTP request.
func NewCredential(scheme, token string) Credential {
	return Credential{Scheme: strings.ToLower(scheme), token: token}
}

// Reveal returns the token. It belongs in no log and no error.
func (c Credential) Reveal() string { return c.token }

// Format redacts the token under every verb.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.Scheme+" [redacted]") }

// read takes the credential from the values of Authorization (RFC 9110
// §11.6.2, RFC 6750 §2.1). Nothing else is ever read: no query string, no form
// field.
func read(values []string) (Credential, error) {
	switch {
	case len(values) == 0:
		return Credential{}, ErrMissing
	case len(values) > 1:
		return Credential{}, ErrAmbiguous
	case len(values[0]) > maxCredential:
		return Credential{}, ErrRejected
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if !token68(token) {
		return Credential{}, ErrRejected
	}
	return Credential{Scheme: lower(scheme), token: token}, nil
}

// lower spares the usual spellings the allocation.
func lower(scheme string) string {
	switch scheme {
	case "Bearer", "bearer":
		return "bearer"
	case "Session", "session":
		return "session"
	}
	return strings.ToLower(scheme)
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
