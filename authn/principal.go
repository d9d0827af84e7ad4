package authn

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A Kind is a kind of credential.
type Kind uint8

const (
	// KindKey is an API key.
	KindKey Kind = iota + 1
	// KindSession is a session of a person.
	KindSession
	// KindOperator is trusted code: see [Operator].
	KindOperator
	// KindUser is a person whom the application itself has logged in: see
	// [Config.User].
	KindUser
)

// A Principal is who is calling. Authenticators share one between requests
// and never change it; handlers get a copy.
type Principal struct {
	Kind        Kind
	ID          string // of the credential: "key_…"; safe to log
	Account     string // who is charged and whose data may be seen
	User        string // who acts; "" for an account's own key
	Environment string // "live", "test"
	Expires     time.Time
	Proved      time.Time // when the person last logged in; zero for a key

	// For the limiter: whose counters these are, and what decides the plan
	// (ratelimit.Assignment).
	Subject     string // account and environment
	Family      string // of a key: it and those it was rotated from and into; else ""
	KeyPlan     string
	AccountPlan string
	Limits      string

	Rights    *authz.Rights
	Addresses []netip.Prefix // where it may be used from; empty: anywhere
}

// Operator is the principal of trusted code: a command line, a set-up script,
// the application itself. It may do everything in one account.
func Operator(account string) *Principal {
	return &Principal{Kind: KindOperator, ID: "operator", Account: account}
}

// Clone returns a copy that shares nothing with p that can be changed: Rights
// are immutable.
func (p *Principal) Clone() Principal {
	c := *p
	if len(c.Addresses) > 0 {
		c.Addresses = slices.Clone(c.Addresses)
	}
	return c
}

// Person reports whether p is a person who has logged in, here or with the
// application's own login.
func (p *Principal) Person() bool {
	return p != nil && (p.Kind == KindSession || p.Kind == KindUser)
}

// Private reports whether the answer to r must not be cached by intermediaries: p is
// a person, or came from a cookie.
func (p *Principal) Private(r *http.Request) bool {
	return p.Person() || p != nil && len(r.Header["Authorization"]) == 0
}

// Admits reports whether the principal may be used from addr. An unknown
// address is admitted only where every address is.
func (p *Principal) Admits(addr netip.Addr) bool {
	for _, a := range p.Addresses {
		if a.Contains(addr) {
			return true
		}
	}
	return len(p.Addresses) == 0
}
