package oauth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

func newTestKey(tb testing.TB) *dpopKey {
	tb.Helper()
	key, err := newDPoPKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func signed(tb testing.TB, key *dpopKey, p proof) string {
	tb.Helper()
	s, err := key.sign(p)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestProofHoldsWhatRFC9449AsksFor(t *testing.T) {
	key := newTestKey(t)
	p := proof{
		method: "POST", url: "https://pds.example.com/xrpc/a.b%2Fc", nonce: "no\"n\\ce\n€",
		token: "opaque token", at: time.Unix(1_700_000_000, 999_999_999),
	}
	compact := signed(t, key, p)
	message, err := jws.Parse([]byte(compact))
	if err != nil {
		t.Fatal(err)
	}
	headers := message.Signatures()[0].ProtectedHeaders()

	t.Run("O87 header has type, algorithm and the public key alone", func(t *testing.T) {
		raw, err := base64.RawURLEncoding.DecodeString(key.header)
		if err != nil {
			t.Fatal(err)
		}
		var header struct {
			Type string            `json:"typ"`
			Alg  string            `json:"alg"`
			Key  map[string]string `json:"jwk"`
		}
		if err := json.Unmarshal(raw, &header); err != nil {
			t.Fatal(err)
		}
		if header.Type != "dpop+jwt" || header.Alg != "ES256" {
			t.Errorf("typ %q, alg %q", header.Type, header.Alg)
		}
		var members []string
		for _, name := range []string{"kty", "crv", "x", "y"} {
			if header.Key[name] != "" {
				members = append(members, name)
			}
		}
		if diff := cmp.Diff([]string{"kty", "crv", "x", "y"}, members); diff != "" || len(header.Key) != 4 {
			t.Errorf("jwk has members %v, want only the public ones", header.Key)
		}
	})
	t.Run("O87 the signature verifies with the embedded key", func(t *testing.T) {
		var public ecdsa.PublicKey
		if err := headers.JWK().Raw(&public); err != nil {
			t.Fatal(err)
		}
		if _, err := jws.Verify([]byte(compact), jws.WithKey(jwa.ES256, public)); err != nil {
			t.Error(err)
		}
		if !public.Equal(&key.private.PublicKey) {
			t.Error("the embedded key is another")
		}
	})
	t.Run("O90 O91 O92 O93 O94 claims", func(t *testing.T) {
		var claims map[string]any
		if err := json.Unmarshal(message.Payload(), &claims); err != nil {
			t.Fatal(err)
		}
		jti, _ := claims["jti"].(string)
		if len(jti) != 22 {
			t.Errorf("jti %q does not hold 16 bytes", jti)
		}
		delete(claims, "jti")
		sum := sha256.Sum256([]byte(p.token))
		want := map[string]any{
			"htm": "POST", "htu": p.url, "iat": float64(1_700_000_000), "nonce": p.nonce,
			"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	})
	t.Run("O93 O94 no nonce and no token, no claims for them", func(t *testing.T) {
		message, err := jws.Parse([]byte(signed(t, key, proof{method: "GET", url: "https://a.example/", at: p.at})))
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(message.Payload(), &claims); err != nil {
			t.Fatal(err)
		}
		delete(claims, "jti")
		if diff := cmp.Diff(map[string]any{"htm": "GET", "htu": "https://a.example/", "iat": float64(1_700_000_000)}, claims); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	})
}

func TestEveryProofHasItsOwnJTI(t *testing.T) {
	t.Run("O89 two thousand proofs, two thousand values", func(t *testing.T) {
		key := newTestKey(t)
		seen := make(map[string]bool)
		for range 2000 {
			message, err := jws.Parse([]byte(signed(t, key, proof{method: "GET", url: "https://a.example/", at: time.Unix(1, 0)})))
			if err != nil {
				t.Fatal(err)
			}
			var claims struct{ JTI string }
			if err := json.Unmarshal(message.Payload(), &claims); err != nil {
				t.Fatal(err)
			}
			if seen[claims.JTI] {
				t.Fatalf("jti %q came twice", claims.JTI)
			}
			seen[claims.JTI] = true
		}
	})
}

func TestDPoPKeySurvivesStorage(t *testing.T) {
	t.Run("O101 the key that comes back is the one that was stored", func(t *testing.T) {
		key := newTestKey(t)
		stored, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		back := new(dpopKey)
		if err := json.Unmarshal(stored, back); err != nil {
			t.Fatal(err)
		}
		if !back.private.Equal(key.private) || back.header != key.header {
			t.Error("the key that came back is another")
		}
		for _, bad := range []string{`{}`, `"x"`, `{"kty":"EC","crv":"P-384","x":"AA","y":"AA","d":"AA"}`, `{"kty":"oct","k":"AA"}`} {
			if err := json.Unmarshal([]byte(bad), new(dpopKey)); err == nil {
				t.Errorf("%s was taken for a key", bad)
			}
		}
	})
}

func TestDPoPURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://pds.example/xrpc/a.b.c?x=1#f":   "https://pds.example/xrpc/a.b.c",
		"https://PDS.Example:443/xrpc/a":         "https://pds.example/xrpc/a",
		"HTTPS://pds.example:8443/xrpc/a":        "https://pds.example:8443/xrpc/a",
		"http://127.0.0.1:80/x":                  "http://127.0.0.1/x",
		"https://user:pw@pds.example/a%2Fb%20c":  "https://pds.example/a%2Fb%20c",
		"https://pds.example":                    "https://pds.example/",
		"https://[2001:db8::1]:443/xrpc/a.b.c?z": "https://[2001:db8::1]/xrpc/a.b.c",
	} {
		t.Run("O91 P20 "+in, func(t *testing.T) {
			u, err := url.Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			if got := dpopURL(u); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func BenchmarkProof(b *testing.B) {
	key := newTestKey(b)
	b.Run("sign", func(b *testing.B) {
		digest := sha256.Sum256([]byte("x"))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := ecdsa.Sign(rand.Reader, key.private, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("proof", func(b *testing.B) {
		p := proof{method: "GET", url: "https://pds.example.com/xrpc/com.atproto.server.getSession", nonce: "abcdefghijklmnopqrstuvwxyz", token: "token", at: time.Now()}
		b.ReportAllocs()
		for b.Loop() {
			signed(b, key, p)
		}
	})
}
