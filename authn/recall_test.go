package authn_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
)

// A rememberer remembers one principal and knows nothing else.
type rememberer struct {
	p     *authn.Principal
	asked int
}

func (m *rememberer) Remembers(authn.Authenticator) bool { return true }

func (m *rememberer) Authenticate(_ context.Context, c authn.Credential, _ time.Time) (*authn.Principal, error) {
	m.asked++
	switch {
	case !c.MemoryOnly:
		return nil, authn.ErrRejected
	case m.p == nil:
		return nil, authn.ErrNotRemembered
	}
	return m.p, nil
}

// A cached principal without address limits does not cost resolving the client's
// address. A principal with limits passes only from its addresses.
func TestMemoryAndAddresses(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	list := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	for _, tt := range []struct {
		name     string
		p        *authn.Principal
		from     netip.Addr
		resolved int
		asked    int
		passes   bool
	}{
		{"anywhere", &authn.Principal{}, addr, 0, 1, true},
		{"here", &authn.Principal{Addresses: list("192.0.2.0/24")}, addr, 1, 1, true},
		{"elsewhere", &authn.Principal{Addresses: list("10.0.0.0/8")}, addr, 1, 2, false},
		{"nobody says where", &authn.Principal{Addresses: list("10.0.0.0/8")}, netip.Addr{}, 1, 2, false},
		{"not remembered", nil, addr, 0, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			memory := &rememberer{p: tt.p}
			resolved := 0
			mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{memory}, ClientAddr: func(*http.Request) netip.Addr {
				resolved++
				return tt.from
			}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = mw.Check(request("Bearer x"))
			if got := err == nil; got != tt.passes {
				t.Errorf("passes: got %v (%v), want %v", got, err, tt.passes)
			}
			if resolved != tt.resolved || memory.asked != tt.asked {
				t.Errorf("address resolved %d times and memory asked %d times, want %d and %d", resolved, memory.asked, tt.resolved, tt.asked)
			}
		})
	}
}
