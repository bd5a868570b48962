package figures

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Sessions is how many sessions the figures are about.
const Sessions = 10_000

// A Crowd is a store with many sessions, sealed as they would be.
type Crowd struct {
	Store store.Store
	Keys  []oauth.SessionKey

	environment *oauthtest.Environment
	transport   http.RoundTripper // answers every call, without a network
	server      *oauthtest.Server
	turns       atomic.Int32 // how often Hanging was measured
}

var sealKey = bytes.Repeat([]byte{7}, 32)

// NewCrowd logs in once, copies the session until there are n, and seals the copies.
func NewCrowd(ctx context.Context, kept store.Store, n int) (*Crowd, error) {
	server := oauthtest.NewServer()
	crowd := &Crowd{Store: kept, environment: server.Environment(), server: server}
	crowd.transport = answering{crowd.environment.Transport()}
	original := new(store.Memory)
	client, err := crowd.client(original, seal.Plaintext())
	if err != nil {
		return nil, err
	}
	alice := crowd.environment.Account("alice")
	login, err := client.Authorize(ctx, string(alice.Handle))
	if err != nil {
		return nil, err
	}
	callback, err := server.Approve(ctx, login.URL, alice)
	if err != nil {
		return nil, err
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, err
	}
	key := result.Session.Key()
	record, err := original.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: key.DID, ID: key.ID})
	if err != nil {
		return nil, err
	}
	for i := range n {
		key := oauth.SessionKey{DID: syntax.DID(fmt.Sprintf("did:plc:%024d", i)), ID: key.ID}
		one := *record
		one.Revision = 1
		one.Key.DID = key.DID
		if err := kept.Put(ctx, &one); err != nil {
			return nil, err
		}
		crowd.Keys = append(crowd.Keys, key)
	}
	sealing, err := crowd.client(kept, seal.Keys(sealKey).AlsoOpening(seal.Plaintext()))
	if err != nil {
		return nil, err
	}
	if sealed, err := sealing.Reseal(ctx); err != nil || sealed != n {
		return nil, fmt.Errorf("%d of %d sessions were sealed: %w", sealed, n, err)
	}
	return crowd, nil
}

// Close ends the server behind the crowd.
func (c *Crowd) Close() { c.server.Close() }

func (c *Crowd) client(kept store.Store, sealing *seal.Seal) (*oauth.Client, error) {
	cfg := c.config(func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, sealing })
	return oauth.NewClient(cfg)
}

// Client returns a client that knows none of the sessions yet.
func (c *Crowd) Client() (*oauth.Client, error) { return c.client(c.Store, seal.Keys(sealKey)) }

// ClientOver returns a client that knows none of the sessions yet, and calls over another transport.
func (c *Crowd) ClientOver(transport http.RoundTripper) (*oauth.Client, error) {
	return oauth.NewClient(c.config(func(cfg *oauth.Config) { cfg.UnguardedTransport = transport }))
}

// Resume resumes all sessions, at a client that knows none.
func (c *Crowd) Resume(ctx context.Context) ([]*oauth.Session, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	all := make([]*oauth.Session, len(c.Keys))
	for i, key := range c.Keys {
		if all[i], err = client.Resume(ctx, key); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// An answering transport answers getSession by itself and sends the rest.
type answering struct{ http.RoundTripper }

const answer = `{"handle":"alice.test","did":"did:plc:000000000000000000000000","email":"alice@example.com","emailConfirmed":true,"active":true}`

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/xrpc/com.atproto.server.getSession" {
		return a.RoundTripper.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}, "Dpop-Nonce": {"the-nonce-of-this-minute"}},
		Body:   io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// Sign returns the operation that no call can do without: one ECDSA signature on P-256.
func Sign() (Operation, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("a proof"))
	return func(_ context.Context, n int) error {
		for range n {
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// Calls returns the operation of a typed call, each through another of the sessions.
func Calls(sessions []*oauth.Session) Operation {
	clients := make([]*comatproto.Client, len(sessions))
	for i, s := range sessions {
		clients[i] = comatproto.NewClient(s)
	}
	var next atomic.Int64
	return func(ctx context.Context, n int) error {
		for range n {
			api := clients[int(next.Add(1))%len(clients)]
			if _, err := api.Server.GetSession(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// Resumes returns the operation of resuming a session that is not live in the process,
// and the one of reading its record.
func (c *Crowd) Resumes() (resume, read Operation) {
	next := 0
	var client *oauth.Client
	resume = func(ctx context.Context, n int) (err error) {
		for range n {
			if next%len(c.Keys) == 0 { // all are live by now: begin anew
				if client, err = c.Client(); err != nil {
					return err
				}
			}
			if _, err := client.Resume(ctx, c.Keys[next%len(c.Keys)]); err != nil {
				return err
			}
			next++
		}
		return nil
	}
	turn := 0
	read = func(ctx context.Context, n int) error {
		for range n {
			key := c.Keys[turn%len(c.Keys)]
			turn++
			if _, err := c.Store.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: key.DID, ID: key.ID}); err != nil {
				return err
			}
		}
		return nil
	}
	return resume, read
}

// HeapPerSession returns how many bytes of heap a resumed session holds that does
// nothing, and how many goroutines all of them do.
func (c *Crowd) HeapPerSession(ctx context.Context) (heap float64, goroutines int, err error) {
	before, running := settled()
	sessions, err := c.Resume(ctx)
	if err != nil {
		return 0, 0, err
	}
	after, now := settled()
	runtime.KeepAlive(sessions)
	return float64(after-before) / float64(len(sessions)), now - running, nil
}

// settled returns heap and goroutines once the collector has done what it can.
func settled() (heap int64, goroutines int) {
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // for cleanups, which run beside it
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), runtime.NumGoroutine()
}

// SessionFigures are those about sessions. They share a crowd in memory.
func SessionFigures(ctx context.Context) ([]Figure, func(), error) {
	crowd, err := NewCrowd(ctx, new(store.Memory), Sessions)
	if err != nil {
		return nil, nil, err
	}
	sign, err := Sign()
	if err != nil {
		return nil, nil, err
	}
	return []Figure{
		{
			Name: "memory", What: "bytes of heap for each of 10,000 resumed sessions", Limit: 8 << 10,
			Measure: func(ctx context.Context) (float64, error) {
				heap, _, err := crowd.HeapPerSession(ctx)
				return heap, err
			},
		},
		{
			Name: "goroutines", What: "goroutines of 10,000 resumed sessions", Limit: 0.5,
			Measure: func(ctx context.Context) (float64, error) {
				_, n, err := crowd.HeapPerSession(ctx)
				return float64(n), err
			},
		},
		{
			Name: "call", What: "typed call without a network, through 10,000 sessions in turn, in signatures", Limit: 1.75,
			Measure: func(ctx context.Context) (float64, error) {
				sessions, err := crowd.Resume(ctx)
				if err != nil {
					return 0, err
				}
				return Ratio(ctx, Calls(sessions), sign)
			},
		},
		{
			Name: "resume", What: "resume from memory, in signatures", Limit: 2,
			Measure: func(ctx context.Context) (float64, error) {
				resume, _ := crowd.Resumes()
				return Ratio(ctx, resume, sign)
			},
		},
		{
			Name: "hanging", What: "p99.9 of calls while a refresh hangs, beside that of calls without one", Limit: 1.2,
			Measure: crowd.Hanging,
		},
		{
			Name: "nonce change", What: "requests for a call through each of 100 sessions, after a change of the nonce", Limit: 101,
			Measure: crowd.RequestsAfterANonceChange,
		},
	}, crowd.Close, nil
}
