package login

import (
	"net/netip"
	"testing"
	"time"
)

// once lets everybody fail once.
type once struct{}

func (once) Peek(string, time.Time) (int64, time.Duration) { return 1, 0 }
func (once) Count(string, time.Time)                       {}

// What is kept of attempts is bounded by those on their way, whatever
// subjects clients make up, also where they fail or are held up.
func TestNothingStaysOfAnAttempt(t *testing.T) {
	var throttle throttle
	for _, subject := range []string{"a", "b", "c"} {
		counters := []counter{{once{}, subject}, {once{}, subject + "'"}}
		turn, err := throttle.enter(counters, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(throttle.flying); n != 2 {
			t.Errorf("%d subjects on their way, want 2", n)
		}
		if _, err := throttle.enter(counters, time.Time{}); err == nil {
			t.Error("two at once where one may fail")
		}
		turn.fail(time.Time{})
		turn.leave()
		if n := len(throttle.flying); n != 0 {
			t.Errorf("%d subjects are left, want none", n)
		}
	}
}

// One client is one, however its address is written.
func TestClient(t *testing.T) {
	for _, same := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.1%eth0"},
		{"fe80::1", "fe80::1%eth0", "fe80::2%eth1"},
		{"2001:db8::", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"},
	} {
		for _, a := range same {
			if got, want := client(netip.MustParseAddr(a)), client(netip.MustParseAddr(same[0])); got != want {
				t.Errorf("%s is %s, want %s", a, got, want)
			}
		}
	}
	seen := map[string]string{client(netip.Addr{}): "none"}
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "0.0.0.0", "::", "fe80::1", "2001:db8::", "2001:db8:0:1::"} {
		c := client(netip.MustParseAddr(a))
		if other, ok := seen[c]; ok {
			t.Errorf("%s and %s are one client", a, other)
		}
		seen[c] = a
	}
}
