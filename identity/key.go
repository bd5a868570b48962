package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"
)

// The multicodec prefixes of public keys on the curves of atproto, as varints
// (https://atproto.com/specs/cryptography).
var (
	prefixP256 = []byte{0x80, 0x24} // p256-pub, 0x1200
	prefixK256 = []byte{0xe7, 0x01} // secp256k1-pub, 0xe7
)

// maxMultibase is longer than the text of any key.
const maxMultibase = 128

// The forms of a point (SEC 1 §2.3.3): the x coordinate after a byte that says which of the two
// points it is, or both coordinates after a 4.
const (
	compressedSize   = 33
	uncompressedSize = 65
)

// A PublicKey verifies signatures of accounts and services. It is on the curve P-256 (secp256r1) or
// K-256 (secp256k1). ParseDIDKey, ParseMultikey and DID documents return one; the zero value cannot
// be used. It is safe for concurrent use.
type PublicKey struct {
	// Exactly one of the two is set.
	p256 *ecdsa.PublicKey
	k256 *secp256k1.PublicKey
}

// ParseDIDKey parses a key in the form of a did:key, "did:key:zQ3sh…". It fails with ErrInvalidKey.
func ParseDIDKey(text string) (*PublicKey, error) {
	multikey, ok := strings.CutPrefix(text, "did:key:")
	if !ok {
		return nil, failure(shorten(text), ErrInvalidKey, `does not start with "did:key:"`)
	}
	key, err := parseMultikey(multikey)
	if err != nil {
		return nil, &Error{Subject: shorten(text), Kind: ErrInvalidKey, Err: err}
	}
	return key, nil
}

// ParseMultikey parses a key in the form of DID documents, in a verification method of the type
// Multikey: "zQ3sh…". It fails with ErrInvalidKey.
func ParseMultikey(text string) (*PublicKey, error) {
	key, err := parseMultikey(text)
	if err != nil {
		return nil, &Error{Subject: shorten(text), Kind: ErrInvalidKey, Err: err}
	}
	return key, nil
}

func parseMultikey(text string) (*PublicKey, error) {
	raw, err := decodeMultibase(text)
	if err != nil {
		return nil, err
	}
	var parse func([]byte) (*PublicKey, error)
	point, ok := bytes.CutPrefix(raw, prefixP256)
	if parse = parseP256; !ok {
		point, ok = bytes.CutPrefix(raw, prefixK256)
		parse = parseK256
	}
	switch {
	case !ok:
		return nil, errors.New("is a key of another kind; atproto uses keys on the curves P-256 and K-256")
	case len(point) != compressedSize:
		return nil, fmt.Errorf("has a point of %d bytes; a Multikey has a compressed point of %d bytes", len(point), compressedSize)
	}
	return parse(point)
}

// decodeMultibase decodes "z" and base58btc (https://github.com/multiformats/multibase), the only
// base that atproto uses.
func decodeMultibase(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "z")
	if !ok || len(encoded) > maxMultibase {
		return nil, errors.New(`is not "z" and the base58btc of a key behind it`)
	}
	raw, err := base58.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("is not base58btc after the z: %w", err)
	}
	return raw, nil
}

var (
	errNotOnP256 = errors.New("is not a point on the curve P-256")
	errNotOnK256 = errors.New("is not a point on the curve K-256")
)

func parseP256(point []byte) (*PublicKey, error) {
	if len(point) == compressedSize {
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), point)
		if x == nil {
			return nil, errNotOnP256
		}
		point = make([]byte, uncompressedSize)
		point[0] = 4
		x.FillBytes(point[1:33])
		y.FillBytes(point[33:])
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errNotOnP256
	}
	return &PublicKey{p256: key}, nil
}

func parseK256(point []byte) (*PublicKey, error) {
	// The library also reads the hybrid form of SEC 1, which nobody else does.
	if len(point) == uncompressedSize && point[0] != 4 {
		return nil, errNotOnK256
	}
	key, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, errNotOnK256
	}
	return &PublicKey{k256: key}, nil
}

// Algorithm returns the name of the key's signatures in JWTs: "ES256" on P-256, "ES256K" on K-256.
func (k *PublicKey) Algorithm() string {
	if k.p256 != nil {
		return "ES256"
	}
	return "ES256K"
}

// Multikey returns the key in the form of DID documents, for the type Multikey.
func (k *PublicKey) Multikey() string {
	if k.p256 != nil {
		return "z" + base58.Encode(append(bytes.Clone(prefixP256), compressP256(k.p256)...))
	}
	return "z" + base58.Encode(append(bytes.Clone(prefixK256), k.k256.SerializeCompressed()...))
}

func compressP256(key *ecdsa.PublicKey) []byte {
	point, _ := key.Bytes() // a point that was parsed can be encoded
	return append([]byte{2 + point[uncompressedSize-1]&1}, point[1:compressedSize]...)
}

// DIDKey returns the key in the form of a did:key. Two keys are equal if these texts are equal.
func (k *PublicKey) DIDKey() string { return "did:key:" + k.Multikey() }

// String returns what DIDKey returns.
func (k *PublicKey) String() string { return k.DIDKey() }

// Equal reports whether other is the same key, on the same curve.
func (k *PublicKey) Equal(other *PublicKey) bool {
	if k == nil || other == nil {
		return k == other
	}
	return k.DIDKey() == other.DIDKey()
}

// Verify checks a signature of message. It hashes message with SHA-256. The signature has 64 bytes,
// r and s. s must be the smaller of the two possible values, so that nobody can derive a second
// signature from it (https://atproto.com/specs/cryptography). Commits and labels use this form. It
// fails with ErrInvalidSignature.
func (k *PublicKey) Verify(message, signature []byte) error {
	return k.verify(message, signature, false)
}

// VerifyEitherS is Verify, but it accepts the greater s too. JWT libraries make such signatures,
// and the reference accepts them in service tokens. Anybody can then derive a second signature from
// the first, so do not use the signature to recognise a message that came before.
func (k *PublicKey) VerifyEitherS(message, signature []byte) error {
	return k.verify(message, signature, true)
}

func (k *PublicKey) verify(message, signature []byte, eitherS bool) error {
	if len(signature) != 64 {
		return failure(k.DIDKey(), ErrInvalidSignature, "has %d bytes, not the 64 of r and s", len(signature))
	}
	hash := sha256.Sum256(message)
	check := verifyK256
	if k.p256 != nil {
		check = verifyP256
	}
	high, ok := check(k, hash[:], signature)
	switch {
	case !ok:
		return failure(k.DIDKey(), ErrInvalidSignature, "another key made it, or it is for another message")
	case high && !eitherS:
		return failure(k.DIDKey(), ErrInvalidSignature, "its s is the greater of the two possible values; the signer must send the smaller one, which is the order of the curve minus s")
	}
	return nil
}

// verifyP256 reports whether s is the greater of two values, and whether the signature is valid.
func verifyP256(k *PublicKey, hash, signature []byte) (high, ok bool) {
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	half := new(big.Int).Rsh(elliptic.P256().Params().N, 1)
	return s.Cmp(half) > 0, ecdsa.Verify(k.p256, hash, r, s)
}

// verifyK256 reports whether s is the greater of two values, and whether the signature is valid.
func verifyK256(k *PublicKey, hash, signature []byte) (high, ok bool) {
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) {
		return false, false // not below the order of the curve
	}
	return s.IsOverHalfOrder(), k256.NewSignature(&r, &s).Verify(hash, k.k256)
}
