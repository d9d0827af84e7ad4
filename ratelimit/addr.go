package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// ClientAddr returns a function that tells the address of a request's client:
// the peer of the connection, unless that is in one of the trusted prefixes.
// Then X-Forwarded-For, all its lines together, is walked from the right past
// the trusted proxies to the first address that is not one. Where the list
// ends or holds something that is no address, the answer is the last address
// that a trusted proxy vouched for; what lies further left anyone could have
// written. The zero Addr means that there is no address, as on a Unix socket.
func ClientAddr(trusted ...netip.Prefix) func(*http.Request) netip.Addr {
	proxies := make([]netip.Prefix, 0, len(trusted))
	for _, p := range trusted {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		proxies = append(proxies, p)
	}
	vouches := func(a netip.Addr) bool {
		for _, p := range proxies {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) netip.Addr {
		addr := request.RemoteAddr(r)
		lines := r.Header["X-Forwarded-For"]
		for i := len(lines) - 1; i >= 0; i-- {
			rest, more := lines[i], true
			for more {
				if !vouches(addr) {
					return addr
				}
				var hop string
				rest, hop, more = cutLast(rest)
				next, ok := parseHop(hop)
				if !ok {
					return addr
				}
				addr = next
			}
		}
		return addr
	}
}

// cutLast splits a list before its last element.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseHop reads an element of X-Forwarded-For: an address. Some proxies add a
// port, and some put IPv6 in brackets with or without one, as in RFC 7239 §6.
// The zone of a link-local address is dropped, as [request.RemoteAddr] does.
func parseHop(s string) (netip.Addr, bool) {
	s = request.Trim(s)
	a, err := netip.ParseAddr(s)
	if err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return netip.Addr{}, false
	}
	if a, err = netip.ParseAddr(s[1 : len(s)-1]); err != nil || a.Is4() {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// AddrSubject returns the subject that an address is counted as: an IPv4
// address itself, mapped into IPv6 or not; of IPv6 the /64, which one client
// has all of. All requests without an address are one subject: they share a
// quota rather than having none.
func AddrSubject(a netip.Addr) string { return request.AddrSubject(a) }
