package oauthtest

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Codecs of content identifiers (https://atproto.com/specs/data-model#link-and-cid-formats).
const (
	codecRaw     = 0x55
	codecDAGCBOR = 0x71
)

// cidOf returns the CIDv1 of a SHA-256 digest, in base32.
func cidOf(codec byte, sum [sha256.Size]byte) string {
	b := append([]byte{1, codec, 0x12, sha256.Size}, sum[:]...)
	return "b" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
