package figures

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Hanging returns what a token endpoint that hangs costs the calls of a session whose tokens
// are to be renewed and live for another twenty seconds: the 99.9th percentile of their
// durations, over that of a session which has time. The calls of both are made in turn.
func (c *Crowd) Hanging(ctx context.Context) (float64, error) {
	const calls = 20_000
	// Another session each time: the one before is claimed for a while yet.
	key := c.Keys[int(c.turns.Add(1))%len(c.Keys)]
	reached := make(chan struct{}, 1)
	resume := func(left time.Duration) (*oauth.Session, error) {
		var ahead time.Duration
		clock := func() time.Time { return time.Now().Add(ahead) }
		cfg := c.config(func(cfg *oauth.Config) {
			cfg.UnguardedTransport, cfg.Clock = hanging{c.transport, reached}, clock
			cfg.Resolver = everybodyIsAlice{c.environment.Resolver(), c.environment.Account("alice").DID}
		})
		client, err := oauth.NewClient(cfg)
		if err != nil {
			return nil, err
		}
		s, err := client.Resume(ctx, key)
		if err == nil && left > 0 {
			ahead = time.Until(s.ExpiresAt()) - left
		}
		return s, err
	}
	slow, err := resume(20 * time.Second)
	if err != nil {
		return 0, err
	}
	quick, err := resume(0)
	if err != nil {
		return 0, err
	}
	apis := [2]*comatproto.Client{comatproto.NewClient(slow), comatproto.NewClient(quick)}
	var took [2][]time.Duration
	for i := range calls {
		for n, api := range apis {
			started := time.Now()
			if _, err := api.Server.GetSession(ctx); err != nil {
				return 0, err
			}
			took[n] = append(took[n], time.Since(started))
		}
		if i == 0 {
			select {
			case <-reached: // from here on the refresh hangs
			case <-time.After(10 * time.Second):
				return 0, errors.New("no refresh has begun")
			}
		}
	}
	var worst [2]time.Duration
	for n := range took {
		slices.Sort(took[n])
		worst[n] = took[n][calls-calls/1000]
	}
	return float64(worst[0]) / float64(worst[1]), nil
}

// An everybodyIsAlice resolver knows every account of a crowd, where the directory knows one.
type everybodyIsAlice struct {
	identity.Resolver
	alice syntax.DID
}

func (r everybodyIsAlice) ResolveDID(ctx context.Context, did syntax.DID) (*identity.Document, error) {
	document, err := r.Resolver.ResolveDID(ctx, r.alice)
	if err != nil {
		return nil, err
	}
	own := *document
	own.ID = did
	return &own, nil
}

// A hanging transport never answers a refresh.
type hanging struct {
	http.RoundTripper
	reached chan<- struct{}
}

func (h hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/oauth/token" {
		return h.RoundTripper.RoundTrip(req)
	}
	req.Body.Close()
	select {
	case h.reached <- struct{}{}:
	default:
	}
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// RequestsAfterANonceChange returns how many requests 100 sessions of one server need for a
// call each, after the server has changed its nonce.
func (c *Crowd) RequestsAfterANonceChange(ctx context.Context) (float64, error) {
	server := &changing{RoundTripper: c.transport}
	client, err := oauth.NewClient(c.config(func(cfg *oauth.Config) { cfg.UnguardedTransport = server }))
	if err != nil {
		return 0, err
	}
	for round, nonce := range []string{"before", "after"} {
		server.nonce.Store(nonce)
		server.requests.Store(0)
		for _, key := range c.Keys[:100] {
			s, err := client.Resume(ctx, key)
			if err != nil {
				return 0, err
			}
			if _, err := comatproto.NewClient(s).Server.GetSession(ctx); err != nil {
				return 0, fmt.Errorf("round %d: %w", round+1, err)
			}
		}
	}
	return float64(server.requests.Load()), nil
}

// A changing transport answers calls whose proof has the nonce of the moment.
type changing struct {
	http.RoundTripper
	nonce    atomic.Value
	requests atomic.Int64
}

func (s *changing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(req)
	if err != nil || req.URL.Path != "/xrpc/com.atproto.server.getSession" {
		return resp, err
	}
	s.requests.Add(1)
	nonce := s.nonce.Load().(string)
	resp.Header.Set("DPoP-Nonce", nonce)
	if nonceOf(req.Header.Get("DPoP")) != nonce {
		resp.StatusCode = http.StatusUnauthorized
		resp.Header.Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
	}
	return resp, nil
}

// nonceOf reads the nonce of a proof.
func nonceOf(proof string) string {
	parts := strings.Split(proof, ".")
	if len(parts) != 3 {
		return ""
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Nonce string `json:"nonce"`
	}
	if json.Unmarshal(data, &claims) != nil {
		return ""
	}
	return claims.Nonce
}

// config is that of a client which knows none of the sessions yet.
func (c *Crowd) config(change func(*oauth.Config)) oauth.Config {
	cfg := oauth.Localhost("http://127.0.0.1:8765/callback", "atproto transition:generic")
	c.environment.Configure(&cfg)
	cfg.UnguardedTransport = c.transport
	cfg.Store, cfg.Seal = c.Store, seal.Keys(sealKey)
	change(&cfg)
	return cfg
}
