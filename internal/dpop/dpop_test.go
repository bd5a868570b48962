package dpop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/gimucco/atproto-go/internal/dpop"
)

func ExampleSign() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	header, err := dpop.Header(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	signed, err := dpop.Sign(key, header, dpop.Proof{Method: "GET", URL: "https://pds.example/xrpc/a.b.c", At: time.Now()})
	if err != nil {
		panic(err)
	}
	_, err = jws.Verify([]byte(signed), jws.WithKey(jwa.ES256, key.PublicKey))
	fmt.Println(err)
	// Output: <nil>
}

func TestSignWritesWhatItIsGiven(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header, err := dpop.Header(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 999)
	for name, tt := range map[string]struct {
		proof dpop.Proof
		want  map[string]any
	}{
		"the least": {
			dpop.Proof{Method: "GET", URL: "https://a.example/", At: at},
			map[string]any{"htm": "GET", "htu": "https://a.example/", "iat": 1.7e9},
		},
		"all": {
			dpop.Proof{Method: "POST", URL: "https://a.example/x%2Fy", Nonce: "n\"\\\n€", Token: "abc", At: at},
			map[string]any{"htm": "POST", "htu": "https://a.example/x%2Fy", "iat": 1.7e9, "nonce": "n\"\\\n€", "ath": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := dpop.Sign(key, header, tt.proof)
			if err != nil {
				t.Fatal(err)
			}
			payload, err := jws.Verify([]byte(signed), jws.WithKey(jwa.ES256, key.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(payload, &got); err != nil {
				t.Fatal(err)
			}
			if jti, _ := got["jti"].(string); len(jti) != 22 {
				t.Errorf("jti %q", jti)
			}
			delete(got, "jti")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCoordinatesKeepTheirLeadingZeros(t *testing.T) {
	found := 0
	for range 5000 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if point[1] != 0 && point[33] != 0 {
			continue
		}
		found++
		header, err := dpop.Header(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		var h struct {
			Key struct{ X, Y string } `json:"jwk"`
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			t.Fatal(err)
		}
		want := []string{base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])}
		if diff := cmp.Diff(want, []string{h.Key.X, h.Key.Y}); diff != "" {
			t.Errorf("coordinates (-want +got):\n%s", diff)
		}
	}
	if found == 0 {
		t.Error("no key with a leading zero came up")
	}
}
