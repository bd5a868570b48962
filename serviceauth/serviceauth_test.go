package serviceauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	alice   = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
	bob     = syntax.DID("did:plc:bobaaaaaaaaaaaaaaaaaaaaa")
	feed    = "did:web:feed.test#bsky_fg"
	feedDID = "did:web:feed.test"
	method  = syntax.NSID("app.bsky.feed.getFeedSkeleton")
)

var now = time.Unix(1_800_000_000, 0)

// newKey returns a key on "P-256" or "K-256".
func newKey(tb testing.TB, curve string) *serviceauth.Key {
	tb.Helper()
	if curve == "K-256" {
		raw := make([]byte, 32)
		rand.Read(raw)
		key, err := serviceauth.ParseKey(hex.EncodeToString(raw))
		if err != nil {
			tb.Fatal(err)
		}
		return key
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := serviceauth.NewKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// document names keys of an account, by id.
func document(did syntax.DID, keys map[string]*serviceauth.Key) *identity.Document {
	d := &identity.Document{ID: did}
	for id, key := range keys {
		d.VerificationMethods = append(d.VerificationMethods, identity.VerificationMethod{
			ID: string(did) + "#" + id, Type: "Multikey", Controller: string(did), PublicKeyMultibase: key.Public().Multikey(),
		})
	}
	return d
}

func resolver(documents ...*identity.Document) *identity.Static {
	s := &identity.Static{Documents: make(map[syntax.DID]*identity.Document)}
	for _, d := range documents {
		s.Documents[d.ID] = d
	}
	return s
}

// sign returns a token of any content.
func sign(tb testing.TB, key *serviceauth.Key, head, body map[string]any) string {
	tb.Helper()
	text, err := serviceauth.SignAny(key, head, body)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func at(d time.Duration) int64 { return now.Add(d).Unix() }

// claims are those of a good token, changed.
func claims(change map[string]any) map[string]any {
	all := map[string]any{"iss": alice, "aud": feed, "lxm": method, "exp": at(time.Minute), "iat": at(0), "jti": "one"}
	for name, value := range change {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

func TestVerify(t *testing.T) {
	for _, curve := range []string{"P-256", "K-256"} {
		key, label := newKey(t, curve), newKey(t, curve)
		alg := key.Public().Algorithm()
		known := resolver(document(alice, map[string]*serviceauth.Key{"atproto": key, "atproto_label": label}), &identity.Document{ID: bob})
		type set = map[string]any
		strict := func(v *serviceauth.Verifier) { v.RequireService = true }
		labels := func(v *serviceauth.Verifier) { v.KeyIDs = []string{"atproto_label"} }
		for name, tt := range map[string]struct {
			head, body set
			key        *serviceauth.Key
			change     func(*serviceauth.Verifier)
			want       serviceauth.Reason
		}{
			"X33 a token of a server":                           {},
			"X33 kid names the key of accounts":                 {head: set{"kid": "atproto"}},
			"X33 kid with a number sign":                        {head: set{"kid": "#atproto"}},
			"X33 without a typ":                                 {head: set{"typ": nil}},
			"X33 without iat and jti":                           {body: set{"iat": nil, "jti": nil}},
			"X33 with claims that are not known":                {body: set{"nonce": "x", "scope": set{"a": 1}}},
			"X33 times with a fraction":                         {body: set{"exp": float64(at(time.Minute)) + 0.5, "iat": float64(at(0)) + 0.5}},
			"X34 for the DID alone":                             {body: set{"aud": feedDID}},
			"X34 for the DID alone, which is too little":        {body: set{"aud": feedDID}, change: strict, want: serviceauth.ErrAudience},
			"X34 for the service, where that has to be":         {change: strict},
			"X34 for a list with this service in it":            {body: set{"aud": []string{"did:web:other.test", feed}}},
			"X34 for a list without it":                         {body: set{"aud": []string{"did:web:other.test", "did:web:feed.test#other"}}, want: serviceauth.ErrAudience},
			"X34 for an empty list":                             {body: set{"aud": []string{}}, want: serviceauth.ErrAudience},
			"X34 for another service of the DID":                {body: set{"aud": feedDID + "#other"}, want: serviceauth.ErrAudience},
			"X34 for another DID":                               {body: set{"aud": "did:web:other.test#bsky_fg"}, want: serviceauth.ErrAudience},
			"X34 for a DID in other letters":                    {body: set{"aud": "did:web:FEED.test#bsky_fg"}, want: serviceauth.ErrAudience},
			"X34 for nobody":                                    {body: set{"aud": nil}, want: serviceauth.ErrAudience},
			"X34 for a number":                                  {body: set{"aud": 1}, want: serviceauth.ErrMalformed},
			"X34 for another method":                            {body: set{"lxm": "app.bsky.feed.getPosts"}, want: serviceauth.ErrMethod},
			"X34 for any method":                                {body: set{"lxm": "*"}, want: serviceauth.ErrMethod},
			"X34 for no method":                                 {body: set{"lxm": nil}, want: serviceauth.ErrMethod},
			"X34 that ran out, within what clocks are apart":    {body: set{"exp": at(-29 * time.Second)}},
			"X34 that ran out":                                  {body: set{"exp": at(-30 * time.Second)}, want: serviceauth.ErrExpired},
			"X34 of an hour":                                    {body: set{"exp": at(time.Hour)}},
			"X34 of two hours":                                  {body: set{"exp": at(2 * time.Hour)}, want: serviceauth.ErrExpired},
			"X34 of the year 9999":                              {body: set{"exp": 253402300799}, want: serviceauth.ErrExpired},
			"X34 with an exp out of reach":                      {body: set{"exp": 1e300}, want: serviceauth.ErrMalformed},
			"X34 with an exp that is text":                      {body: set{"exp": "1800000060"}, want: serviceauth.ErrMalformed},
			"X34 without an exp":                                {body: set{"exp": nil}, want: serviceauth.ErrMalformed},
			"X34 issued by a clock that is a little ahead":      {body: set{"iat": at(30 * time.Second)}},
			"X34 issued in the future":                          {body: set{"iat": at(32 * time.Second)}, want: serviceauth.ErrExpired},
			"X34 not good yet":                                  {body: set{"nbf": at(32 * time.Second)}, want: serviceauth.ErrExpired},
			"X34 an access token":                               {head: set{"typ": "at+jwt"}, want: serviceauth.ErrType},
			"X34 an access token in another spelling":           {head: set{"typ": "application/AT+JWT"}, want: serviceauth.ErrType},
			"X34 a refresh token":                               {head: set{"typ": "refresh+jwt"}, want: serviceauth.ErrType},
			"X34 a proof":                                       {head: set{"typ": "dpop+jwt"}, want: serviceauth.ErrType},
			"X34 unsigned":                                      {head: set{"alg": "none"}, want: serviceauth.ErrMalformed},
			"X34 by a shared secret":                            {head: set{"alg": "HS256"}, want: serviceauth.ErrMalformed},
			"X34 by an algorithm in other letters":              {head: set{"alg": "es256"}, want: serviceauth.ErrMalformed},
			"X34 with extensions":                               {head: set{"crit": []string{"exp"}}, want: serviceauth.ErrMalformed},
			"X34 by the other algorithm":                        {head: set{"alg": map[string]string{"ES256": "ES256K", "ES256K": "ES256"}[alg]}, want: serviceauth.ErrSignature},
			"X34 signed by another key of the issuer":           {key: label, want: serviceauth.ErrSignature},
			"X34 by a key that may not sign here":               {head: set{"kid": "atproto_label"}, key: label, want: serviceauth.ErrIssuer},
			"X34 by a key that may":                             {head: set{"kid": "atproto_label"}, key: label, change: labels},
			"X34 by the key of accounts, where another has to":  {change: labels, want: serviceauth.ErrIssuer},
			"X34 by a key that the issuer does not have":        {body: set{"iss": bob}, want: serviceauth.ErrIssuer},
			"X34 by an issuer that is not known":                {body: set{"iss": "did:plc:nobodyaaaaaaaaaaaaaaaaaa"}, want: serviceauth.ErrIssuer},
			"X34 by an issuer with a service, which is no more": {body: set{"iss": alice + "#atproto_labeler"}, want: serviceauth.ErrIssuer},
			"X34 by what is no DID":                             {body: set{"iss": "alice.test"}, want: serviceauth.ErrIssuer},
			"X34 by nobody":                                     {body: set{"iss": nil}, want: serviceauth.ErrIssuer},
		} {
			t.Run(name+", by "+curve, func(t *testing.T) {
				v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: known, Clock: func() time.Time { return now }}
				if tt.change != nil {
					tt.change(v)
				}
				head := set{"alg": alg, "typ": "JWT"}
				for name, value := range tt.head {
					if head[name] = value; value == nil {
						delete(head, name)
					}
				}
				signer := key
				if tt.key != nil {
					signer = tt.key
				}
				got, err := v.Verify(t.Context(), sign(t, signer, head, claims(tt.body)), method)
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					if got.Issuer != alice || got.Method != method || got.Expires.Unix() == 0 || got.KeyID == "" || !strings.HasPrefix(got.Audience, feedDID) {
						t.Errorf("got %+v", got)
					}
					return
				}
				if !errors.Is(err, tt.want) || got != nil {
					t.Errorf("got %v, %+v, want %s", err, got, tt.want)
				}
			})
		}
	}
}

func TestVerifyWhatIsNoToken(t *testing.T) {
	key := newKey(t, "P-256")
	v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: resolver(document(alice, map[string]*serviceauth.Key{"atproto": key})), Clock: func() time.Time { return now }}
	good := sign(t, key, map[string]any{"alg": "ES256", "typ": "JWT"}, claims(nil))
	parts := strings.Split(good, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, tt := range map[string]struct {
		text string
		want serviceauth.Reason
	}{
		"nothing":                   {"", serviceauth.ErrMissing},
		"two parts":                 {parts[0] + "." + parts[1], serviceauth.ErrMalformed},
		"four parts":                {good + ".x", serviceauth.ErrMalformed},
		"dots":                      {"..", serviceauth.ErrMalformed},
		"padding":                   {parts[0] + "=." + parts[1] + "." + parts[2], serviceauth.ErrMalformed},
		"base64 of another sort":    {parts[0] + "." + parts[1] + ".++++", serviceauth.ErrMalformed},
		"bits behind the last":      {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + "_", serviceauth.ErrMalformed},
		"a list for a header":       {encode("[]") + "." + parts[1] + "." + parts[2], serviceauth.ErrMalformed},
		"null":                      {encode("null") + "." + encode("null") + "." + parts[2], serviceauth.ErrMalformed},
		"JSON that is cut":          {encode(`{"alg":"ES256"`) + "." + parts[1] + "." + parts[2], serviceauth.ErrMalformed},
		"members of other types":    {encode(`{"alg":["ES256"]}`) + "." + parts[1] + "." + parts[2], serviceauth.ErrMalformed},
		"a megabyte":                {strings.Repeat("a", 1<<20), serviceauth.ErrMalformed},
		"deep nesting":              {encode(strings.Repeat(`{"a":`, 1000)) + "." + parts[1] + "." + parts[2], serviceauth.ErrMalformed},
		"no signature":              {parts[0] + "." + parts[1] + ".", serviceauth.ErrSignature},
		"a signature that is short": {parts[0] + "." + parts[1] + "." + parts[2][:40], serviceauth.ErrSignature},
		"a signature of zeros":      {parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), serviceauth.ErrSignature},
		"another content":           {parts[0] + "." + encode(strings.Replace(mustDecode(t, parts[1]), "one", "two", 1)) + "." + parts[2], serviceauth.ErrSignature},
	} {
		t.Run("X34 "+name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), tt.text, method)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func mustDecode(tb testing.TB, part string) string {
	tb.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// Anybody can make the other s out of a signature. The reference takes both, the specification
// one.
func TestVerifyTheGreaterS(t *testing.T) {
	orders := map[string]*big.Int{"P-256": elliptic.P256().Params().N, "K-256": new(big.Int)}
	orders["K-256"].SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	for curve, order := range orders {
		t.Run("X34 "+curve, func(t *testing.T) {
			key := newKey(t, curve)
			known := resolver(document(alice, map[string]*serviceauth.Key{"atproto": key}))
			text := sign(t, key, map[string]any{"alg": key.Public().Algorithm(), "typ": "JWT"}, claims(nil))
			dot := strings.LastIndexByte(text, '.')
			signature, _ := base64.RawURLEncoding.DecodeString(text[dot+1:])
			s := new(big.Int).SetBytes(signature[32:])
			if s.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
				t.Error("X33 we sign with the greater s")
			}
			s.Sub(order, s).FillBytes(signature[32:])
			text = text[:dot+1] + base64.RawURLEncoding.EncodeToString(signature)
			for _, low := range []bool{false, true} {
				v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: known, RequireLowS: low, Clock: func() time.Time { return now }}
				if _, err := v.Verify(t.Context(), text, method); errors.Is(err, serviceauth.ErrSignature) != low || !low && err != nil {
					t.Errorf("RequireLowS %t: %v", low, err)
				}
			}
		})
	}
}

// A directory counts what it is asked.
type directory struct {
	identity.Static
	asked atomic.Int64
	down  atomic.Bool
}

func (d *directory) ResolveDID(ctx context.Context, did syntax.DID) (*identity.Document, error) {
	d.asked.Add(1)
	if d.down.Load() {
		return nil, &identity.Error{Subject: string(did), Kind: identity.ErrUnreachable, Err: errors.New("down")}
	}
	return d.Static.ResolveDID(ctx, did)
}

func TestVerifyAfterAChangeOfKeys(t *testing.T) {
	for name, curves := range map[string][2]string{"of one curve": {"K-256", "K-256"}, "to another curve": {"K-256", "P-256"}} {
		t.Run("X34 "+name, func(t *testing.T) {
			before, after := newKey(t, curves[0]), newKey(t, curves[1])
			d := &directory{Static: *resolver(document(alice, map[string]*serviceauth.Key{"atproto": before}))}
			clock := now
			v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: identity.NewCache(d, identity.CacheConfig{}), Clock: func() time.Time { return clock }}
			verify := func(key *serviceauth.Key) error {
				_, err := v.Verify(t.Context(), sign(t, key, map[string]any{"alg": key.Public().Algorithm(), "typ": "JWT"}, claims(map[string]any{"exp": clock.Add(time.Minute).Unix()})), method)
				return err
			}
			for range 3 {
				if err := verify(before); err != nil {
					t.Fatal(err)
				}
			}
			if n := d.asked.Load(); n != 1 {
				t.Errorf("the directory was asked %d times", n)
			}
			// Rubbish in her name: one look, and then none for a minute.
			for range 5 {
				if err := verify(after); !errors.Is(err, serviceauth.ErrSignature) {
					t.Fatal(err)
				}
			}
			if n := d.asked.Load(); n != 2 {
				t.Errorf("the directory was asked %d times", n)
			}
			d.Documents[alice] = document(alice, map[string]*serviceauth.Key{"atproto": after})
			clock = clock.Add(time.Minute)
			if err := verify(after); err != nil {
				t.Errorf("the new key: %v", err)
			}
			if err := verify(before); !errors.Is(err, serviceauth.ErrSignature) {
				t.Errorf("the old key: %v", err)
			}
			if n := d.asked.Load(); n != 3 {
				t.Errorf("the directory was asked %d times", n)
			}
		})
	}
	t.Run("a directory that is down says nothing about the token", func(t *testing.T) {
		key := newKey(t, "P-256")
		d := &directory{Static: *resolver(document(alice, map[string]*serviceauth.Key{"atproto": key}))}
		d.down.Store(true)
		var log strings.Builder
		v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: d, Clock: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		text := sign(t, key, map[string]any{"alg": "ES256"}, claims(nil))
		if _, err := v.Verify(t.Context(), text, method); !errors.Is(err, serviceauth.ErrUnavailable) || !errors.Is(err, identity.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		w := serve(t, v.Require(http.NotFoundHandler()), "/xrpc/"+string(method), "Bearer "+text)
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "down") || !strings.Contains(log.String(), "down") || strings.Contains(log.String(), text) {
			t.Errorf("status %d, %s, %s", w.Code, w.Body, log.String())
		}
	})
}

func serve(tb testing.TB, h http.Handler, path string, authorization ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRequire(t *testing.T) {
	key := newKey(t, "K-256")
	v := &serviceauth.Verifier{Audiences: []string{feed}, Resolver: resolver(document(alice, map[string]*serviceauth.Key{"atproto": key})), Clock: func() time.Time { return now }}
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims, ok := serviceauth.From(r.Context()); ok {
			fmt.Fprint(w, claims.Issuer)
			return
		}
		fmt.Fprint(w, "nobody")
	})
	good := "Bearer " + sign(t, key, map[string]any{"alg": "ES256K", "typ": "JWT"}, claims(nil))
	other := "Bearer " + sign(t, key, map[string]any{"alg": "ES256K", "typ": "JWT"}, claims(map[string]any{"aud": "did:web:other.test"}))
	for _, tt := range []struct {
		name, path    string
		authorization []string
		optional      bool
		status        int
		body          string // or the name of the error
		challenge     string
	}{
		{"a good token", "/xrpc/" + string(method), []string{good}, false, 200, string(alice), ""},
		{"in small letters", "/xrpc/" + string(method), []string{"bearer" + good[6:]}, false, 200, string(alice), ""},
		{"below a folder", "/feeds/xrpc/" + string(method), []string{good}, false, 200, string(alice), ""},
		{"a good token where none is needed", "/xrpc/" + string(method), []string{good}, true, 200, string(alice), ""},
		{"none", "/xrpc/" + string(method), nil, false, 401, "AuthMissing", "Bearer"},
		{"none where none is needed", "/xrpc/" + string(method), nil, true, 200, "nobody", ""},
		{"a bad one where none is needed", "/xrpc/" + string(method), []string{other}, true, 401, "BadJwtAudience", `Bearer error="invalid_token"`},
		{"a token for another", "/xrpc/" + string(method), []string{other}, false, 401, "BadJwtAudience", `Bearer error="invalid_token"`},
		{"another method", "/xrpc/app.bsky.feed.getPosts", []string{good}, false, 401, "BadJwtLexiconMethod", `Bearer error="invalid_token"`},
		{"no method", "/feed", []string{good}, false, 401, "BadJwtLexiconMethod", `Bearer error="invalid_token"`},
		{"a method with more behind it", "/xrpc/" + string(method) + "/x", []string{good}, false, 401, "BadJwtLexiconMethod", `Bearer error="invalid_token"`},
		{"two tokens", "/xrpc/" + string(method), []string{good, good}, false, 401, "AuthMissing", "Bearer"},
		{"a password", "/xrpc/" + string(method), []string{"Basic YWRtaW46eA=="}, false, 401, "AuthMissing", "Bearer"},
		{"a bound token", "/xrpc/" + string(method), []string{"DPoP" + good[6:]}, false, 401, "AuthMissing", "Bearer"},
	} {
		t.Run("X34 "+tt.name, func(t *testing.T) {
			h := v.Require(who)
			if tt.optional {
				h = v.Optional(who)
			}
			w := serve(t, h, tt.path, tt.authorization...)
			got := w.Body.String()
			if tt.status != 200 {
				var said struct{ Error, Message string }
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Message == "" || w.Header().Get("Content-Type") != "application/json" {
					t.Fatalf("%v, %s", err, w.Body)
				}
				got = said.Error
			}
			if diff := cmp.Diff([]any{tt.status, tt.body, tt.challenge}, []any{w.Code, got, w.Header().Get("WWW-Authenticate")}); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a verifier that is not complete is told at the start", func(t *testing.T) {
		for name, v := range map[string]*serviceauth.Verifier{
			"no audience": {Resolver: resolver()}, "no resolver": {Audiences: []string{feed}},
			"an audience without a DID": {Audiences: []string{"https://feed.test"}, Resolver: resolver()},
			"a service without a name":  {Audiences: []string{feedDID + "#"}, Resolver: resolver()},
		} {
			t.Run(name, func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("it does not panic")
					}
				}()
				v.Require(who)
			})
		}
		if _, err := new(serviceauth.Verifier).Verify(t.Context(), "x", method); !errors.Is(err, serviceauth.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReplays(t *testing.T) {
	key, thief := newKey(t, "P-256"), newKey(t, "P-256")
	clock := now
	tell := func() time.Time { return clock }
	v := &serviceauth.Verifier{
		Audiences: []string{feed}, Clock: tell, Replays: &serviceauth.ReplayMemory{Max: 2, Clock: tell},
		Resolver: resolver(document(alice, map[string]*serviceauth.Key{"atproto": key}), document(bob, map[string]*serviceauth.Key{"atproto": thief})),
	}
	verify := func(key *serviceauth.Key, change map[string]any) error {
		_, err := v.Verify(t.Context(), sign(t, key, map[string]any{"alg": "ES256"}, claims(change)), method)
		return err
	}
	for i, tt := range []struct {
		name   string
		key    *serviceauth.Key
		change map[string]any
		want   serviceauth.Reason
	}{
		{"somebody else cannot use it up", thief, nil, serviceauth.ErrSignature},
		{"the first time", key, nil, ""},
		{"the second time", key, nil, serviceauth.ErrReplayed},
		{"the same id by another issuer", thief, map[string]any{"iss": bob}, ""},
		{"without an id", key, map[string]any{"jti": nil}, serviceauth.ErrMalformed},
		{"more than can be remembered", key, map[string]any{"jti": "two"}, serviceauth.ErrUnavailable},
	} {
		if err := verify(tt.key, tt.change); tt.want == "" && err != nil || tt.want != "" && !errors.Is(err, tt.want) {
			t.Errorf("X34 %d %s: got %v, want %s", i, tt.name, err, tt.want)
		}
	}
	clock = clock.Add(89 * time.Second) // as long as it would be taken
	if err := verify(key, nil); !errors.Is(err, serviceauth.ErrReplayed) {
		t.Errorf("got %v", err)
	}
	clock = clock.Add(time.Second)
	if err := verify(key, map[string]any{"jti": "three", "exp": clock.Add(time.Minute).Unix()}); err != nil {
		t.Errorf("those that ran out are forgotten: %v", err)
	}
}
