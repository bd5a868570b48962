package xrpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

// ErrBodyNotReplayable is what opening a one-way body for the second time fails
// with: its bytes are gone.
var ErrBodyNotReplayable = errors.New("xrpc: body can be read only once and was used")

// A Body is the body of a request. It opens a reader of its own for every attempt,
// and knows its type, its size and whether it can do so twice. A Body serves one
// request at a time.
type Body struct {
	contentType string
	size        int64
	replayable  bool
	opener      func() (io.ReadCloser, error)

	mu   sync.Mutex
	last *attempt // the attempt that opened the body last
}

// BytesBody is a body in memory, which can be sent again. The slice must not be
// changed while the request is under way.
func BytesBody(b []byte, contentType string) *Body {
	return &Body{
		contentType: contentType, size: int64(len(b)), replayable: true,
		opener: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// ReaderAtBody is a body of which every part can be read at any time, such as a
// file: it can be sent again without being held in memory. r is not closed.
func ReaderAtBody(r io.ReaderAt, size int64, contentType string) *Body {
	return &Body{
		contentType: contentType, size: size, replayable: true,
		opener: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(r, 0, size)), nil },
	}
}

// StreamBody is a body that can be read once; it is never sent twice. size is in
// bytes, or -1 if it is not known. r is not closed.
func StreamBody(r io.Reader, size int64, contentType string) *Body {
	used := false
	return &Body{
		contentType: contentType, size: size,
		opener: func() (io.ReadCloser, error) {
			if used {
				return nil, ErrBodyNotReplayable
			}
			used = true
			return io.NopCloser(r), nil
		},
	}
}

// OpenerBody is a body that open opens anew for every attempt. size is in bytes, or
// -1 if it is not known.
func OpenerBody(open func() (io.ReadCloser, error), size int64, contentType string) *Body {
	return &Body{contentType: contentType, size: size, replayable: true, opener: open}
}

// ContentType returns the MIME type under which the body is sent.
func (b *Body) ContentType() string { return b.contentType }

// Size returns the number of bytes, or -1 if it is not known.
func (b *Body) Size() int64 { return b.size }

// Replayable reports whether the body can be sent again.
func (b *Body) Replayable() bool { return b.replayable }

// open returns the reader for one attempt. It waits until the attempt before has
// closed its own: net/http may still be reading it after the response is there
// (HTTP/2, or an answer that came early).
func (b *Body) open(ctx context.Context) (io.ReadCloser, error) {
	b.mu.Lock()
	before := b.last
	b.mu.Unlock()
	if before != nil {
		if !b.replayable {
			return nil, ErrBodyNotReplayable
		}
		select {
		case <-before.closed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	r, err := b.opener()
	if err != nil {
		return nil, err
	}
	a := &attempt{ReadCloser: r, closed: make(chan struct{})}
	b.mu.Lock()
	b.last = a
	b.mu.Unlock()
	return a, nil
}

// An attempt is the body of one attempt; net/http closes it in any case.
type attempt struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

// Close implements io.Closer.
func (a *attempt) Close() error {
	var err error
	a.once.Do(func() {
		err = a.ReadCloser.Close()
		close(a.closed)
	})
	return err
}
