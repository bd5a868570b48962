package blobs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A pace says how slowly bodies go through a front: how long one of a size takes. 0: as they come.
type pace struct {
	time time.Duration
	size int64
}

// startFront puts a front of ours before the server, and returns the environment behind it. It speaks HTTP/2 where that
// is asked for, and passes bodies on at a pace. before is told of every request before the server is.
func startFront(tb testing.TB, env *oauthtest.Environment, http2 bool, slow pace, before func(path string)) *oauthtest.Environment {
	tb.Helper()
	home, err := url.Parse(env.PDS)
	if err != nil {
		tb.Fatal(err)
	}
	certificate, authority := certify(tb, home.Hostname())
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if before != nil {
				before(r.In.URL.Path)
			}
			r.SetURL(home)
			r.Out.Host = r.In.Host
			if r.Out.Body != nil {
				r.Out.Body = slowed{r.Out.Body, slow}
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Body = slowed{resp.Body, slow}
			return nil
		},
		FlushInterval: -1,
		Transport:     env.Transport(),
	}
	front := httptest.NewUnstartedServer(proxy)
	front.EnableHTTP2 = http2
	front.Listener = shallow{front.Listener}
	front.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	front.StartTLS()
	tb.Cleanup(front.Close)

	behind := *env
	behind.CA = append(append([]byte(nil), env.CA...), authority...)
	behind.Hosts = maps.Clone(env.Hosts)
	behind.Hosts[home.Hostname()+":443"] = front.Listener.Addr().String()
	return &behind
}

// shallow keeps little of what comes and is not read yet: a body that is on its way is to be with its sender.
type shallow struct{ net.Listener }

// Accept accepts a connection with a small buffer.
func (l shallow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetReadBuffer(64 << 10)
	}
	return c, err
}

// slowed is a body that comes piece by piece.
type slowed struct {
	io.ReadCloser
	pace
}

// Read waits for as long as what it has read takes at this pace.
func (s slowed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.size > 0 {
		time.Sleep(s.time * time.Duration(n) / time.Duration(s.size))
	}
	return n, err
}

// certify makes a certificate for a host, and the authority to trust for it.
func certify(tb testing.TB, host string) (tls.Certificate, []byte) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
