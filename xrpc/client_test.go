package xrpc

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

func TestNewClient(t *testing.T) {
	for host, want := range map[string]struct{ production, development, private bool }{
		"https://pds.example.com":           {true, true, true},
		"https://pds.example.com:8443/x":    {true, true, true},
		"http://pds.example.com":            {false, false, false},
		"http://localhost:2583":             {false, true, false},
		"http://pds.localhost:2583":         {false, true, false},
		"http://127.1.2.3:2583":             {false, true, false},
		"http://[::1]:2583":                 {false, true, false},
		"http://127.evil.example.com":       {false, false, false},
		"http://127.0.0.1.nip.io":           {false, false, false},
		"http://127.1":                      {false, false, false},
		"http://pds:2583":                   {false, false, true},
		"http://pds:2584":                   {false, false, false},
		"http://pds":                        {false, false, false},
		"https://me:secret@pds.example.com": {false, false, false},
		"ftp://pds.example.com":             {false, false, false},
		"pds.example.com":                   {false, false, false},
		"https:pds.example.com":             {false, false, false},
	} {
		t.Run("P111 P123 "+host, func(t *testing.T) {
			for _, tt := range []struct {
				name string
				cfg  ClientConfig
				want bool
			}{
				{"production", ClientConfig{}, want.production},
				{"development", ClientConfig{AllowLoopback: true}, want.development},
				{"a private host", ClientConfig{PrivateHosts: []string{"pds:2583"}}, want.private},
			} {
				_, err := NewClient(host, tt.cfg)
				if (err == nil) != tt.want {
					t.Errorf("%s: %v", tt.name, err)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("%v tells a password", err)
				}
			}
		})
	}
	t.Run("P81 settings that contradict each other", func(t *testing.T) {
		for want, cfg := range map[string]ClientConfig{
			"ClientConfig.PrivateHosts":           {PrivateHosts: []string{"pds"}},
			"ClientConfig.ProxyResolvesUnchecked": {ProxyResolvesUnchecked: true},
			"ClientConfig.UnguardedTransport":     {UnguardedTransport: http.DefaultTransport, RootCAs: x509.NewCertPool()},
		} {
			if _, err := NewClient("https://pds.example.com", cfg); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("P81 a wrapper is around the guard", func(t *testing.T) {
		seen := 0
		c, err := NewClient("https://localhost:1", ClientConfig{WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(req *http.Request) (*http.Response, error) {
				seen++
				return inner.RoundTrip(req)
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), &Request{Method: "GET", NSID: "a.b.c"}); !errors.Is(err, safehttp.ErrBlocked) || seen != 1 {
			t.Errorf("got %v, %d requests", err, seen)
		}
	})
}

func TestOpaqueTargets(t *testing.T) {
	for _, opaque := range []string{"//evil.example.com/x", "https://evil.example.com/x", "/x", "x"} {
		t.Run("P79 "+opaque, func(t *testing.T) {
			req, err := NewHTTPRequest(t.Context(), "GET", &url.URL{Scheme: "https", Host: "pds.example.com", Opaque: opaque}, nil, nil)
			e, ok := errors.AsType[*SendError](err)
			if !ok || e.Sent != SentNo || req != nil {
				t.Errorf("got %v, %v", req, err)
			}
		})
	}
}

func TestAHostWithoutHTTPSSaysWhatHelps(t *testing.T) {
	for host, want := range map[string]string{
		"http://localhost:2583":   "AllowLoopback",
		"http://pds.example:2583": `PrivateHosts with "pds.example:2583"`,
	} {
		if _, err := NewClient(host, ClientConfig{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
