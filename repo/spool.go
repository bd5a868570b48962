package repo

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// chunkSize is how much memory a spool allocates at a time.
const chunkSize = 64 << 10

// A spool keeps what is written to it: in memory up to a limit, and above that completely in a
// temporary file.
type spool struct {
	limit  int64  // for bytes in memory
	dir    string // folder of the file; "" is the system's default
	size   int64
	chunks [][]byte // all but the last are full
	file   *os.File
	w      *bufio.Writer // writes to the file
	name   string        // name of the file while it must still be removed
}

// Write implements io.Writer. Errors are those of the file.
func (s *spool) Write(p []byte) (int, error) {
	n := len(p)
	if s.file == nil && s.size+int64(n) > s.limit {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	s.size += int64(n)
	if s.file != nil {
		return s.w.Write(p)
	}
	for len(p) > 0 {
		last := len(s.chunks) - 1
		if last < 0 || len(s.chunks[last]) == chunkSize {
			s.chunks = append(s.chunks, make([]byte, 0, chunkSize))
			last++
		}
		room := min(chunkSize-len(s.chunks[last]), len(p))
		s.chunks[last] = append(s.chunks[last], p[:room]...)
		p = p[room:]
	}
	return n, nil
}

// spill moves everything into a file.
func (s *spool) spill() error {
	file, err := os.CreateTemp(s.dir, "atproto-repo-*")
	if err != nil {
		return err
	}
	s.file, s.w, s.name = file, bufio.NewWriterSize(file, chunkSize), file.Name()
	// A file without a name disappears when the process ends in any way. Not all systems support
	// that.
	if os.Remove(s.name) == nil {
		s.name = ""
	}
	for _, chunk := range s.chunks {
		if _, err := s.w.Write(chunk); err != nil {
			return err
		}
	}
	s.chunks = nil
	return nil
}

// finish makes the written data readable.
func (s *spool) finish() error {
	if s.file == nil {
		return nil
	}
	defer func() { s.w = nil }()
	return s.w.Flush()
}

// ReadAt implements io.ReaderAt. It works after finish.
func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, offset)
	}
	n := 0
	for n < len(p) {
		i := int((offset + int64(n)) / chunkSize)
		if i >= len(s.chunks) {
			return n, io.EOF
		}
		from := int((offset + int64(n)) % chunkSize)
		if from >= len(s.chunks[i]) {
			return n, io.EOF
		}
		n += copy(p[n:], s.chunks[i][from:])
	}
	return n, nil
}

// Close removes the file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	return err
}
