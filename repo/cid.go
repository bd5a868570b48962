package repo

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The fixed parts of the CIDs in repositories
// (https://atproto.com/specs/data-model#link-and-cid-formats).
const (
	cidVersion   = 1
	codecRaw     = 0x55
	codecDAGCBOR = 0x71
	hashSHA256   = 0x12
)

// binarySize is the size of a CID in bytes: version, codec, hash, size of the digest, digest.
const binarySize = 4 + sha256.Size

// A cid is a content address in a compact form: it leaves out what is the same in all CIDs of
// repositories. The zero value means none.
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

// textSize is the number of base32 characters for these bytes.
const textSize = (binarySize*8 + 4) / 5

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// parseText parses a CID in its text form.
func parseText[S ~string](text S) (cid, error) {
	if len(text) != 1+textSize || text[0] != 'b' {
		return cid{}, errCID
	}
	var b [binarySize]byte
	var bits, pending, n uint
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z':
			bits = bits<<5 | uint(c-'a')
		case '2' <= c && c <= '7':
			bits = bits<<5 | uint(c-'2'+26)
		default:
			return cid{}, errCID
		}
		if pending += 5; pending >= 8 {
			pending -= 8
			b[n] = byte(bits >> pending)
			bits &= 1<<pending - 1
			n++
		}
	}
	if bits != 0 { // after the last byte
		return cid{}, errCID
	}
	return parseBinary(b[:])
}

// binary returns the CID as bytes.
func (c cid) binary() [binarySize]byte {
	b := [binarySize]byte{cidVersion, c.codec, hashSHA256, sha256.Size}
	copy(b[4:], c.digest[:])
	return b
}

// text returns the CID in its text form, or "" for none.
func (c cid) text() syntax.CID {
	if c.none() {
		return ""
	}
	b := c.binary()
	var text [1 + textSize]byte
	text[0] = 'b'
	encoding.Encode(text[1:], b[:])
	return syntax.CID(text[:])
}

// none reports whether c is the zero value.
func (c cid) none() bool { return c.codec == 0 }

// compare orders CIDs in some fixed way. The first bytes of the digests distinguish almost all of
// them.
func (c *cid) compare(other *cid) int {
	a, b := binary.BigEndian.Uint64(c.digest[:]), binary.BigEndian.Uint64(other.digest[:])
	if a != b {
		return cmp.Compare(a, b)
	}
	return cmp.Or(bytes.Compare(c.digest[:], other.digest[:]), cmp.Compare(c.codec, other.codec))
}
