package lex

import (
	"crypto/sha256"

	"github.com/gimucco/atproto-go/internal/cidform"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CID returns the content address of v: the SHA-256 of its DAG-CBOR. A record that is read and
// written again keeps its CID.
func CID(v Encodable) (syntax.CID, error) {
	b, err := MarshalCBOR(v)
	if err != nil {
		return "", err
	}
	return cidOf(codecDAGCBOR, b), nil
}

// BlobCID returns the content address of a file, as in Blob.Ref.
func BlobCID(data []byte) syntax.CID { return cidOf(codecRaw, data) }

// The parts of a CID that describe its block
// (https://atproto.com/specs/data-model#link-and-cid-formats).
const (
	codecRaw     = 0x55
	codecDAGCBOR = 0x71
	hashSHA256   = 0x12
)

func cidOf(codec byte, block []byte) syntax.CID {
	return cidOfDigest(codec, sha256.Sum256(block))
}

func cidOfDigest(codec byte, digest [sha256.Size]byte) syntax.CID {
	b := append([]byte{1, codec, hashSHA256, sha256.Size}, digest[:]...)
	return syntax.CID(cidform.AppendText(nil, b))
}
