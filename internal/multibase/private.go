// Package multibase reads private keys as servers and programs of the AT Protocol write them
// (https://github.com/multiformats/multibase): "z", and in base58btc a multicodec and the bytes of
// the key. What is read is not looked at further. No part of a key enters an error.
package multibase

import (
	"bytes"
	"errors"
	"strings"

	"github.com/mr-tron/base58"
)

// The curves that keys are on.
const (
	P256 = "P-256"
	K256 = "K-256"
)

// What marks private keys in multicodec, as a varint.
var (
	prefixP256 = []byte{0x86, 0x26} // p256-priv, 0x1306
	prefixK256 = []byte{0x81, 0x26} // secp256k1-priv, 0x1301
)

// maxKey is more than the text of a key has.
const maxKey = 128

var (
	// ErrForm: the text is not "z" and base58btc behind it.
	ErrForm = errors.New(`is not "z" and base58btc behind it`)
	// ErrCharacters: what stands behind the z is not base58btc.
	ErrCharacters = errors.New("is not base58btc")
	// ErrSort: it is something else than a private key on one of the curves.
	ErrSort = errors.New("is a key of another sort")
)

// Private returns the bytes of a private key and the curve that it is said to be on.
func Private(text string) (raw []byte, curve string, err error) {
	encoded, ok := strings.CutPrefix(text, "z")
	if !ok || len(encoded) > maxKey {
		return nil, "", ErrForm
	}
	all, err := base58.Decode(encoded)
	if err != nil {
		return nil, "", ErrCharacters // err has a part of the key
	}
	if raw, ok := bytes.CutPrefix(all, prefixP256); ok {
		return raw, P256, nil
	}
	if raw, ok := bytes.CutPrefix(all, prefixK256); ok {
		return raw, K256, nil
	}
	return nil, "", ErrSort
}
