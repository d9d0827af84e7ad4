package request

import (
	"net/http"
	"net/netip"
)

// RemoteAddr returns the address of the peer of the connection. IPv4 that is
// mapped into IPv6 is unmapped, and the zone is dropped. It is the zero Addr if
// there is no address, as on a Unix socket.
func RemoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// AddrSubject returns the subject that an address is counted as: see
// ratelimit.AddrSubject.
func AddrSubject(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return "no address"
	case a.Is4():
		return a.String()
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}
