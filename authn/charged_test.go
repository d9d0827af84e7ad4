package authn_test

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// A failed authentication is charged to the client's address, whichever way it
// failed: also a good key that may not be used from there, remembered or not.
func TestWhatIsCharged(t *testing.T) {
	f := &failures{charged: map[string]int{}, most: 1 << 30}
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Failures, c.Cookie = f, "__Host-sess" })
	_, good := d.issue()
	_, elsewhere := d.issue(func(s *apikey.Spec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	key, revoked := d.issue()
	if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	_, expired := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(time.Second) })
	d.now = d.now.Add(time.Second)
	inside := request("Bearer " + elsewhere)
	inside.RemoteAddr = "10.1.2.3:4"
	foreign := request()
	foreign.Method = "POST"
	foreign.AddCookie(&http.Cookie{Name: "__Host-sess", Value: "x"})
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	environment := request("Bearer " + good)
	environment.Header.Set("X-Environment", "test")

	for _, tt := range []struct {
		name    string
		request *http.Request
		err     error
		charge  int
	}{
		{"good", request("Bearer " + good), nil, 0},
		{"missing", request(), authn.ErrMissing, 0}, // nothing was tried
		{"ambiguous", request("Bearer "+good, "Bearer "+good), authn.ErrAmbiguous, 1},
		{"unknown", request("Bearer " + formats(t)["live"].Generate().Reveal()), authn.ErrRejected, 1},
		{"revoked", request("Bearer " + revoked), authn.ErrRevoked, 1},
		{"expired", request("Bearer " + expired), authn.ErrExpired, 1},
		{"refused address, cold", request("Bearer " + elsewhere), authn.ErrAddress, 1},
		{"admitted address", inside, nil, 0},
		{"refused address, remembered", request("Bearer " + elsewhere), authn.ErrAddress, 1},
		{"another environment", environment, authn.ErrEnvironment, 1},
		// The page that made it is not at the client's address.
		{"foreign page", foreign, authn.ErrCrossOrigin, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := map[string]int{}
			for a, n := range f.charged {
				before[a] = n
			}
			if _, err := d.mw.Check(tt.request); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			addr := netip.MustParseAddrPort(tt.request.RemoteAddr).Addr().String()
			if got := f.charged[addr] - before[addr]; got != tt.charge {
				t.Errorf("charged %d, want %d", got, tt.charge)
			}
		})
	}
}
