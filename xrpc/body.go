package xrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/gimucco/atproto-go/internal/nilvalue"
)

// ErrBodyNotReplayable is the error of opening a one-way body a second time: its bytes are gone.
var ErrBodyNotReplayable = errors.New("xrpc: body can be read only once and was used")

// A Body is the body of a request. Every attempt opens its own reader. A Body knows its type, its
// size, and whether it can be sent again. It serves one request at a time.
type Body struct {
	contentType string
	size        int64
	replayable  bool
	opener      func() (io.ReadCloser, error)
	wrong       error // why there is nothing to send, such as a nil reader

	base  *Body // the body that this one shows to one call; nil for none
	watch bodyWatch

	mu   sync.Mutex
	last *attempt   // the attempt that opened the body last
	lent []*lending // readers from base, for this call
}

// A bodyWatch receives the events of a body that is being sent. Its funcs may be nil.
type bodyWatch struct {
	wanted func()           // somebody waits for more bytes
	taken  func(sent int64) // this many bytes were read in all
	ended  func()           // nobody will read more

	limit func(sent int64) error // returns an error if there must not be so many bytes
}

// BytesBody is a body in memory. It can be sent again. Do not change the slice while the request is
// under way.
func BytesBody(b []byte, contentType string) *Body {
	return &Body{
		contentType: contentType, size: int64(len(b)), replayable: true,
		opener: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// ReaderAtBody is a body in something that can be read at any position, such as a file. It can be
// sent again, and it is not loaded into memory. r is not closed. If r is nil, the call fails before
// anything is sent.
func ReaderAtBody(r io.ReaderAt, size int64, contentType string) *Body {
	return &Body{
		contentType: contentType, size: size, replayable: true, wrong: errorOfNil("reader", r),
		opener: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(r, 0, size)), nil },
	}
}

// StreamBody is a body that can be read once, so it is never sent twice. size is in bytes, or -1 if
// it is unknown. r is not closed. If r is nil, the call fails before anything is sent.
func StreamBody(r io.Reader, size int64, contentType string) *Body {
	used := false
	return &Body{
		contentType: contentType, size: size, wrong: errorOfNil("reader", r),
		opener: func() (io.ReadCloser, error) {
			if used {
				return nil, ErrBodyNotReplayable
			}
			used = true
			return io.NopCloser(r), nil
		},
	}
}

// OpenerBody is a body that open opens for every attempt. size is in bytes, or -1 if it is unknown.
// If open is nil, the call fails before anything is sent.
func OpenerBody(open func() (io.ReadCloser, error), size int64, contentType string) *Body {
	opener := func() (io.ReadCloser, error) {
		r, err := open()
		if err == nil {
			err = errorOfNil("reader, from the func of OpenerBody", r)
		}
		return r, err
	}
	return &Body{contentType: contentType, size: size, replayable: true, wrong: errorOfNil("func", open), opener: opener}
}

// errorOfNil returns an error if the source of a body is nil.
// net/http reads bodies in goroutines of its own, where nobody could recover from the panic.
func errorOfNil(what string, source any) error {
	if !nilvalue.Is(source) {
		return nil
	}
	return fmt.Errorf("the input is a body with a nil %s", what)
}

// ContentType returns the MIME type of the body.
func (b *Body) ContentType() string { return b.contentType }

// Size returns the number of bytes, or -1 if it is unknown.
func (b *Body) Size() int64 { return b.size }

// Replayable reports whether the body can be sent again.
func (b *Body) Replayable() bool { return b.replayable }

// Open returns a reader of the bytes. The caller closes it. If the body is not Replayable, Open works
// once. Otherwise it waits until the reader before is closed, or until ctx ends.
func (b *Body) Open(ctx context.Context) (io.ReadCloser, error) { return b.open(ctx) }

// shown returns b for one call: with a content type, and watched.
func (b *Body) shown(contentType string, watch bodyWatch) *Body {
	return &Body{contentType: contentType, size: b.size, replayable: b.replayable, base: b, watch: watch}
}

// open returns the reader for one attempt. It waits until the attempt before has closed its reader.
// net/http may still read that one after the response has arrived (HTTP/2, or an early answer).
func (b *Body) open(ctx context.Context) (io.ReadCloser, error) {
	if b.base != nil {
		return b.lend(b.base.open(ctx))
	}
	if b.wrong != nil {
		return nil, fmt.Errorf("xrpc: %w", b.wrong)
	}
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

// reopen returns another reader for the same attempt. It waits for nothing, because net/http may
// ask for a reader and then not use it.
func (b *Body) reopen() (io.ReadCloser, error) {
	if b.base != nil {
		return b.lend(b.base.reopen())
	}
	return b.opener()
}

// An attempt is the body of one attempt. net/http always closes it.
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

// lend wraps a reader of base.
func (b *Body) lend(r io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	l := &lending{ReadCloser: r, watch: b.watch}
	b.mu.Lock()
	b.lent = append(b.lent, l)
	b.mu.Unlock()
	return l, nil
}

// closeUnread closes the readers that nobody began to read. If a Doer fails before it sends the
// request, for example because it cannot sign, it may have left one open (P121).
func (b *Body) closeUnread() {
	if b == nil {
		return
	}
	b.mu.Lock()
	lent := b.lent
	b.mu.Unlock()
	for _, l := range lent {
		l.mu.Lock()
		unread := !l.begun
		l.mu.Unlock()
		if unread {
			l.Close()
		}
	}
}

// A lending is a reader of a watched body.
type lending struct {
	io.ReadCloser
	watch bodyWatch
	sent  int64

	mu     sync.Mutex
	begun  bool
	closed bool
}

// errBodyClosed is the error of reading a body that was closed before.
var errBodyClosed = errors.New("xrpc: the body was closed")

// Read implements io.Reader.
func (l *lending) Read(p []byte) (int, error) {
	l.mu.Lock()
	l.begun = true
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return 0, errBodyClosed
	}
	call(l.watch.wanted)
	n, err := l.ReadCloser.Read(p)
	l.sent += int64(n)
	if l.watch.taken != nil {
		l.watch.taken(l.sent)
	}
	if l.watch.limit != nil && (err == nil || err == io.EOF) {
		if over := l.watch.limit(l.sent); over != nil {
			n, err = 0, over
		}
	}
	if err != nil {
		call(l.watch.ended)
	}
	return n, err
}

// Close implements io.Closer.
func (l *lending) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	call(l.watch.ended)
	return l.ReadCloser.Close()
}

func call(f func()) {
	if f != nil {
		f()
	}
}
