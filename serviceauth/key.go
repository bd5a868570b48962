package serviceauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/multibase"
)

// A Key signs tokens. It is the private half of a key in the DID document of an account or service.
// Whatever prints it shows the public half only. It is safe for concurrent use.
type Key struct {
	public *identity.PublicKey

	// Exactly one of the two is set.
	p256 *ecdsa.PrivateKey
	k256 *secp256k1.PrivateKey
}

// ParseKey parses a private key. It accepts multibase, "z…", for both curves, and 64 hexadecimal
// digits for a key on K-256; servers and services of atproto use these forms in their
// configuration. No error contains a part of the text.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == 32 {
		return newK256(raw)
	}
	raw, curve, err := multibase.Private(text)
	switch {
	case errors.Is(err, multibase.ErrForm):
		return nil, errors.New(`serviceauth: ParseKey: the key is neither multibase ("z" and base58btc) nor 64 hexadecimal digits`)
	case err != nil:
		return nil, fmt.Errorf("serviceauth: ParseKey: the key %w; a private key on P-256 or K-256 is needed", err)
	case curve == multibase.K256:
		return newK256(raw)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errors.New("serviceauth: ParseKey: the text is not a valid private key on P-256")
	}
	return NewKey(private)
}

// NewKey returns the Key for a private key on P-256.
func NewKey(private *ecdsa.PrivateKey) (*Key, error) {
	if private == nil || private.Curve != elliptic.P256() {
		return nil, errors.New("serviceauth: NewKey: a private key on P-256 is needed")
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("serviceauth: NewKey: %w", err)
	}
	public, err := identity.ParseMultikey("z" + base58.Encode(append([]byte{0x80, 0x24, 2 + point[len(point)-1]&1}, point[1:33]...)))
	if err != nil {
		return nil, fmt.Errorf("serviceauth: NewKey: %w", err)
	}
	return &Key{public: public, p256: private}, nil
}

func newK256(raw []byte) (*Key, error) {
	var n secp256k1.ModNScalar
	if len(raw) != 32 || n.SetByteSlice(raw) || n.IsZero() {
		return nil, errors.New("serviceauth: ParseKey: the text is not a valid private key on K-256")
	}
	private := secp256k1.NewPrivateKey(&n)
	public, err := identity.ParseMultikey("z" + base58.Encode(append([]byte{0xe7, 0x01}, private.PubKey().SerializeCompressed()...)))
	if err != nil {
		return nil, fmt.Errorf("serviceauth: ParseKey: %w", err)
	}
	return &Key{public: public, k256: private}, nil
}

// Public returns the key that verifies signatures of this one.
func (k *Key) Public() *identity.PublicKey { return k.public }

// String returns the public half as a did:key.
func (k *Key) String() string { return k.public.DIDKey() }

// Format writes the same text as String, for every verb, because the fields hold secrets.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns the same text as String.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Sign signs a message, such as a commit of a repository (repo.Builder). It hashes the message with
// SHA-256. The signature has 64 bytes: r, and the smaller of the two possible s
// (https://atproto.com/specs/cryptography).
func (k *Key) Sign(message []byte) ([]byte, error) {
	hash := sha256.Sum256(message)
	signature := make([]byte, 64)
	if k.k256 != nil {
		made := k256.Sign(k.k256, hash[:]) // always with the smaller s
		r, s := made.R(), made.S()
		r.PutBytesUnchecked(signature[:32])
		s.PutBytesUnchecked(signature[32:])
		return signature, nil
	}
	der, err := ecdsa.SignASN1(rand.Reader, k.p256, hash[:])
	if err != nil {
		return nil, err
	}
	var made struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &made); err != nil {
		return nil, err
	}
	order := elliptic.P256().Params().N
	if made.S.Cmp(new(big.Int).Rsh(order, 1)) > 0 {
		made.S.Sub(order, made.S)
	}
	made.R.FillBytes(signature[:32])
	made.S.FillBytes(signature[32:])
	return signature, nil
}
