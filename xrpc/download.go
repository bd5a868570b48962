package xrpc

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Download is the output of a method that is not typed: a stream of bytes. You need not read it
// to the end, but you must close it.
type Download struct {
	ContentType string // as the server says; "" if it does not
	Size        int64  // in bytes; -1 if the server does not say

	// ResponseInfo is the status and the header of the response.
	ResponseInfo

	nsid     syntax.NSID
	body     *watchedBody
	received int64
	progress func(received, size int64)
	verifier *verifier // nil: there is no CID to compare with
	failed   error     // the final error of Read
}

// download returns the body as a Download. It refuses a content type that is not the lexicon's,
// unless the server says only that the content is bytes.
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

// Read implements io.Reader. If the connection breaks, the error is a *SendError. If the body ends
// before its announced size, errors.Is finds io.ErrUnexpectedEOF. With WithCID, the error is
// ErrCIDMismatch instead of io.EOF if the bytes do not fit.
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

// Close implements io.Closer. It also ends a download before its end.
func (d *Download) Close() error { return d.body.Close() }

// A watchedBody is the body of a response. It ends its request when it is read to its end, when it
// is closed, or when nothing arrives for too long.
type watchedBody struct {
	body   io.ReadCloser
	ctx    context.Context // the context of the request
	cancel context.CancelCauseFunc
	idle   time.Duration
	limit  *time.Timer // for the whole body
	once   sync.Once
	err    error
}

// within ends the request with cause if the body has not arrived completely after d. 0 means never.
func (w *watchedBody) within(d time.Duration, cause error) {
	if d > 0 {
		w.limit = time.AfterFunc(d, func() { w.cancel(cause) })
	}
}

// Read implements io.Reader. The idle time counts only while somebody waits for bytes, so a slow
// reader does not count as a slow server.
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
			err = overBecause(w.ctx) // whatever error the transport makes of it
		}
		w.end()
	}
	return n, err
}

// errorTime is how long the body of a refused answer is read.
const errorTime = 10 * time.Second

// beginning reads as much as possible of the body of a refused answer. It helps, but a failure here
// must not hide the reason.
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
