// Package dpop measures a DPoP proof beside the signature in it, and beside what others
// make proofs with.
package dpop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/gimucco/atproto-go/bench/figures"
	"github.com/gimucco/atproto-go/internal/dpop"
)

// What all proofs are for: a call with a token, to a server that wants a nonce.
const (
	method = "GET"
	target = "https://pds.example.com/xrpc/com.atproto.server.getSession"
	nonce  = "abcdefghijklmnopqrstuvwxyz"
	token  = "an-access-token-that-nobody-looks-into"
)

// A maker makes one proof, or one signature.
type maker func() error

// Proof makes our proofs.
func Proof() (func() error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	header, err := dpop.Header(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := dpop.Sign(key, header, dpop.Proof{Method: method, URL: target, Nonce: nonce, Token: token, At: time.Now()})
		return err
	}, nil
}

// Signature makes the signature alone, without which there is no proof.
func Signature() (func() error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("a proof"))
	return func() error {
		_, _, err := ecdsa.Sign(rand.Reader, key, digest[:])
		return err
	}, nil
}

// JWX makes the same proofs as Proof does, with a general library.
func JWX() (func() error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := jwk.FromRaw(key.PublicKey)
	if err != nil {
		return nil, err
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.TypeKey, "dpop+jwt"); err != nil {
		return nil, err
	}
	if err := headers.Set(jws.JWKKey, public); err != nil {
		return nil, err
	}
	return func() error {
		var jti [16]byte
		rand.Read(jti[:])
		sum := sha256.Sum256([]byte(token))
		claims, err := json.Marshal(struct {
			ID     string `json:"jti"`
			Method string `json:"htm"`
			URL    string `json:"htu"`
			At     int64  `json:"iat"`
			Nonce  string `json:"nonce"`
			Token  string `json:"ath"`
		}{base64.RawURLEncoding.EncodeToString(jti[:]), method, target, time.Now().Unix(), nonce, base64.RawURLEncoding.EncodeToString(sum[:])})
		if err != nil {
			return err
		}
		_, err = jws.Sign(claims, jws.WithKey(jwa.ES256, key, jws.WithProtectedHeaders(headers)))
		return err
	}, nil
}

// times repeats what a maker does.
func times(m maker) figures.Operation {
	return func(_ context.Context, n int) error {
		for range n {
			if err := m(); err != nil {
				return err
			}
		}
		return nil
	}
}

// allocations returns how often a maker allocates.
func allocations(m maker) (float64, error) {
	var failed error
	n := testing.AllocsPerRun(200, func() {
		if err := m(); err != nil {
			failed = err
		}
	})
	return n, failed
}

// Figures are those with a limit.
func Figures() ([]figures.Figure, error) {
	proof, err := Proof()
	if err != nil {
		return nil, err
	}
	signature, err := Signature()
	if err != nil {
		return nil, err
	}
	return []figures.Figure{
		{
			Name: "proof", What: "a DPoP proof, in bare signatures", Limit: 1.10,
			Measure: func(ctx context.Context) (float64, error) {
				return figures.Ratio(ctx, times(proof), times(signature))
			},
		},
		{
			Name: "proof.allocs", What: "allocations of a DPoP proof above those of a bare signature", Limit: 5,
			Measure: func(context.Context) (float64, error) {
				ours, err := allocations(proof)
				if err != nil {
					return 0, err
				}
				bare, err := allocations(signature)
				return ours - bare, err
			},
		},
	}, nil
}
