package repo

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"errors"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What the CIDs of repositories say of their blocks
// (https://atproto.com/specs/data-model#link-and-cid-formats).
const (
	cidVersion   = 1
	codecRaw     = 0x55
	codecDAGCBOR = 0x71
	hashSHA256   = 0x12
)

// binarySize is how many bytes a CID has: version, codec, hash, size of the digest, digest.
const binarySize = 4 + sha256.Size

// A cid is a content address in the form in which many of them are kept: what is the same in all
// CIDs of repositories is left out. The zero value is none.
type cid struct {
	codec  byte
	digest [sha256.Size]byte
}

var errCID = errors.New("is not a CID of version 1 of DAG-CBOR or raw bytes, by SHA-256")

// cidOf returns the content address of a block.
func cidOf(codec byte, block []byte) cid {
	return cid{codec: codec, digest: sha256.Sum256(block)}
}

// parseBinary reads the CID at the beginning of b.
func parseBinary(b []byte) (cid, error) {
	var id cid
	if len(b) < binarySize || b[0] != cidVersion || b[1] != codecRaw && b[1] != codecDAGCBOR || b[2] != hashSHA256 || b[3] != sha256.Size {
		return cid{}, errCID
	}
	id.codec = b[1]
	copy(id.digest[:], b[4:])
	return id, nil
}

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// parseText reads a CID in its text form.
func parseText[S ~string](text S) (cid, error) {
	var b [binarySize]byte
	if len(text) != 1+encoding.EncodedLen(binarySize) || text[0] != 'b' {
		return cid{}, errCID
	}
	if _, err := encoding.Decode(b[:], []byte(text[1:])); err != nil {
		return cid{}, errCID
	}
	id, err := parseBinary(b[:])
	if err == nil && string(id.text()) != string(text) {
		err = errCID // bits behind the last byte
	}
	return id, err
}

// binary returns the CID in bytes.
func (c cid) binary() []byte {
	return append([]byte{cidVersion, c.codec, hashSHA256, sha256.Size}, c.digest[:]...)
}

// text returns the CID in its text form, "" for none.
func (c cid) text() syntax.CID {
	if c.none() {
		return ""
	}
	text := make([]byte, 1+encoding.EncodedLen(binarySize))
	text[0] = 'b'
	encoding.Encode(text[1:], c.binary())
	return syntax.CID(text)
}

// none reports whether c is the zero value.
func (c cid) none() bool { return c.codec == 0 }

// compare puts CIDs into an order, whatever it is.
func (c cid) compare(other cid) int {
	return cmp.Or(bytes.Compare(c.digest[:], other.digest[:]), cmp.Compare(c.codec, other.codec))
}
