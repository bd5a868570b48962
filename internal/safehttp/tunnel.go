package safehttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// tunnelTime is how long a proxy may take to connect.
const tunnelTime = 15 * time.Second

// A tunnel connects through a proxy (RFC 9110 §9.3.6). This process decides which addresses are
// allowed, not the proxy: the proxy gets a checked address.
type tunnel struct {
	proxy     *url.URL
	dialer    *net.Dialer // connects to the proxy, which may have any address
	guard     guard
	unchecked bool // the proxy resolves names
	roots     *x509.CertPool
}

// dial connects to host and port.
func (t *tunnel) dial(ctx context.Context, host, port string) (net.Conn, error) {
	if t.unchecked {
		return t.connect(ctx, net.JoinHostPort(host, port))
	}
	addresses, err := t.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, addr := range addresses {
		err := t.guard.check(addr)
		if err == nil {
			var conn net.Conn
			if conn, err = t.connect(ctx, net.JoinHostPort(addr.Unmap().String(), port)); err == nil {
				return conn, nil
			}
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// addresses resolves host.
func (t *tunnel) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	resolver := t.dialer.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return found, nil
}

// connect asks the proxy for a connection to target.
func (t *tunnel) connect(ctx context.Context, target string) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTime)
	defer cancel()
	conn, err = t.dialer.DialContext(ctx, "tcp", net.JoinHostPort(t.proxy.Hostname(), portOf(t.proxy)))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	raw := conn
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = fmt.Errorf("proxy: %w", context.Cause(ctx))
		}
		if err != nil {
			raw.Close()
			conn = nil
		}
	}()
	if t.proxy.Scheme == "https" {
		secured := tls.Client(conn, &tls.Config{ServerName: t.proxy.Hostname(), RootCAs: t.roots, MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		conn = secured
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: make(http.Header)}
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	reader := bufio.NewReaderSize(&limitedReader{conn, 64 << 10}, 4<<10)
	resp, err := http.ReadResponse(reader, req)
	switch {
	case err != nil:
		return nil, fmt.Errorf("proxy: reading its answer: %w", err)
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("proxy: it answered with status %d and did not connect to %s", resp.StatusCode, target)
	case reader.Buffered() > 0:
		return nil, errors.New("proxy: it sent data before the request")
	}
	return conn, nil
}

// A limitedReader fails if a proxy sends more than the header of an answer can have.
type limitedReader struct {
	conn net.Conn
	left int
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errors.New("the header is too large")
	}
	n, err := r.conn.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
