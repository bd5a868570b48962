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

// ErrCIDMismatch is the cause when the bytes of a Download are not those that WithCID asked for.
var ErrCIDMismatch = errors.New("xrpc: the bytes are not those of the CID")

// What the text of the CID of a blob begins with (version 1, bytes as they are, SHA-256), and its length.
const (
	blobCIDStart  = "bafkrei"
	blobCIDLength = 59
)

func isBlobCID(cid syntax.CID) bool {
	return cid.Validate() == nil && len(cid) == blobCIDLength && strings.HasPrefix(string(cid), blobCIDStart)
}

// A verifier passes bytes on and compares them with a CID at their end.
type verifier struct {
	want syntax.CID
	sum  hash.Hash
}

func newVerifier(want syntax.CID) *verifier { return &verifier{want: want, sum: sha256.New()} }

// add takes what a Read returned, and returns its error, or that the bytes are others.
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

// limited returns body, which breaks off where it becomes larger than limits allow; or says what is
// wrong with it already.
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
