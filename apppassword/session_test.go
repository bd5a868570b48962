package apppassword_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// requests returns how often a path was asked for since the last call of ResetStats.
func requests(server *oauthtest.Server, path string) int { return server.Stats().Requests[path] }

func TestCallsWithATokenThatRanOut(t *testing.T) {
	t.Run("X30 P1 many calls make one refresh", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server, clock.configure))
		clock.setAhead(2 * time.Hour)
		if !s.Expired() {
			t.Error("it has not run out")
		}
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if err := call(t.Context(), s); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if n := requests(server, refreshPath); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		if n := requests(server, callPath); n != 20 {
			t.Errorf("%d requests for 20 calls: a token that had run out was sent", n)
		}
	})
	t.Run("P121 a context that is over starts no refresh, and is not sent", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server, clock.configure))
		clock.setAhead(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Do(ctx, &xrpc.Request{Method: http.MethodGet, NSID: "com.atproto.server.getSession"})
		if e, ok := errors.AsType[*xrpc.SendError](err); !ok || e.Sent != xrpc.SentNo || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := requests(server, refreshPath); n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("P82 a download that is elsewhere is followed without the token", func(t *testing.T) {
		server := sandbox(t, oauthtest.WithDownloadsAt("cdn.test", 302))
		var elsewhere []string
		s := login(t, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Host == "cdn.test" {
				elsewhere = append(elsewhere, req.Header.Get("Authorization"))
			}
			return next()
		})))
		api := comatproto.NewClient(s)
		stored, err := api.Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte("a blob"), "image/png"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := records.Put(t.Context(), s, "self", &appbsky.ActorProfile{Avatar: &stored.Blob}); err != nil {
			t.Fatal(err)
		}
		blob, err := api.Sync.GetBlob(t.Context(), &comatproto.SyncGetBlobParams{DID: s.DID(), CID: syntax.CID(stored.Blob.Ref)})
		if err != nil {
			t.Fatal(err)
		}
		defer blob.Close()
		if data, err := io.ReadAll(blob); string(data) != "a blob" || err != nil || len(elsewhere) != 1 || elsewhere[0] != "" {
			t.Errorf("got %q, %v, sent with %q", data, err, elsewhere)
		}
	})
	t.Run("X30 the server's word counts, whatever our clock says", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server)) // whose clock stands still
		clock.setAhead(2 * time.Hour)
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if n, calls := requests(server, refreshPath), requests(server, callPath); n != 1 || calls != 2 {
			t.Errorf("%d refreshes, %d requests", n, calls)
		}
	})
	t.Run("O107 P70 nothing is sent in its last moments", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server, clock.configure))
		clock.setAhead(time.Hour - 5*time.Second)
		first, _ := apppassword.Tokens(s)
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if now, _ := apppassword.Tokens(s); now == first || requests(server, callPath) != 1 {
			t.Error("it was sent")
		}
	})
	t.Run("O107 P70 shortly before, it is renewed and no call waits", func(t *testing.T) {
		var clock movableClock
		server, hold := sandbox(t, oauthtest.WithClock(clock.now)), make(chan struct{})
		s := login(t, newClient(t, server, clock.configure, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == refreshPath {
				<-hold
			}
			return next()
		})))
		clock.setAhead(time.Hour - 15*time.Second)
		first, _ := apppassword.Tokens(s)
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if now, _ := apppassword.Tokens(s); now != first {
			t.Error("the call waited for new tokens")
		}
		close(hold)
		apppassword.WaitForRefresh(t.Context(), s)
		if now, _ := apppassword.Tokens(s); now == first {
			t.Error("they were not renewed")
		}
	})
	t.Run("P61 a life that cannot be read is unknown, and the token is used until it is refused", func(t *testing.T) {
		for name, access := range map[string]string{"no JWT": "opaque", "no JSON": "a.b.c", "no times": "a.e30.c"} {
			server := sandbox(t)
			s := login(t, newClient(t, server, rewriting(createPath, func(m map[string]any) { m["accessJwt"] = access })))
			if !s.ExpiresAt().IsZero() || s.Expired() {
				t.Errorf("%s: until %s", name, s.ExpiresAt())
			}
		}
	})
	t.Run("P61 a short life makes no refresh of every call", func(t *testing.T) {
		server := sandbox(t)
		server.SetTokenLifetime(30 * time.Second)
		s := login(t, newClient(t, server))
		for range 5 {
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		apppassword.WaitForRefresh(t.Context(), s)
		if n := requests(server, refreshPath); n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// Refusals that name a token.
func TestRefusedTokens(t *testing.T) {
	old := func(cfg *apppassword.Config) {
		cfg.Clock = func() time.Time { return time.Now().Add(10 * time.Minute) }
	}
	for name, tt := range map[string]struct {
		fault oauthtest.Fault
		aged  bool // the token is old enough not to be believed in
		want  [2]int
		name  xrpc.ErrorName // of the error of the call
	}{
		"X31 O114 run out":                      {refusing(400, "ExpiredToken"), true, [2]int{1, 2}, ""},
		"X31 O114 run out, with another status": {refusing(401, "ExpiredToken"), true, [2]int{1, 2}, ""},
		"X31 O114 not known":                    {refusing(400, "InvalidToken"), true, [2]int{1, 2}, ""},
		"X31 P8 not known, though just given":   {refusing(400, "InvalidToken"), false, [2]int{0, 1}, "InvalidToken"},
		"a status that is no refusal":           {refusing(500, "ExpiredToken"), true, [2]int{0, 1}, "ExpiredToken"},
		"X31 the account is deactivated":        {refusing(401, "AccountDeactivated"), true, [2]int{0, 1}, "AccountDeactivated"},
		"a page":                                {oauthtest.Gateway(401), true, [2]int{0, 1}, xrpc.ErrAuthenticationRequired},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			s := login(t, newClient(t, server, withStore(kept)))
			if tt.aged {
				var err error
				if s, err = newClient(t, server, withStore(kept), old).Resume(t.Context(), s.Key()); err != nil {
					t.Fatal(err)
				}
			}
			server.Fault(callPath, tt.fault)
			err := call(t.Context(), s)
			if tt.name == "" && err != nil || tt.name != "" && !errors.Is(err, tt.name) {
				t.Errorf("got %v, want %q", err, tt.name)
			}
			if diff := cmp.Diff(tt.want, [2]int{requests(server, refreshPath), requests(server, callPath)}); diff != "" {
				t.Errorf("refreshes and requests: %s", diff)
			}
		})
	}
	t.Run("P8 a server that refuses every token gets one refresh a call, and its words reach the caller", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, newClient(t, server))
		fault := refusing(400, "ExpiredToken")
		fault.Times = -1
		server.Fault(callPath, fault)
		if err := call(t.Context(), s); !errors.Is(err, xrpc.ErrorName("ExpiredToken")) {
			t.Errorf("got %v", err)
		}
		if n, calls := requests(server, refreshPath), requests(server, callPath); n != 1 || calls != 2 {
			t.Errorf("%d refreshes, %d requests", n, calls)
		}
	})
}

func TestProcessesShareASession(t *testing.T) {
	t.Run("X30 P3 of two that refresh at once one asks the server", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		one := login(t, newClient(t, server, withStore(kept)))
		two, err := newClient(t, server, withStore(kept)).Resume(t.Context(), one.Key())
		if err != nil {
			t.Fatal(err)
		}
		server.Fault(refreshPath, oauthtest.Fault{Delay: 300 * time.Millisecond})
		var both sync.WaitGroup
		for _, s := range []*apppassword.Session{one, two} {
			both.Go(func() {
				if err := s.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if n := requests(server, refreshPath); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		first, _ := apppassword.Tokens(one)
		if second, _ := apppassword.Tokens(two); first != second {
			t.Error("they hold different tokens")
		}
	})
	t.Run("P2 a session that is resumed twice is one", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		first := login(t, client)
		if second, err := client.Resume(t.Context(), first.Key()); err != nil || first != second {
			t.Errorf("%v, %v", second, err)
		}
	})
	t.Run("X30 P6 who comes after a restart goes on, without a login", func(t *testing.T) {
		var clock movableClock
		server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
		key := login(t, newClient(t, server, withStore(kept), clock.configure)).Key()
		for i := 1; i <= 3; i++ {
			clock.setAhead(time.Duration(i) * 48 * time.Hour)
			s, err := newClient(t, server, withStore(kept), clock.configure).Resume(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if n, refreshes := requests(server, createPath), requests(server, refreshPath); n != 1 || refreshes != 3 {
			t.Errorf("%d logins, %d refreshes", n, refreshes)
		}
	})
	t.Run("O120 a store that was sealed by an old key is sealed by the new one", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		sealed := func(keys ...[]byte) func(*apppassword.Config) {
			return func(cfg *apppassword.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(keys...) }
		}
		old, fresh := make([]byte, 32), []byte(strings.Repeat("k", 32))
		key := login(t, newClient(t, server, sealed(old))).Key()
		if _, err := newClient(t, server, sealed(fresh)).Resume(t.Context(), key); !errors.Is(err, apppassword.ErrSealed) {
			t.Errorf("without the old key: %v", err)
		}
		for _, keys := range [][][]byte{{fresh, old}, {fresh}} {
			if _, err := newClient(t, server, sealed(keys...)).Resume(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReseal(t *testing.T) {
	server, kept := sandbox(t), new(store.Memory)
	sealed := func(keys ...[]byte) func(*apppassword.Config) {
		return func(cfg *apppassword.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(keys...) }
	}
	old, fresh, lost := make([]byte, 32), []byte(strings.Repeat("k", 32)), []byte(strings.Repeat("l", 32))
	client := newClient(t, server, sealed(old))
	one, two := login(t, client), login(t, client)
	login(t, newClient(t, server, sealed(lost)))
	t.Run("O120 P101 all that can be opened is sealed anew, once, and the rest is told", func(t *testing.T) {
		changing := newClient(t, server, sealed(fresh, old))
		for _, want := range []int{2, 0} {
			n, err := changing.Reseal(t.Context())
			if n != want {
				t.Errorf("%d were sealed anew, want %d", n, want)
			}
			wantKind(t, err, apppassword.ErrSealed)
		}
		if n, err := newClient(t, server, sealed(fresh, lost)).Reseal(t.Context()); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		for _, key := range []apppassword.SessionKey{one.Key(), two.Key()} {
			if _, err := newClient(t, server, sealed(fresh)).Resume(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("P101 a process without the new key says so, and its session goes on", func(t *testing.T) {
		wantKind(t, one.Refresh(t.Context()), apppassword.ErrSealed)
		if err := call(t.Context(), one); err != nil {
			t.Error(err)
		}
	})
	t.Run("P101 a store that fails is told", func(t *testing.T) {
		_, err := newClient(t, server, withStore(&deafStore{})).Reseal(t.Context())
		wantKind(t, err, apppassword.ErrStore)
	})
}

// A dyingStore takes no write of new tokens, as if the process died before it.
type dyingStore struct {
	store.Store
	mu   sync.Mutex
	dead bool
}

func (s *dyingStore) Put(ctx context.Context, r *store.Record) error {
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead {
		return errors.New("this process is dead")
	}
	return s.Store.Put(ctx, r)
}

func (s *dyingStore) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func TestInterruptedRefreshes(t *testing.T) {
	// interrupted makes a session whose process got new tokens and died before it stored them.
	interrupted := func(t *testing.T, opts ...oauthtest.Option) (*oauthtest.Server, *store.Memory, apppassword.SessionKey) {
		t.Helper()
		server, kept := sandbox(t, opts...), new(store.Memory)
		dying := &dyingStore{Store: kept}
		s := login(t, newClient(t, server, withStore(dying), apppassword.ShortClaims, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == refreshPath {
				dying.die()
			}
			return next()
		})))
		if err := s.Refresh(t.Context()); !errors.Is(err, apppassword.ErrStore) {
			t.Fatalf("the refresh of the dying process: %v", err)
		}
		if n := requests(server, refreshPath); n != 1 {
			t.Fatalf("%d refreshes", n)
		}
		return server, kept, s.Key()
	}
	t.Run("X30 P6 a process that is killed between answer and write costs nothing within the grace period", func(t *testing.T) {
		server, kept, key := interrupted(t)
		var log logBuffer
		s, err := newClient(t, server, withStore(kept), apppassword.ShortClaims, log.configure).Resume(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(unhurried(s.Refresh)(t.Context()), call(t.Context(), s), unhurried(s.Refresh)(t.Context()), call(t.Context(), s)); err != nil {
			t.Fatal(err)
		}
		apppassword.Settle(s)
		if !strings.Contains(log.String(), "taking over") {
			t.Errorf("the log does not say so:\n%s", log.String())
		}
	})
	t.Run("O110 P6 and without one the session ends with its cause", func(t *testing.T) {
		server, kept, key := interrupted(t, oauthtest.WithRefreshGrace(0))
		client := newClient(t, server, withStore(kept), apppassword.ShortClaims)
		s, err := client.Resume(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, unhurried(s.Refresh)(t.Context()), apppassword.ErrAmbiguousRefresh)
		wantKind(t, call(t.Context(), s), apppassword.ErrReauthRequired)
		if _, err := client.Resume(t.Context(), key); !errors.Is(err, apppassword.ErrSessionUnknown) {
			t.Errorf("resume: %v", err)
		}
	})
	for name, fault := range map[string]oauthtest.Fault{
		"a lost answer":          {Drop: true},
		"a gateway that gave up": {Status: 504, Late: true},
	} {
		t.Run("X31 P62 "+name+" costs nothing within the grace period", func(t *testing.T) {
			var clock movableClock
			server := sandbox(t)
			s := login(t, newClient(t, server, clock.configure))
			server.Fault(refreshPath, fault)
			err := s.Refresh(t.Context())
			e, _ := errors.AsType[*apppassword.Error](err)
			if e == nil || !e.Retryable || errors.Is(err, apppassword.ErrReauthRequired) {
				t.Fatalf("the refresh: %v", err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Errorf("a call meanwhile: %v", err)
			}
			clock.setAhead(2 * time.Minute)
			if err := errors.Join(s.Refresh(t.Context()), call(t.Context(), s)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("O110 P62 a lost answer without one is called by its name", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithRefreshGrace(0))
		s := login(t, newClient(t, server, clock.configure))
		server.Fault(refreshPath, oauthtest.Fault{Drop: true})
		send, _ := errors.AsType[*xrpc.SendError](s.Refresh(t.Context()))
		if send == nil || send.Sent != xrpc.SentMaybe {
			t.Errorf("the refresh: %v", send)
		}
		clock.setAhead(2 * time.Minute)
		wantKind(t, s.Refresh(t.Context()), apppassword.ErrAmbiguousRefresh)
	})
}

func TestAnswersToARefresh(t *testing.T) {
	for name, tt := range map[string]struct {
		fault oauthtest.Fault
		want  apppassword.Kind
		keeps bool
	}{
		"X31 refuses the token":             {refusing(400, "ExpiredToken"), apppassword.ErrRevoked, false},
		"X31 refuses it with status 401":    {refusing(401, "ExpiredToken"), apppassword.ErrRevoked, false},
		"X31 does not know it":              {refusing(400, "InvalidToken"), apppassword.ErrRevoked, false},
		"P10 is down":                       {oauthtest.Gateway(502), apppassword.ErrServer, true},
		"P10 has too many":                  {refusing(429, "RateLimitExceeded"), apppassword.ErrRateLimited, true},
		"P10 says it with the wrong status": {refusing(500, "ExpiredToken"), apppassword.ErrServer, true},
		"P56 refuses in other words":        {refusing(400, "InvalidRequest"), apppassword.ErrServer, true},
		"the account is taken down":         {refusing(401, "AccountTakedown"), apppassword.ErrAccountTakedown, true},
		"X31 hangs up":                      {oauthtest.Fault{Refuse: true}, apppassword.ErrNetwork, true},
		"P61 says what cannot be used":      {oauthtest.Fault{Status: 200, Body: "{"}, apppassword.ErrServer, true},
	} {
		t.Run(name, func(t *testing.T) {
			var clock movableClock
			server := sandbox(t)
			client := newClient(t, server, clock.configure)
			s := login(t, client)
			server.Fault(refreshPath, tt.fault)
			err := s.Refresh(t.Context())
			wantKind(t, err, tt.want)
			if errors.Is(err, apppassword.ErrReauthRequired) == tt.keeps {
				t.Errorf("asks for a login: %v", err)
			}
			if keys := sessions(t, client); len(keys) == 1 != tt.keeps {
				t.Errorf("stored: %v", keys)
			}
			if err := call(t.Context(), s); (err == nil) != tt.keeps {
				t.Errorf("a call: %v", err)
			}
			if !tt.keeps {
				return
			}
			clock.setAhead(5 * time.Minute)
			if err := errors.Join(s.Refresh(t.Context()), call(t.Context(), s)); err != nil {
				t.Errorf("later: %v", err)
			}
		})
	}
	t.Run("P9 tokens of another account are given back, and the session stays", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t)
		s := login(t, newClient(t, server, clock.configure, rewriting(refreshPath, func(m map[string]any) { m["did"] = "did:plc:ewvi7nxzyoun6zhxrhs64oiz" })))
		wantKind(t, s.Refresh(t.Context()), apppassword.ErrAccountMismatch)
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	t.Run("P61 a refresh without a new refresh token keeps the old one", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, newClient(t, server, rewriting(refreshPath, func(m map[string]any) { delete(m, "refreshJwt") })))
		_, before := apppassword.Tokens(s)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, after := apppassword.Tokens(s); after != before {
			t.Error("it did not")
		}
	})
	t.Run("P69 a server that asks for time gets it", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t)
		s := login(t, newClient(t, server, clock.configure))
		fault := refusing(429, "RateLimitExceeded")
		fault.Header.Set("Retry-After", "300")
		server.Fault(refreshPath, fault)
		for _, ahead := range []time.Duration{0, time.Minute, 4 * time.Minute} {
			clock.setAhead(ahead)
			if e := wantKind(t, s.Refresh(t.Context()), apppassword.ErrRateLimited); (e.RetryAfter - (5*time.Minute - ahead)).Abs() > 2*time.Second {
				t.Errorf("after %s: wait for %s", ahead, e.RetryAfter)
			}
		}
		if n := requests(server, refreshPath); n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("P56 in other words, with a dead token, it asks for a login, is kept, and goes on once a minute", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		client := newClient(t, server, clock.configure)
		s := login(t, client)
		clock.setAhead(2 * time.Hour)
		fault := refusing(400, "AccountNotFound")
		fault.Times = -1
		server.Fault(refreshPath, fault)
		for _, later := range []time.Duration{0, 5 * time.Second, 50 * time.Second} {
			clock.setAhead(2*time.Hour + later)
			e := wantKind(t, call(t.Context(), s), apppassword.ErrRefused)
			if e.Name != "AccountNotFound" || e.RetryAfter > time.Minute {
				t.Errorf("got %+v", e)
			}
		}
		if n := requests(server, refreshPath); n != 1 || len(sessions(t, client)) != 1 {
			t.Errorf("%d refreshes, %d records", n, len(sessions(t, client)))
		}
		server.ClearFaults()
		clock.setAhead(2*time.Hour + 2*time.Minute)
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

func TestAppPasswordIsTakenAway(t *testing.T) {
	t.Run("X30 P10 its session ends at the next refresh, and every process knows why", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, withStore(kept))
		s := login(t, client)
		other, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		server.RevokeAppPassword(s.DID(), "bot")
		e := wantKind(t, s.Refresh(t.Context()), apppassword.ErrRevoked)
		if e.Name != comatproto.ErrExpiredToken || e.Status != 400 {
			t.Errorf("got %+v", e)
		}
		wantKind(t, other.Refresh(t.Context()), apppassword.ErrRevoked)
		if _, err := client.Resume(t.Context(), s.Key()); !errors.Is(err, apppassword.ErrSessionUnknown) {
			t.Errorf("resume: %v", err)
		}
		_, err = client.ResumeOrLogin(t.Context(), "alice.test", botPassword)
		wantKind(t, err, apppassword.ErrWrongPassword)
	})
	t.Run("an account that is taken down and comes back has its session", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t)
		s := login(t, newClient(t, server, clock.configure))
		server.SetTakenDown(s.DID(), true)
		e := wantKind(t, s.Refresh(t.Context()), apppassword.ErrAccountTakedown)
		if e.Retryable {
			t.Error("trying again helps")
		}
		server.SetTakenDown(s.DID(), false)
		clock.setAhead(2 * time.Minute)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBodiesThatCanBeReadOnce(t *testing.T) {
	upload := func(t *testing.T, s *apppassword.Session) error {
		_, err := comatproto.NewClient(s).Repo.UploadBlob(t.Context(), oneWay("some text"))
		return err
	}
	const uploadPath = "/xrpc/com.atproto.repo.uploadBlob"
	t.Run("P15 O99 go with a token that lives", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server, clock.configure))
		for _, ahead := range []time.Duration{0, time.Hour - 15*time.Second, 5 * time.Hour} {
			clock.setAhead(ahead)
			if err := upload(t, s); err != nil {
				t.Errorf("after %s: %v", ahead, err)
			}
		}
		if n, probes := requests(server, uploadPath), requests(server, callPath); n != 3 || probes != 0 {
			t.Errorf("%d uploads, %d questions", n, probes)
		}
	})
	t.Run("P15 ask first where the token's life is not known", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, newClient(t, server, clock.configure, rewriting(createPath, func(m map[string]any) { m["accessJwt"] = "opaque" })))
		clock.setAhead(2 * time.Minute)
		if err := upload(t, s); err != nil {
			t.Fatal(err)
		}
		if n, probes, refreshes := requests(server, uploadPath), requests(server, callPath), requests(server, refreshPath); n != 1 || probes != 2 || refreshes != 1 {
			t.Errorf("%d uploads, %d questions, %d refreshes", n, probes, refreshes)
		}
	})
	t.Run("P15 are not sent a second time, and the error says so", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, newClient(t, server))
		server.Fault(uploadPath, refusing(400, "ExpiredToken"))
		wantKind(t, upload(t, s), apppassword.ErrBodyNotReplayable)
		if err := upload(t, s); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
	t.Run("P15 those that can be read again are sent again", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, newClient(t, server))
		server.Fault(uploadPath, refusing(400, "ExpiredToken"))
		if _, err := comatproto.NewClient(s).Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte("some text"), "text/plain")); err != nil {
			t.Error(err)
		}
	})
	t.Run("P3 tokens that another process has stored are used", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		one := login(t, newClient(t, server, withStore(kept)))
		two, err := newClient(t, server, withStore(kept)).Resume(t.Context(), one.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(one.Refresh(t.Context()), upload(t, two)); err != nil {
			t.Fatal(err)
		}
		first, _ := apppassword.Tokens(one)
		if second, _ := apppassword.Tokens(two); first != second {
			t.Error("they were not")
		}
	})
}

func TestWhatACallSends(t *testing.T) {
	t.Run("X30 one bearer token, whatever the caller sets", func(t *testing.T) {
		server := sandbox(t)
		var sent []http.Header
		s := login(t, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == callPath {
				sent = append(sent, req.Header.Clone())
			}
			return next()
		})))
		header := http.Header{"authorization": {"Basic x"}, "Authorization": {"DPoP y"}, "DPoP": {"z"}, "X-Mine": {"kept"}}
		resp, err := s.Do(t.Context(), &xrpc.Request{Method: http.MethodGet, NSID: "com.atproto.server.getSession", Header: header})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		access, _ := apppassword.Tokens(s)
		if resp.StatusCode != 200 || len(sent) != 1 {
			t.Fatalf("HTTP %d, %d requests", resp.StatusCode, len(sent))
		}
		if diff := cmp.Diff(http.Header{"Authorization": {"Bearer " + access}, "User-Agent": sent[0]["User-Agent"], "X-Mine": {"kept"}}, sent[0]); diff != "" {
			t.Error(diff)
		}
		if len(header) != 4 {
			t.Error("the caller's header was changed")
		}
	})
	t.Run("X30 a refresh carries the refresh token and no body, and so does the end", func(t *testing.T) {
		server := sandbox(t)
		var sent []string
		s := login(t, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == refreshPath || req.URL.Path == deletePath {
				sent = append(sent, req.Header.Get("Authorization"))
				if req.Body != nil || req.ContentLength != 0 || req.Method != http.MethodPost {
					t.Errorf("%s %s with %d bytes", req.Method, req.URL, req.ContentLength)
				}
			}
			return next()
		})))
		_, first := apppassword.Tokens(s)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, second := apppassword.Tokens(s)
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"Bearer " + first, "Bearer " + second}, sent); diff != "" || first == second {
			t.Error(diff)
		}
	})
	t.Run("an answer that never came is told as one", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, newClient(t, server))
		server.Fault(callPath, oauthtest.Fault{Drop: true})
		if send, ok := errors.AsType[*xrpc.SendError](call(t.Context(), s)); !ok || send.Sent != xrpc.SentMaybe {
			t.Errorf("got %v", send)
		}
	})
}

func TestFencesAreAsked(t *testing.T) {
	t.Run("P53 P3 a refresh whose claim is gone is not sent", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		taking := &takingStore{Store: kept}
		s := login(t, newClient(t, server, withStore(taking), apppassword.ShortClaims))
		taking.arm()
		err := s.Refresh(t.Context())
		wantKind(t, err, apppassword.ErrLoggedOut)
		if n := requests(server, refreshPath); n != 0 {
			t.Errorf("it was sent %d times", n)
		}
	})
}

// A takingStore loses the record of a session right after a claim was written to it.
type takingStore struct {
	store.Store
	mu    sync.Mutex
	armed bool
}

func (s *takingStore) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
}

func (s *takingStore) Put(ctx context.Context, r *store.Record) error {
	err := s.Store.Put(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && r.Key.Kind == store.RecordAppPassword {
		return errors.Join(err, s.Store.Delete(ctx, r.Key, 0))
	}
	return err
}
