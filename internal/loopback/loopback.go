// Package loopback recognises this machine by name and address. It is the only rule for everything
// that is allowed on this machine for development.
//
// It is not the rule for redirect URIs of programs on the user's device. That rule names exactly
// two addresses (package clientmetadata).
package loopback

import (
	"net/netip"
	"strings"
)

// IsHost reports whether the host of a URL, without port and brackets, is a name or address of this
// machine: localhost or a name below it (RFC 6761 §6.3), an address in 127.0.0.0/8, or ::1.
//
// Only addresses in the form of netip count: 127.1 and 0x7f.0.0.1 are ordinary names, and so is
// 127.0.0.1.example.com. For the addresses of a name, use IsAddr.
func IsHost(host string) bool {
	host = strings.ToLower(host)
	if name := strings.TrimSuffix(host, "."); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && IsAddr(addr)
}

// IsAddr reports whether addr is an address of this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
// It may be an IPv4 address mapped into IPv6.
func IsAddr(addr netip.Addr) bool { return addr.Unmap().IsLoopback() && addr.Zone() == "" }
