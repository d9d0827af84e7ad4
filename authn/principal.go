package authn

import (
	"context"
	"net/netip"
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

// FromContext returns the principal of the request that ctx belongs to, and
// false where the request is anonymous.
func FromContext(ctx context.Context) (Principal, bool) {
	if s := request.From(ctx); s != nil {
		if p, ok := s.Principal.(*Principal); ok {
			return *p, true
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
