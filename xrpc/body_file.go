package xrpc

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
)

// FileBody is a body with the bytes of a file. It can be sent again. FileBody reads the file's size
// and type now, and every attempt opens the file again; there is nothing to close. If the file has
// another size by then, the request fails before it is sent.
//
// The content type comes from the first bytes (https://mimesniff.spec.whatwg.org). If these say
// only that the content is bytes or text, it comes from the file's name. For any other type, use
// ReaderAtBody or OpenerBody.
//
// The bytes are sent unchanged. An image keeps its metadata (EXIF), such as the place where it was
// taken. Servers do not remove it, so programs should.
func FileBody(path string) (*Body, error) {
	file, size, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("xrpc: FileBody: %w", err)
	}
	defer file.Close()
	start, err := io.ReadAll(io.LimitReader(file, sniffed))
	if err != nil {
		return nil, fmt.Errorf("xrpc: FileBody: %w", err)
	}
	open := func() (io.ReadCloser, error) {
		file, now, err := openFile(path)
		if err != nil {
			return nil, err
		}
		if now != size {
			file.Close()
			return nil, fmt.Errorf("the file %s has %d bytes now, but had %d: make a new body", path, now, size)
		}
		return file, nil
	}
	return OpenerBody(open, size, typeOf(path, start)), nil
}

// sniffed is how many bytes http.DetectContentType looks at.
const sniffed = 512

// openFile opens a regular file.
func openFile(path string) (file *os.File, size int64, err error) {
	// Open would block on a pipe, so this looks first. The opened file is checked again.
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		if file, err = os.Open(path); err == nil {
			info, err = file.Stat()
		}
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file: read it yourself and use StreamBody", path)
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// typeOf returns the content type of a file.
func typeOf(path string, start []byte) string {
	sniffed := http.DetectContentType(start)
	switch mediaType(sniffed) {
	case octetStream, "text/plain", "text/xml":
		if named := mime.TypeByExtension(filepath.Ext(path)); mediaType(named) != "" {
			return named
		}
	}
	return sniffed
}
