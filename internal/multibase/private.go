// Package multibase decodes private keys in the form that servers and programs of the AT Protocol
// use (https://github.com/multiformats/multibase): "z", and then, in base58btc, a multicodec and
// the bytes of the key. It does not check the bytes. No error contains a part of a key.
package multibase

import (
	"bytes"
	"errors"
	"strings"

	"github.com/mr-tron/base58"
)

// The curves of keys.
const (
	P256 = "P-256"
	K256 = "K-256"
)

// The multicodec prefixes of private keys, as varints.
var (
	prefixP256 = []byte{0x86, 0x26} // p256-priv, 0x1306
	prefixK256 = []byte{0x81, 0x26} // secp256k1-priv, 0x1301
)

// maxKey is longer than the text of any key.
const maxKey = 128

var (
	// ErrForm: the text is not "z" followed by base58btc.
	ErrForm = errors.New(`is not "z" and base58btc behind it`)
	// ErrCharacters: the text after the z is not base58btc.
	ErrCharacters = errors.New("is not base58btc")
	// ErrSort: it is not a private key on one of the curves.
	ErrSort = errors.New("is a key of another kind")
)

// Private returns the bytes of a private key, and the curve that its prefix names.
func Private(text string) (raw []byte, curve string, err error) {
	encoded, ok := strings.CutPrefix(text, "z")
	if !ok || len(encoded) > maxKey {
		return nil, "", ErrForm
	}
	all, err := base58.Decode(encoded)
	if err != nil {
		return nil, "", ErrCharacters // err contains a part of the key
	}
	if raw, ok := bytes.CutPrefix(all, prefixP256); ok {
		return raw, P256, nil
	}
	if raw, ok := bytes.CutPrefix(all, prefixK256); ok {
		return raw, K256, nil
	}
	return nil, "", ErrSort
}
