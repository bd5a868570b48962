package scenario

import (
	cryptorand "crypto/rand"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const legacyRefreshPath = "/xrpc/com.atproto.server.refreshSession"

// newPasswordClient returns a client of package apppassword in the backend's environment.
func newPasswordClient(tb testing.TB, b Backend, change ...func(*apppassword.Config)) *apppassword.Client {
	tb.Helper()
	var cfg apppassword.Config
	b.Environment().ConfigureAppPassword(&cfg)
	for _, c := range change {
		c(&cfg)
	}
	client, err := apppassword.NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// appPassword tests what a session of an app password must survive.
func appPassword(t *testing.T, b Backend) {
	ctx := t.Context()
	alice := b.Environment().Account("alice")
	kept := new(store.Memory)
	shared := func(cfg *apppassword.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(make([]byte, 32)) }
	counter := new(requestCounter)
	counted := func(cfg *apppassword.Config) {
		counter.rt = cfg.UnguardedTransport
		cfg.UnguardedTransport = counter
	}
	client := newPasswordClient(t, b, shared, counted)

	// The account's own password, which may make and revoke app passwords.
	owner, err := client.Login(ctx, string(alice.DID), alice.Password)
	if err != nil {
		t.Fatal(err)
	}
	name := "bot " + cryptorand.Text()[:8]
	made, err := comatproto.NewClient(owner).Server.CreateAppPassword(ctx, &comatproto.ServerCreateAppPasswordInput{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	login := func(t *testing.T, client *apppassword.Client) *apppassword.Session {
		t.Helper()
		s, err := client.Login(ctx, string(alice.Handle), made.Password)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	call := func(s *apppassword.Session) error {
		out, err := comatproto.NewClient(s).Server.GetSession(ctx)
		if err == nil && out.DID != alice.DID {
			err = errors.New("it is " + string(out.DID))
		}
		return err
	}
	// stolen returns a client with a copy of the store: that of a thief, or of a process whose last
	// write was lost.
	stolen := func(t *testing.T, key apppassword.SessionKey) *apppassword.Client {
		t.Helper()
		r, err := kept.Get(ctx, store.RecordKey{Kind: store.RecordAppPassword, DID: key.DID, ID: key.ID})
		if err != nil {
			t.Fatal(err)
		}
		copied := new(store.Memory)
		for revision := uint64(1); revision <= r.Revision; revision++ { // a store must be written in order
			if err := copied.Put(ctx, &store.Record{Key: r.Key, Revision: revision, Data: r.Data}); err != nil {
				t.Fatal(err)
			}
		}
		return newPasswordClient(t, b, shared, func(cfg *apppassword.Config) { cfg.Store = copied })
	}

	t.Run("X30 login, call, write, refresh", func(t *testing.T) {
		s := login(t, client)
		if s.DID() != alice.DID || s.Handle() != alice.Handle || s.Host() != b.Environment().PDS || s.Expired() || s.ExpiresAt().IsZero() {
			t.Errorf("%s, %s at %s until %s", s.DID(), s.Handle(), s.Host(), s.ExpiresAt())
		}
		if _, err := comatproto.NewClient(s).Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
			Repo: syntax.AtIdentifier(s.DID()), Collection: appbsky.FeedPostNSID,
			Record: lex.Of(&appbsky.FeedPost{Text: "by a bot", CreatedAt: syntax.Now()}),
		}); err != nil {
			t.Error(err)
		}
		if err := errors.Join(call(s), s.Refresh(ctx), call(s), s.Refresh(ctx), call(s)); err != nil {
			t.Error(err)
		}
	})
	t.Run("X31 wrong passwords", func(t *testing.T) {
		if _, err := client.Login(ctx, string(alice.Handle), "wrong-"+made.Password); !errors.Is(err, apppassword.ErrWrongPassword) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("X30 at a server, by email", func(t *testing.T) {
		s, err := client.Login(ctx, alice.Email, made.Password, apppassword.WithService(b.Environment().PDS))
		if err != nil {
			t.Fatal(err)
		}
		if err := call(s); err != nil || s.DID() != alice.DID {
			t.Errorf("%s: %v", s, err)
		}
	})
	t.Run("X30 P3 two processes refresh at once, and both go on", func(t *testing.T) {
		one := login(t, client)
		two, err := newPasswordClient(t, b, shared, counted).Resume(ctx, one.Key())
		if err != nil {
			t.Fatal(err)
		}
		before := counter.count(legacyRefreshPath)
		var both sync.WaitGroup
		for _, s := range []*apppassword.Session{one, two} {
			both.Go(func() {
				if err := errors.Join(s.Refresh(ctx), call(s)); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		// Refreshes that do not overlap may both reach the server.
		if n := counter.count(legacyRefreshPath) - before; n < 1 || n > 2 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("X31 O110 the answer to a refresh is lost, and the next one goes on", func(t *testing.T) {
		clock := new(Clock)
		s := login(t, newPasswordClient(t, b, shared, func(cfg *apppassword.Config) { cfg.Clock = clock.Now }))
		if err := b.Fail(ctx, legacyRefreshPath, 0, 1); err != nil {
			t.Fatal(err)
		}
		err := s.Refresh(ctx)
		send, _ := errors.AsType[*xrpc.SendError](err)
		if !errors.Is(err, apppassword.ErrNetwork) || send == nil || send.Sent != xrpc.SentMaybe {
			t.Errorf("the refresh whose answer was lost: %v", err)
		}
		clock.Pass(err)
		if err := errors.Join(s.Refresh(ctx), call(s), s.Refresh(ctx), call(s)); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("X30 P6 tokens that were given and not stored are given again", func(t *testing.T) {
		s := login(t, client)
		other := stolen(t, s.Key())
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		again, err := other.Resume(ctx, s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(again.Refresh(ctx), call(again), s.Refresh(ctx), call(s)); err != nil {
			t.Error(err)
		}
	})
	t.Run("X31 P10 a server that is down for a while costs no session", func(t *testing.T) {
		clock := new(Clock)
		s := login(t, newPasswordClient(t, b, shared, func(cfg *apppassword.Config) { cfg.Clock = clock.Now }))
		if err := b.Fail(ctx, legacyRefreshPath, http.StatusServiceUnavailable, 1); err != nil {
			t.Fatal(err)
		}
		err := s.Refresh(ctx)
		if e, _ := errors.AsType[*apppassword.Error](err); e == nil || e.Kind != apppassword.ErrServer || !e.Retryable || e.Status != http.StatusServiceUnavailable {
			t.Errorf("refresh during the failure: %v", err)
		}
		clock.Pass(err)
		if err := errors.Join(s.Refresh(ctx), call(s)); err != nil {
			t.Errorf("refresh afterwards: %v", err)
		}
	})
	t.Run("X30 O115 a logout ends it at the server, and no other session", func(t *testing.T) {
		s, other := login(t, client), login(t, client)
		thief := stolen(t, s.Key())
		if err := s.Logout(ctx); err != nil {
			t.Fatal(err)
		}
		if err := call(s); !errors.Is(err, apppassword.ErrLoggedOut) {
			t.Errorf("a call after the logout: %v", err)
		}
		taken, err := thief.Resume(ctx, s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := taken.Refresh(ctx); !errors.Is(err, apppassword.ErrRevoked) {
			t.Errorf("its tokens after the logout: %v", err)
		}
		if err := errors.Join(other.Refresh(ctx), call(other)); err != nil {
			t.Errorf("another session: %v", err)
		}
	})
	t.Run("X30 P10 an app password that is taken away ends its sessions", func(t *testing.T) {
		s := login(t, client)
		if err := comatproto.NewClient(owner).Server.RevokeAppPassword(ctx, &comatproto.ServerRevokeAppPasswordInput{Name: name}); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(ctx); !errors.Is(err, apppassword.ErrRevoked) || !errors.Is(err, apppassword.ErrReauthRequired) {
			t.Errorf("refresh: %v", err)
		}
		if _, err := client.Login(ctx, string(alice.Handle), made.Password); !errors.Is(err, apppassword.ErrWrongPassword) {
			t.Errorf("login: %v", err)
		}
		if err := errors.Join(owner.Refresh(ctx), call(owner)); err != nil {
			t.Errorf("the session of the account's own password: %v", err)
		}
	})
}
