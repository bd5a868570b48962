package lex

import (
	"crypto/sha256"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// BlobLimits are a lexicon's limits for the blobs of one field. Generated code returns them from
// functions, such as appbsky.EmbedImagesImageImageLimits. The zero value allows any blob.
type BlobLimits struct {
	MaxSize int64    // in bytes; 0 means no limit
	Accept  []string // MIME types, which may end in "/*"; none means any
}

// Check checks a file before it is uploaded, because servers check only when they write the record
// that refers to it. A negative size means unknown and is not checked. Parameters of the MIME type
// and letter case are ignored. The error is a *ValidationError.
func (l BlobLimits) Check(size int64, mimeType string) error {
	mimeType, _, _ = strings.Cut(mimeType, ";")
	b := Blob{Ref: anyBlob, MimeType: strings.ToLower(strings.TrimSpace(mimeType)), Size: max(size, 0)}
	maxSize := l.MaxSize
	if maxSize <= 0 {
		maxSize = -1
	}
	v := Validator{mode: Strict}
	if v.Blob(&b, maxSize, l.Accept...); len(v.violations) > 0 {
		return &ValidationError{Violations: v.violations}
	}
	return nil
}

// anyBlob is the link of a blob whose type and size alone are checked: the link of the empty file.
const anyBlob = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

// BlobCIDOf is BlobCID for a file whose SHA-256 digest is known.
func BlobCIDOf(digest [sha256.Size]byte) syntax.CID { return cidOfDigest(codecRaw, digest) }
