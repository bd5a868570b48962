package xrpc

import (
	"fmt"
	"io"
	"sync"
)

// A readBuffer holds the body of a typed output while it is decoded. What is decoded keeps nothing of it, so that the
// next call can use it.
type readBuffer struct{ bytes []byte }

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// maxPooledBuffer is the largest buffer that is kept for the next call, in bytes. It is also how far the server's word on
// the size of a body is taken: it costs memory.
const maxPooledBuffer = 1 << 20

func (r *readBuffer) release() {
	if cap(r.bytes) <= maxPooledBuffer+1 {
		readBuffers.Put(r)
	}
}

// readAll reads a body into one piece of memory, of the right size where the server
// says it. What it read it returns with an error, too. It is there until release.
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
