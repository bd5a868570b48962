package xrpc

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
)

// FileBody is the body of a file's bytes, which can be sent again. The file is looked at now, for its
// size and its type, and opened anew by every attempt; nothing is left to close. A file that has another
// size by then fails the request before it is sent.
//
// The type is what the first bytes say (https://mimesniff.spec.whatwg.org) and, where they say
// no more than that these are bytes or text, what the file's name says. ReaderAtBody and OpenerBody take any
// other.
//
// The bytes are sent as they are: pictures with their metadata (EXIF), such as the place where they were taken.
// Servers do not remove it, so that programs should.
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
			return nil, fmt.Errorf("the file %s has %d bytes now, and had %d: make the body anew", path, now, size)
		}
		return file, nil
	}
	return OpenerBody(open, size, typeOf(path, start)), nil
}

// sniffed is how many bytes tell a type: http.DetectContentType looks at no more.
const sniffed = 512

// openFile opens a regular file.
func openFile(path string) (file *os.File, size int64, err error) {
	// A pipe would block in Open: look first. What is opened is looked at again.
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

// typeOf tells the type of a file.
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
