package safehttp

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

// A transport answers requests by a handler, without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func handled(h http.HandlerFunc) transport {
	return func(req *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, req)
		return w.Result(), nil
	}
}

// untouched fails the test if a request comes.
func untouched(t testing.TB) transport {
	return func(req *http.Request) (*http.Response, error) {
		t.Errorf("%s was requested", req.URL)
		return nil, errors.New("no")
	}
}

func TestCheckURL(t *testing.T) {
	tests := []struct {
		url               string
		want, development bool
	}{
		{"https://pds.example.com/x", true, true},
		{"https://pds.example.com:8443/x", true, true}, // a PDS may have a port (O32)
		{"https://1.1.1.1/", true, true},
		{"https://localhost/", true, true}, // its address is refused at the connect
		{"http://pds.example.com/x", false, false},
		{"http://localhost:2583/x", false, true},
		{"http://127.0.0.1:2583/x", false, true},
		{"http://[::1]:2583/x", false, true},
		{"https://127.0.0.1/x", false, true},
		{"https://[::ffff:127.0.0.1]/x", false, true},
		{"http://10.0.0.1/x", false, false},
		{"https://10.0.0.1/x", false, false},
		{"https://169.254.169.254/latest/meta-data/", false, false},
		{"https://[fe80::1%25eth0]/", false, false},
		{"https://user:pw@pds.example.com/", false, false},
		{"ftp://pds.example.com/", false, false},
		{"file:///etc/passwd", false, false},
		{"https:///x", false, false},
		{"/x", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		t.Run("P24 "+tt.url, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			for allow, want := range map[bool]bool{false: tt.want, true: tt.development} {
				sent := false
				c := New(Options{AllowLoopback: allow, UnguardedTransport: transport(func(*http.Request) (*http.Response, error) {
					sent = true
					return nil, errors.New("sent")
				})})
				body := &closer{}
				_, err := c.RoundTripper().RoundTrip(&http.Request{Method: "POST", URL: u, Body: body})
				if sent != want || errors.Is(err, ErrBlocked) == want {
					t.Errorf("AllowLoopback %v: sent %v, %v", allow, sent, err)
				}
				if !sent && !body.closed {
					t.Error("the body of a refused request was not closed")
				}
			}
		})
	}
}

type closer struct {
	strings.Reader
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, "{}")
	}))
	defer server.Close()

	t.Run("P24 a loopback address is refused at the connect", func(t *testing.T) {
		port := server.Listener.Addr().(*net.TCPAddr).Port
		_, err := New(Options{}).GetJSON(t.Context(), fmt.Sprintf("https://localhost:%d/", port))
		if !errors.Is(err, ErrBlocked) {
			t.Errorf("got %v, want ErrBlocked", err)
		}
	})
	t.Run("loopback answers in development", func(t *testing.T) {
		body, err := New(Options{AllowLoopback: true}).GetJSON(t.Context(), server.URL)
		if err != nil || string(body) != "{}" {
			t.Errorf("got %q, %v", body, err)
		}
	})
	t.Run("P24 every address of a name is checked, each time it resolves", func(t *testing.T) {
		// The name server changes its mind with every question, as for a rebinding.
		var questions, connects atomic.Int32
		listener := listen(t, &connects)
		answers := [][4]byte{{127, 0, 0, 1}, {10, 0, 0, 1}, {169, 254, 169, 254}}
		dialer := &net.Dialer{Timeout: 5 * time.Second, Resolver: nameServer(t, func() [4]byte {
			return answers[int(questions.Add(1)-1)%len(answers)]
		})}
		c := &Client{guard: newGuard(false), timeout: 5 * time.Second}
		c.transport = newTransport(dialer, c.guard, Options{})
		c.wrap(nil)
		for range answers {
			_, err := c.GetJSON(t.Context(), fmt.Sprintf("https://rebinding.example.com:%d/", listener.Port))
			if !errors.Is(err, ErrBlocked) {
				t.Errorf("got %v, want ErrBlocked", err)
			}
		}
		if questions.Load() == 0 || connects.Load() != 0 {
			t.Errorf("%d questions, %d connections", questions.Load(), connects.Load())
		}
	})
	t.Run("an allowed host may be anywhere, by http and on any port", func(t *testing.T) {
		port := server.Listener.Addr().(*net.TCPAddr).Port
		c := New(Options{AllowHosts: []string{"LocalHost", "127.0.0.1"}})
		for _, host := range []string{"localhost", "127.0.0.1"} {
			body, err := c.Get(t.Context(), fmt.Sprintf("http://%s:%d/", host, port), Rules{DefaultPort: true})
			if err != nil || string(body) != "{}" {
				t.Errorf("%s: got %q, %v", host, body, err)
			}
		}
	})
	t.Run("P24 O44 beside an allowed host all others are guarded", func(t *testing.T) {
		var connects atomic.Int32
		listener := listen(t, &connects)
		dialer := &net.Dialer{Timeout: 5 * time.Second, Resolver: nameServer(t, func() [4]byte { return [4]byte{127, 0, 0, 1} })}
		c := &Client{guard: newGuard(false, "dev.example.com", "127.0.0.1"), timeout: 5 * time.Second}
		c.transport = newTransport(dialer, c.guard, Options{})
		c.wrap(nil)
		for _, target := range []string{
			"https://rebinding.example.com:%d/", // resolves to the address of an allowed host
			"https://dev.example.com.evil.net:%d/", "https://sub.dev.example.com:%d/", "https://127.0.0.2:%d/",
			"http://other.example.com:%d/", "http://localhost:%d/", "https://10.0.0.1:%d/",
		} {
			if _, err := c.GetJSON(t.Context(), fmt.Sprintf(target, listener.Port)); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %v, want ErrBlocked", target, err)
			}
		}
		if connects.Load() != 0 {
			t.Errorf("%d connections", connects.Load())
		}
		if _, err := c.GetJSON(t.Context(), fmt.Sprintf("https://dev.example.com:%d/", listener.Port)); errors.Is(err, ErrBlocked) || connects.Load() != 1 {
			t.Errorf("the allowed host: %v, %d connections", err, connects.Load())
		}
	})
	t.Run("P24 O44 beside an allowed host no URL is let through that was not before", func(t *testing.T) {
		c := New(Options{AllowHosts: []string{"dev.example.com", "127.0.0.1"}, UnguardedTransport: untouched(t)})
		for _, target := range []string{
			"http://other.example.com/", "http://sub.dev.example.com/", "http://127.0.0.2/", "https://10.0.0.1/", "https://other.example.com:444/",
			"https://user@dev.example.com/",
		} {
			if _, err := c.Get(t.Context(), target, Rules{DefaultPort: true}); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %v, want ErrBlocked", target, err)
			}
		}
	})
	t.Run("P24 O44 a redirect from an allowed host to another is guarded", func(t *testing.T) {
		var connects atomic.Int32
		listener := listen(t, &connects)
		redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, fmt.Sprintf("https://localhost:%d/", listener.Port), http.StatusFound)
		}))
		defer redirecting.Close()
		_, err := New(Options{AllowHosts: []string{"127.0.0.1"}}).Get(t.Context(), redirecting.URL, Rules{Redirects: 1})
		if !errors.Is(err, ErrBlocked) || connects.Load() != 0 {
			t.Errorf("got %v, %d connections", err, connects.Load())
		}
	})
	t.Run("O44 the environment's proxy is not used", func(t *testing.T) {
		if c := New(Options{}); c.transport.(*http.Transport).Proxy != nil {
			t.Error("it is")
		}
	})
	t.Run("the header of the answer can be had", func(t *testing.T) {
		answer, err := New(Options{AllowLoopback: true}).Fetch(t.Context(), server.URL, Rules{})
		if err != nil || answer.Header.Get("Content-Type") == "" || string(answer.Body) != "{}" {
			t.Errorf("got %+v, %v", answer, err)
		}
	})
	t.Run("certificates are verified", func(t *testing.T) {
		tlsServer := httptest.NewTLSServer(server.Config.Handler)
		defer tlsServer.Close()
		_, err := New(Options{AllowLoopback: true}).GetJSON(t.Context(), tlsServer.URL)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Errorf("got %v", err)
		}
	})
	t.Run("P24 redirects are handed over, not followed", func(t *testing.T) {
		c := New(Options{UnguardedTransport: handled(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://10.0.0.1/", http.StatusTemporaryRedirect)
		})})
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://pds.example.com/", nil)
		resp, err := c.RoundTripper().RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}

// listen returns the address of a listener that counts its connections.
func listen(t testing.TB, connects *atomic.Int32) *net.TCPAddr {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connects.Add(1)
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

// nameServer returns a resolver whose name server gives every name the address
// that next returns, and no IPv6 address.
func nameServer(t testing.TB, next func() [4]byte) *net.Resolver {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			reply := dnsmessage.Message{
				Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true},
				Questions: m.Questions,
			}
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				reply.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: next()},
				}}
			}
			if b, err := reply.Pack(); err == nil {
				conn.WriteTo(b, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func TestGet(t *testing.T) {
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	jsonRules := Rules{Accept: []string{"application/json"}}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		rules   Rules
		want    error // nil: the body is "{}"
		status  int
	}{
		{"O35 a document", answer(200, "application/json", "{}"), jsonRules, nil, 0},
		{"O35 parameters and case of the type do not matter", answer(200, "Application/JSON; charset=utf-8", "{}"), jsonRules, nil, 0},
		{"O35 another 2xx", answer(204, "application/json", ""), jsonRules, ErrStatus, 204},
		{"another 2xx where any will do", answer(203, "text/plain", "{}"), Rules{AnySuccess: true}, nil, 0},
		{"O35 another type", answer(200, "text/html", "{}"), jsonRules, ErrContentType, 200},
		{"O35 a type that only looks the part", answer(200, "application/jsonp", "{}"), jsonRules, ErrContentType, 200},
		{"O35 no type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "{}")
		}, jsonRules, ErrContentType, 200},
		{"not found", answer(404, "application/json", "{}"), jsonRules, ErrStatus, 404},
		{"server error where any success will do", answer(500, "text/plain", "{}"), Rules{AnySuccess: true}, ErrStatus, 500},
		{"O35 a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, jsonRules, ErrRedirect, 302},
		{"P30 larger than the limit", answer(200, "application/json", strings.Repeat(" ", MaxDocument+1)), jsonRules, ErrTooLarge, 200},
		{"larger than a limit of one's own", answer(200, "text/plain", "{} "), Rules{MaxBytes: 2}, ErrTooLarge, 200},
		{"as large as the limit", answer(200, "text/plain", "{}"), Rules{MaxBytes: 2}, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := New(Options{UnguardedTransport: handled(tt.handler)}).Get(t.Context(), "https://pds.example.com/doc", tt.rules)
			if tt.want == nil {
				if err != nil || string(body) != "{}" {
					t.Errorf("got %q, %v", body, err)
				}
				return
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, tt.want) || e.Status != tt.status || e.URL != "https://pds.example.com/doc" || e.Header == nil {
				t.Errorf("got %#v, want %v with status %d", err, tt.want, tt.status)
			}
		})
	}
	t.Run("it asks for what it accepts", func(t *testing.T) {
		c := New(Options{UnguardedTransport: transport(func(req *http.Request) (*http.Response, error) {
			if diff := cmp.Diff(http.Header{"Accept": {"a/b, c/d"}}, req.Header); diff != "" {
				t.Error(diff)
			}
			return nil, io.EOF
		})})
		c.Get(t.Context(), "https://a.example.com/", Rules{Accept: []string{"a/b", "c/d"}})
	})
	t.Run("P30 a gzip bomb counts by what comes out", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			zeros := make([]byte, 1<<20)
			for range 8 {
				z.Write(zeros)
			}
		}))
		defer server.Close()
		if _, err := New(Options{AllowLoopback: true}).GetJSON(t.Context(), server.URL); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("P30 an endless answer is not read to its end", func(t *testing.T) {
		read := 0
		c := New(Options{UnguardedTransport: transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(endless{&read})}, nil
		})})
		_, err := c.Get(t.Context(), "https://endless.example.com/", Rules{})
		if !errors.Is(err, ErrTooLarge) || read > MaxDocument+1 {
			t.Errorf("got %v after %d bytes", err, read)
		}
	})
	t.Run("P30 a slow drip ends with the time limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := New(Options{UnguardedTransport: transport(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(drip{req.Context()})}, nil
			})})
			start := time.Now()
			_, err := c.Get(t.Context(), "https://slow.example.com/", Rules{})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
				t.Errorf("got %v after %s", err, time.Since(start))
			}
		})
	})
}

// An endless body counts what is read of it, and gives up before memory does.
type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) {
	if *e.read += len(p); *e.read > 4*MaxDocument {
		return 0, io.EOF
	}
	return len(p), nil
}

// A drip is a body that gives one byte a second.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func TestRedirects(t *testing.T) {
	follow := Rules{Redirects: 3, DefaultPort: true}
	redirects := func(targets map[string]string) transport {
		return handled(func(w http.ResponseWriter, r *http.Request) {
			if to, ok := targets[r.URL.String()]; ok {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
				return
			}
			io.WriteString(w, r.URL.String())
		})
	}
	t.Run("O28 followed, also when relative", func(t *testing.T) {
		c := New(Options{UnguardedTransport: redirects(map[string]string{
			"https://a.example.com/x": "/y", "https://a.example.com/y": "https://b.example.com/z", "https://b.example.com/z": "//c.example.com:443/",
		})})
		body, err := c.Get(t.Context(), "https://a.example.com/x", follow)
		if err != nil || string(body) != "https://c.example.com:443/" {
			t.Errorf("got %q, %v", body, err)
		}
	})
	t.Run("O28 a loop ends", func(t *testing.T) {
		requests := 0
		loop := redirects(map[string]string{"https://a.example.com/x": "/x"})
		c := New(Options{UnguardedTransport: transport(func(r *http.Request) (*http.Response, error) { requests++; return loop(r) })})
		if _, err := c.Get(t.Context(), "https://a.example.com/x", follow); !errors.Is(err, ErrRedirect) || requests != 4 {
			t.Errorf("got %v after %d requests", err, requests)
		}
	})
	t.Run("P24 every target is checked", func(t *testing.T) {
		for _, to := range []string{
			"http://b.example.com/", "https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://u:p@b.example.com/",
			"https://b.example.com:8443/", "file:///etc/passwd", "//10.0.0.1/",
		} {
			c := New(Options{UnguardedTransport: redirects(map[string]string{"https://a.example.com/x": to})})
			if body, err := c.Get(t.Context(), "https://a.example.com/x", follow); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s: got %q, %v", to, body, err)
			}
		}
	})
	t.Run("a redirect to nowhere", func(t *testing.T) {
		for _, to := range []string{"", "https://a b/", "::"} {
			c := New(Options{UnguardedTransport: redirects(map[string]string{"https://a.example.com/x": to})})
			if _, err := c.Get(t.Context(), "https://a.example.com/x", follow); !errors.Is(err, ErrRedirect) {
				t.Errorf("%q: got %v", to, err)
			}
		}
	})
	t.Run("O44 a port where none is allowed", func(t *testing.T) {
		c := New(Options{UnguardedTransport: untouched(t)})
		if _, err := c.Get(t.Context(), "https://a.example.com:444/", follow); !errors.Is(err, ErrBlocked) {
			t.Errorf("got %v", err)
		}
	})
}
