package oauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

const redirectURI = "http://127.0.0.1:8765/callback"

// sandbox starts a server that ends with the test.
func sandbox(tb testing.TB, opts ...oauthtest.Option) *oauthtest.Server {
	tb.Helper()
	server := oauthtest.NewServer(opts...)
	tb.Cleanup(server.Close)
	return server
}

// newClient returns a client of server. change may replace what it likes.
func newClient(tb testing.TB, server *oauthtest.Server, change ...func(*oauth.Config)) *oauth.Client {
	tb.Helper()
	cfg := oauth.Localhost(redirectURI, "atproto transition:generic")
	server.Environment().Configure(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	client, err := oauth.NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// login logs alice in.
func login(tb testing.TB, server *oauthtest.Server, client *oauth.Client) *oauth.Session {
	tb.Helper()
	result, err := tryLogin(tb.Context(), server, client)
	if err != nil {
		tb.Fatal(err)
	}
	return result.Session
}

func tryLogin(ctx context.Context, server *oauthtest.Server, client *oauth.Client) (*oauth.CallbackResult, error) {
	login, err := client.Authorize(ctx, "alice.test")
	if err != nil {
		return nil, err
	}
	callback, err := server.Approve(ctx, login.URL, server.Environment().Account("alice"))
	if err != nil {
		return nil, err
	}
	return client.Callback(ctx, callback.Query(), login.Binding)
}

// call makes the call that tests make when any will do.
func call(ctx context.Context, s *oauth.Session) error {
	_, err := comatproto.NewClient(s).Server.GetSession(ctx)
	return err
}

const (
	callPath   = "/xrpc/com.atproto.server.getSession"
	tokenPath  = "/oauth/token"
	revokePath = "/oauth/revoke"
)

// withStore makes clients share a store, as processes do.
func withStore(kept store.Store) func(*oauth.Config) {
	return func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(bytes.Repeat([]byte{7}, 32)) }
}

// withClock sets a client's clock ahead of the real one.
func withClock(ahead time.Duration) func(*oauth.Config) {
	return func(cfg *oauth.Config) { cfg.Clock = func() time.Time { return time.Now().Add(ahead) } }
}

// A movableClock is a clock that a test sets ahead.
type movableClock struct{ ahead atomic.Int64 }

func (c *movableClock) now() time.Time            { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *movableClock) setAhead(d time.Duration)  { c.ahead.Store(int64(d)) }
func (c *movableClock) configure(o *oauth.Config) { o.Clock = c.now }

// A hook stands between a client and its transport.
type hook func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error)

func withHook(h hook) func(*oauth.Config) {
	return func(cfg *oauth.Config) { cfg.UnguardedTransport = hooked{cfg.UnguardedTransport, h} }
}

type hooked struct {
	rt http.RoundTripper
	h  hook
}

func (h hooked) RoundTrip(req *http.Request) (*http.Response, error) {
	return h.h(req, func() (*http.Response, error) { return h.rt.RoundTrip(req) })
}

// form reads the form that a request carries, and leaves it to be sent.
func form(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	data, _ := io.ReadAll(req.Body)
	req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(data))
	return string(data)
}

func isRefresh(req *http.Request) bool {
	return req.URL.Path == tokenPath && strings.Contains(form(req), "grant_type=refresh_token")
}

// rewrite changes the JSON object that a response carries.
func rewrite(resp *http.Response, change func(map[string]any)) *http.Response {
	data, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	var object map[string]any
	if err == nil && json.Unmarshal(data, &object) == nil {
		change(object)
		data, _ = json.Marshal(object)
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	resp.ContentLength = int64(len(data))
	resp.Header.Del("Content-Length")
	return resp
}

// respond is a response that no server gave.
func respond(req *http.Request, status int, body string, header ...string) *http.Response {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

var errDown = errors.New("the store is down")

// A flakyStore lets a test into a store: before and after are asked at every Put and
// may fail it, or do something in between. After means that the record was written.
type flakyStore struct {
	store.Store

	mu     sync.Mutex
	puts   int
	before func(n int, r *store.Record) error
	after  func(n int, r *store.Record) error
}

func (s *flakyStore) Put(ctx context.Context, r *store.Record) error {
	s.mu.Lock()
	n := 0
	if r.Key.Kind == store.RecordSession {
		s.puts++
		n = s.puts
	}
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil && n > 0 {
		if err := before(n, r); err != nil {
			return err
		}
	}
	if err := s.Store.Put(ctx, r); err != nil {
		return err
	}
	if after != nil && n > 0 {
		return after(n, r)
	}
	return nil
}

// from arms the store: what is asked from now on is numbered from 1.
func (s *flakyStore) from(before, after func(n int, r *store.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts, s.before, s.after = 0, before, after
}

// count returns how many records of a kind there are.
func count(tb testing.TB, seq iter.Seq2[store.RecordKey, error]) int {
	tb.Helper()
	n := 0
	for _, err := range seq {
		if err != nil {
			tb.Fatal(err)
		}
		n++
	}
	return n
}

// wantKind fails the test unless err is of the kind.
func wantKind(tb testing.TB, err error, kind oauth.Kind) *oauth.Error {
	tb.Helper()
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || !errors.Is(err, kind) {
		tb.Fatalf("got %v, want %q", err, kind)
	}
	return e
}

// rewriting changes a JSON document on its way to a client.
func rewriting(path string, change func(map[string]any)) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err == nil && req.URL.Path == path {
			resp = rewrite(resp, change)
		}
		return resp, err
	})
}

// sealing makes clients share a store and seal in a way of their own.
func sealing(kept store.Store, sealing *seal.Seal) func(*oauth.Config) {
	return func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, sealing }
}
