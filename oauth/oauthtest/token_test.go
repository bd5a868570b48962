package oauthtest_test

import (
	"net/url"
	"sync"
	"testing"
	"time"
)

func TestCode(t *testing.T) {
	t.Run("O73 a code is exchanged", func(t *testing.T) {
		g := newRig(t)
		a := g.exchange(g.code())
		want(t, a, 200, "")
		if a.str("token_type") != "DPoP" || a.str("scope") != "atproto transition:generic" || a.body["expires_in"] != 3600.0 {
			t.Errorf("answer: %s", a.text)
		}
		if did := string(g.srv.Environment().Account("alice").DID); a.str("sub") != did {
			t.Errorf("O75 sub is %q, not %q", a.str("sub"), did)
		}
		if !g.alive(a.str("access_token")) {
			t.Error("the access token is dead")
		}
	})
	t.Run("O83 a second use ends the session", func(t *testing.T) {
		g := newRig(t)
		code := g.code()
		first := g.exchange(code)
		want(t, first, 200, "")
		want(t, g.exchange(code), 400, "invalid_grant")
		if g.alive(first.str("access_token")) {
			t.Error("the session lives on")
		}
		want(t, g.refresh(first.str("refresh_token")), 400, "invalid_grant")
	})
	for _, tt := range []struct {
		name    string
		spoil   func(g *rig)
		changes []string
	}{
		{"O49 another verifier", nil, []string{"code_verifier", verifier[1:] + "w"}},
		{"O49 a short verifier", nil, []string{"code_verifier", "short"}},
		{"O49 no verifier", nil, []string{"code_verifier", ""}},
		{"O73 another redirect_uri", nil, []string{"redirect_uri", "http://127.0.0.1:7001/cb"}},
		{"O73 another client", nil, []string{"client_id", "http://localhost"}},
		{"O54 another DPoP key", func(g *rig) { g.key = newKey(g.tb) }, nil},
		{"P18 too late", func(g *rig) { g.clock.advance(6 * time.Minute) }, nil},
	} {
		t.Run(tt.name+" is refused and burns the code", func(t *testing.T) {
			g := newRig(t)
			code, key := g.code(), g.key
			if tt.spoil != nil {
				tt.spoil(g)
			}
			want(t, g.exchange(code, tt.changes...), 400, "invalid_grant")
			g.key = key
			want(t, g.exchange(code), 400, "invalid_grant")
		})
	}
	t.Run("O118 a challenge is used once", func(t *testing.T) {
		g := newRig(t)
		want(t, g.exchange(g.code()), 200, "")
		want(t, g.exchange(g.code()), 400, "invalid_grant")
	})
	t.Run("an unknown grant type", func(t *testing.T) {
		g := newRig(t)
		want(t, g.post("/oauth/token", url.Values{"grant_type": {"password"}, "client_id": {g.id}}), 400, "invalid_grant")
		if n := g.srv.Stats().Grants["password"]; n != 2 {
			t.Errorf("counted %d requests, not the challenged one and the refused one", n)
		}
	})
}

func TestRefresh(t *testing.T) {
	t.Run("O104 tokens rotate and the old access token dies", func(t *testing.T) {
		g := newRig(t)
		first := g.login("atproto")
		second := g.refresh(first.str("refresh_token"))
		want(t, second, 200, "")
		if second.str("refresh_token") == first.str("refresh_token") || second.str("access_token") == first.str("access_token") {
			t.Error("a token stayed the same")
		}
		if g.alive(first.str("access_token")) || !g.alive(second.str("access_token")) {
			t.Error("the wrong access token is alive")
		}
	})
	for _, tt := range []struct {
		name  string
		token string // which refresh token
		spoil func(g *rig)
		form  []string
	}{
		{"O104 a replay", "first", nil, nil},
		{"O103 another key", "second", func(g *rig) { g.key = newKey(g.tb) }, nil},
		{"O116 another client", "second", nil, []string{"client_id", "http://localhost"}},
	} {
		t.Run(tt.name+" ends the session", func(t *testing.T) {
			g := newRig(t)
			first := g.login("atproto")
			second := g.refresh(first.str("refresh_token"))
			token, key := second.str("refresh_token"), g.key
			if tt.token == "first" {
				token = first.str("refresh_token")
			}
			if tt.spoil != nil {
				tt.spoil(g)
			}
			want(t, g.refresh(token, tt.form...), 400, "invalid_grant")
			g.key = key
			if g.alive(second.str("access_token")) {
				t.Error("the access token lives on")
			}
			want(t, g.refresh(second.str("refresh_token")), 400, "invalid_grant")
		})
	}
	t.Run("P1 of two at once one is a replay, and nobody has a session", func(t *testing.T) {
		g := newRig(t)
		first := g.login("atproto")
		var wg sync.WaitGroup
		answers := make([]*answer, 2)
		for i := range answers {
			wg.Go(func() { answers[i] = g.refresh(first.str("refresh_token")) })
		}
		wg.Wait()
		if answers[0].status != 200 {
			answers[0], answers[1] = answers[1], answers[0]
		}
		want(t, answers[0], 200, "")
		want(t, answers[1], 400, "invalid_grant")
		if g.alive(answers[0].str("access_token")) {
			t.Error("the winner's token is alive")
		}
	})
	t.Run("a request without a proof is refused and spares the session", func(t *testing.T) {
		g := newRig(t)
		tokens := g.login("atproto")
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.str("refresh_token")}, "client_id": {g.id}}
		want(t, g.form("/oauth/token", form, ""), 401, "invalid_dpop_proof")
		want(t, g.refresh(tokens.str("refresh_token")), 200, "")
	})
	t.Run("O117 a public session ends after two weeks", func(t *testing.T) {
		g := newRig(t)
		tokens := g.login("atproto")
		g.clock.advance(13 * 24 * time.Hour)
		tokens = g.refresh(tokens.str("refresh_token"))
		want(t, tokens, 200, "")
		g.clock.advance(25 * time.Hour)
		want(t, g.refresh(tokens.str("refresh_token")), 400, "invalid_grant")
	})
	t.Run("O81 the lifetime is set from outside", func(t *testing.T) {
		g := newRig(t)
		g.srv.SetTokenLifetime(1500 * time.Millisecond)
		tokens := g.login("atproto")
		if tokens.body["expires_in"] != 1.0 {
			t.Errorf("expires_in is %v", tokens.body["expires_in"])
		}
		g.clock.advance(1400 * time.Millisecond)
		if !g.alive(tokens.str("access_token")) {
			t.Error("dead too early")
		}
		g.clock.advance(100 * time.Millisecond)
		if g.alive(tokens.str("access_token")) {
			t.Error("alive too long")
		}
	})
	t.Run("O119 sessions of one account live side by side", func(t *testing.T) {
		g := newRig(t)
		first, second := g.login("atproto"), g.login("atproto")
		if !g.alive(first.str("access_token")) || !g.alive(second.str("access_token")) {
			t.Error("one session ended the other")
		}
		if n := g.srv.RevokeSessions(g.srv.Environment().Account("alice").DID); n != 2 {
			t.Errorf("%d sessions revoked", n)
		}
		if g.alive(first.str("access_token")) || g.alive(second.str("access_token")) {
			t.Error("a revoked session is alive")
		}
		want(t, g.refresh(first.str("refresh_token")), 400, "invalid_grant")
	})
}

func TestRevoke(t *testing.T) {
	for _, name := range []string{"access_token", "refresh_token"} {
		t.Run("O115 by the "+name, func(t *testing.T) {
			g := newRig(t)
			tokens := g.login("atproto")
			want(t, g.revoke(tokens.str(name)), 200, "")
			if g.alive(tokens.str("access_token")) {
				t.Error("the access token lives on")
			}
			want(t, g.refresh(tokens.str("refresh_token")), 400, "invalid_grant")
		})
	}
	t.Run("O115 answers 200 also when it does nothing", func(t *testing.T) {
		g := newRig(t)
		tokens := g.login("atproto")
		form := url.Values{"token": {tokens.str("refresh_token")}, "client_id": {g.id}}
		want(t, g.form("/oauth/revoke", form, ""), 200, "")
		want(t, g.revoke("junk"), 200, "")
		key := g.key
		g.key = newKey(t)
		want(t, g.revoke(tokens.str("refresh_token")), 200, "")
		g.key = key
		want(t, g.post("/oauth/revoke", url.Values{"token": {tokens.str("refresh_token")}, "client_id": {"http://localhost"}}), 200, "")
		if !g.alive(tokens.str("access_token")) {
			t.Error("it did something")
		}
		g.srv.RotateNonce()
		want(t, g.form("/oauth/revoke", form, g.proof("POST", issuer+"/oauth/revoke", "")), 400, "use_dpop_nonce")
	})
}
