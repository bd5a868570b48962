// Package loopback says what this machine is by name and address: one rule for
// everything that is allowed there in development alone.
//
// It is not the rule for redirect URIs of programs that listen on the user's device; that
// names two addresses and no more (package clientmetadata).
package loopback

import (
	"net/netip"
	"strings"
)

// IsHost reports whether the host of a URL, without port and brackets, is this machine by its very
// name: localhost or a name below it (RFC 6761 §6.3), an address of 127.0.0.0/8, or ::1.
//
// Addresses count as netip reads them: 127.1 and 0x7f.0.0.1 are names like any other, and
// so is 127.0.0.1.example.com. What a name leads to is for IsAddr to say.
func IsHost(host string) bool {
	host = strings.ToLower(host)
	if name := strings.TrimSuffix(host, "."); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && IsAddr(addr)
}

// IsAddr reports whether addr is one of this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
// An IPv4 address may be mapped into IPv6.
func IsAddr(addr netip.Addr) bool { return addr.Unmap().IsLoopback() && addr.Zone() == "" }
