package site

import (
	"bufio"
	"io"
	"net/http"
	"slices"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// shownTypes are the pictures that are shown. SVG is not among them: it holds scripts.
var shownTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// maxShown is the size limit in bytes. It is more than posts and profiles allow.
const maxShown = 8 << 20

// picture serves a picture from the account's repository. Servers send blobs as files to save, and the policy of
// this site allows no pictures from elsewhere. A blob is whatever somebody uploaded, under any type. So the
// first bytes decide whether it is a picture, and the headers keep it from running anything.
func (s *site) picture(w http.ResponseWriter, r *http.Request) {
	session, err := s.web.Session(r)
	if err != nil {
		s.refusePicture(w, r, err)
		return
	}
	cid, err := syntax.ParseCID(r.PathValue("cid"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	blob, err := comatproto.NewClient(session).Sync.GetBlob(r.Context(), &comatproto.SyncGetBlobParams{DID: session.DID(), CID: cid})
	if err != nil {
		s.refusePicture(w, r, err)
		return
	}
	defer blob.Close()
	body := bufio.NewReaderSize(blob, 512)
	start, err := body.Peek(512)
	if err != nil && err != io.EOF {
		s.refusePicture(w, r, err)
		return
	}
	contentType := http.DetectContentType(start)
	if !slices.Contains(shownTypes, contentType) {
		http.Error(w, "This is not a picture.", http.StatusUnsupportedMediaType)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'") // as a page of its own
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, max-age=86400, immutable") // a CID is of one content
	n, err := io.Copy(w, io.LimitReader(body, maxShown))
	if err != nil || n == maxShown {
		panic(http.ErrAbortHandler) // so that nobody takes a half for the whole
	}
}

// refusePicture answers an <img>, which needs no page.
func (s *site) refusePicture(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Warn("request failed", "path", r.URL.Path, "error", err)
	status, text := s.web.Explain(r, err)
	http.Error(w, text, status)
}
