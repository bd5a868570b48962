package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/mr-tron/base58"

	"github.com/gimucco/atproto-go/identity"
)

func readJSON[T any](tb testing.TB, path ...string) (v T) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// interop are the fixtures of the specifications.
const interop = "../internal/interop/testdata/crypto"

// keyFixtures are what testdata/keys.mjs writes.
type keyFixtures struct {
	Keys []struct {
		Name, Type, PublicKeyMultibase string
		DIDKey                         string
	}
	Signatures []struct {
		Name, DIDKey        string
		Message, Signature  []byte
		Valid, ValidEitherS bool
	}
}

// keyOf returns what a document with one key says of it.
func keyOf(kind, multibase string) (*identity.PublicKey, error) {
	doc := &identity.Document{ID: alice, VerificationMethods: []identity.VerificationMethod{
		{ID: "#atproto", Type: kind, Controller: string(alice), PublicKeyMultibase: multibase},
	}}
	return doc.SigningKey()
}

func TestPublicKeysOfTheSpecifications(t *testing.T) {
	type private struct{ PrivateKeyBytesHex, PrivateKeyBytesBase58, PublicDIDKey string }
	t.Run("X33 did:key of W3C, P-256", func(t *testing.T) {
		cases := readJSON[[]private](t, interop, "w3c_didkey_P256.json")
		if len(cases) != 1 {
			t.Fatalf("%d cases", len(cases))
		}
		for _, c := range cases {
			raw, err := base58.Decode(c.PrivateKeyBytesBase58)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
			if err != nil {
				t.Fatal(err)
			}
			point, err := secret.PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			checkSameKey(t, c.PublicDIDKey, "EcdsaSecp256r1VerificationKey2019", point, "ES256")
		}
	})
	t.Run("X33 did:key of W3C, K-256", func(t *testing.T) {
		cases := readJSON[[]private](t, interop, "w3c_didkey_K256.json")
		if len(cases) != 5 {
			t.Fatalf("%d cases", len(cases))
		}
		for _, c := range cases {
			raw, err := hex.DecodeString(c.PrivateKeyBytesHex)
			if err != nil {
				t.Fatal(err)
			}
			point := secp256k1.PrivKeyFromBytes(raw).PubKey().SerializeUncompressed()
			checkSameKey(t, c.PublicDIDKey, "EcdsaSecp256k1VerificationKey2019", point, "ES256K")
		}
	})
	t.Run("X33 signatures of the interoperability tests", func(t *testing.T) {
		cases := readJSON[[]struct {
			Comment, MessageBase64, Algorithm, DIDDocSuite, PublicKeyDID, PublicKeyMultibase, SignatureBase64 string

			ValidSignature bool
			Tags           []string
		}](t, interop, "signature-fixtures.json")
		if len(cases) != 6 {
			t.Fatalf("%d cases", len(cases))
		}
		for _, c := range cases {
			message, err := base64.RawStdEncoding.DecodeString(c.MessageBase64)
			if err != nil {
				t.Fatal(err)
			}
			signature, err := base64.RawStdEncoding.DecodeString(c.SignatureBase64)
			if err != nil {
				t.Fatal(err)
			}
			key, err := identity.ParseDIDKey(c.PublicKeyDID)
			if err != nil {
				t.Fatal(err)
			}
			if old, err := keyOf(c.DIDDocSuite, c.PublicKeyMultibase); err != nil || !old.Equal(key) || key.Algorithm() != c.Algorithm {
				t.Errorf("%s: %v of %s, the document has %v, %v", c.Comment, key, key.Algorithm(), old, err)
			}
			checkSignature(t, c.Comment, key.Verify(message, signature), c.ValidSignature)
			checkSignature(t, c.Comment, key.VerifyEitherS(message, signature), c.ValidSignature || cmp.Equal(c.Tags, []string{"high-s"}))
		}
	})
}

// checkSameKey makes sure that a did:key is the key of a point, and is written as it was read.
func checkSameKey(t *testing.T, did, suite string, point []byte, algorithm string) {
	t.Helper()
	key, err := identity.ParseDIDKey(did)
	if err != nil {
		t.Fatal(err)
	}
	if key.DIDKey() != did || key.String() != did || key.Algorithm() != algorithm {
		t.Errorf("%s became %s of %s", did, key, key.Algorithm())
	}
	if other, err := keyOf(suite, "z"+base58.Encode(point)); err != nil || !other.Equal(key) {
		t.Errorf("got %v, %v, want %v", other, err, key)
	}
}

func checkSignature(t *testing.T, name string, err error, valid bool) {
	t.Helper()
	if valid != (err == nil) || !valid && !errors.Is(err, identity.ErrInvalidSignature) {
		t.Errorf("%s: got %v, want it to be valid: %v", name, err, valid)
	}
}

func TestPublicKeysAreReadAsTheReferenceReadsThem(t *testing.T) {
	cases := readJSON[keyFixtures](t, "testdata", "keys.json").Keys
	if len(cases) != 81 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run("X33 "+c.Name, func(t *testing.T) {
			key, err := keyOf(c.Type, c.PublicKeyMultibase)
			if c.DIDKey == "" {
				if key != nil || !errors.Is(err, identity.ErrNoKey) || !errors.Is(err, identity.ErrInvalidKey) {
					t.Errorf("got %v, %v", key, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.DIDKey, key.DIDKey()); diff != "" {
				t.Error(diff)
			}
			again, err := identity.ParseMultikey(key.Multikey())
			if err != nil || !again.Equal(key) {
				t.Errorf("%s is read as %v, %v", key.Multikey(), again, err)
			}
		})
	}
}

func TestSignaturesAreVerifiedAsTheReferenceDoes(t *testing.T) {
	cases := readJSON[keyFixtures](t, "testdata", "keys.json").Signatures
	if len(cases) != 102 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run("X33 "+c.Name, func(t *testing.T) {
			key, err := identity.ParseDIDKey(c.DIDKey)
			if err != nil {
				t.Fatal(err)
			}
			checkSignature(t, "one s", key.Verify(c.Message, c.Signature), c.Valid)
			checkSignature(t, "either s", key.VerifyEitherS(c.Message, c.Signature), c.ValidEitherS)
		})
	}
}

func TestPublicKeyText(t *testing.T) {
	const good = "zDnaeTiq1PdzvZXUaMdezchcMJQpBdH2VN4pgrrEhMCCbmwSb"
	key, err := identity.ParseMultikey(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "z", good[1:], "did:key:" + good, "Z" + good[1:], "f80240", good + "1", good[:40], " " + good, good + "\n",
		"z" + strings.Repeat("1", 100), "z" + strings.Repeat("z", 1<<20), "z\xff\xfe", "z1" + good[1:],
	} {
		t.Run("X33 no Multikey "+text[:min(len(text), 20)], func(t *testing.T) {
			got, err := identity.ParseMultikey(text)
			if got != nil || !errors.Is(err, identity.ErrInvalidKey) || len(err.Error()) > 400 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	for _, kind := range []string{"EcdsaSecp256r1VerificationKey2019", "EcdsaSecp256k1VerificationKey2019"} {
		for _, text := range []string{"", "z", "z0", "m" + good, "z" + strings.Repeat("z", 1<<20), "z" + strings.Repeat("1", 33), "z" + strings.Repeat("1", 65), good} {
			t.Run("X33 no point of "+kind+": "+text[:min(len(text), 20)], func(t *testing.T) {
				if got, err := keyOf(kind, text); got != nil || !errors.Is(err, identity.ErrInvalidKey) {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
	}
	for _, text := range []string{"", good, "did:key:", "DID:key:" + good, "did:web:alice.test", "did:key:did:key:" + good, "did:key:" + good + "#" + good} {
		t.Run("X33 no did:key "+text, func(t *testing.T) {
			got, err := identity.ParseDIDKey(text)
			if got != nil || !errors.Is(err, identity.ErrInvalidKey) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	t.Run("keys are compared", func(t *testing.T) {
		other, err := identity.ParseDIDKey("did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme")
		if err != nil {
			t.Fatal(err)
		}
		var none *identity.PublicKey
		if key.Equal(other) || key.Equal(none) || none.Equal(key) || !none.Equal(nil) || !key.Equal(key) {
			t.Error("not by what they are")
		}
	})
}

func TestDocumentPublicKey(t *testing.T) {
	const (
		first  = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
		second = "zDnaeTiq1PdzvZXUaMdezchcMJQpBdH2VN4pgrrEhMCCbmwSb"
	)
	method := func(id, multikey string) identity.VerificationMethod {
		return identity.VerificationMethod{ID: id, Type: "Multikey", Controller: string(alice), PublicKeyMultibase: multikey}
	}
	foreign := method("#atproto", first)
	foreign.Controller = "did:web:evil.test"
	for _, tt := range []struct {
		name    string
		id      string
		methods []identity.VerificationMethod
		want    string
	}{
		{"its id behind a number sign", "atproto", []identity.VerificationMethod{method("#atproto", first)}, first},
		{"its id behind the DID", "atproto", []identity.VerificationMethod{method(string(alice)+"#atproto", first)}, first},
		{"another id", "atproto_label", []identity.VerificationMethod{method("#atproto", first), method("#atproto_label", second)}, second},
		{"an id that begins alike", "atproto", []identity.VerificationMethod{method("#atproto_label", first)}, ""},
		{"the id behind another DID", "atproto", []identity.VerificationMethod{method(string(bob)+"#atproto", first)}, ""},
		{"the first", "atproto", []identity.VerificationMethod{method("#atproto", second), method("#atproto", first)}, second},
		{"a first one that cannot be read is not passed over", "atproto", []identity.VerificationMethod{method("#atproto", "zQ3sh"), method("#atproto", first)}, ""},
		{"one that somebody else controls does not count", "atproto", []identity.VerificationMethod{foreign, method("#atproto", second)}, second},
		{"that alone", "atproto", []identity.VerificationMethod{foreign}, ""},
		{"none", "atproto", nil, ""},
	} {
		t.Run("X33 "+tt.name, func(t *testing.T) {
			key, err := (&identity.Document{ID: alice, VerificationMethods: tt.methods}).PublicKey(tt.id)
			if tt.want == "" {
				if key != nil || !errors.Is(err, identity.ErrNoKey) {
					t.Errorf("got %v, %v", key, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, key.Multikey()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzPublicKey(f *testing.F) {
	fixtures := readJSON[keyFixtures](f, "testdata", "keys.json")
	for i, c := range fixtures.Keys {
		s := fixtures.Signatures[i]
		f.Add(c.Type, c.PublicKeyMultibase, s.Message, s.Signature)
	}
	f.Fuzz(func(t *testing.T, kind, multibase string, message, signature []byte) {
		key, err := keyOf(kind, multibase)
		if err != nil {
			if !errors.Is(err, identity.ErrInvalidKey) {
				t.Fatal(err)
			}
			return
		}
		again, err := identity.ParseDIDKey(key.DIDKey())
		if err != nil || !again.Equal(key) {
			t.Fatalf("%v is read as %v, %v", key, again, err)
		}
		strict, either := key.Verify(message, signature), key.VerifyEitherS(message, signature)
		if strict == nil && either != nil {
			t.Fatal(either)
		}
		if strict == nil && key.Verify(append(bytes.Clone(message), 0), signature) == nil {
			t.Fatal("a signature of two messages")
		}
	})
}
