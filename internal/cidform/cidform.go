// Package cidform checks the form of CIDs of version 1: as bytes, and as base32, the text form of
// the data model. See https://atproto.com/specs/data-model#link-and-cid-formats and
// https://github.com/multiformats/cid.
package cidform

import (
	"encoding/base32"
	"encoding/binary"
)

// MaxSize is the maximum size of a CID in bytes. CIDs of the protocol have 36.
const MaxSize = 100

const (
	version1     = 1
	hashSHA256   = 0x12
	digestSHA256 = 32
)

// Check says what is wrong with the bytes of a CID; "" means nothing.
func Check(b []byte) (wrong string) {
	if len(b) < 4 || len(b) > MaxSize || b[0] != version1 {
		return "is not a CID of version 1"
	}
	rest := b[1:]
	var numbers [3]uint64 // codec, hash, size of the digest
	for i := range numbers {
		n, size := binary.Uvarint(rest)
		// A last byte of zero adds nothing: the same number has a shorter form.
		if size <= 0 || size > 1 && rest[size-1] == 0 {
			return "is a CID with a malformed number"
		}
		numbers[i], rest = n, rest[size:]
	}
	switch hash, digest := numbers[1], numbers[2]; {
	case digest != uint64(len(rest)):
		return "is a CID with a digest of another length than it says"
	case hash == hashSHA256 && digest != digestSHA256:
		return "is a CID with a digest of another length than SHA-256 has"
	}
	return ""
}

// Append appends the bytes of a base32 CID. If the text is not in its only valid form, wrong says
// why.
func Append[S ~string](dst []byte, text S) (b []byte, wrong string) {
	if text == "" {
		return dst, "is empty"
	}
	if text[0] != 'b' || len(text) > 1+encoding.EncodedLen(MaxSize) {
		return dst, "is not a CID in base32"
	}
	start := len(dst)
	rest := text[1:]
	// Eight characters are five bytes.
	for ; len(rest) >= 8; rest = rest[8:] {
		a, b, c, d := values[rest[0]], values[rest[1]], values[rest[2]], values[rest[3]]
		e, f, g, h := values[rest[4]], values[rest[5]], values[rest[6]], values[rest[7]]
		if (a|b|c|d|e|f|g|h)&none != 0 {
			return dst[:start], "is not a CID in base32"
		}
		dst = append(dst, a<<3|b>>2, b<<6|c<<1|d>>4, d<<4|e>>1, e<<7|f<<2|g>>3, g<<5|h)
	}
	var bits, pending uint
	for i := range len(rest) {
		v := values[rest[i]]
		if v == none {
			return dst[:start], "is not a CID in base32"
		}
		bits = bits<<5 | uint(v)
		if pending += 5; pending >= 8 {
			pending -= 8
			dst = append(dst, byte(bits>>pending))
			bits &= 1<<pending - 1
		}
	}
	// 5 bits or more would be a character that adds no byte.
	if bits != 0 || pending >= 5 {
		return dst[:start], "is a CID in base32 with bits behind its end"
	}
	return dst, Check(dst[start:])
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// none is the value of characters that base32 does not have. The others have values of five bits.
const none = 0x80

// values are the values of all characters.
var values = func() (values [256]byte) {
	for i := range values {
		values[i] = none
	}
	for i := range len(alphabet) {
		values[alphabet[i]] = byte(i)
	}
	return values
}()

// AppendText appends the base32 text of the bytes of a CID.
func AppendText(dst, b []byte) []byte {
	return encoding.AppendEncode(append(dst, 'b'), b)
}
