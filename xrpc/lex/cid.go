package lex

import (
	"crypto/sha256"

	"github.com/gimucco/atproto-go/internal/cidform"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CID returns the content address of v: of its DAG-CBOR, by SHA-256. A record that was
// read and is written again has the CID it had.
func CID(v Encodable) (syntax.CID, error) {
	b, err := MarshalCBOR(v)
	if err != nil {
		return "", err
	}
	return cidOf(codecDAGCBOR, b), nil
}

// BlobCID returns the content address of a file, as in Blob.Ref.
func BlobCID(data []byte) syntax.CID { return cidOf(codecRaw, data) }

// What a CID says of its block (https://atproto.com/specs/data-model#link-and-cid-formats).
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
