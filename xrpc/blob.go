package xrpc

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// ErrCIDMismatch is the cause if the bytes of a Download do not have the CID of WithCID.
var ErrCIDMismatch = errors.New("xrpc: the bytes are not those of the CID")

// The beginning of the text of a blob's CID (version 1, raw bytes, SHA-256), and its length.
const (
	blobCIDStart  = "bafkrei"
	blobCIDLength = 59
)

func isBlobCID(cid syntax.CID) bool {
	return cid.Validate() == nil && len(cid) == blobCIDLength && strings.HasPrefix(string(cid), blobCIDStart)
}

// A verifier passes bytes on, and compares their hash with a CID at the end.
type verifier struct {
	want syntax.CID
	sum  hash.Hash
}

func newVerifier(want syntax.CID) *verifier { return &verifier{want: want, sum: sha256.New()} }

// add takes the result of a Read. It returns its error, or an error if the bytes do not fit the
// CID.
func (v *verifier) add(read []byte, err error) error {
	v.sum.Write(read)
	if err != io.EOF {
		return err
	}
	if got := lex.BlobCIDOf([sha256.Size]byte(v.sum.Sum(nil))); got != v.want {
		return fmt.Errorf("%w: want %s, got %s", ErrCIDMismatch, v.want, got)
	}
	return io.EOF
}

// limited returns a body that fails as soon as it is larger than limits allow. It returns an error
// if body breaks the limits already.
func limited(body *Body, contentType string, limits lex.BlobLimits) (*Body, error) {
	if err := limits.Check(body.size, contentType); err != nil {
		return nil, err
	}
	if body.size >= 0 || limits.MaxSize <= 0 {
		return body, nil
	}
	return body.shown(body.contentType, bodyWatch{limit: func(sent int64) error {
		return lex.BlobLimits{MaxSize: limits.MaxSize}.Check(sent, octetStream)
	}}), nil
}
