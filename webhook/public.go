package webhook

import (
	"errors"
	"net/netip"
	"syscall"
)

// publicOnly is the Control of a net.Dialer: it refuses to connect to an
// address that is not public.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !public(ap.Addr()) {
		return errors.New("webhook: not a public address")
	}
	return nil
}

// reserved are the blocks that the IANA registries of special-purpose addresses
// (RFC 6890) keep out of the public Internet, or that lead to other addresses,
// beside those that netip knows.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a carrier's translation, and in use inside clouds
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // relays from IPv6
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // future use
	netip.MustParsePrefix("2001::/23"),       // protocol assignments; holds Teredo, which leads to IPv4
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4, which leads to IPv4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

// unicast is all of IPv6 that is given out to the public. Outside of it are,
// among others, the prefixes that translate to IPv4 (RFC 6052, RFC 8215).
var unicast = netip.MustParsePrefix("2000::/3")

// public reports whether a is an address of the public Internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" || a.Is6() && !unicast.Contains(a) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
