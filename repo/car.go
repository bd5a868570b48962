package repo

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// maxHeader is the maximum length of a CAR's header; it has one root.
const maxHeader = 64 << 10

// A carReader reads a CAR of version 1 block by block (https://ipld.io/specs/transport/car/carv1/).
type carReader struct {
	r      *bufio.Reader
	limits limits
	offset int64 // of the next section
	blocks int
	buf    []byte
}

func newCARReader(r io.Reader, l limits, buffer int64) *carReader {
	return &carReader{r: bufio.NewReaderSize(r, int(min(buffer, 64<<10))), limits: l}
}

// carHeader is the first section of a CAR.
type carHeader struct {
	roots   []lex.CIDLink
	version int64
}

// DecodeLex implements lex.Decodable.
func (h *carHeader) DecodeLex(d *lex.Decoder) error {
	var seen uint64
	var extra lex.Extra
	for key := range d.Object {
		switch string(key) {
		case "roots":
			d.Once(&seen, 1<<0)
			h.roots = lex.DecodeArray(d, (*lex.Decoder).CIDLink)
		case "version":
			d.Once(&seen, 1<<1)
			h.version = d.Int()
		default:
			d.Extra(&extra, key)
		}
	}
	if d.Err() == nil && seen != 0b11 {
		d.Missing(seen, "roots", "version")
	}
	return d.Err()
}

// root reads the header and returns the first root, which is the commit.
func (c *carReader) root() (cid, error) {
	size, err := c.length()
	if err == io.EOF {
		return cid{}, failure(ErrTruncated, "it is empty").at(0)
	}
	if err != nil {
		return cid{}, err
	}
	if size == 0 || size > maxHeader {
		return cid{}, failure(ErrCAR, "its header would have %d bytes: this is not a CAR", size).at(0)
	}
	at := c.offset
	b, err := c.bytes(int(size))
	if err != nil {
		return cid{}, err
	}
	var h carHeader
	if err := lex.UnmarshalCBOR(b, &h); err != nil {
		return cid{}, failure(ErrCAR, "its header cannot be read").at(at).because(err)
	}
	if h.version != 1 {
		return cid{}, failure(ErrCAR, "it is of version %d; repositories come in version 1", h.version).at(at)
	}
	if len(h.roots) == 0 {
		return cid{}, failure(ErrCAR, "it has no root; the root must be the commit").at(at)
	}
	root, err := parseText(h.roots[0])
	if err != nil {
		return cid{}, failure(ErrCAR, "its root %.100q is not a commit", h.roots[0]).at(at).because(err)
	}
	return root, nil
}

// next reads a block and checks it by its CID. The block is valid until the next call; at is its
// offset in the CAR. At the end of the CAR the error is io.EOF.
func (c *carReader) next() (id cid, block []byte, at int64, err error) {
	start := c.offset
	size, err := c.length()
	if err != nil {
		return cid{}, nil, 0, err
	}
	if c.blocks++; int64(c.blocks) > c.limits.blocks {
		return cid{}, nil, 0, failure(ErrLimit, "more than %d blocks; WithMaxBlocks allows more", c.limits.blocks).at(start)
	}
	switch {
	case size < binarySize:
		return cid{}, nil, 0, failure(ErrCAR, "a section of %d bytes is too short for a CID", size).at(start)
	case size-binarySize > uint64(c.limits.block):
		return cid{}, nil, 0, failure(ErrLimit, "a block of %d bytes, but at most %d are allowed; WithMaxBlockSize allows more", size-binarySize, c.limits.block).at(start)
	}
	b, err := c.bytes(int(size))
	if err != nil {
		return cid{}, nil, 0, err
	}
	id, err = parseBinary(b)
	if err != nil {
		return cid{}, nil, 0, failure(ErrCAR, "the CID at the beginning of the block").at(start).because(err)
	}
	block = b[binarySize:]
	if cidOf(id.codec, block) != id {
		return cid{}, nil, 0, failure(ErrHash, "its %d bytes have another SHA-256 digest", len(block)).of(id).at(start)
	}
	return id, block, c.offset - int64(len(block)), nil
}

// length reads the length of a section: an unsigned LEB128 number in its shortest form. At the end
// of the CAR the error is io.EOF.
func (c *carReader) length() (uint64, error) {
	start := c.offset
	var n uint64
	for shift := 0; ; shift += 7 {
		b, err := c.r.ReadByte()
		if err == io.EOF && shift == 0 {
			return 0, io.EOF
		}
		if err != nil {
			return 0, c.failed(err, "a length")
		}
		c.offset++
		if c.offset > c.limits.total {
			return 0, c.tooLong()
		}
		// Nine bytes have 63 bits, more than any length needs.
		if shift == 9*7 || b == 0 && shift > 0 {
			return 0, failure(ErrCAR, "a length that is not in its shortest form, or too large").at(start)
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
}

// bytes reads n bytes, which are valid until the next call. n has been checked against a limit.
func (c *carReader) bytes(n int) ([]byte, error) {
	if c.offset+int64(n) > c.limits.total {
		return nil, c.tooLong()
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, n, max(n, 4<<10))
	}
	b := c.buf[:n]
	read, err := io.ReadFull(c.r, b)
	c.offset += int64(read)
	if err != nil {
		return nil, c.failed(err, "a section")
	}
	return b, nil
}

func (c *carReader) tooLong() error {
	return failure(ErrLimit, "the CAR has more than %d bytes; WithMaxSize allows more", c.limits.total).at(c.offset)
}

// failed returns the error of a reader.
func (c *carReader) failed(err error, within string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return failure(ErrTruncated, "it ends within %s", within).at(c.offset).because(io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("repo: read the CAR at byte %d: %w", c.offset, err)
}
