package authn_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
)

// A rememberer remembers one principal, as little as it may of addresses: it
// leaves those to the Middleware.
type rememberer struct {
	p     *authn.Principal
	asked []netip.Addr // with which Credential.From
}

func (m *rememberer) Self() authn.Authenticator { return m }

func (m *rememberer) Recall(c authn.Credential, _ time.Time) *authn.Principal {
	m.asked = append(m.asked, c.From)
	return m.p
}

func (m *rememberer) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return nil, authn.ErrRejected
}

// Who is remembered and bound to no address pays for none; whoever is, is asked
// for once more with it, and passes only where it is his.
func TestMemoryIsAskedTwiceAtMost(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	list := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	for name, tt := range map[string]struct {
		p        *authn.Principal
		from     netip.Addr
		resolved int
		asked    []netip.Addr
		passes   bool
	}{
		"anywhere":          {&authn.Principal{}, addr, 0, []netip.Addr{{}}, true},
		"here":              {&authn.Principal{Addresses: list("192.0.2.0/24")}, addr, 1, []netip.Addr{{}, addr}, true},
		"elsewhere":         {&authn.Principal{Addresses: list("10.0.0.0/8")}, addr, 1, []netip.Addr{{}, addr}, false},
		"nobody says where": {&authn.Principal{Addresses: list("10.0.0.0/8")}, netip.Addr{}, 1, []netip.Addr{{}}, false},
		"not remembered":    {nil, addr, 1, []netip.Addr{{}, addr}, false},
	} {
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
		if (err == nil) != tt.passes || resolved != tt.resolved || len(memory.asked) != len(tt.asked) {
			t.Errorf("%s: %v, the address resolved %d times, asked with %v", name, err, resolved, memory.asked)
			continue
		}
		for i, from := range tt.asked {
			if memory.asked[i] != from {
				t.Errorf("%s: asked with %v, want %v", name, memory.asked, tt.asked)
			}
		}
	}
}
