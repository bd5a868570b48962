package xrpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Download is the output of a method that is not typed: bytes as they arrive.
// Read it to the end or not, but close it.
type Download struct {
	ContentType string // as the server says, "" if it does not
	Size        int64  // in bytes, -1 if the server does not say

	ResponseInfo

	body io.ReadCloser
}

func newDownload(resp *http.Response) *Download {
	return &Download{
		ContentType:  resp.Header.Get("Content-Type"),
		Size:         resp.ContentLength,
		ResponseInfo: readInfo(resp, time.Now()),
		body:         resp.Body,
	}
}

// Read implements io.Reader. A body that ends before its announced size is
// io.ErrUnexpectedEOF.
func (d *Download) Read(p []byte) (int, error) { return d.body.Read(p) }

// Close implements io.Closer. It ends a download that is not read to the end.
func (d *Download) Close() error { return d.body.Close() }

// ErrIdle is the cause when no piece of a body arrived for WithIdleTimeout.
var ErrIdle = errors.New("xrpc: the response's body stopped arriving")

// watch wraps a response's body: it cancels the request when the body is closed, or
// when nothing arrives for the time given.
func watch(body io.ReadCloser, idle time.Duration, cancel context.CancelCauseFunc) io.ReadCloser {
	w := &watchedBody{body: body, cancel: cancel, idle: idle}
	return w
}

type watchedBody struct {
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	idle   time.Duration
	once   sync.Once
	err    error
}

// Read implements io.Reader. The clock runs only while somebody waits for bytes, so
// that a slow reader is not taken for a slow server.
func (w *watchedBody) Read(p []byte) (int, error) {
	if w.idle <= 0 {
		return w.body.Read(p)
	}
	late := make(chan struct{})
	timer := time.AfterFunc(w.idle, func() {
		close(late)
		w.cancel(ErrIdle)
	})
	n, err := w.body.Read(p)
	timer.Stop()
	if err != nil && err != io.EOF {
		select {
		case <-late:
			err = ErrIdle
		default:
		}
	}
	return n, err
}

// Close implements io.Closer.
func (w *watchedBody) Close() error {
	w.once.Do(func() {
		w.err = w.body.Close()
		w.cancel(nil)
	})
	return w.err
}
