package oauth_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestLogout(t *testing.T) {
	t.Run("O115 revokes the refresh token, as the client and with the session's proof", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		var refresh string
		s := login(t, server, confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, w.tap(), granting(func(m map[string]any) {
			refresh, _ = m["refresh_token"].(string)
		})))
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent := w.last(t, revokePath)
		want := []string{"client_assertion", "client_assertion_type", "client_id", "token", "token_type_hint"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sent.form))); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if sent.form.Get("token") != refresh || sent.form.Get("token_type_hint") != "refresh_token" {
			t.Errorf("form %v", sent.form)
		}
		if diff := cmp.Diff(proofIn(t, w.last(t, tokenPath)).header, proofIn(t, sent).header); diff != "" {
			t.Errorf("key of the proof (-exchange +revocation):\n%s", diff)
		}
		if n := server.RevokeSessions(s.DID()); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
	})
	for name, fault := range map[string]oauthtest.Fault{
		"is down":            {Status: 503},
		"hangs up":           {Refuse: true},
		"loses its answer":   {Drop: true},
		"refuses":            {Status: 400, Body: `{"error":"unsupported_token_type"}`},
		"says what is wrong": {Status: 401, Body: `{"error":"invalid_client"}`},
	} {
		t.Run("O115 the session is gone here when the server "+name+", and that is told", func(t *testing.T) {
			server, kept := sandbox(t), new(store.Memory)
			client := newClient(t, server, withStore(kept))
			s := login(t, server, client)
			server.Fault(revokePath, fault)
			err := s.Logout(t.Context())
			if _, ok := errors.AsType[*oauth.Error](err); !ok || errors.Is(err, oauth.ErrStore) {
				t.Errorf("got %v", err)
			}
			wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("%d records", n)
			}
			_, err = client.Resume(t.Context(), s.Key())
			wantKind(t, err, oauth.ErrSessionUnknown)
			if err := s.Logout(t.Context()); err != nil {
				t.Errorf("once more: %v", err)
			}
		})
	}
	t.Run("O115 a server without a place to revoke is no hindrance", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, server, newClient(t, server, rewriting(serverDocument, func(m map[string]any) { delete(m, "revocation_endpoint") })))
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
	})
	t.Run("P52 O115 while a refresh is under way in the same process, both tokens die", func(t *testing.T) {
		server, kept := sandbox(t), &tellingStore{Memory: new(store.Memory), deleted: make(chan struct{})}
		left, goOn := make(chan struct{}), make(chan struct{})
		s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			refresh := isRefresh(req)
			resp, err := next()
			if refresh {
				close(left)
				<-goOn
			}
			return resp, err
		})))
		refreshed, loggedOut := make(chan error, 1), make(chan error, 1)
		go func() { refreshed <- s.Refresh(t.Context()) }()
		<-left
		go func() { loggedOut <- s.Logout(t.Context()) }()
		<-kept.deleted
		close(goOn)
		wantKind(t, <-refreshed, oauth.ErrLoggedOut)
		if err := <-loggedOut; err != nil {
			t.Error(err)
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
		if n := server.RevokeSessions(s.DID()); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
	})
	t.Run("O115 a store that is down is told, and another try ends it", func(t *testing.T) {
		server := sandbox(t)
		kept := &stuckStore{Memory: new(store.Memory), down: true}
		s := login(t, server, newClient(t, server, withStore(kept)))
		if e := wantKind(t, s.Logout(t.Context()), oauth.ErrStore); !e.Retryable {
			t.Errorf("got %v", e)
		}
		kept.down = false
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if n := server.RevokeSessions(s.DID()); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
	})
}

// A tellingStore tells when a session was deleted, once.
type tellingStore struct {
	*store.Memory
	deleted chan struct{}
}

func (s *tellingStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	err := s.Memory.Delete(ctx, key, revision)
	if err == nil && key.Kind == store.RecordSession {
		close(s.deleted)
	}
	return err
}

// A stuckStore cannot delete sessions while it is down.
type stuckStore struct {
	*store.Memory
	down bool
}

func (s *stuckStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	if s.down && key.Kind == store.RecordSession {
		return errDown
	}
	return s.Memory.Delete(ctx, key, revision)
}

func TestSeveralSessionsOfAnAccount(t *testing.T) {
	server, kept := sandbox(t), new(store.Memory)
	phone, desk := newClient(t, server, withStore(kept)), newClient(t, server, withStore(kept))
	first := login(t, server, phone)
	second := login(t, server, desk)
	third := login(t, server, desk)
	t.Run("O119 P11 a login on another device, or a second one here, leaves the first session as it is", func(t *testing.T) {
		if first.Key() == second.Key() || second.Key() == third.Key() || first.Key().DID != third.Key().DID {
			t.Errorf("keys %v, %v, %v", first.Key(), second.Key(), third.Key())
		}
		for i, s := range []*oauth.Session{first, second, third} {
			if err := s.Refresh(t.Context()); err != nil {
				t.Errorf("session %d: %v", i+1, err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Errorf("session %d: %v", i+1, err)
			}
		}
	})
	t.Run("O119 P11 each is resumed by its own key", func(t *testing.T) {
		for i, s := range []*oauth.Session{first, second, third} {
			resumed, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if resumed.Key() != s.Key() || resumed.ExpiresAt().Compare(s.ExpiresAt()) != 0 {
				t.Errorf("session %d came back as %v", i+1, resumed.Key())
			}
		}
		_, err := phone.Resume(t.Context(), oauth.SessionKey{DID: syntax.DID(first.DID()), ID: "another"})
		wantKind(t, err, oauth.ErrSessionUnknown)
	})
	t.Run("O119 P11 a logout ends that one", func(t *testing.T) {
		if err := second.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, s := range []*oauth.Session{first, third} {
			if err := s.Refresh(t.Context()); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}
		wantKind(t, call(t.Context(), second), oauth.ErrLoggedOut)
	})
}

func TestSessionsBelongToTheirClient(t *testing.T) {
	const otherID = "https://app.client-host.net/other/client-metadata.json"
	// In plaintext, so that a record can be put where it does not belong.
	server, kept, w := sandbox(t), new(store.Memory), new(wire)
	mine := confidential(t, server, nil, sealing(kept, seal.Plaintext()), w.tap())
	other := newClient(t, server, sealing(kept, seal.Plaintext()), w.tap(), func(cfg *oauth.Config) {
		cfg.ClientID, cfg.RedirectURIs = otherID, []string{"https://app.client-host.net/callback"}
	})
	server.Publish(otherID, other.Metadata())
	s, stranger := login(t, server, mine), login(t, server, other)
	t.Run("O116 another client of the same store does not get at them", func(t *testing.T) {
		w.sent = nil
		_, err := other.Resume(t.Context(), s.Key())
		wantKind(t, err, oauth.ErrSessionUnknown)
		if len(w.sent) != 0 {
			t.Errorf("%d requests", len(w.sent))
		}
	})
	t.Run("O116 a record that is another client's by now is not adopted", func(t *testing.T) {
		wrong, err := kept.Get(t.Context(), record(stranger.Key()))
		if err != nil {
			t.Fatal(err)
		}
		wrong.Key, wrong.Revision = record(s.Key()), 2
		if err := kept.Put(t.Context(), wrong); err != nil {
			t.Fatal(err)
		}
		w.sent = nil
		wantKind(t, s.Refresh(t.Context()), oauth.ErrSealed)
		if n := len(w.to(tokenPath)); n != 0 {
			t.Errorf("%d token requests", n)
		}
		if err := call(t.Context(), s); err != nil {
			t.Errorf("with the tokens it has: %v", err)
		}
	})
	t.Run("O113 O116 nor is one that another issuer granted by now", func(t *testing.T) {
		s := login(t, server, mine)
		r, err := kept.Get(t.Context(), record(s.Key()))
		if err != nil {
			t.Fatal(err)
		}
		before := r.Data
		r.Data, r.Revision = bytes.Replace(r.Data, []byte(`"issuer":"https://pds.test"`), []byte(`"issuer":"https://other.test"`), 1), 2
		if bytes.Equal(before, r.Data) {
			t.Fatal("the record names no issuer")
		}
		if err := kept.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.sent = nil
		wantKind(t, s.Refresh(t.Context()), oauth.ErrSealed)
		if n := len(w.to(tokenPath)); n != 0 {
			t.Errorf("%d token requests", n)
		}
		if s.Issuer() != "https://pds.test" {
			t.Errorf("issuer %q", s.Issuer())
		}
	})
}
