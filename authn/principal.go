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
	// KindUser is a person who is logged in with the application: see
	// [Config.User].
	KindUser
)

// A Principal is who is calling. An Authenticator may give one Principal to
// many requests at once, so nobody changes it. A handler gets a copy.
type Principal struct {
	Kind        Kind
	ID          string // of the credential: "key_…"; safe to log
	Account     string // whose data it is, and who is charged
	User        string // who acts; "" for a key of the account itself
	Environment string // "live" or "test"; which one the data is of
	Expires     time.Time
	Proved      time.Time // when the person last logged in; zero for a key

	// What the limiter goes by: Subject names the counters, and the other
	// fields choose the plan (ratelimit.Assignment).
	Subject     string // account and environment: a new key has no counter of its own
	Family      string // of a key: the id of the first key of its rotations; else ""
	KeyPlan     string
	AccountPlan string
	Limits      string

	Rights    *authz.Rights
	Addresses []netip.Prefix // the addresses it may be used from; empty: all
}

// Operator returns the principal of trusted code, such as a command line, a
// set-up script or the application itself. It may do everything in one account.
// No credential stands for it, so no request can be made by it.
func Operator(account string) *Principal {
	return &Principal{Kind: KindOperator, ID: "operator", Account: account}
}

// Clone returns a copy that shares nothing with p that can be changed. It
// shares the Rights, which are immutable.
func (p *Principal) Clone() Principal {
	c := *p
	if len(c.Addresses) > 0 {
		c.Addresses = slices.Clone(c.Addresses)
	}
	return c
}

// Person reports whether p is a person who is logged in, with Tollgate or with
// the application.
func (p *Principal) Person() bool {
	return p != nil && (p.Kind == KindSession || p.Kind == KindUser)
}

// Private reports whether caches between here and the client must not keep the
// answer to r. They must not if p is a person, or if r carried no Authorization
// header: the credential was then in a cookie, of which a shared cache knows
// nothing.
func (p *Principal) Private(r *http.Request) bool {
	return p.Person() || p != nil && len(r.Header["Authorization"]) == 0
}

// Admits reports whether p may be used from addr. If p is bound to addresses,
// an unknown address (the zero Addr) is not admitted.
func (p *Principal) Admits(addr netip.Addr) bool {
	for _, a := range p.Addresses {
		if a.Contains(addr) {
			return true
		}
	}
	return len(p.Addresses) == 0
}
