package oauthtest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxBlob is the largest blob that the PDS accepts: the default of the reference PDS.
const maxBlob = 5 << 20

type blob struct {
	mediaType string
	data      []byte
	referred  bool // a record refers to it
}

// uploadBlob stores a blob, and hashes it while it arrives.
func (s *Server) uploadBlob(c *call) (any, *xrpcError) {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, fail("InvalidRequest", "Request encoding (Content-Type) required but not provided")
	}
	s.mu.Lock()
	failed := s.requires(c.auth, scope.Blob(media)) // a refresh may change the scope meanwhile
	s.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	var data bytes.Buffer
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(h, &data), http.MaxBytesReader(c.w, c.r.Body, maxBlob))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &xrpcError{status: http.StatusRequestEntityTooLarge, name: "PayloadTooLarge", message: "request entity too large"}
	}
	if err != nil {
		return nil, fail("InvalidRequest", "The body could not be read: %v", err)
	}
	cid := string(lex.BlobCIDOf([sha256.Size]byte(h.Sum(nil))))
	s.mu.Lock()
	defer s.mu.Unlock()
	blobs := s.repo(c.auth.did).blobs
	if blobs[cid] == nil {
		blobs[cid] = &blob{mediaType: media, data: data.Bytes()}
	}
	return map[string]any{"blob": map[string]any{
		"$type":    "blob",
		"ref":      map[string]string{"$link": cid},
		"mimeType": media,
		"size":     data.Len(),
	}}, nil
}

// getBlob serves a blob, but only if a record refers to it. Before that it is temporary, as at the
// reference PDS.
func (s *Server) getBlob(c *call) (any, *xrpcError) {
	if s.redirectDownload(c) {
		return nil, nil
	}
	return s.serveBlob(c)
}

func (s *Server) serveBlob(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	if _, err := syntax.ParseDID(q.Get("did")); err != nil {
		return nil, fail("InvalidRequest", "did must be a valid did")
	}
	s.mu.Lock()
	var b *blob
	a := s.account(q.Get("did"))
	if a != nil {
		b = s.repo(a.DID).blobs[q.Get("cid")]
	}
	found := b != nil && b.referred
	s.mu.Unlock()
	switch {
	case a == nil:
		return nil, fail("RepoNotFound", "Could not find repo for DID: %s", q.Get("did"))
	case b != nil && !found:
		return nil, fail("InvalidRequest", "Blob not found: no record refers to it yet")
	case !found:
		return nil, fail("InvalidRequest", "Blob not found")
	}
	h := c.w.Header()
	h.Set("Content-Type", b.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(b.data)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	c.w.Write(b.data)
	return nil, nil
}
