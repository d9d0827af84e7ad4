package ratelimit

import (
	"net/http"
	"net/netip"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// ClientAddr returns a function that returns the address of a request's client.
// That is the peer of the connection, unless the peer is in one of the trusted
// prefixes. A trusted peer is a proxy, which appends the address of its own
// peer to X-Forwarded-For. So the function reads all lines of that header from
// the right, passes over trusted proxies, and returns the first address that is
// not one.
//
// If the list ends, or has an element that is no address, the function returns
// the last address that a trusted proxy has appended. Anyone could have written
// what lies further left. The zero Addr means that there is no address, as on a
// Unix socket.
func ClientAddr(trusted ...netip.Prefix) func(*http.Request) netip.Addr {
	proxies := make([]netip.Prefix, 0, len(trusted))
	for _, p := range trusted {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		proxies = append(proxies, p)
	}
	// A prefix such as ::ffff:10.0.0.0/104 means 10.0.0.0/8. Addresses are
	// unmapped before they are compared.
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
				// Only what a trusted proxy has appended is read, so addr is
				// checked before the next element is.
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

// cutLast splits a list before its last element. more is false if that is the
// only one.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseHop reads an element of X-Forwarded-For, which is an address. Some
// proxies add a port. Some put IPv6 in brackets, with or without a port, as in
// RFC 7239 §6. The zone of a link-local address is dropped, as in
// [request.RemoteAddr].
func parseHop(s string) (netip.Addr, bool) {
	s = request.Trim(s)
	a, err := netip.ParseAddr(s)
	if err == nil {
		return a.Unmap().WithZone(""), true
	}
	// This accepts "192.0.2.1:80" and "[2001:db8::1]:80".
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

// AddrSubject returns the subject that an address is counted as. An IPv4
// address is counted as itself, also if it is mapped into IPv6. An IPv6 address
// is counted as its /64, because a client usually has all addresses of one. All
// requests without an address are one subject, so they share a quota: without
// an address a client gets less, not more.
func AddrSubject(a netip.Addr) string { return request.AddrSubject(a) }
