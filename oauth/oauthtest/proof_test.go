package oauthtest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

func set(claim string, value any) func(*token)  { return func(t *token) { t.claims[claim] = value } }
func without(claim string) func(*token)         { return func(t *token) { delete(t.claims, claim) } }
func head(name string, value any) func(*token)  { return func(t *token) { t.header[name] = value } }
func aged(g *rig, d time.Duration) func(*token) { return set("iat", g.clock.now().Add(d).Unix()) }

func TestProofsAtTheAuthorizationServer(t *testing.T) {
	g := newRig(t)
	g.loginURL() // learns a nonce
	private, err := jwk.FromRaw(g.key)
	if err != nil {
		t.Fatal(err)
	}
	const bad, nonce = "invalid_dpop_proof", "use_dpop_nonce"
	for _, tt := range []struct {
		name   string
		change func(*token)
		status int
		code   string
	}{
		{"a good proof", func(*token) {}, 201, ""},
		{"O91 htu with a query", set("htu", issuer+"/oauth/par?a=b"), 201, ""},
		{"O91 htu with the default port", set("htu", "https://pds.test:443/oauth/par"), 201, ""},
		{"O91 htu with an upper-case host", set("htu", "https://PDS.test/oauth/par"), 201, ""},
		{"O91 htu of another path", set("htu", issuer+"/oauth/token"), 401, bad},
		{"O91 htu of another host", set("htu", "https://evil.test/oauth/par"), 401, bad},
		{"O91 htu with http", set("htu", "http://pds.test/oauth/par"), 401, bad},
		{"O91 htu with credentials", set("htu", "https://a@pds.test/oauth/par"), 401, bad},
		{"O91 htu missing", without("htu"), 401, bad},
		{"O90 htm of another method", set("htm", "GET"), 401, bad},
		{"O90 htm in lower case", set("htm", "post"), 401, bad},
		{"O90 htm missing", without("htm"), 401, bad},
		{"O89 jti missing", without("jti"), 401, bad},
		{"O89 jti of another type", set("jti", 7), 401, bad},
		{"O92 iat missing", without("iat"), 401, bad},
		{"O92 iat three minutes old", aged(g, -180*time.Second), 201, ""},
		{"O92 iat older", aged(g, -200*time.Second), 401, bad},
		{"O92 iat almost three minutes ahead", aged(g, 170*time.Second), 201, ""},
		{"O92 iat further ahead", aged(g, 200*time.Second), 401, bad},
		{"O94 ath at the authorization server", set("ath", "AAAA"), 401, bad},
		{"O87 typ of another token", head("typ", "jwt"), 401, bad},
		{"O87 private key in the header", head("jwk", private), 401, bad},
		{"O87 no key in the header", func(t *token) { delete(t.header, "jwk") }, 401, bad},
		{"O87 another key in the header", head("jwk", public(t, newKey(t))), 401, bad},
		{"O88 symmetric signature", func(t *token) { t.alg, t.key = jwa.HS256, []byte("secret") }, 401, bad},
		{"O88 no signature", func(t *token) {
			t.after = func(signed string) string { return signed[:strings.LastIndex(signed, ".")+1] }
		}, 401, bad},
		{"O88 broken signature", func(t *token) {
			t.after = func(signed string) string {
				i := strings.LastIndex(signed, ".") + 5
				return signed[:i] + string('A'+(signed[i]-'A'+1)%26) + signed[i+1:]
			}
		}, 401, bad},
		{"O87 not a JWS", func(t *token) { t.after = func(string) string { return "a.b" } }, 401, bad},
		{"O98 nonce missing", without("nonce"), 400, nonce},
		{"O98 nonce of nobody", set("nonce", "made-up"), 400, nonce},
		{"O93 nonce of another type", set("nonce", 7), 401, bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := g.form("/oauth/par", g.params(), g.proof("POST", issuer+"/oauth/par", "", tt.change))
			want(t, a, tt.status, tt.code)
			if a.header.Get("DPoP-Nonce") == "" {
				t.Error("O97 the answer has no nonce")
			}
			if challenged := a.header.Get("WWW-Authenticate") != ""; challenged != (tt.status == 401) {
				t.Errorf("WWW-Authenticate %q on status %d", a.header.Get("WWW-Authenticate"), a.status)
			}
		})
	}
	t.Run("O89 a proof is taken once", func(t *testing.T) {
		proof := g.proof("POST", issuer+"/oauth/par", "")
		want(t, g.form("/oauth/par", g.params(), proof), 201, "")
		want(t, g.form("/oauth/par", g.params(), proof), 401, bad)
	})
	t.Run("O95 two proofs are none", func(t *testing.T) {
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"},
			"Dpop": {g.proof("POST", issuer+"/oauth/par", ""), g.proof("POST", issuer+"/oauth/par", "")}}
		want(t, g.request("POST", issuer+"/oauth/par", []byte(g.params().Encode()), header), 401, bad)
	})
	t.Run("O54 PAR goes without a proof, a token does not", func(t *testing.T) {
		want(t, g.form("/oauth/par", g.params(), ""), 201, "")
		want(t, g.form("/oauth/token", g.params("grant_type", "refresh_token"), ""), 401, bad)
	})
	if n := g.srv.Stats().Proofs; n == 0 {
		t.Error("no proof was counted")
	}
}

func TestNonces(t *testing.T) {
	g := newRig(t)
	par := func() *answer {
		g.tb.Helper()
		return g.form("/oauth/par", g.params(), g.proof("POST", issuer+"/oauth/par", ""))
	}
	keep := func(f func() *answer) *answer { // does not learn the nonce
		old := g.nonce
		defer func() { g.nonce = old }()
		return f()
	}
	want(t, par(), 400, "use_dpop_nonce")
	t.Run("O93 a nonce lasts for its windows", func(t *testing.T) {
		want(t, keep(par), 201, "")
		g.clock.advance(2 * time.Minute)
		want(t, keep(par), 201, "")
		g.clock.advance(time.Minute)
		want(t, keep(par), 400, "use_dpop_nonce")
		g.clock.advance(-3 * time.Minute)
	})
	t.Run("O98 a rotation makes all nonces stale", func(t *testing.T) {
		want(t, par(), 201, "")
		g.srv.RotateNonce()
		want(t, par(), 400, "use_dpop_nonce")
		want(t, par(), 201, "")
	})
	t.Run("P17 a nonce that changes with every answer", func(t *testing.T) {
		g.srv.RotateNonceAlways(true)
		want(t, par(), 201, "")
		before := g.nonce
		want(t, par(), 201, "")
		if g.nonce == before {
			t.Error("the nonce did not change")
		}
		g.nonce = before
		want(t, par(), 400, "use_dpop_nonce")
		want(t, par(), 201, "")
	})
	if n := g.srv.Stats().Challenges; n != 4 {
		t.Errorf("%d challenges counted, not 4", n)
	}
}

func TestProofsAtThePDS(t *testing.T) {
	g := newRig(t)
	tokens := g.login("atproto transition:generic")
	access := tokens.str("access_token")
	get := func(authorization string, proof string) *answer {
		t.Helper()
		header := http.Header{}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		if proof != "" {
			header.Set("DPoP", proof)
		}
		return g.request("GET", issuer+getSession, nil, header)
	}
	if !g.alive(access) {
		t.Fatal("the session does not work")
	}
	const bad = "invalid_dpop_proof"
	for _, tt := range []struct {
		name   string
		change func(*token)
		status int
		code   string
	}{
		{"a good proof", func(*token) {}, 200, ""},
		{"O94 ath missing", without("ath"), 401, bad},
		{"O94 ath of another token", set("ath", "AAAA"), 401, bad},
		{"O91 htu of another method's path", set("htu", issuer+"/xrpc/com.atproto.repo.createRecord"), 401, bad},
		{"O90 htm of another method", set("htm", "POST"), 401, bad},
		{"O98 nonce missing", without("nonce"), 401, "use_dpop_nonce"},
		{"O98 nonce of nobody", set("nonce", "made-up"), 401, "use_dpop_nonce"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := get("DPoP "+access, g.proof("GET", issuer+getSession, access, tt.change))
			want(t, a, tt.status, tt.code)
			if a.header.Get("DPoP-Nonce") == "" {
				t.Error("O97 the answer has no nonce")
			}
			if tt.status == 401 && !strings.Contains(a.header.Get("WWW-Authenticate"), `error="`+tt.code+`"`) {
				t.Errorf("WWW-Authenticate is %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("O98 the description is there for a missing nonce and not for a stale one", func(t *testing.T) {
		missing := get("DPoP "+access, g.proof("GET", issuer+getSession, access, without("nonce"))).header.Get("WWW-Authenticate")
		stale := get("DPoP "+access, g.proof("GET", issuer+getSession, access, set("nonce", "x"))).header.Get("WWW-Authenticate")
		if !strings.Contains(missing, "error_description=") || strings.Contains(stale, "error_description=") {
			t.Errorf("missing: %s\nstale: %s", missing, stale)
		}
	})
	t.Run("O89 a proof is taken once", func(t *testing.T) {
		proof := g.proof("GET", issuer+getSession, access)
		want(t, get("DPoP "+access, proof), 200, "")
		want(t, get("DPoP "+access, proof), 401, bad)
	})
	t.Run("O95 no proof", func(t *testing.T) { want(t, get("DPoP "+access, ""), 401, bad) })
	t.Run("O95 the Bearer scheme", func(t *testing.T) {
		want(t, get("Bearer "+access, g.proof("GET", issuer+getSession, access)), 400, "InvalidToken")
	})
	t.Run("no credentials", func(t *testing.T) {
		a := get("", "")
		want(t, a, 401, "AuthMissing")
		if h := a.header.Get("WWW-Authenticate"); h != "" {
			t.Errorf("WWW-Authenticate is %q", h)
		}
	})
	t.Run("O101 another key", func(t *testing.T) {
		own := g.key
		defer func() { g.key = own }()
		g.key = newKey(t)
		want(t, get("DPoP "+access, g.proof("GET", issuer+getSession, access)), 401, "invalid_token")
	})
	t.Run("O114 an expired token, after a stale nonce", func(t *testing.T) {
		g.clock.advance(2 * time.Hour)
		want(t, get("DPoP "+access, g.proof("GET", issuer+getSession, access)), 401, "use_dpop_nonce")
		want(t, get("DPoP "+access, g.proof("GET", issuer+getSession, access)), 401, "invalid_token")
	})
	t.Run("O114 an unknown token", func(t *testing.T) {
		want(t, get("DPoP junk", g.proof("GET", issuer+getSession, "junk")), 401, "invalid_token")
	})
}
