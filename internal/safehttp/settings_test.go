package safehttp

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A proxy connects to what it is asked for, or says that it did.
type proxy struct {
	url *url.URL
	to  string // where every connection ends; "": it is closed after the answer

	mu     sync.Mutex
	asked  []string
	header []http.Header
}

func newProxy(t testing.TB, status string, to string) *proxy {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{url: &url.URL{Scheme: "http", Host: l.Addr().String()}, to: to}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn, status)
		}
	}()
	return p
}

func (p *proxy) serve(conn net.Conn, status string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Method+" "+req.RequestURI)
	p.header = append(p.header, req.Header)
	p.mu.Unlock()
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", status)
	if p.to == "" {
		return
	}
	target, err := net.Dial("tcp4", p.to)
	if err != nil {
		return
	}
	defer target.Close()
	go io.Copy(target, r)
	io.Copy(conn, target)
}

func (p *proxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// resolving is a Client whose names lead to an address.
func resolving(t testing.TB, o Options, to [4]byte) *Client {
	c := New(o)
	c.timeout = 5 * time.Second
	c.transport = newTransport(&net.Dialer{Timeout: 5 * time.Second, Resolver: nameServer(t, func() [4]byte { return to })}, c.guard, o)
	return c
}

// passing is a wrapper that counts and passes on.
func passing(count *atomic.Int32) func(http.RoundTripper) http.RoundTripper {
	return func(inner http.RoundTripper) http.RoundTripper {
		return transport(func(req *http.Request) (*http.Response, error) {
			count.Add(1)
			return inner.RoundTrip(req)
		})
	}
}

// Whatever is set beside the guard, it is asked about every address.
func TestSettingsKeepTheGuard(t *testing.T) {
	var through atomic.Int32
	settings := map[string]func(testing.TB) (Options, *proxy){
		"a wrapper":               func(testing.TB) (Options, *proxy) { return Options{WrapTransport: passing(&through)}, nil },
		"certificate authorities": func(testing.TB) (Options, *proxy) { return Options{RootCAs: x509.NewCertPool()}, nil },
		"another server let through": func(testing.TB) (Options, *proxy) {
			return Options{PrivateHosts: []string{"pds:2583", "10.0.0.1:1"}}, nil
		},
		"a proxy": func(t testing.TB) (Options, *proxy) {
			p := newProxy(t, "200 OK", "")
			return Options{Proxy: p.url}, p
		},
		"a proxy and a wrapper": func(t testing.TB) (Options, *proxy) {
			p := newProxy(t, "200 OK", "")
			return Options{Proxy: p.url, WrapTransport: passing(&through)}, p
		},
	}
	for name, set := range settings {
		for _, tt := range addresses {
			if tt.want {
				continue
			}
			t.Run("P81 "+name+": "+tt.address, func(t *testing.T) {
				o, p := set(t)
				c := New(o)
				u := &url.URL{Scheme: "https", Host: net.JoinHostPort(tt.address, "443"), Path: "/"}
				_, err := c.RoundTripper().RoundTrip((&http.Request{Method: "GET", URL: u, Header: http.Header{}}).WithContext(t.Context()))
				if !errors.Is(err, ErrBlocked) {
					t.Errorf("got %v", err)
				}
				if addr := netip.MustParseAddr(tt.address); addr.Is4() {
					_, err := resolving(t, o, addr.As4()).Get(t.Context(), "https://name.example.com/", Rules{})
					if !errors.Is(err, ErrBlocked) {
						t.Errorf("by a name: got %v", err)
					}
				}
				if p != nil && len(p.seen()) != 0 {
					t.Errorf("the proxy was asked for %v", p.seen())
				}
			})
		}
	}
}

func TestWrapTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	defer server.Close()
	t.Run("P81 it sees what is sent, and what comes", func(t *testing.T) {
		var count atomic.Int32
		body, err := New(Options{AllowLoopback: true, WrapTransport: passing(&count)}).Get(t.Context(), server.URL, Rules{})
		if err != nil || string(body) != "{}" || count.Load() != 1 {
			t.Errorf("%q, %v, %d requests", body, err, count.Load())
		}
	})
	t.Run("P81 where it sends a request to is checked", func(t *testing.T) {
		for _, target := range []string{"https://10.0.0.1/", "http://pds.example.com/", "https://user@pds.example.com/", "https://169.254.169.254/", server.URL} {
			c := New(Options{WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
				return transport(func(req *http.Request) (*http.Response, error) {
					changed := req.Clone(req.Context())
					changed.URL, _ = url.Parse(target)
					return inner.RoundTrip(changed)
				})
			}})
			if _, err := c.Get(t.Context(), "https://pds.example.com/", Rules{}); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %v", target, err)
			}
		}
	})
	t.Run("P81 none at all fails loudly", func(t *testing.T) {
		c := New(Options{WrapTransport: func(http.RoundTripper) http.RoundTripper { return nil }})
		if _, err := c.Get(t.Context(), "https://pds.example.com/", Rules{}); err == nil || !strings.Contains(err.Error(), "WrapTransport") {
			t.Errorf("got %v", err)
		}
	})
	form := func(proof string) *http.Request {
		req := httptest.NewRequest(http.MethodPost, "https://as.example.com/token", strings.NewReader("grant_type=refresh_token"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("DPoP", proof)
		return req.WithContext(t.Context())
	}
	t.Run("P81 a form that spends something is not sent twice", func(t *testing.T) {
		for name, again := range map[string]func(*http.Request) *http.Request{
			"the same request":       func(req *http.Request) *http.Request { return req },
			"a copy":                 func(req *http.Request) *http.Request { return req.Clone(req.Context()) },
			"with another context":   func(req *http.Request) *http.Request { return req.Clone(t.Context()) },
			"with its body restored": func(req *http.Request) *http.Request { return form(req.Header.Get("DPoP")) },
		} {
			var sent atomic.Int32
			c := New(Options{
				UnguardedTransport: transport(func(*http.Request) (*http.Response, error) {
					sent.Add(1)
					return nil, errors.New("the connection broke")
				}),
				WrapTransport: func(inner http.RoundTripper) http.RoundTripper {
					return transport(func(req *http.Request) (*http.Response, error) {
						if resp, err := inner.RoundTrip(req); err == nil {
							return resp, nil
						}
						return inner.RoundTrip(again(req))
					})
				},
			})
			if _, err := c.RoundTripper().RoundTrip(form("proof of " + name)); !errors.Is(err, ErrSentTwice) || sent.Load() != 1 {
				t.Errorf("%s: %v, sent %d times", name, err, sent.Load())
			}
			if _, err := c.RoundTripper().RoundTrip(form("another of " + name)); !errors.Is(err, ErrSentTwice) || sent.Load() != 2 {
				t.Errorf("%s: the next one: %v, sent %d times", name, err, sent.Load())
			}
		}
	})
	t.Run("P81 what is remembered of forms is bounded, and the newest", func(t *testing.T) {
		var s sentForms
		for i := range 3 * rememberedForms {
			if err := s.first(form(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.known) != rememberedForms || s.first(form(fmt.Sprint(3*rememberedForms-1))) == nil {
			t.Errorf("%d are known", len(s.known))
		}
	})
}

func TestProxy(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	t.Run("P81 names are resolved here, and the proxy connects to the address", func(t *testing.T) {
		p := newProxy(t, "200 OK", server.Listener.Addr().String())
		c := resolving(t, Options{Proxy: p.url, RootCAs: roots}, [4]byte{1, 1, 1, 1})
		c.wrap(nil)
		body, err := c.Get(t.Context(), "https://example.com/", Rules{})
		if err != nil || string(body) != "example.com" || !slices.Equal(p.seen(), []string{"CONNECT 1.1.1.1:443"}) {
			t.Errorf("%q, %v, asked for %v", body, err, p.seen())
		}
	})
	t.Run("P81 certificates are verified behind it", func(t *testing.T) {
		p := newProxy(t, "200 OK", server.Listener.Addr().String())
		c := resolving(t, Options{Proxy: p.url, RootCAs: roots}, [4]byte{1, 1, 1, 1})
		if _, err := c.Get(t.Context(), "https://other.example.org/", Rules{}); err == nil {
			t.Error("a certificate for another host will do")
		}
	})
	t.Run("P81 it resolves only where that is asked for by name", func(t *testing.T) {
		p := newProxy(t, "200 OK", server.Listener.Addr().String())
		c := New(Options{Proxy: p.url, RootCAs: roots, ProxyResolvesUnchecked: true})
		body, err := c.Get(t.Context(), "https://example.com/", Rules{})
		if err != nil || string(body) != "example.com" || !slices.Equal(p.seen(), []string{"CONNECT example.com:443"}) {
			t.Errorf("%q, %v, asked for %v", body, err, p.seen())
		}
		if _, err := c.Get(t.Context(), "https://10.0.0.1/", Rules{}); !errors.Is(err, ErrBlocked) {
			t.Errorf("an address in a URL: got %v", err)
		}
	})
	t.Run("P81 P111 what is nearby is not asked for there", func(t *testing.T) {
		near := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
		defer near.Close()
		p := newProxy(t, "200 OK", "")
		for name, o := range map[string]Options{
			"a private host": {Proxy: p.url, PrivateHosts: []string{near.Listener.Addr().String()}}, "this machine": {Proxy: p.url, AllowLoopback: true},
		} {
			if body, err := New(o).Get(t.Context(), near.URL, Rules{}); err != nil || string(body) != "{}" || len(p.seen()) != 0 {
				t.Errorf("%s: %q, %v, asked for %v", name, body, err, p.seen())
			}
		}
	})
	t.Run("P81 a password goes to it, and into no error", func(t *testing.T) {
		p := newProxy(t, "407 Proxy Authentication Required", "")
		with := *p.url
		with.User = url.UserPassword("me", "hunter2")
		_, err := resolving(t, Options{Proxy: &with}, [4]byte{1, 1, 1, 1}).Get(t.Context(), "https://example.com/", Rules{})
		if err == nil || !strings.Contains(err.Error(), "status 407") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
		if p.header[0].Get("Proxy-Authorization") != "Basic bWU6aHVudGVyMg==" {
			t.Errorf("sent %v", p.header)
		}
	})
	for name, status := range map[string]string{"says no": "403 Forbidden", "talks nonsense": "\r\nnonsense", "has a large header": "200 OK\r\nX: " + strings.Repeat("x", 100<<10), "speaks first": "200 OK\r\n\r\nhello"} {
		t.Run("P81 one that "+name, func(t *testing.T) {
			p := newProxy(t, status, "")
			_, err := resolving(t, Options{Proxy: p.url}, [4]byte{1, 1, 1, 1}).Get(t.Context(), "https://example.com/", Rules{})
			if err == nil || len(err.Error()) > 500 || strings.Contains(name, "large") && !strings.Contains(err.Error(), "too large") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("P81 one that hangs", func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := resolving(t, Options{Proxy: &url.URL{Scheme: "http", Host: l.Addr().String()}}, [4]byte{1, 1, 1, 1})
		c.timeout = 50 * time.Millisecond
		if _, err := c.Get(t.Context(), "https://example.com/", Rules{}); err == nil {
			t.Error("it answers")
		}
	})
}

func TestPrivateHosts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	defer server.Close()
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	t.Run("P111 a named host and port is asked, by http and wherever it is", func(t *testing.T) {
		for _, o := range []Options{{PrivateHosts: []string{host + ":" + port}}, {PrivateHosts: []string{"LocalHost:" + port}}} {
			name, _, _ := net.SplitHostPort(o.PrivateHosts[0])
			body, err := New(o).Get(t.Context(), "http://"+strings.ToLower(name)+":"+port+"/", Rules{DefaultPort: true})
			if err != nil || string(body) != "{}" {
				t.Errorf("%v: %q, %v", o.PrivateHosts, body, err)
			}
		}
	})
	t.Run("P111 and nothing else", func(t *testing.T) {
		c := New(Options{PrivateHosts: []string{"pds:2583", "relay.internal:80", "[fd00::1]:443", "10.0.0.7:8080"}, UnguardedTransport: untouched(t)})
		for _, target := range []string{
			"http://pds/", "http://pds:2584/", "http://pds.evil.example.com:2583/", "http://sub.pds:2583/", "http://pds.:2583/",
			"http://user@pds:2583/", "http://relay.internal:8080/", "http://relay.internal:443/",
			"https://[fd00::1]:444/", "http://[fd00::1]/", "https://[fd00::2]/", "https://10.0.0.7/", "http://10.0.0.8:8080/", "http://10.0.0.7:80/",
			"http://localhost:2583/", "http://127.0.0.1:2583/", "https://10.0.0.1/", "http://example.com/", "ftp://pds:2583/",
		} {
			if _, err := c.Get(t.Context(), target, Rules{}); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %v", target, err)
			}
		}
	})
	t.Run("P111 the port of the scheme may be left out of the URL", func(t *testing.T) {
		sent := 0
		c := New(Options{PrivateHosts: []string{"relay.internal:80", "[fd00::1]:443"}, UnguardedTransport: handled(func(http.ResponseWriter, *http.Request) { sent++ })})
		for _, target := range []string{"http://relay.internal/", "https://[fd00::1]/", "https://[fd00::1]:443/"} {
			if _, err := c.Get(t.Context(), target, Rules{}); err != nil {
				t.Error(err)
			}
		}
		if sent != 3 {
			t.Errorf("%d requests", sent)
		}
	})
	t.Run("P111 what a stranger's redirect leads to is no better", func(t *testing.T) {
		redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}))
		defer redirecting.Close()
		_, err := New(Options{PrivateHosts: []string{redirecting.Listener.Addr().String()}}).Get(t.Context(), redirecting.URL, Rules{Redirects: 2})
		if !errors.Is(err, ErrBlocked) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCheckOptions(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.internal:3128"}
	for want, o := range map[string]Options{
		"PrivateHosts: \"pds\"":               {PrivateHosts: []string{"pds"}},
		"PrivateHosts: \":2583\"":             {PrivateHosts: []string{":2583"}},
		"PrivateHosts: \"pds:0\"":             {PrivateHosts: []string{"pds:0"}},
		"PrivateHosts: \"pds:http\"":          {PrivateHosts: []string{"pds:http"}},
		"PrivateHosts: \"pds:65536\"":         {PrivateHosts: []string{"pds:65536"}},
		"PrivateHosts: \"*:2583\"":            {PrivateHosts: []string{"*:2583"}},
		"PrivateHosts: \"http://pds:2583\"":   {PrivateHosts: []string{"http://pds:2583"}},
		"PrivateHosts: \"me@pds:2583\"":       {PrivateHosts: []string{"pds:2583", "me@pds:2583"}},
		"PrivateHosts: \"fd00::1:2583\"":      {PrivateHosts: []string{"fd00::1:2583"}},
		"Proxy: \"socks5://proxy\"":           {Proxy: &url.URL{Scheme: "socks5", Host: "proxy"}},
		"Proxy: \"http:\"":                    {Proxy: &url.URL{Scheme: "http"}},
		"ProxyResolvesUnchecked":              {ProxyResolvesUnchecked: true},
		"UnguardedTransport takes the place":  {UnguardedTransport: untouched(t), Proxy: proxy},
		"UnguardedTransport takes the place ": {UnguardedTransport: untouched(t), RootCAs: x509.NewCertPool()},
	} {
		t.Run("P81 P111 "+want, func(t *testing.T) {
			if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
			if _, err := New(o).Get(t.Context(), "https://pds.example.com/", Rules{}); !errors.Is(err, ErrBlocked) {
				t.Errorf("a request: got %v", err)
			}
		})
	}
	t.Run("P81 a password of a proxy stays out of the error", func(t *testing.T) {
		o := Options{Proxy: &url.URL{Scheme: "ftp", Host: "proxy", User: url.UserPassword("me", "hunter2")}}
		if err := o.Check(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpaque(t *testing.T) {
	for _, u := range []*url.URL{
		{Scheme: "https", Host: "pds.example.com", Opaque: "//evil.example.com/x"},
		{Scheme: "https", Host: "pds.example.com", Opaque: "https://evil.example.com/x"},
		{Scheme: "https", Host: "pds.example.com", Opaque: "/x"},
		{Scheme: "https", Opaque: "evil.example.com"},
	} {
		t.Run("P79 "+u.Opaque, func(t *testing.T) {
			_, err := New(Options{UnguardedTransport: untouched(t)}).RoundTripper().RoundTrip(&http.Request{Method: "GET", URL: u})
			if !errors.Is(err, ErrBlocked) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRefusalsSayWhatHelps(t *testing.T) {
	for target, want := range map[string]string{
		"http://localhost:2583/doc":    "AllowLoopback",
		"http://127.0.0.1/doc":         "AllowLoopback",
		"http://pds.internal/doc":      `PrivateHosts with "pds.internal:80"`,
		"http://pds.internal:2583/doc": `PrivateHosts with "pds.internal:2583"`,
		"https://127.0.0.1/doc":        "AllowLoopback",
		"https://[::1]/doc":            "AllowLoopback",
		"https://10.0.0.1/doc":         "PrivateHosts",
	} {
		t.Run(target, func(t *testing.T) {
			_, err := New(Options{}).GetJSON(t.Context(), target)
			if !errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "Allow")+strings.Count(err.Error(), "PrivateHosts") != 1 {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
	t.Run("nothing helps ftp", func(t *testing.T) {
		if said := New(Options{}).Remedy(&url.URL{Scheme: "ftp", Host: "localhost"}); said != "" {
			t.Errorf("%q", said)
		}
	})
}
