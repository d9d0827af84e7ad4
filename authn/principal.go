package authn

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/request"
)

// A Kind is a kind of credential.
type Kind uint8

const (
	// KindKey is an API key.
	KindKey Kind = iota + 1
	// KindSession is a session of a person.
	KindSession
	// KindOperator is whoever runs the process: see [Operator].
	KindOperator
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
	Proved      time.Time // when a person last proved who he is; zero for a key

	// For the limiter: whose counters these are, and what decides the plan
	// (ratelimit.Assignment).
	Subject     string // account and environment, or a key's family
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

// clone returns a copy that shares nothing with p that can be changed: Rights
// are immutable.
func (p *Principal) clone() Principal {
	c := *p
	if len(c.Addresses) > 0 {
		c.Addresses = slices.Clone(c.Addresses)
	}
	return c
}

// FromContext returns the principal of the request that ctx belongs to, and
// false where the request is anonymous. It is the caller's to change.
func FromContext(ctx context.Context) (Principal, bool) {
	if s := request.From(ctx); s != nil {
		if p, ok := s.Principal.(*Principal); ok {
			return p.clone(), true
		}
	}
	return Principal{}, false
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

// actsIn reports whether the principal may be used in an environment; "" asks
// for none.
func (p *Principal) actsIn(environment string) bool {
	return environment == "" || environment == p.Environment
}
