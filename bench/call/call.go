// Package call measures what a typed call costs beside the same request by net/http alone, and beside indigo's
// client, over a network: TLS on loopback, by HTTP/1.1 and HTTP/2, one after the other and eight at a time.
package call

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bluesky-social/indigo/atproto/atcrypto"
	indigo "github.com/bluesky-social/indigo/atproto/auth/oauth"

	"github.com/gimucco/atproto-go/bench/figures"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/store"
)

const (
	path   = "/xrpc/com.atproto.server.getSession"
	answer = `{"handle":"alice.test","did":"did:plc:000000000000000000000000","email":"alice@example.com","emailConfirmed":true,"active":true}`
)

// A Bench is a server and those who call it.
type Bench struct {
	server *httptest.Server
	crowd  *figures.Crowd
	Ours   figures.Operation // through a session of oauth
	Bare   figures.Operation // net/http with headers of the same size, and one signature
	Indigo figures.Operation // through a session of indigo
}

// New starts a server of HTTP/2, or of HTTP/1.1, and makes a caller of each kind.
func New(ctx context.Context, http2 bool) (*Bench, error) {
	b := new(Bench)
	var mu sync.Mutex
	var seen http.Header // of the last request
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = r.Header
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("DPoP-Nonce", "the-nonce-of-this-minute")
		io.WriteString(w, answer)
	}))
	b.server.EnableHTTP2 = http2
	b.server.StartTLS()
	address := b.server.Listener.Addr().String()
	// transport leads every host to the server.
	transport := func() *http.Transport {
		t := &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // loopback, and nothing is secret
			MaxIdleConnsPerHost: 16,
			ForceAttemptHTTP2:   http2,
		}
		if !http2 {
			t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		return t
	}

	var err error
	if b.crowd, err = figures.NewCrowd(ctx, new(store.Memory), 1); err != nil {
		b.Close()
		return nil, err
	}
	client, err := b.crowd.ClientOver(transport())
	if err != nil {
		b.Close()
		return nil, err
	}
	session, err := client.Resume(ctx, b.crowd.Keys[0])
	if err != nil {
		b.Close()
		return nil, err
	}
	api := comatproto.NewClient(session)
	b.Ours = func(ctx context.Context, n int) error {
		for range n {
			if _, err := api.Server.GetSession(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if err := b.Ours(ctx, 2); err != nil { // the second has a nonce
		b.Close()
		return nil, fmt.Errorf("ours: %w", err)
	}
	mu.Lock()
	header := seen.Clone()
	mu.Unlock()
	if b.Bare, err = bare(transport(), session.Host()+path, header); err != nil {
		b.Close()
		return nil, err
	}
	token := strings.TrimPrefix(header.Get("Authorization"), "DPoP ")
	if b.Indigo, err = others(transport(), session.Host(), token); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close ends server and callers.
func (b *Bench) Close() {
	if b.crowd != nil {
		b.crowd.Close()
	}
	b.server.Close()
}

// bare makes the request with nothing but net/http.
func bare(transport http.RoundTripper, target string, header http.Header) (figures.Operation, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport}
	return func(ctx context.Context, n int) error {
		for range n {
			digest := sha256.Sum256([]byte(target))
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
			if err != nil {
				return err
			}
			for name, values := range header {
				if name != "Accept-Encoding" { // net/http asks for it itself
					req.Header[name] = values
				}
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				return fmt.Errorf("bare: HTTP %d, %w", resp.StatusCode, err)
			}
		}
		return nil
	}, nil
}

// others makes the request by indigo's client.
func others(transport http.RoundTripper, host, token string) (figures.Operation, error) {
	key, err := atcrypto.GeneratePrivateKeyP256()
	if err != nil {
		return nil, err
	}
	config := indigo.NewLocalhostConfig("http://127.0.0.1/callback", []string{"atproto"})
	session := &indigo.ClientSession{
		Client: &http.Client{Transport: transport}, Config: &config, DPoPPrivateKey: key,
		Data: &indigo.ClientSessionData{AccountDID: "did:plc:000000000000000000000000", HostURL: host, AccessToken: token, DPoPHostNonce: "the-nonce-of-this-minute"},
	}
	api := session.APIClient()
	api.Client = session.Client
	return func(ctx context.Context, n int) error {
		for range n {
			var out struct {
				DID    string `json:"did"`
				Handle string `json:"handle"`
			}
			if err := api.Get(ctx, "com.atproto.server.getSession", nil, &out); err != nil {
				return fmt.Errorf("indigo: %w", err)
			}
			if out.Handle != "alice.test" {
				return fmt.Errorf("indigo got %+v", out)
			}
		}
		return nil
	}, nil
}

// Parallel has eight callers do an operation side by side.
func Parallel(op figures.Operation) figures.Operation {
	const callers = 8
	return func(ctx context.Context, n int) error {
		errs := make(chan error, callers)
		for i := range callers {
			go func() { errs <- op(ctx, (n+i)/callers) }()
		}
		var first error
		for range callers {
			if err := <-errs; err != nil && first == nil {
				first = err
			}
		}
		return first
	}
}

// Figures are what bench-check looks at: allocations are limited, and the ratio is told.
func Figures(ctx context.Context) (all []figures.Figure, done func(), err error) {
	b, err := New(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	allocations := func(op figures.Operation) (float64, error) {
		const calls = 500
		var failed error
		n := testing.AllocsPerRun(calls, func() {
			if err := op(ctx, 1); err != nil {
				failed = err
			}
		})
		return n, failed
	}
	return []figures.Figure{
		{Name: "call.allocs", What: "allocations of a typed call over HTTP/1.1 above those of net/http and a signature", Limit: 50, Measure: func(context.Context) (float64, error) {
			ours, err := allocations(b.Ours)
			if err != nil {
				return 0, err
			}
			base, err := allocations(b.Bare)
			return ours - base, err
		}},
		{Name: "call.network", What: "times net/http with headers of the same size, and a signature, over HTTP/1.1", Measure: func(ctx context.Context) (float64, error) {
			return figures.Ratio(ctx, b.Ours, b.Bare)
		}},
	}, b.Close, nil
}
