package oauth_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestWrappedTransport(t *testing.T) {
	t.Run("P81 sees every request", func(t *testing.T) {
		server := sandbox(t)
		var mu sync.Mutex
		seen := make(map[string]bool)
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
			cfg.WrapTransport = func(inner http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					mu.Lock()
					seen[req.URL.Path] = true
					mu.Unlock()
					return inner.RoundTrip(req)
				})
			}
		}))
		if err := errors.Join(call(t.Context(), s), s.Refresh(t.Context()), s.Logout(t.Context())); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", parPath, tokenPath, callPath, "/oauth/revoke"} {
			if !seen[path] {
				t.Errorf("%s was not seen", path)
			}
		}
	})
	t.Run("P81 there has to be one", func(t *testing.T) {
		cfg := oauth.Localhost("http://127.0.0.1/callback", "atproto")
		sandbox(t).Environment().Configure(&cfg)
		cfg.WrapTransport = func(http.RoundTripper) http.RoundTripper { return nil }
		_, err := oauth.NewClient(cfg)
		if wantKind(t, err, oauth.ErrConfig); !strings.Contains(err.Error(), "Config: WrapTransport returned nil") {
			t.Error(err)
		}
	})
	t.Run("P81 a form is not sent a second time by it", func(t *testing.T) {
		server := sandbox(t)
		var breaking, refreshes, refused atomic.Int32
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if !isRefresh(req) {
				return next()
			}
			refreshes.Add(1)
			resp, err := next()
			if err == nil && breaking.Load() == 1 {
				resp.Body.Close()
				return nil, errors.New("the connection broke")
			}
			return resp, err
		}), func(cfg *oauth.Config) {
			cfg.WrapTransport = func(inner http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					text := form(req)
					resp, err := inner.RoundTrip(req)
					if err == nil {
						return resp, nil
					}
					again := req.Clone(req.Context())
					again.Body = http.NoBody
					if text != "" {
						again.Body = struct {
							*strings.Reader
							nothing
						}{strings.NewReader(text), nothing{}}
					}
					resp, err = inner.RoundTrip(again)
					if errors.Is(err, safehttp.ErrSentTwice) {
						refused.Add(1)
					}
					return resp, err
				})
			}
		}))
		breaking.Store(1)
		err := s.Refresh(t.Context())
		if wantKind(t, err, oauth.ErrNetwork); !errors.Is(err, safehttp.ErrSentTwice) || errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("got %v", err)
		}
		if refreshes.Load() != 1 || refused.Load() != 1 {
			t.Errorf("%d refreshes were sent, %d refused", refreshes.Load(), refused.Load())
		}
	})
}

type nothing struct{}

func (nothing) Close() error { return nil }

func TestTransportSettings(t *testing.T) {
	complete := func(change func(*oauth.Config)) error {
		cfg := oauth.Localhost("http://127.0.0.1/callback", "")
		change(&cfg)
		_, err := oauth.NewClient(cfg)
		return err
	}
	for field, change := range map[string]func(*oauth.Config){
		"Config.PrivateHosts":           func(cfg *oauth.Config) { cfg.PrivateHosts = []string{"pds"} },
		"Config.Proxy":                  func(cfg *oauth.Config) { cfg.Proxy = &url.URL{Scheme: "socks4", Host: "proxy"} },
		"Config.ProxyResolvesUnchecked": func(cfg *oauth.Config) { cfg.ProxyResolvesUnchecked = true },
		"Config.UnguardedTransport": func(cfg *oauth.Config) {
			cfg.UnguardedTransport, cfg.RootCAs = http.DefaultTransport, x509.NewCertPool()
		},
	} {
		t.Run("P81 P111 "+field, func(t *testing.T) {
			err := complete(change)
			if wantKind(t, err, oauth.ErrConfig); !strings.Contains(err.Error(), field) {
				t.Errorf("got %v", err)
			}
		})
	}
	for server, allowed := range map[string]bool{
		"http://pds:2583": true, "http://PDS:2583": false, "http://pds:2584": false, "http://pds": false, "http://localhost:2583": false, "https://pds.example.com": true,
	} {
		t.Run("P111 DefaultServer "+server, func(t *testing.T) {
			err := complete(func(cfg *oauth.Config) { cfg.PrivateHosts, cfg.DefaultServer = []string{"pds:2583"}, server })
			if (err == nil) != allowed {
				t.Errorf("got %v", err)
			}
		})
	}
	for server, allowed := range map[string]bool{
		"http://localhost:2583": true, "http://127.0.0.1:2583": true, "http://127.1.2.3": true, "http://[::1]:2583": true, "http://pds.localhost": true,
		"http://127.evil.example.com": false, "http://127.0.0.1.evil.example.com": false, "http://127.1": false, "http://localhost.evil.example.com": false, "http://10.0.0.1": false,
	} {
		t.Run("P123 DefaultServer in development: "+server, func(t *testing.T) {
			err := complete(func(cfg *oauth.Config) { cfg.AllowLoopback, cfg.DefaultServer = true, server })
			if (err == nil) != allowed {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("P111 an account whose server is in the same network", func(t *testing.T) {
		server := sandbox(t)
		for hosts, want := range map[string]oauth.Kind{"pds.internal:80": oauth.ErrNetwork, "pds.internal:81": oauth.ErrUnresolved, "": oauth.ErrUnresolved} {
			client := newClient(t, server, func(cfg *oauth.Config) {
				cfg.AllowLoopback = false
				if hosts != "" {
					cfg.PrivateHosts = []string{hosts}
				}
			})
			alice := server.Environment().Account("alice").DID
			server.SetDIDDocument(alice, []byte(`{"id":"`+string(alice)+`","alsoKnownAs":["at://alice.test"],"service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":"http://pds.internal"}]}`))
			_, err := client.Authorize(t.Context(), string(alice))
			wantKind(t, err, want) // the sandbox has no such server: ErrNetwork says that it was asked
		}
	})
}
