package xrpc

import (
	"fmt"
	"io"
	"sync"
)

// A readBuffer holds the body of a typed output while it is decoded. Decoded values do not refer to
// it, so the next call can use it.
type readBuffer struct{ bytes []byte }

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// maxPooledBuffer is the largest buffer that is kept for the next call, in bytes. It also limits
// how much memory is reserved because a server announced a size.
const maxPooledBuffer = 1 << 20

func (r *readBuffer) release() {
	if cap(r.bytes) <= maxPooledBuffer+1 {
		readBuffers.Put(r)
	}
}

// readAll reads a body into one buffer. If the server announced the size, the buffer has that size.
// On an error, it also returns what it has read. The result is valid until release.
func (r *readBuffer) readAll(body io.Reader, announced, limit int64) ([]byte, error) {
	tooLarge := func() error { return fmt.Errorf("%w: more than %d bytes", ErrOutputTooLarge, limit) }
	if announced > limit {
		beginning, _ := io.ReadAll(io.LimitReader(body, maxErrorBody))
		return beginning, tooLarge()
	}
	if size := min(max(announced, 512), maxPooledBuffer); int64(cap(r.bytes)) <= size {
		r.bytes = make([]byte, 0, size+1)
	}
	buf := r.bytes[:0]
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		r.bytes = buf
		if int64(len(buf)) > limit {
			return buf, tooLarge()
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}
