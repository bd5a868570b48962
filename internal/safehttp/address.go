package safehttp

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"

	"github.com/gimucco/atproto-go/internal/loopback"
)

// A guard decides which addresses may be connected to: those of the public Internet, and for
// development also loopback addresses.
//
// The ssrf package denies the ranges of the IANA special purpose registries, multicast, and all of
// IPv6 outside of 2000::/3, which includes Teredo, 6to4 and IPv4-mapped addresses. The guard also
// denies the address of one cloud's management service, which looks public. A NAT64 address is as
// public as the IPv4 address inside it.
type guard struct {
	addresses     *ssrf.Guardian
	allowLoopback bool
	hosts         map[string]bool // hosts that may have any address, in lower case, with or without a port
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")     // RFC 6052 §2.1
	azureWire = netip.MustParsePrefix("168.63.129.16/32") // answers only inside Azure
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

// allows reports whether requests may go to a host and port, whatever its address is.
func (g guard) allows(host, port string) bool {
	host = strings.ToLower(host)
	return g.hosts[host] || g.hosts[net.JoinHostPort(host, port)]
}

// isLocal reports whether a host is a name of this machine, and requests to it are allowed.
func (g guard) isLocal(host string) bool { return g.allowLoopback && loopback.IsHost(host) }

// check returns ErrBlocked for an address that must not be connected to.
func (g guard) check(addr netip.Addr) error {
	addr = addr.Unmap()
	if g.allowLoopback && loopback.IsAddr(addr) {
		return nil
	}
	checked := addr
	if nat64.Contains(addr) {
		b := addr.As16()
		checked = netip.AddrFrom4([4]byte(b[12:]))
	}
	if err := g.addresses.SafeAddr(checked); err != nil {
		remedy := "PrivateHosts allows a host of your own network"
		if loopback.IsAddr(addr) {
			remedy = "AllowLoopback allows this machine, for development"
		}
		return fmt.Errorf("%w: %s: %w; %s", ErrBlocked, addr, err, remedy)
	}
	return nil
}

// control is the Control of a net.Dialer: it runs with the resolved address between socket and
// connect.
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

// Origin returns the origin of a URL: scheme and host in lower case, and the port unless it is the
// scheme's default.
func Origin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}
