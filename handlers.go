package tollgate

import (
	"net/http"
	"net/netip"
	"regexp"

	"medtwin.ai/tollgate/authn"
)

// SessionCookie is the name of the cookie that holds a session, if it is not in
// an Authorization header: see session.Cookie.
const SessionCookie = "__Host-sess"

// The methods below are for the handlers that log people in and out: see also
// Gate.Logins and Gate.Sessions.

// ClientAddr returns the address of the client, by which failures are counted.
// Config.TrustedProxies may name it in X-Forwarded-For.
func (g *Gate) ClientAddr(r *http.Request) netip.Addr { return g.addr(r) }

// Identify returns the caller of r, for public routes that treat known callers
// differently. It neither decides nor charges; failures count against the client's
// address. Errors are those of package authn; one that it does not name means that a
// store could not tell. Give them all to [Gate.Refuse]. An answer that depends on a
// person must not be cached: see authn.Principal.Private.
func (g *Gate) Identify(r *http.Request) (*authn.Principal, error) {
	p, err := g.auth.Identify(r, g.config.Now())
	if p == nil {
		return nil, err
	}
	own := p.Clone()
	return &own, err
}

// Credential returns the credential of r, valid or not, for logging out: see
// authn.Middleware.Credential.
func (g *Gate) Credential(r *http.Request) (authn.Credential, error) { return g.auth.Credential(r) }

// CheckOrigin returns authn.ErrCrossOrigin if r comes from a page that may not use a
// user's cookie. Routes with a need check this themselves. A public route that sets a
// cookie must call it, or any page could log its visitors in as somebody else.
func (g *Gate) CheckOrigin(r *http.Request) error {
	if g.origins.Check(r) != nil {
		return authn.ErrCrossOrigin
	}
	return nil
}

// Redact returns text with every key and session token shortened, even a truncated
// one, so that it can be kept: "found acme_live_… in a public repository".
func (g *Gate) Redact(text string) string { return g.tokens.ReplaceAllString(text, "${1}…") }

// tokenPattern matches the tokens that begin with any of the prefixes.
func tokenPattern(prefixes []string) *regexp.Regexp {
	var any string
	for i, p := range prefixes {
		if i > 0 {
			any += "|"
		}
		any += regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`(` + any + `)[0-9A-Za-z]{12,}`)
}
