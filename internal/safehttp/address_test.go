package safehttp

import (
	"errors"
	"net/netip"
	"testing"
)

// addresses says which may be connected to.
var addresses = []struct {
	address string
	why     string
	want    bool
}{
	{"1.1.1.1", "public", true},
	{"2606:4700:4700::1111", "public", true},
	{"::ffff:1.1.1.1", "IPv4-mapped, public inside", true},
	{"64:ff9b::101:101", "NAT64, public inside", true},

	{"0.0.0.0", "this host", false},
	{"10.0.0.1", "private", false},
	{"100.64.0.1", "shared by carriers", false},
	{"100.100.100.200", "metadata service", false},
	{"127.0.0.1", "loopback", false},
	{"127.255.255.255", "loopback", false},
	{"168.63.129.16", "metadata service", false},
	{"169.254.169.254", "link-local, metadata service", false},
	{"172.16.0.1", "private", false},
	{"172.31.255.255", "private", false},
	{"192.0.0.192", "IETF, metadata service", false},
	{"192.0.2.1", "documentation", false},
	{"192.88.99.1", "6to4 relay", false},
	{"192.168.1.1", "private", false},
	{"198.18.0.1", "benchmarks", false},
	{"198.51.100.1", "documentation", false},
	{"203.0.113.1", "documentation", false},
	{"224.0.0.1", "multicast", false},
	{"240.0.0.1", "reserved", false},
	{"255.255.255.255", "broadcast", false},

	{"::", "unspecified", false},
	{"::1", "loopback", false},
	{"::127.0.0.1", "IPv4-compatible", false},
	{"::ffff:127.0.0.1", "IPv4-mapped", false},
	{"::ffff:10.0.0.1", "IPv4-mapped", false},
	{"::ffff:169.254.169.254", "IPv4-mapped", false},
	{"64:ff9b::7f00:1", "NAT64 of loopback", false},
	{"64:ff9b::a9fe:a9fe", "NAT64 of link-local", false},
	{"64:ff9b:1::a00:1", "local NAT64", false},
	{"100::1", "discard", false},
	{"2001::1", "Teredo", false},
	{"2001:db8::1", "documentation", false},
	{"2002:7f00:1::1", "6to4 of loopback", false},
	{"2002:101:101::1", "6to4", false},
	{"3fff::1", "documentation", false},
	{"5f00::1", "segment routing", false},
	{"fc00::1", "unique local", false},
	{"fd00:ec2::254", "metadata service", false},
	{"fe80::1", "link-local", false},
	{"fe80::1%eth0", "link-local", false},
	{"fec0::1", "site-local", false},
	{"ff02::1", "multicast", false},
}

func TestGuard(t *testing.T) {
	g := newGuard(false)
	for _, tt := range addresses {
		t.Run("O44 "+tt.address+" "+tt.why, func(t *testing.T) {
			err := g.check(netip.MustParseAddr(tt.address))
			if tt.want && err != nil {
				t.Error(err)
			}
			if !tt.want && !errors.Is(err, ErrBlocked) {
				t.Errorf("got %v, want ErrBlocked", err)
			}
		})
	}
	t.Run("O44 loopback in development, and nothing else", func(t *testing.T) {
		g := newGuard(true)
		for _, address := range []string{"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "1.1.1.1"} {
			if err := g.check(netip.MustParseAddr(address)); err != nil {
				t.Error(err)
			}
		}
		for _, address := range []string{"0.0.0.0", "::", "10.0.0.1", "169.254.169.254", "fe80::1"} {
			if !errors.Is(g.check(netip.MustParseAddr(address)), ErrBlocked) {
				t.Errorf("%s is let through", address)
			}
		}
	})
	t.Run("what is no TCP address is refused", func(t *testing.T) {
		for _, target := range [][2]string{{"udp4", "1.1.1.1:443"}, {"tcp4", "example.com:443"}, {"tcp4", "1.1.1.1"}, {"unix", "/run/x"}} {
			if err := g.control(target[0], target[1], nil); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %v", target, err)
			}
		}
		if err := g.control("tcp6", "[2606:4700:4700::1111]:443", nil); err != nil {
			t.Error(err)
		}
	})
}
