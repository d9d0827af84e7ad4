package ratelimit

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// case L12
func TestClientAddr(t *testing.T) {
	var trusted []netip.Prefix
	for _, s := range []string{"10.0.0.0/8", "::ffff:192.168.0.0/112", "fd00::/8"} {
		trusted = append(trusted, netip.MustParsePrefix(s))
	}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.9:1234", nil, "203.0.113.9"},
		{"untrusted peer", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		{"trusted peer", "10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"trusted peer, nothing forwarded", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"trusted peer, empty header", "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		{"what the client wrote is left", "10.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"past a trusted proxy", "10.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"over several lines", "10.0.0.1:1234", []string{"1.1.1.1", "198.51.100.1,10.0.0.3", "10.0.0.2"}, "198.51.100.1"},
		{"all trusted", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage on the right", "10.0.0.1:1234", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:1234", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"garbage left of the client", "10.0.0.1:1234", []string{"<script>, 198.51.100.1"}, "198.51.100.1"},
		{"empty element", "10.0.0.1:1234", []string{"198.51.100.1,"}, "10.0.0.1"},
		{"with a port", "10.0.0.1:1234", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6 with a port", "10.0.0.1:1234", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6 in brackets without a port", "10.0.0.1:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 in brackets and zone", "10.0.0.1:1234", []string{"[2001:db8::1%eth0]"}, "2001:db8::1"},
		{"IPv6 in brackets past a proxy", "10.0.0.1:1234", []string{"1.1.1.1, [2001:db8::1], [fd00::2]"}, "2001:db8::1"},
		{"IPv4 in brackets", "10.0.0.1:1234", []string{"[198.51.100.1]"}, "10.0.0.1"},
		{"bracket not closed", "10.0.0.1:1234", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"bracket not opened", "10.0.0.1:1234", []string{"2001:db8::1]"}, "10.0.0.1"},
		{"empty brackets", "10.0.0.1:1234", []string{"[]"}, "10.0.0.1"},
		{"other white space", "10.0.0.1:1234", []string{"\u00a0198.51.100.1"}, "10.0.0.1"}, // case S27
		{"IPv6 and zone", "[fd00::1]:1234", []string{"2001:db8::1%eth0"}, "2001:db8::1"},
		{"mapped peer", "[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"mapped client", "10.0.0.1:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"mapped prefix", "192.168.3.4:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"Unix socket", "@", []string{"198.51.100.1"}, "invalid IP"},
		{"no peer", "", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := ClientAddr(trusted...)(r); got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
		if len(c.forwarded) > 0 {
			if got, peer := ClientAddr()(r), ClientAddr(netip.Prefix{})(r); got != peer || strings.Contains(c.forwarded[0], got.String()) && got.IsValid() {
				t.Errorf("%s: without trusted proxies %v", c.name, got)
			}
		}
	}
}

// case L12: who shares a subject.
func TestAddrSubject(t *testing.T) {
	same := func(a, b string) bool {
		x, _ := netip.ParseAddr(a)
		y, _ := netip.ParseAddr(b)
		return AddrSubject(x) == AddrSubject(y)
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"203.0.113.9", "203.0.113.9", true},
		{"203.0.113.9", "203.0.113.8", false},
		{"203.0.113.9", "::ffff:203.0.113.9", true},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"", "", true}, // no address is one subject, not none
		{"", "203.0.113.9", false},
		{"", "::", false},
		{"::1", "0.0.0.1", false},
	} {
		if got := same(c.a, c.b); got != c.want {
			t.Errorf("%q and %q share a subject: %t", c.a, c.b, got)
		}
	}
	if s := AddrSubject(netip.Addr{}); s == "" || strings.Contains(s, "nil") {
		t.Errorf("the subject of no address is %q", s)
	}
}

func TestFailures(t *testing.T) {
	f, err := NewFailures(nil, parsed(t, "3-M"))
	if err != nil {
		t.Fatal(err)
	}
	now := start
	addr, neighbour := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	other := netip.MustParseAddr("203.0.113.9")
	for i := range 3 {
		if d := blocked(f, addr, now); d != 0 {
			t.Fatalf("blocked for %v after %d failures", d, i)
		}
		f.Count(AddrSubject(addr), now)
	}
	for _, a := range []netip.Addr{addr, neighbour} {
		if d := blocked(f, a, now); d != time.Minute {
			t.Errorf("%v is blocked for %v, want a minute", a, d)
		}
	}
	// Asking, and failing while blocked, do not lengthen it.
	now = now.Add(59 * time.Second)
	f.Count(AddrSubject(addr), now)
	if d := blocked(f, addr, now); d != time.Second {
		t.Errorf("blocked for %v, want a second", d)
	}
	now = now.Add(time.Second)
	if d := blocked(f, addr, now); d != 0 {
		t.Errorf("blocked for %v after a minute", d)
	}
	if d := blocked(f, other, now); d != 0 {
		t.Errorf("another address is blocked for %v", d)
	}
	// case L12: requests without an address share a quota: they fail closed.
	for range 3 {
		f.Count(AddrSubject(netip.Addr{}), now)
	}
	if d := blocked(f, netip.Addr{}, now); d == 0 {
		t.Error("requests without an address are never blocked")
	}
}

// A store that fails lets nobody guess without bound.
func TestFailuresCountLocally(t *testing.T) {
	f, err := NewFailures(&failing{nil, context.DeadlineExceeded}, parsed(t, "3-M"))
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("203.0.113.9")
	for range 3 {
		f.Count(AddrSubject(addr), start)
	}
	if d := blocked(f, addr, start); d != time.Minute {
		t.Errorf("blocked for %v, want a minute", d)
	}
	if _, err := NewFailures(nil, nil); err == nil {
		t.Error("failures without a plan were accepted")
	}
}

// blocked returns for how long addr has failed too often.
func blocked(f *Failures, addr netip.Addr, now time.Time) time.Duration {
	_, retry := f.Peek(AddrSubject(addr), now)
	return retry
}
