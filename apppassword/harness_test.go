package apppassword_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

const (
	createPath   = "/xrpc/com.atproto.server.createSession"
	refreshPath  = "/xrpc/com.atproto.server.refreshSession"
	deletePath   = "/xrpc/com.atproto.server.deleteSession"
	callPath     = "/xrpc/com.atproto.server.getSession"
	describePath = "/xrpc/com.atproto.server.describeServer"

	botPassword = "abcd-efgh-ijkl-mnop"
)

// sandbox starts a server that ends with the test. Alice has the app password botPassword, named "bot".
func sandbox(tb testing.TB, opts ...oauthtest.Option) *oauthtest.Server {
	tb.Helper()
	server := oauthtest.NewServer(opts...)
	tb.Cleanup(server.Close)
	server.AddAppPassword(server.Environment().Account("alice").DID, "bot", botPassword)
	return server
}

// newClient returns a client of server. change may replace what it likes.
func newClient(tb testing.TB, server *oauthtest.Server, change ...func(*apppassword.Config)) *apppassword.Client {
	tb.Helper()
	var cfg apppassword.Config
	server.Environment().ConfigureAppPassword(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	client, err := apppassword.NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// login logs alice in with her app password.
func login(tb testing.TB, client *apppassword.Client) *apppassword.Session {
	tb.Helper()
	s, err := client.Login(tb.Context(), "alice.test", botPassword)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// call makes the call that tests make when any will do.
func call(ctx context.Context, s xrpc.Doer) error {
	_, err := comatproto.NewClient(s).Server.GetSession(ctx)
	return err
}

// withStore makes clients share a store, as processes do.
func withStore(kept store.Store) func(*apppassword.Config) {
	return func(cfg *apppassword.Config) {
		cfg.Store, cfg.Seal = kept, seal.Keys(bytes.Repeat([]byte{7}, 32))
	}
}

// A movableClock is a clock that a test sets ahead, for server and clients.
type movableClock struct{ ahead atomic.Int64 }

func (c *movableClock) now() time.Time                    { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *movableClock) setAhead(d time.Duration)          { c.ahead.Store(int64(d)) }
func (c *movableClock) configure(cfg *apppassword.Config) { cfg.Clock = c.now }

// A hook stands between a client and its transport.
type hook func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error)

func withHook(h hook) func(*apppassword.Config) {
	return func(cfg *apppassword.Config) { cfg.UnguardedTransport = hooked{cfg.UnguardedTransport, h} }
}

type hooked struct {
	rt http.RoundTripper
	h  hook
}

func (h hooked) RoundTrip(req *http.Request) (*http.Response, error) {
	return h.h(req, func() (*http.Response, error) { return h.rt.RoundTrip(req) })
}

// rewriting changes the JSON object that comes from a path.
func rewriting(path string, change func(map[string]any)) func(*apppassword.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err != nil || req.URL.Path != path || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var object map[string]any
		if err == nil && json.Unmarshal(data, &object) == nil {
			change(object)
			data, _ = json.Marshal(object)
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		resp.Header.Del("Content-Length")
		return resp, err
	})
}

// refusing is a fault in the words of XRPC.
func refusing(status int, name string) oauthtest.Fault {
	return oauthtest.Fault{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"` + name + `","message":"so it is"}`}
}

// wantKind fails the test unless err is of the kind.
func wantKind(tb testing.TB, err error, kind apppassword.Kind) *apppassword.Error {
	tb.Helper()
	e, ok := errors.AsType[*apppassword.Error](err)
	if !ok || !errors.Is(err, kind) {
		tb.Fatalf("got %v, want %q", err, kind)
	}
	return e
}

// A logBuffer keeps all that a client logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) configure(cfg *apppassword.Config) {
	cfg.Logger = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// sessions returns the keys that a client lists.
func sessions(tb testing.TB, client *apppassword.Client) (keys []apppassword.SessionKey) {
	tb.Helper()
	for key, err := range client.Sessions(tb.Context(), "") {
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// unhurried does again what another process's claim held up. Claims of tests are short, and a busy machine
// does not look at them in time.
func unhurried(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			err := do(ctx)
			e, ok := errors.AsType[*apppassword.Error](err)
			if !ok || e.Kind != apppassword.ErrBusy {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(max(e.RetryAfter, 50*time.Millisecond)):
			}
		}
	}
}

// oneWay is a body that can be read once.
func oneWay(text string) *xrpc.Body {
	return xrpc.StreamBody(io.MultiReader(strings.NewReader(text)), int64(len(text)), "text/plain")
}
