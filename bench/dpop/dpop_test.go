package dpop

import (
	"testing"

	"github.com/bluesky-social/indigo/atproto/atcrypto"
	indigo "github.com/bluesky-social/indigo/atproto/auth/oauth"

	"github.com/gimucco/atproto-go/bench/figures"
)

// Indigo makes the proofs of another Go client: those for authorization servers, which carry
// no hash of a token.
func Indigo() (func() error, error) {
	key, err := atcrypto.GeneratePrivateKeyP256()
	if err != nil {
		return nil, err
	}
	return func() error {
		_, err := indigo.NewAuthDPoP(method, target, nonce, key)
		return err
	}, nil
}

// A proof beside its signature, jwx's jws.Sign and indigo's NewAuthDPoP: each alone, and ours as
// a ratio to each of the others, taken alternately.
func BenchmarkProof(b *testing.B) {
	names := []string{"ours", "ecdsa.Sign", "jws.Sign", "NewAuthDPoP"}
	makers := make(map[string]maker)
	for i, newMaker := range []func() (func() error, error){Proof, Signature, JWX, Indigo} {
		m, err := newMaker()
		if err != nil {
			b.Fatal(err)
		}
		makers[names[i]] = m
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			if err := times(makers[name])(b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	for _, name := range names[1:] {
		b.Run("ratio to "+name, func(b *testing.B) {
			ratio, err := figures.Ratio(b.Context(), times(makers["ours"]), times(makers[name]))
			if err != nil {
				b.Fatal(err)
			}
			ours, err := allocations(makers["ours"])
			if err != nil {
				b.Fatal(err)
			}
			theirs, err := allocations(makers[name])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratio, "×")
			b.ReportMetric(ours-theirs, "allocs-above")
		})
	}
}
