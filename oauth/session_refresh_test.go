package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestConcurrentCallsShareOneRefresh(t *testing.T) {
	t.Run("P1 O105 fifty calls at once refresh once", func(t *testing.T) {
		server := sandbox(t)
		server.SetTokenLifetime(0)
		client := newClient(t, server)
		s := login(t, server, client)
		server.SetTokenLifetime(time.Hour)
		server.ResetStats()
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				if err := call(t.Context(), s); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestProcessesAdoptEachOthersTokens(t *testing.T) {
	t.Run("P3 O105 of eight processes with ten calls each one refreshes", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		server.SetTokenLifetime(0)
		s := login(t, server, newClient(t, server, withStore(kept)))
		var sessions []*oauth.Session
		for range 8 {
			other, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, other)
		}
		server.SetTokenLifetime(time.Hour)
		server.ResetStats()
		var calls sync.WaitGroup
		for _, s := range sessions {
			for range 10 {
				calls.Go(func() {
					if err := call(t.Context(), s); err != nil {
						t.Error(err)
					}
				})
			}
		}
		calls.Wait()
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes by 8 processes, want 1", n)
		}
	})
}

func TestRefreshOutlivesItsCaller(t *testing.T) {
	for name, answered := range map[string]bool{"before the server has it": false, "before the answer is here": true} {
		t.Run("P4 O106 it goes on when its caller leaves "+name+", and its tokens are stored", func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			left, goOn := make(chan struct{}), make(chan struct{})
			leave := sync.OnceFunc(func() { close(left) }) // a caller that comes late begins another refresh
			s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if !isRefresh(req) {
					return next()
				}
				if !answered {
					leave()
					<-goOn
					return next()
				}
				resp, err := next()
				leave()
				<-goOn
				return resp, err
			})))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Refresh(ctx) }()
			<-left
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("the caller that left got %v", err)
			}
			before := s.ExpiresAt()
			impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := s.Refresh(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("another caller did not wait for it: %v", err)
			}
			close(goOn)
			// Somebody else waits for the same refresh and sees its result.
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Errorf("the next call: %v", err)
			}
			if !s.ExpiresAt().After(before) {
				t.Error("the tokens are the old ones")
			}
			other, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), other); err != nil {
				t.Errorf("from the store: %v", err)
			}
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
		})
	}
}

func TestStoreFailures(t *testing.T) {
	fail := func(at int) func(int, *store.Record) error {
		return func(n int, _ *store.Record) error {
			if n == at {
				return errDown
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name          string
		before, after func(int, *store.Record) error
	}{
		{"P5 O104 before the claim", fail(1), nil},
		{"P5 O104 after the claim was written", nil, fail(1)},
		{"P5 O104 before the commit", fail(2), nil},
		{"P5 O104 after the commit was written", nil, fail(2)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			kept := &flakyStore{Store: new(store.Memory)}
			s := login(t, server, newClient(t, server, withStore(kept), clock.configure))
			kept.from(tt.before, tt.after)
			server.ResetStats()
			e := wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
			if !errors.Is(e, errDown) || !e.Retryable {
				t.Errorf("got %v", e)
			}
			if err := call(t.Context(), s); err != nil {
				t.Errorf("the next call: %v", err)
			}
			kept.from(nil, nil)
			clock.setAhead(time.Minute) // the pause is over
			if server.Stats().Grants["refresh_token"] == 0 {
				if err := s.Refresh(t.Context()); err != nil {
					t.Errorf("the next refresh: %v", err)
				}
			}
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("%d refreshes, want 1", n)
			}
			oauth.WaitUntilSaved(t.Context(), s)
			// What is stored is what works.
			other, err := newClient(t, server, withStore(kept), clock.configure).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Refresh(t.Context()); err != nil {
				t.Errorf("another process: %v", err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Errorf("the first process after that: %v", err)
			}
		})
	}
}

// die is a hook that holds a refresh for ever: to other processes its owner is dead.
func die(t *testing.T, before bool) (h hook, held chan struct{}) {
	held = make(chan struct{})
	return func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if !isRefresh(req) {
			return next()
		}
		if !before {
			if resp, err := next(); err == nil {
				resp.Body.Close()
			}
		}
		close(held)
		<-t.Context().Done()
		return nil, t.Context().Err()
	}, held
}

func TestProcessThatDiedInARefresh(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before bool
		want   error
	}{
		{"P6 O110 before it was sent", true, nil},
		{"P6 O110 after the server rotated", false, oauth.ErrAmbiguousRefresh},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			dead, held := die(t, tt.before)
			s := login(t, server, newClient(t, server, withStore(kept), oauth.ShortClaims, withHook(dead)))
			go s.Refresh(t.Context())
			<-held

			// Within the claim others wait; the context ends the waiting, not the session.
			next, err := newClient(t, server, withStore(kept), oauth.ShortClaims).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := next.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("within the claim: %v", err)
			}

			// Whoever has watched the claim for as long as it lives takes over, once.
			err = refreshPatiently(t.Context(), next)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				if !errors.Is(err, oauth.ErrReauthRequired) {
					t.Errorf("%v does not ask for a new login", err)
				}
				if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
					t.Errorf("%d records of the ended session", n)
				}
				return
			}
			if err := call(t.Context(), next); err != nil {
				t.Error(err)
			}
		})
	}
}

// refreshPatiently does what a caller is told to who has waited for another's claim for long
// enough. On a machine that is busy a watch has gaps, and begins anew.
func refreshPatiently(ctx context.Context, s *oauth.Session) (err error) {
	for range 5 {
		if e, ok := errors.AsType[*oauth.Error](err); ok {
			pause, cancel := context.WithTimeout(ctx, e.RetryAfter)
			<-pause.Done()
			cancel()
		}
		if err = s.Refresh(ctx); !errors.Is(err, oauth.ErrBusy) {
			break
		}
	}
	return err
}

func TestProcessThatSleptPastItsClaim(t *testing.T) {
	t.Run("P53 O105 it does not send the spent token", func(t *testing.T) {
		server := sandbox(t)
		shared := new(store.Memory)
		kept := &flakyStore{Store: shared}
		s := login(t, server, newClient(t, server, withStore(kept), oauth.ShortClaims))
		other, err := newClient(t, server, withStore(shared), oauth.ShortClaims).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		server.ResetStats()
		// Right behind the write of its claim the first process sleeps. Another one watches the claim,
		// takes over and refreshes.
		woken := make(chan struct{})
		kept.from(nil, func(n int, _ *store.Record) error {
			if n == 1 {
				defer close(woken)
				if err := refreshPatiently(context.Background(), other); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		s.Refresh(t.Context())
		<-woken
		for name, s := range map[string]*oauth.Session{"sleeper": s, "other": other} {
			if err := call(t.Context(), s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes: the sleeper sent the spent token", n)
		}
	})
}

func TestLogoutDuringARefresh(t *testing.T) {
	t.Run("P52 O115 the session stays gone, and the fresh tokens are revoked", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		var other *oauth.Session
		s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			refresh := isRefresh(req)
			resp, err := next()
			if refresh && err == nil {
				if err := other.Logout(t.Context()); err != nil {
					t.Error(err)
				}
			}
			return resp, err
		})))
		var err error
		if other, err = newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
		server.ResetStats()
		wantKind(t, s.Refresh(t.Context()), oauth.ErrLoggedOut)
		wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records: the refresh undid the logout", n)
		}
		// Once by the logout, once more for the tokens that came afterwards.
		if n := server.Stats().Requests[revokePath]; n != 2 {
			t.Errorf("%d revocations, want 2", n)
		}
	})
}

func TestServerThatRefusesForEver(t *testing.T) {
	t.Run("P8 O114 it gets one refresh and one more try, and its own words reach the caller", func(t *testing.T) {
		server := sandbox(t)
		var calls, open atomic.Int32
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			calls.Add(1)
			resp := respond(req, http.StatusUnauthorized, `{"error":"invalid_token","message":"no and no again"}`, "WWW-Authenticate", `DPoP error="invalid_token"`)
			open.Add(1)
			resp.Body = &countingBody{resp.Body, &open}
			return resp, nil
		})))
		err := call(t.Context(), s)
		e, ok := errors.AsType[*xrpc.Error](err)
		if !ok || e.Message != "no and no again" {
			t.Errorf("the server's own error did not arrive: %v", err)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%d bodies were left open", n)
		}
	})
}

type countingBody struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	open *atomic.Int32
}

func (b *countingBody) Read(p []byte) (int, error) { return b.body.Read(p) }
func (b *countingBody) Close() error {
	b.open.Add(-1)
	return b.body.Close()
}

func TestRefreshAnswersThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		ok     bool
	}{
		{"P9 O111 another account", func(m map[string]any) { m["sub"] = "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" }, false},
		{"P9 O111 Bearer", func(m map[string]any) { m["token_type"] = "Bearer" }, false},
		{"P9 O111 a scope without atproto", func(m map[string]any) { m["scope"] = "transition:generic" }, false},
		{"P9 O111 no access token", func(m map[string]any) { delete(m, "access_token") }, false},
		{"P9 O111 no sub", func(m map[string]any) { delete(m, "sub") }, true},
		{"O81 no lifetime", func(m map[string]any) { delete(m, "expires_in") }, true},
		{"P9 O104 no refresh token: the old one stays", func(m map[string]any) { delete(m, "refresh_token") }, true},
		{"O78 unknown fields", func(m map[string]any) { m["id_token"], m["new"] = "x", map[string]any{} }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				refresh := isRefresh(req)
				resp, err := next()
				if refresh && err == nil && resp.StatusCode == 200 {
					resp = rewrite(resp, tt.change)
				}
				return resp, err
			})))
			err := s.Refresh(t.Context())
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				if err := call(t.Context(), s); err != nil {
					t.Error(err)
				}
				return
			}
			e := wantKind(t, err, oauth.ErrToken)
			if errors.Is(e, oauth.ErrReauthRequired) {
				t.Error("the session was ended")
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 1 {
				t.Errorf("%d records of the session", n)
			}
		})
	}
}

func TestRefreshErrorsThatKeepTheSession(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		kind   oauth.Kind
		retry  bool
	}{
		"P10 O108 503": {func(r *http.Request) (*http.Response, error) { return respond(r, 503, ``), nil }, oauth.ErrToken, true},
		"P10 O108 429": {func(r *http.Request) (*http.Response, error) { return respond(r, 429, `{}`, "Retry-After", "9"), nil }, oauth.ErrToken, true},
		"P10 O108 500 with a page": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 500, `<html>`, "Content-Type", "text/html"), nil
		}, oauth.ErrToken, true},
		"O108 invalid_client": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 401, `{"error":"invalid_client"}`), nil
		}, oauth.ErrToken, false},
		"O108 invalid_grant with another status than 400": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 503, `{"error":"invalid_grant"}`), nil
		}, oauth.ErrToken, true},
		"O108 invalid_request": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 400, `{"error":"invalid_request"}`), nil
		}, oauth.ErrToken, false},
		"P10 O108 never sent":       {func(r *http.Request) (*http.Response, error) { respond(r, 0, ``); return nil, errors.New("no route") }, oauth.ErrNetwork, true},
		"P30 O108 O111 wrong types": {func(r *http.Request) (*http.Response, error) { return respond(r, 200, `{"access_token":5}`), nil }, oauth.ErrToken, false},
		"P30 O108 O111 an array":    {func(r *http.Request) (*http.Response, error) { return respond(r, 200, `[]`), nil }, oauth.ErrToken, false},
		"P30 O108 O111 too large": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, strings.Repeat(" ", 600<<10)), nil
		}, oauth.ErrToken, false},
		"P30 O108 O111 another type": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, `{}`, "Content-Type", "text/html"), nil
		}, oauth.ErrToken, false},
		"P19 O98 O108 asks for a nonce for ever": {func(r *http.Request) (*http.Response, error) {
			return respond(r, 400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "again"), nil
		}, oauth.ErrDPoP, true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			requests := 0
			var fail atomic.Bool
			s := login(t, server, newClient(t, server, clock.configure, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if !fail.Load() || !isRefresh(req) {
					return next()
				}
				requests++
				return tt.answer(req)
			})))
			fail.Store(true)
			e := wantKind(t, s.Refresh(t.Context()), tt.kind)
			if e.Retryable != tt.retry || errors.Is(e, oauth.ErrReauthRequired) {
				t.Errorf("retryable %t: %v", e.Retryable, e)
			}
			if name == "P10 O108 429" && e.RetryAfter != 9*time.Second {
				t.Errorf("retry after %s", e.RetryAfter)
			}
			if requests > 2 {
				t.Errorf("%d requests", requests)
			}
			fail.Store(false)
			// What cannot have reached the server, or was answered, costs nothing.
			if err := call(t.Context(), s); err != nil {
				t.Errorf("the token still lives: %v", err)
			}
			again := wantKind(t, s.Refresh(t.Context()), tt.kind)
			if again.RetryAfter <= 0 || again.RetryAfter > 10*time.Second || again.Code != e.Code {
				t.Errorf("P69 within the pause: %v, retry after %s", again, again.RetryAfter)
			}
			clock.setAhead(11 * time.Second)
			if err := s.Refresh(t.Context()); err != nil {
				t.Errorf("the next refresh: %v", err)
			}
		})
	}
}

func TestRefreshAheadOfTime(t *testing.T) {
	t.Run("P10 P70 O107 with little time left, in the background, and without harm when it hangs or fails", func(t *testing.T) {
		var down atomic.Bool
		began, goOn := make(chan struct{}, 1), make(chan struct{})
		ahead, start := new(atomic.Int64), time.Now() // the clock stands still but for what the test says
		now := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
		server := sandbox(t, oauthtest.WithClock(now))
		client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if down.Load() && isRefresh(req) {
				began <- struct{}{}
				<-goOn
				return respond(req, 503, ``), nil
			}
			return next()
		}), func(cfg *oauth.Config) { cfg.Clock = now })
		server.SetTokenLifetime(2 * time.Minute)
		s := login(t, server, client)
		step := func(name string, at time.Duration, want int) {
			t.Helper()
			ahead.Store(int64(at))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := call(ctx, s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if down.Load() {
				return
			}
			oauth.WaitForRefresh(t.Context(), s)
			if n := server.Stats().Grants["refresh_token"]; n != want {
				t.Errorf("%s: %d refreshes, want %d", name, n, want)
			}
		}
		// A tenth of its life is 12 seconds; the jitter makes that 6 at least.
		step("with time left", 107*time.Second, 0)
		down.Store(true)
		step("one that hangs delays no call", 114500*time.Millisecond, 0)
		<-began
		step("nor the next one", 114600*time.Millisecond, 0)
		close(goOn)
		oauth.WaitForRefresh(t.Context(), s)
		down.Store(false)
		step("not again at once", 114700*time.Millisecond, 0)
		step("when the pause is over", 117*time.Second, 1)
	})
}

// The reference PDS deletes the session when an access token's time runs out between its two looks at it, which
// are seconds apart on a busy server.
func TestATokenIsNotSentInItsLastMoments(t *testing.T) {
	for _, tt := range []struct {
		name       string
		life, left time.Duration
		sent       bool
	}{
		{"an hour's, with eleven seconds left", time.Hour, 11 * time.Second, true},
		{"an hour's, with ten seconds left", time.Hour, 10 * time.Second, false},
		{"two minutes', with four seconds left", 2 * time.Minute, 4 * time.Second, true},
		{"two minutes', with three seconds left", 2 * time.Minute, 3 * time.Second, false},
	} {
		t.Run("P70 O107 "+tt.name, func(t *testing.T) {
			var old, sent atomic.Int64
			var token atomic.Value
			ahead, start := new(atomic.Int64), time.Now() // the clock stands still but for what the test says
			now := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
			server := sandbox(t, oauthtest.WithClock(now))
			server.SetTokenLifetime(tt.life)
			client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if strings.HasPrefix(req.URL.Path, "/xrpc/") {
					if sent.Add(1); token.CompareAndSwap(nil, req.Header.Get("Authorization")) || token.Load() == req.Header.Get("Authorization") {
						old.Add(1)
					}
				}
				return next()
			}), func(cfg *oauth.Config) { cfg.Clock = now })
			s := login(t, server, client)
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			sent.Store(0)
			old.Store(0)
			ahead.Store(int64(tt.life - tt.left))
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if sent.Load() == 0 || old.Load() > 0 != tt.sent {
				t.Errorf("%d of %d requests had the old token", old.Load(), sent.Load())
			}
			oauth.WaitForRefresh(t.Context(), s)
		})
	}
}

func TestInvalidGrantIsBelievedOnlyIfTheStoreAgrees(t *testing.T) {
	for name, constant := range map[string]bool{"P10 O109 tokens that another process got go on": false, "P10 O109 also where the access token stays what it is": true} {
		t.Run(name, func(t *testing.T) {
			server := sandbox(t)
			kept := new(store.Memory)
			var other *oauth.Session
			first := true
			same := granting(func(m map[string]any) {
				if constant {
					m["access_token"] = "constant"
				}
			})
			s := login(t, server, newClient(t, server, withStore(kept), oauth.ShortClaims, same, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if !isRefresh(req) || !first {
					return next()
				}
				first = false
				// While we were away another process took over and refreshed.
				if err := refreshPatiently(context.Background(), other); err != nil {
					t.Error(err)
				}
				return respond(req, 400, `{"error":"invalid_grant"}`), nil
			})))
			var err error
			if other, err = newClient(t, server, withStore(kept), oauth.ShortClaims, same).Resume(t.Context(), s.Key()); err != nil {
				t.Fatal(err)
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("%d refreshes, want that of the other process", n)
			}
			if constant {
				return // the sandbox does not know this token
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("P10 O108 O109 nobody was faster: the session is over, and its record gone", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		server.RevokeSessions(s.DID())
		e := wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		if !errors.Is(e, oauth.ErrReauthRequired) || e.Code != "invalid_grant" || e.Status != 400 || e.Retryable {
			t.Errorf("got %+v", e)
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
		wantKind(t, call(t.Context(), s), oauth.ErrRevoked)
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes were tried", n)
		}
	})
}

// The store took the tokens and failed to say so; by the time this process tries again,
// another one has refreshed from there. Writing on top would bring spent tokens back.
func TestUnsavedTokensDoNotReplaceNewerOnes(t *testing.T) {
	t.Run("P5 O104 they are given up for those that another process got after them", func(t *testing.T) {
		server := sandbox(t)
		shared := new(store.Memory)
		kept := &flakyStore{Store: shared}
		s := login(t, server, newClient(t, server, withStore(kept)))
		other, err := newClient(t, server, withStore(shared)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		back := make(chan struct{})
		kept.from(func(n int, _ *store.Record) error {
			if n > 2 {
				<-back
			}
			return nil
		}, func(n int, _ *store.Record) error {
			if n == 2 {
				return errDown
			}
			return nil
		})
		wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
		for range 2 { // the first adopts what was stored, the second refreshes
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := server.Stats().Grants["refresh_token"]; n != 2 {
			t.Fatalf("%d refreshes, want 2", n)
		}
		close(back)
		oauth.WaitUntilSaved(t.Context(), s)
		if err := call(t.Context(), s); err != nil {
			t.Errorf("the next call: %v", err)
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Errorf("the other process, once more: %v", err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Errorf("the first process: %v", err)
		}
	})
}

// Another process has claimed the old tokens, which makes the record newer than what
// this process wrote last, though not newer than what it holds.
func TestUnsavedTokensAreNotGivenUpForOlderOnes(t *testing.T) {
	t.Run("P5 P114 O104 the record is newer, its tokens are not", func(t *testing.T) {
		server := sandbox(t)
		shared := new(store.Memory)
		kept := &flakyStore{Store: shared}
		s := login(t, server, newClient(t, server, withStore(kept), oauth.ShortClaims))
		dead, held := die(t, true)
		other, err := newClient(t, server, withStore(shared), oauth.ShortClaims, withHook(dead)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		kept.from(func(n int, _ *store.Record) error {
			if n >= 2 {
				return errDown
			}
			return nil
		}, nil)
		wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
		go other.Refresh(t.Context())
		<-held
		upload := func() error {
			_, err := comatproto.NewClient(s).Repo.UploadBlob(t.Context(), xrpc.StreamBody(strings.NewReader("x"), 1, "text/plain"))
			return err
		}
		if err := upload(); err != nil {
			t.Errorf("while the store is down: %v", err)
		}
		kept.from(nil, nil)
		oauth.WaitUntilSaved(t.Context(), s)
		if err := upload(); err != nil {
			t.Errorf("when it is back: %v", err)
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
		resumed, err := newClient(t, server, withStore(shared)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), resumed); err != nil {
			t.Errorf("from the store: %v", err)
		}
	})
}

// Tokens that live in memory only are in danger, so nobody waits for the next call.
func TestUnsavedTokensAreSavedInTheBackground(t *testing.T) {
	t.Run("P5 O104 without another call", func(t *testing.T) {
		server := sandbox(t)
		shared := new(store.Memory)
		kept := &flakyStore{Store: shared}
		s := login(t, server, newClient(t, server, withStore(kept)))
		saved := make(chan struct{})
		kept.from(func(n int, _ *store.Record) error {
			if n == 2 {
				return errDown
			}
			return nil
		}, func(n int, _ *store.Record) error {
			if n == 3 {
				close(saved)
			}
			return nil
		})
		wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
		select {
		case <-saved:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was saved")
		}
		other, err := newClient(t, server, withStore(shared)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), other); err != nil {
			t.Errorf("from the store: %v", err)
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// A process need not wait for a claim of its own, should the store have failed when it
// was to be released.
func TestOwnClaimsAreNotWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		fault oauthtest.Fault
		want  error
	}{
		"O110 the server was down":   {oauthtest.Fault{Status: 503}, nil},
		"O110 the answer was lost":   {oauthtest.Fault{Drop: true}, oauth.ErrAmbiguousRefresh},
		"O110 the gateway timed out": {oauthtest.Fault{Status: 504}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			kept := &flakyStore{Store: new(store.Memory)}
			s := login(t, server, newClient(t, server, withStore(kept), clock.configure))
			kept.from(func(n int, _ *store.Record) error {
				if n == 2 {
					return errDown
				}
				return nil
			}, nil)
			server.Fault(tokenPath, tt.fault)
			if err := s.Refresh(t.Context()); err == nil || errors.Is(err, oauth.ErrReauthRequired) {
				t.Fatalf("got %v", err)
			}
			clock.setAhead(2 * time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := s.Refresh(ctx); !errors.Is(err, tt.want) {
				t.Errorf("the next one: got %v, want %v", err, tt.want)
			}
		})
	}
}

// What a gateway says in the server's place leaves open what the server did; the cause
// of a session that ends later should say so.
func TestGatewaysLeaveTheOutcomeOpen(t *testing.T) {
	for status, want := range map[int]oauth.Kind{
		200: oauth.ErrAmbiguousRefresh, 403: oauth.ErrAmbiguousRefresh, 408: oauth.ErrAmbiguousRefresh, 499: oauth.ErrAmbiguousRefresh,
		500: oauth.ErrAmbiguousRefresh, 502: oauth.ErrAmbiguousRefresh, 503: oauth.ErrAmbiguousRefresh, 504: oauth.ErrAmbiguousRefresh,
		520: oauth.ErrAmbiguousRefresh, 522: oauth.ErrAmbiguousRefresh, 524: oauth.ErrAmbiguousRefresh, 529: oauth.ErrAmbiguousRefresh,
		404: oauth.ErrRevoked, 405: oauth.ErrRevoked, 410: oauth.ErrRevoked, 429: oauth.ErrRevoked,
	} {
		t.Run(fmt.Sprintf("P62 O110 HTTP %d, and then the session is over", status), func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			s := login(t, server, newClient(t, server, clock.configure))
			server.Fault(tokenPath, oauthtest.Fault{Status: status})
			if err := s.Refresh(t.Context()); err == nil || errors.Is(err, oauth.ErrReauthRequired) {
				t.Fatal(err)
			}
			if n := server.Stats().Requests[tokenPath]; n != 2 { // one of the login
				t.Errorf("%d requests: it was sent again blindly", n-1)
			}
			server.RevokeSessions(s.DID())
			clock.setAhead(2 * time.Minute)
			wantKind(t, s.Refresh(t.Context()), want)
		})
	}
}

// New tokens that the store does not take are in use all the same: no call fails for want of a store.
func TestUnsavedTokensAreUsed(t *testing.T) {
	for name, refused := range map[string]bool{"the old one has run out": false, "the server does not take the old one": true} {
		t.Run("P5 O104 by the call that waited for them, where "+name, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now))
			kept := &flakyStore{Store: new(store.Memory)}
			first := ""
			client := newClient(t, server, withStore(kept), clock.configure, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path == callPath && refused {
					if first == "" {
						first = req.Header.Get("Authorization")
					}
					if req.Header.Get("Authorization") == first {
						return respond(req, 401, `{"error":"invalid_token"}`, "WWW-Authenticate", `DPoP error="invalid_token"`), nil
					}
				}
				return next()
			}))
			s := login(t, server, client)
			kept.from(func(n int, _ *store.Record) error {
				if n > 1 {
					return errDown
				}
				return nil
			}, nil)
			if !refused {
				clock.setAhead(2 * time.Hour)
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if got := client.Stats(); got.Refreshes != 1 || got.Unsaved != 1 {
				t.Errorf("got %+v", got)
			}
			kept.from(nil, nil)
			oauth.WaitUntilSaved(t.Context(), s)
		})
	}
	t.Run("P5 but a store that fails before the server is asked is told", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		kept := &flakyStore{Store: new(store.Memory)}
		s := login(t, server, newClient(t, server, withStore(kept), clock.configure))
		kept.from(func(int, *store.Record) error { return errDown }, nil)
		clock.setAhead(2 * time.Hour)
		wantKind(t, call(t.Context(), s), oauth.ErrStore)
	})
}
