package oauth_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

const uploadPath = "/xrpc/com.atproto.repo.uploadBlob"

// A life of a session: every sort of request, each under a stale nonce as well.
func liveLife(tb testing.TB, server *oauthtest.Server, client *oauth.Client) {
	tb.Helper()
	s := login(tb, server, client)
	for range 2 {
		if err := call(tb.Context(), s); err != nil {
			tb.Fatal(err)
		}
		resp, err := s.AuthenticatedRawRequest(tb.Context(), "POST", uploadPath, strings.NewReader("x"), "text/plain")
		if err != nil {
			tb.Fatal(err)
		}
		resp.Body.Close()
		server.RotateNonce()
		if err := s.Refresh(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		server.RotateNonce()
	}
	if err := s.Logout(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func TestProofsOnTheWire(t *testing.T) {
	server, w := sandbox(t, oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")), new(wire)
	const ahead = 100 * time.Second
	began := time.Now().Add(ahead).Unix()
	liveLife(t, server, newClient(t, server, withClock(ahead), w.tap()))
	ended := time.Now().Add(ahead).Unix()

	each := func(t *testing.T, check func(sent sentRequest, compact string, proof signedToken)) {
		t.Helper()
		seen := make(map[string]int)
		for _, sent := range w.sent {
			if sent.header.Get("DPoP") == "" {
				continue
			}
			seen[sent.path]++
			check(sent, sent.header.Get("DPoP"), proofIn(t, sent))
		}
		for _, path := range []string{parPath, tokenPath, revokePath, callPath, uploadPath} {
			if seen[path] == 0 {
				t.Errorf("no proof went to %s", path)
			}
		}
	}
	t.Run("O87 O88 have type, ES256 and the public key alone in their header, and verify", func(t *testing.T) {
		each(t, func(sent sentRequest, compact string, proof signedToken) {
			public, _ := proof.header["jwk"].(map[string]any)
			got := fmt.Sprint(proof.header["typ"], proof.header["alg"], public["kty"], public["crv"], len(public), len(proof.header))
			if want := fmt.Sprint("dpop+jwt", "ES256", "EC", "P-256", 4, 3); got != want || public["x"] == nil || public["y"] == nil {
				t.Errorf("%s: header %v", sent.path, proof.header)
			}
			data, _ := json.Marshal(public)
			key, err := jwk.ParseKey(data)
			if err != nil {
				t.Fatal(err)
			}
			var raw ecdsa.PublicKey
			if err := key.Raw(&raw); err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify([]byte(compact), jws.WithKey(jwa.ES256, raw)); err != nil {
				t.Errorf("%s: %v", sent.path, err)
			}
		})
	})
	t.Run("O89 P18 have a jti of 96 bits at least, each its own, also those that are sent again", func(t *testing.T) {
		seen := make(map[string]bool)
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			jti := proof.text("jti")
			if raw, err := base64.RawURLEncoding.DecodeString(jti); err != nil || len(raw) < 12 || seen[jti] {
				t.Errorf("%s: jti %q, seen before: %t, %v", sent.path, jti, seen[jti], err)
			}
			seen[jti] = true
		})
		if n := len(w.to(tokenPath)); n < 5 {
			t.Errorf("%d token requests: none was sent again", n)
		}
	})
	t.Run("O90 O91 name method and URL", func(t *testing.T) {
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			if got, want := proof.text("htm")+" "+proof.text("htu"), sent.method+" https://"+sent.host+sent.path; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	})
	t.Run("O92 are dated by the client's clock, in seconds", func(t *testing.T) {
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			if iat := proof.number("iat"); iat < began || iat > ended || proof.claims["iat"] != float64(iat) {
				t.Errorf("%s: iat %v, %d to %d", sent.path, proof.claims["iat"], began, ended)
			}
		})
	})
	t.Run("O93 have no nonce before the server gave one, and one from then on", func(t *testing.T) {
		asked := make(map[string]bool)
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			if has := proof.claims["nonce"] != nil; has != asked[sent.host] {
				t.Errorf("%s: nonce %v", sent.path, proof.claims["nonce"])
			}
			asked[sent.host] = true
		})
	})
	t.Run("O94 O95 go with the token's hash to the PDS, under the scheme DPoP, and without either to the authorization server", func(t *testing.T) {
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			scheme, token, _ := strings.Cut(sent.header.Get("Authorization"), " ")
			sum := sha256.Sum256([]byte(token))
			want, wantScheme := base64.RawURLEncoding.EncodeToString(sum[:]), "DPoP"
			if sent.host != "pds.test" {
				want, wantScheme = "", ""
			}
			if proof.text("ath") != want || scheme != wantScheme || (want == "") != (proof.claims["ath"] == nil) || len(sent.header.Values("Authorization")) > 1 {
				t.Errorf("%s: ath %v, scheme %q", sent.path, proof.claims["ath"], scheme)
			}
		})
	})
	t.Run("O101 are by one key, from the pushed request to the logout", func(t *testing.T) {
		var first map[string]any
		each(t, func(sent sentRequest, _ string, proof signedToken) {
			if first == nil {
				first = proof.header
			}
			if diff := cmp.Diff(first, proof.header); diff != "" {
				t.Errorf("%s: another key (-first +this):\n%s", sent.path, diff)
			}
		})
	})
}

func TestURLOfAProof(t *testing.T) {
	server := sandbox(t)
	var mu sync.Mutex
	var line, proof string
	s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if req.Header.Get("Authorization") == "" {
			return next()
		}
		mu.Lock()
		defer mu.Unlock()
		line, proof = req.URL.RequestURI(), req.Header.Get("DPoP")
		return respond(req, 200, `{}`, "DPoP-Nonce", "n"), nil
	})))
	for _, tt := range []struct{ name, method, target, line, want string }{
		{"O91 P20 a query and a fragment stay out", "GET", "/xrpc/a.b.c?x=1&y=%2F#part", "/xrpc/a.b.c?x=1&y=%2F", "https://pds.test/xrpc/a.b.c"},
		{"O91 P20 an escaped path stays escaped", "GET", "/xrpc/a%2Fb%20c%3Fd", "/xrpc/a%2Fb%20c%3Fd", "https://pds.test/xrpc/a%2Fb%20c%3Fd"},
		{"O91 P20 escapes keep their case", "GET", "/xrpc/%c3%A9", "/xrpc/%c3%A9", "https://pds.test/xrpc/%c3%A9"},
		{"O91 P20 the default port stays out", "GET", "https://pds.test:443/xrpc/a.b.c", "/xrpc/a.b.c", "https://pds.test/xrpc/a.b.c"},
		{"O91 P20 scheme and host are in lower case", "GET", "HTTPS://PDS.test/xrpc/A.b.C", "/xrpc/A.b.C", "https://pds.test/xrpc/A.b.C"},
		{"O91 P20 no path is the path /", "GET", "https://pds.test", "/", "https://pds.test/"},
		{"O90 the method is as it is sent", "HEAD", "/xrpc/a.b.c", "/xrpc/a.b.c", "https://pds.test/xrpc/a.b.c"},
		{"O90 and a method of nobody's as well", "Query", "/xrpc/a.b.c", "/xrpc/a.b.c", "https://pds.test/xrpc/a.b.c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := s.AuthenticatedRequest(t.Context(), tt.method, tt.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			got := readToken(t, proof)
			if line != tt.line || got.text("htu") != tt.want || got.text("htm") != tt.method {
				t.Errorf("sent %s %s, with a proof for %s %s, want %s", tt.method, line, got.text("htm"), got.text("htu"), tt.want)
			}
		})
	}
}

func TestCallerCannotReplaceTheCredentials(t *testing.T) {
	server, w := sandbox(t), new(wire)
	s := login(t, server, newClient(t, server, w.tap()))
	check := func(t *testing.T, resp *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		header := w.last(t, callPath).header
		var credentials []string
		for name, values := range header {
			switch strings.ToLower(name) {
			case "authorization", "dpop":
				credentials = append(credentials, values...)
			}
		}
		if resp.StatusCode != 200 || len(credentials) != 2 || !strings.HasPrefix(header.Get("Authorization"), "DPoP ") || header.Get("X-Mine") != "1" {
			t.Errorf("HTTP %d with %v", resp.StatusCode, header)
		}
	}
	for _, name := range []string{"Authorization", "DPoP"} {
		t.Run("O95 by an option of a call, "+name, func(t *testing.T) {
			sent := len(w.to(callPath))
			resp, err := s.AuthenticatedRequest(t.Context(), "GET", callPath, nil, xrpc.WithHeader(name, "mine"))
			if err == nil {
				resp.Body.Close()
				t.Error("it was taken")
			}
			if len(w.to(callPath)) != sent {
				t.Error("something was sent")
			}
		})
	}
	for _, name := range []string{"Authorization", "authorization", "DPoP", "dpop", "DPOP"} {
		t.Run("O95 by the header "+name+" of an http.Request", func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.Host()+callPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Mine", "1")
			req.Header[name] = []string{"mine", "twice"}
			resp, err := s.HTTPClient().Do(req)
			check(t, resp, err)
			if len(req.Header[name]) != 2 {
				t.Error("the caller's own header was changed")
			}
		})
	}
}

func TestEachSessionHasAKeyOfItsOwn(t *testing.T) {
	server, w, kept := sandbox(t), new(wire), new(store.Memory)
	client := newClient(t, server, w.tap(), withStore(kept))
	keys := func(t *testing.T) map[string]bool {
		t.Helper()
		found := make(map[string]bool)
		for _, sent := range w.sent {
			if compact := sent.header.Get("DPoP"); compact != "" {
				header, _, _ := strings.Cut(compact, ".")
				found[header] = true
			}
		}
		return found
	}
	t.Run("O101 three logins of one account have three keys", func(t *testing.T) {
		for range 3 {
			if err := call(t.Context(), login(t, server, client)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(keys(t)); n != 3 {
			t.Errorf("%d keys", n)
		}
	})
	t.Run("O101 O116 another process goes on with the session's own", func(t *testing.T) {
		s := login(t, server, client)
		before := len(keys(t))
		other, err := newClient(t, server, w.tap(), withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := call(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(keys(t)); n != before {
			t.Errorf("%d keys more", n-before)
		}
	})
}
