package loopback

import (
	"net/netip"
	"testing"
)

func TestIsHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "a.localhost": true, "pds.LocalHost": true,
		"127.0.0.1": true, "127.1.2.3": true, "127.255.255.255": true, "::1": true, "0:0:0:0:0:0:0:1": true, "::ffff:127.0.0.1": true,

		"127.evil.example.com": false, "127.0.0.1.nip.io": false, "127.0.0.1.": false, "127.": false, "127": false, "127.1": false,
		"127.0.0.1.localhost.com": false, "localhost.com": false, "notlocalhost": false, "localhost.localdomain": false, ".localhost.": true,
		"0x7f.0.0.1": false, "0177.0.0.1": false, "2130706433": false, "127.0.0.256": false, "127.0.0.01": false,
		"128.0.0.1": false, "10.0.0.1": false, "0.0.0.0": false, "::": false, "::127.0.0.1": false, "::1%eth0": false, "[::1]": false, "::2": false,
		"localhost:80": false, "loca1host": false, "ⓛocalhost": false, " localhost": false, "": false,
	} {
		t.Run("P123 "+host, func(t *testing.T) {
			if got := IsHost(host); got != want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestIsAddr(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true,
		"126.255.255.255": false, "128.0.0.0": false, "0.0.0.0": false, "::": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "fe80::1": false, "::1%lo": false,
	} {
		t.Run("P123 "+address, func(t *testing.T) {
			if got := IsAddr(netip.MustParseAddr(address)); got != want {
				t.Errorf("got %v", got)
			}
		})
	}
}
