package oauth_test

import (
	"crypto/elliptic"
	"errors"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

const day = 24 * time.Hour

func TestSessionsThatAreTooOld(t *testing.T) {
	keys := []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}
	// begin logs in by a client and a server whose clock the test moves.
	begin := func(t *testing.T, keys []oauth.ClientKey) (*oauth.Session, *oauthtest.Server, *movableClock, *store.Memory) {
		t.Helper()
		clock := new(movableClock)
		kept := &store.Memory{Clock: clock.now}
		server := sandbox(t, oauthtest.WithClock(clock.now))
		return login(t, server, confidential(t, server, keys, withStore(kept), clock.configure)), server, clock, kept
	}
	expired := func(t *testing.T, err error) {
		t.Helper()
		if e := wantKind(t, err, oauth.ErrSessionExpired); !errors.Is(e, oauth.ErrReauthRequired) || e.Retryable {
			t.Errorf("got %+v", e)
		}
	}
	for name, tt := range map[string]struct {
		keys  []oauth.ClientKey
		idle  time.Duration
		asked bool // whether the server was: it decides as long as there is a record
	}{
		"a public client's, after two weeks":                         {nil, 14*day + time.Minute, true},
		"a confidential client's, after three months":                {keys, 90*day + time.Minute, true},
		"a public client's, after its record was cleared away":       {nil, 100*day + time.Minute, false},
		"a confidential client's, after its record was cleared away": {keys, 100*day + time.Minute, false},
	} {
		t.Run("O117 P68 an idle session, "+name, func(t *testing.T) {
			s, server, clock, kept := begin(t, tt.keys)
			clock.setAhead(tt.idle)
			if n, err := kept.Purge(t.Context()); (n == 0) != tt.asked || err != nil {
				t.Fatalf("%d records purged, %v", n, err)
			}
			expired(t, call(t.Context(), s))
			if n := server.Stats().Grants["refresh_token"]; (n > 0) != tt.asked {
				t.Errorf("%d refreshes were tried", n)
			}
		})
	}
	t.Run("O117 a public client's session that is used all the time, after two weeks", func(t *testing.T) {
		s, _, clock, kept := begin(t, nil)
		for days := time.Duration(3); days < 14; days += 3 {
			clock.setAhead(days * day)
			if err := call(t.Context(), s); err != nil {
				t.Fatalf("after %d days: %v", days, err)
			}
		}
		clock.setAhead(14*day + time.Second)
		expired(t, call(t.Context(), s))
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
	})
	t.Run("O117 a confidential client's session that is used lives on", func(t *testing.T) {
		s, _, clock, _ := begin(t, keys)
		for days := time.Duration(60); days < 600; days += 60 {
			clock.setAhead(days * day)
			if err := call(t.Context(), s); err != nil {
				t.Fatalf("after %d days: %v", days, err)
			}
		}
	})
	t.Run("O117 P68 a confidential client's session that is used all the time, after two years", func(t *testing.T) {
		s, _, clock, _ := begin(t, keys)
		for days := time.Duration(80); days < 730; days += 80 {
			clock.setAhead(days * day)
			if err := call(t.Context(), s); err != nil {
				t.Fatalf("after %d days: %v", days, err)
			}
		}
		clock.setAhead(730*day + time.Second)
		expired(t, call(t.Context(), s))
	})
	t.Run("O117 a session that ends before its time was revoked", func(t *testing.T) {
		s, server, clock, _ := begin(t, nil)
		clock.setAhead(13 * day)
		server.RevokeSessions(s.DID())
		wantKind(t, call(t.Context(), s), oauth.ErrRevoked)
	})
	t.Run("O117 or logged out", func(t *testing.T) {
		s, _, clock, kept := begin(t, nil)
		clock.setAhead(13 * day)
		if err := kept.Delete(t.Context(), store.RecordKey{Kind: store.RecordSession, DID: s.DID(), ID: s.Key().ID}, 0); err != nil {
			t.Fatal(err)
		}
		wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
	})
}

func TestLoginsThatTakeTooLong(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	client := newClient(t, server, clock.configure)
	begin := func(t *testing.T) *oauth.Login {
		t.Helper()
		clock.setAhead(0)
		login, err := client.Authorize(t.Context(), "alice.test", oauth.WithAppState("kept"))
		if err != nil {
			t.Fatal(err)
		}
		return login
	}
	approve := func(t *testing.T, login *oauth.Login) (*oauth.CallbackResult, error) {
		t.Helper()
		callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
		if err != nil {
			t.Fatal(err)
		}
		clock.ahead.Add(int64(6 * time.Minute)) // the code is late as well
		return client.Callback(t.Context(), callback.Query(), login.Binding)
	}
	t.Run("O118 a user who agrees after the request's five minutes", func(t *testing.T) {
		login := begin(t)
		clock.setAhead(6 * time.Minute)
		_, err := approve(t, login)
		if e := wantKind(t, err, oauth.ErrAccessDenied); e.Code != "access_denied" || e.Description != "This request has expired" || e.AppState != "kept" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("O118 a code that comes after its time", func(t *testing.T) {
		_, err := approve(t, begin(t))
		if e := wantKind(t, err, oauth.ErrToken); e.Code != "invalid_grant" || e.Description != "This code has expired" || e.Status != 400 || e.AppState != "kept" || e.Retryable {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("O118 a callback after an hour, of which we know nothing more", func(t *testing.T) {
		login := begin(t)
		callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
		if err != nil {
			t.Fatal(err)
		}
		clock.setAhead(time.Hour + time.Second)
		server.ResetStats()
		_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
		wantKind(t, err, oauth.ErrStateUnknown)
		if n := len(server.Stats().Requests); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
