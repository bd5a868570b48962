package serviceauth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
)

// Keys that the reference's package @atproto/crypto made.
const (
	hexK256, multibaseK256, didKeyK256 = "bf632aedc2e39c572fdc97ef45f98322b6c0d89ee1e25eb60778eed07ca05173", "z3vLgszExHWtEJfoWZQgWKRgCssiEVM9idemL1mTWHoaHTge", "did:key:zQ3shsxEdQSNmEx4WgAXvqQJMGHPGYcsNohPJCihUEYnkWxUR"
	hexP256, multibaseP256, didKeyP256 = "482b29d19c293a1a46c6e61f58acd55fcc2fca29f9082f8d3439f323a5eba706", "z42tnk2bbNrJqrKcq52fRZiLhH7v71APLbhxs9m3QDCabNUu", "did:key:zDnaeRVaYjJv379zvWezv6ZwQzQTbUQnMPBRYV3aJ8ybt2HUf"
)

func TestParseKey(t *testing.T) {
	for text, want := range map[string]string{
		multibaseK256:                 didKeyK256,
		hexK256:                       didKeyK256,
		strings.ToUpper(hexK256):      didKeyK256,
		" " + hexK256 + "\n":          didKeyK256,
		multibaseP256:                 didKeyP256,
		"":                            "",
		"z":                           "",
		didKeyK256:                    "", // the public half
		strings.Repeat("0", 64):       "",
		strings.Repeat("f", 64):       "",
		hexK256[:62]:                  "",
		"u" + multibaseK256[1:]:       "",
		multibaseK256 + "0":           "",
		multibaseK256[:40]:            "",
		multibaseP256[:40]:            "",
		"z" + strings.Repeat("1", 99): "",
		strings.Repeat("z", 1<<20):    "",
	} {
		key, err := serviceauth.ParseKey(text)
		if want == "" {
			if err == nil || key != nil || len(text) > 8 && strings.Contains(err.Error(), text[1:8]) {
				t.Errorf("X33 %.80q: %v, %v", text, key, err)
			}
			continue
		}
		if err != nil || key.Public().DIDKey() != want {
			t.Errorf("X33 %.80q: %v, %v", text, key, err)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []*ecdsa.PrivateKey{nil, other} {
		if _, err := serviceauth.NewKey(private); err == nil {
			t.Error("X33 a key on another curve was taken")
		}
	}
}

// A token that the reference's package @atproto/xrpc-server made.
func TestVerifyATokenOfTheReference(t *testing.T) {
	const text = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NksifQ.eyJpYXQiOjE4MDAwMDAwMDAsImlzcyI6ImRpZDpwbGM6YWxpY2VhYWFhYWFhYWFhYWFhYWFhYWFhIiwiYXVkIjoiZGlkOndlYjpmZWVkLnRlc3QjYnNreV9mZyIsImV4cCI6MTgwMDAwMDA2MCwibHhtIjoiYXBwLmJza3kuZmVlZC5nZXRGZWVkU2tlbGV0b24iLCJqdGkiOiI5OGJlMjEzZGUzM2Y4YjBkNmY2YWU1ODE2Mjc3MWMyYSJ9.KLDBNrDGaMNMQvdhqG62nRZZEQsgiDaMwu85gSp2XzED1FO9GgA6oM6NtzJ0KAJuBRQSMcxDbtGfIjqOJ9c_Pg"
	key, err := identity.ParseDIDKey("did:key:zQ3shQQt5Nti1gL6ksyDi5D71VVvwFbvjg8mUG73AiUx1kcs6")
	if err != nil {
		t.Fatal(err)
	}
	known := resolver(&identity.Document{ID: alice, VerificationMethods: []identity.VerificationMethod{
		{ID: string(alice) + "#atproto", Type: "Multikey", Controller: string(alice), PublicKeyMultibase: key.Multikey()},
	}})
	v := &serviceauth.Verifier{Audiences: []string{feed}, RequireService: true, RequireLowS: true, Resolver: known, Clock: func() time.Time { return now }}
	got, err := v.Verify(t.Context(), text, method)
	if err != nil {
		t.Fatal(err)
	}
	want := serviceauth.Claims{
		Issuer: alice, Audience: feed, Method: method, KeyID: "atproto", ID: "98be213de33f8b0d6f6ae58162771c2a",
		IssuedAt: now, Expires: now.Add(time.Minute),
	}
	if *got != want {
		t.Errorf("X34 got %+v, want %+v", *got, want)
	}
}

func TestAKeyShowsItsPublicHalf(t *testing.T) {
	for text, secret := range map[string]string{multibaseK256: hexK256, multibaseP256: hexP256} {
		key, err := serviceauth.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", key)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", key)
		json.NewEncoder(&out).Encode(map[string]any{"key": key})
		fmt.Fprintf(&out, "%v %+v %#v %s %d %x %v %+v", key, key, key, key, key, key, []any{key}, struct{ K *serviceauth.Key }{key})
		if shown := out.String(); strings.Contains(shown, secret) || strings.Contains(shown, text) || !strings.Contains(shown, key.Public().DIDKey()) {
			t.Errorf("P78 %s", shown)
		}
	}
}
