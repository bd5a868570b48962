package safehttp

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// A guard decides which addresses may be connected to: those of the public
// Internet, and loopback where development asks for it.
//
// The ssrf package denies the ranges of the IANA special purpose registries,
// multicast, and everything in IPv6 outside of 2000::/3, which takes Teredo, 6to4
// and IPv4-mapped addresses with it. On top of that come the virtual address of
// one cloud's management service, which looks public, and NAT64, which is as public
// as the IPv4 address inside.
type guard struct {
	addresses     *ssrf.Guardian
	allowLoopback bool
	hosts         map[string]bool // that may be anywhere, in lower case
}

var (
	nat64         = netip.MustParsePrefix("64:ff9b::/96")     // RFC 6052 §2.1
	azureWire     = netip.MustParsePrefix("168.63.129.16/32") // answers inside Azure only
	loopbackBlock = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
)

func newGuard(allowLoopback bool, hosts ...string) guard {
	g := guard{
		addresses:     ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azureWire)),
		allowLoopback: allowLoopback,
		hosts:         make(map[string]bool),
	}
	for _, host := range hosts {
		g.hosts[strings.ToLower(host)] = true
	}
	return g
}

// allows reports whether requests may go to a host whatever its address is.
func (g guard) allows(host string) bool { return g.hosts[strings.ToLower(host)] }

// check fails with ErrBlocked for an address that must not be connected to.
func (g guard) check(addr netip.Addr) error {
	addr = addr.Unmap()
	if g.allowLoopback && isLoopback(addr) {
		return nil
	}
	checked := addr
	if nat64.Contains(addr) {
		b := addr.As16()
		checked = netip.AddrFrom4([4]byte(b[12:]))
	}
	if err := g.addresses.SafeAddr(checked); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBlocked, addr, err)
	}
	return nil
}

// control is a net.Dialer's Control: it runs with the resolved address between
// socket and connect.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrBlocked, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	return g.check(ap.Addr())
}

func isLoopback(addr netip.Addr) bool {
	return loopbackBlock[0].Contains(addr) || loopbackBlock[1].Contains(addr)
}

// isLoopbackHost reports whether the host of a URL is this machine by its very
// name: localhost, a name below it (RFC 6761 §6.3), or a loopback address.
func isLoopbackHost(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && isLoopback(addr.Unmap())
}
