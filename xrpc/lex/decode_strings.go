package lex

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// String reads a string.
func (d *Decoder) String() string {
	if d.err != nil {
		return ""
	}
	return d.keep(d.text("a string"))
}

// text reads a string that the decoder does not keep.
func (d *Decoder) text(want string) []byte {
	if d.cbor {
		return d.cborText(want)
	}
	if d.peek() != '"' {
		d.unexpected(want)
		return nil
	}
	return d.stringBytes()
}

// stringBytes reads a string. If it has no escapes, the result is a part of the input.
func (d *Decoder) stringBytes() []byte {
	start := d.pos + 1
	i, ascii := scanString(d.data, start)
	if i == len(d.data) || d.data[i] != '"' {
		return d.escapedString(start)
	}
	s := d.data[start:i]
	if !ascii && !utf8.Valid(s) {
		d.fail(ErrSyntax, "string is not UTF-8")
		return nil
	}
	d.pos = i + 1
	return s
}

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// scanString finds the first byte from i on that ends or changes a string: a quote, a backslash, a
// control character, or the end of data. It looks at eight bytes at a time. ascii reports whether
// all bytes before it are ASCII.
func scanString(data []byte, i int) (end int, ascii bool) {
	var seen uint64
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^(low*'"'), w^(low*'\\')
		// The lowest marked byte is exact; marks above it may come from carries.
		stop := ((quote-low) & ^quote | (slash-low) & ^slash | (w-low*0x20) & ^w) & high
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			seen |= w & (1<<(8*n) - 1)
			return i + n, seen&high == 0
		}
		seen |= w
	}
	for ; i < len(data); i++ {
		c := data[i]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		seen |= uint64(c)
	}
	return i, seen&high == 0
}

// escapedString reads a string with escapes, or with an error.
func (d *Decoder) escapedString(start int) []byte {
	out := make([]byte, 0, 64)
	for i := start; i < len(d.data); {
		switch c := d.data[i]; {
		case c == '"':
			if !utf8.Valid(out) {
				d.fail(ErrSyntax, "string is not UTF-8")
				return nil
			}
			d.pos = i + 1
			return out
		case c < 0x20:
			d.pos = i
			d.fail(ErrSyntax, "control character in a string")
			return nil
		case c != '\\':
			out = append(out, c)
			i++
		default:
			r, n := unescape(d.data[i:])
			if n == 0 {
				d.pos = i
				d.fail(ErrSyntax, "malformed escape, or half of a surrogate pair")
				return nil
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	d.pos = len(d.data)
	d.fail(ErrSyntax, "the document ends within a string")
	return nil
}

// unescape reads one escape. n is its length, or 0 if it is malformed.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		first, ok := hex4(b[2:])
		switch {
		case !ok, 0xDC00 <= first && first <= 0xDFFF:
			return 0, 0
		case first < 0xD800 || first > 0xDFFF:
			return first, 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0, 0
		}
		second, ok := hex4(b[8:])
		if !ok || second < 0xDC00 || second > 0xDFFF {
			return 0, 0
		}
		return (first-0xD800)<<10 | (second - 0xDC00) + 0x10000, 12
	}
	return 0, 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
