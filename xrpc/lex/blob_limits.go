package lex

import (
	"crypto/sha256"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// BlobLimits are what a lexicon says of the blobs of one field. Generated code has them as functions, such as
// appbsky.EmbedImagesImageImageLimits. The zero value allows any blob.
type BlobLimits struct {
	MaxSize int64    // in bytes, 0: any
	Accept  []string // MIME types, which may end in "/*"; none: any
}

// Check says what is wrong with a file before it is uploaded: servers look only when the record is written
// that it is for. A size below zero is not known, and not checked. Parameters of the MIME type
// and letter case do not matter. The error is a *ValidationError.
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

// anyBlob is the link of a blob of which only type and size are looked at: that of the empty file.
const anyBlob = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"

// BlobCIDOf returns the content address of a file whose SHA-256 digest is known, as BlobCID does of its bytes.
func BlobCIDOf(digest [sha256.Size]byte) syntax.CID { return cidOfDigest(codecRaw, digest) }
