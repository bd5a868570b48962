package xrpc

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Download is the output of a method that is not typed: bytes as they arrive.
// Read it to the end or not, but close it.
type Download struct {
	ContentType string // as the server says, "" if it does not
	Size        int64  // in bytes, -1 if the server does not say

	ResponseInfo

	nsid     syntax.NSID
	body     *watchedBody
	received int64
	progress func(received, size int64)
	verifier *verifier // nil: nothing is compared
	failed   error     // the last word of Read
}

// download hands the body over. A type that is not the lexicon's is refused, unless the server says
// of it no more than that it is bytes.
func (a *success) download() (*Download, error) {
	contentType := a.header.Get("Content-Type")
	if !matchesEncoding(a.method.Output, contentType) && contentType != "" && !matchesEncoding(octetStream, contentType) {
		defer a.body.Close()
		return nil, a.invalid(a.body.beginning(maxErrorBody), fmt.Errorf("content type is %.200q, not %q", contentType, a.method.Output))
	}
	d := &Download{ContentType: contentType, Size: a.size, ResponseInfo: a.info, nsid: a.method.NSID, body: a.body, progress: a.options.downloaded}
	if a.options.cid != "" {
		d.verifier = newVerifier(a.options.cid)
	}
	return d, nil
}

// Read implements io.Reader. A connection that breaks is a *SendError; a body that ends before its
// announced size is io.ErrUnexpectedEOF to errors.Is. With WithCID, ErrCIDMismatch takes the place of io.EOF
// where the bytes are others.
func (d *Download) Read(p []byte) (int, error) {
	if d.failed != nil {
		return 0, d.failed
	}
	n, err := d.body.Read(p)
	d.received += int64(n)
	if n > 0 && d.progress != nil {
		d.progress(d.received, d.Size)
	}
	if err != nil && err != io.EOF {
		err = &SendError{NSID: d.nsid, Sent: SentMaybe, Err: err}
	}
	if d.verifier != nil {
		err = d.verifier.add(p[:n], err)
	}
	d.failed = err
	return n, err
}

// Close implements io.Closer. It ends a download that is not read to the end.
func (d *Download) Close() error { return d.body.Close() }

// A watchedBody is a response's body. Its request ends with it: when it is read to its end or
// closed, or when nothing arrives for too long.
type watchedBody struct {
	body   io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	idle   time.Duration
	limit  *time.Timer // of all of it
	once   sync.Once
	err    error
}

// within ends the request with cause when the body is not there in full after d. 0: never.
func (w *watchedBody) within(d time.Duration, cause error) {
	if d > 0 {
		w.limit = time.AfterFunc(d, func() { w.cancel(cause) })
	}
}

// Read implements io.Reader. The clock runs only while somebody waits for bytes, so
// that a slow reader is not taken for a slow server.
func (w *watchedBody) Read(p []byte) (int, error) {
	var timer *time.Timer
	if w.idle > 0 {
		timer = time.AfterFunc(w.idle, func() { w.cancel(ErrIdle) })
	}
	n, err := w.body.Read(p)
	if timer != nil {
		timer.Stop()
	}
	if err != nil {
		if err != io.EOF && w.ctx.Err() != nil {
			err = overBecause(w.ctx) // whatever the transport makes of it
		}
		w.end()
	}
	return n, err
}

// errorTime is how long the body of an answer is waited for that is refused anyway.
const errorTime = 10 * time.Second

// beginning reads what can be had of the body of an answer that is refused: it helps, but what is
// missing must not hide why.
func (w *watchedBody) beginning(limit int64) []byte {
	w.within(errorTime, ErrOutputTimeout)
	body, _ := io.ReadAll(io.LimitReader(w, limit))
	return body
}

func (w *watchedBody) end() {
	if w.limit != nil {
		w.limit.Stop()
	}
	w.cancel(nil)
}

// Close implements io.Closer.
func (w *watchedBody) Close() error {
	w.once.Do(func() {
		w.err = w.body.Close()
		w.end()
	})
	return w.err
}
